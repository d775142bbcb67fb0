// What the probe tries: for each hook one operation that it must refuse.
#pragma once
#include <linux/types.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/abi/policy_abi.h"
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
  Fd unix_listener, unix_receiver, unix_client, unix_datagram;   // the same
  Address unix_stream_name, unix_datagram_name;
  Fd tcp4_inside, tcp6_inside, udp4_inside, udp6_inside;   // of the cgroup, made while nothing judges that
  Fd routed;                        // the same, with a routing header in its packets; none of these are open if this machine lacks them
  Fd executable;                    // of this process, for mappings
  Fd writable, appending;           // `file`, open for writing; and to append to it
  Fd out, in;                       // a socket and its peer
  std::string file, other, fresh, empty_directory, fresh_directory, directory;
  std::string protected_file;       // the kernel's cgroup.procs of `outside`
  pid_t parent = 0;
};
// The sockets alone.
LoaderResult<Unit> make_sockets(Targets& targets);
// Those of the cgroup, before its programs are attached.
LoaderResult<Unit> make_inside(int cgroup, Targets& targets);
// `directory`: empty; its files are made here.
LoaderResult<Targets> make_targets(const std::string& directory, const std::string& outside);
void remove_targets(const Targets& targets);

// In a child: errno; 0: it went through; kImpossible: this machine has no such thing.
inline constexpr int kImpossible = -1;

struct Attempt {
  const char* program;
  std::uint64_t events;             // tried if one of these is governed
  bool tagged;                      // judged by the task's tag, not by the cgroup's programs
  int expected;                     // errno; 0: any
  int (*run)(const Targets&);
  std::uint64_t unguarded = ~0ull;    // with its guard waived, tried only if one of these is governed
  kerf_guard guard = KERF_GUARD_RENAME;
};
const std::vector<Attempt>& attempts();

}  // namespace kerf::loader
