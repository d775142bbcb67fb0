// What the probe tries: for each hook one operation that it must refuse.
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/loader/fd.h"
#include "runtime/loader/loader.h"

namespace kerf::loader {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// Targets that would answer, so that a refusal is the hook's.
struct Targets {
  Fd listener, receiver;
  Address tcp4, tcp6, udp4, udp6;
  Fd tcp, udp;                      // sockets made outside of the cgroup
  Fd routed;                        // see make_routed; not open: this machine has no routing headers
  Fd executable;                    // of this process, for mappings
  std::string file, other, fresh, empty_directory, fresh_directory, directory;
  std::string protected_file;       // the kernel's cgroup.procs of `outside`
  pid_t parent = 0;
};
// The sockets alone.
LoaderResult<Unit> make_sockets(Targets& targets);
// A datagram socket of the cgroup, made and connected while nothing judges it yet, whose packets have a routing header.
LoaderResult<Fd> make_routed(int cgroup, const Targets& targets);
// `directory`: empty; its files are made here.
LoaderResult<Targets> make_targets(const std::string& directory, const std::string& outside);
void remove_targets(const Targets& targets);

// In a child: errno; 0: it went through; kImpossible: this machine has no such thing.
inline constexpr int kImpossible = -1;

struct Attempt {
  const char* program;
  std::uint32_t events;             // tried if one of these is governed
  bool tagged;                      // judged by the task's tag, not by the cgroup's programs
  int expected;                     // errno; 0: any
  int (*run)(const Targets&);
  std::uint32_t unguarded = ~0u;    // with the guard on names waived, tried only if one of these is governed
};
const std::vector<Attempt>& attempts();

}  // namespace kerf::loader
