// An attached cgroup without a record -> proof that each hook runs and refuses, or a failure. The one decision: two
// witnesses for each hook, the caller's errno and the event in the ring, and listeners that would have answered.
#include "runtime/loader/probe.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "runtime/loader/events.h"
#include "runtime/loader/failure.h"
#include "runtime/loader/process.h"

namespace kerf::loader {
namespace {

constexpr int kTimeoutMs = 5000;

enum Step { kConnect4, kConnect6, kSendmsg4, kSendmsg6, kSockCreate, kSteps };
constexpr const char* kStepHooks[kSteps] = {"kerf_connect4", "kerf_connect6", "kerf_sendmsg4", "kerf_sendmsg6", "kerf_sock_create"};

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

Address loopback4(std::uint16_t port) {
  Address address;
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(port);
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::memcpy(&address.storage, &in, sizeof in);
  address.size = sizeof in;
  return address;
}

Address loopback6(std::uint16_t port, bool mapped) {
  Address address;
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port);
  ::inet_pton(AF_INET6, mapped ? "::ffff:127.0.0.1" : "::1", &in.sin6_addr);
  std::memcpy(&address.storage, &in, sizeof in);
  address.size = sizeof in;
  return address;
}

const sockaddr* raw(const Address& address) { return reinterpret_cast<const sockaddr*>(&address.storage); }

// A socket that would answer, so that a refusal is the hook's.
Fd answering_socket(int type, std::uint16_t& port) {
  Fd fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  Address address = loopback4(0);
  if (!fd.ok() || ::bind(fd.get(), raw(address), address.size) != 0) return Fd();
  if (type == SOCK_STREAM && ::listen(fd.get(), 8) != 0) return Fd();
  sockaddr_in bound{};
  socklen_t size = sizeof bound;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0) return Fd();
  port = ntohs(bound.sin_port);
  return fd;
}

struct Targets {
  Address tcp4, tcp6, udp4, udp6;
};

// errno of each step; 0: it went through; -1: this machine has no such sockets. Async-signal-safe.
using Results = std::array<int, kSteps>;

int try_connect(int family, const Address& to) {
  int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno == EAFNOSUPPORT ? -1 : errno;
  int error = ::connect(fd, raw(to), to.size) == 0 ? 0 : errno;
  ::close(fd);
  return error == EINPROGRESS ? 0 : error;
}

int try_send(int family, const Address& to) {
  int fd = ::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno == EAFNOSUPPORT ? -1 : errno;
  int error = ::sendto(fd, "kerf", 4, 0, raw(to), to.size) >= 0 ? 0 : errno;
  ::close(fd);
  return error;
}

int try_raw() {
  int fd = ::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
  if (fd < 0) return errno;
  ::close(fd);
  return 0;
}

int run_steps(const Targets& targets, int report) {
  Results results{try_connect(AF_INET, targets.tcp4), try_connect(AF_INET6, targets.tcp6), try_send(AF_INET, targets.udp4),
                  try_send(AF_INET6, targets.udp6), try_raw()};
  ssize_t n = ::write(report, results.data(), sizeof results);
  return n == sizeof results ? 0 : 1;
}

LoaderResult<Results> run_in_cgroup(int cgroup, const Targets& targets) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail(Code::K7408, "the cgroup", errno_text(errno));
  Fd read_end(ends[0]), write_end(ends[1]);
  auto child = clone_into(cgroup, [&] { return run_steps(targets, write_end.get()); });
  if (!child) return child.error();
  write_end.reset();
  pollfd ready{read_end.get(), POLLIN, 0};
  bool answered = ::poll(&ready, 1, kTimeoutMs) == 1;
  Results results{};
  answered = answered && ::read(read_end.get(), results.data(), sizeof results) == sizeof results;
  if (!answered) ::syscall(SYS_pidfd_send_signal, child->pidfd.get(), SIGKILL, nullptr, 0);
  wait_status(*child);
  if (!answered) return fail(Code::K7408, "the cgroup", "it gave no answer");
  return results;
}

// Which hook an event of the probe came from.
Step step_of(const kerf_event_record& event) {
  if (event.decision.reason == KERF_REASON_GUARD) return kSockCreate;
  bool v6 = event.seen.net.v6 != 0, tcp = event.seen.net.protocol == IPPROTO_TCP;
  return tcp ? (v6 ? kConnect6 : kConnect4) : (v6 ? kSendmsg6 : kSendmsg4);
}

LoaderResult<Unit> judge(const Results& results, const std::array<int, kSteps>& events) {
  for (int step = 0; step < kSteps; ++step) {
    int expected = step == kSockCreate ? EPERM : ECONNREFUSED;
    if (results[step] == -1) continue;
    if (results[step] == 0) return fail(Code::K7408, kStepHooks[step], "the call went through");
    if (results[step] != expected) return fail(Code::K7408, kStepHooks[step], fmt::format("the call failed with {}", errno_text(results[step])));
    if (events[step] == 0) return fail(Code::K7408, kStepHooks[step], "the hook reported nothing: another one refused");
  }
  return Unit{};
}

}  // namespace

LoaderResult<Unit> probe(int cgroup, const Maps& maps) {
  std::uint16_t tcp = 0, udp = 0;
  Fd listener = answering_socket(SOCK_STREAM, tcp), receiver = answering_socket(SOCK_DGRAM, udp);
  if (!listener.ok() || !receiver.ok()) return fail(Code::K7408, "the cgroup", "no socket could be opened on 127.0.0.1");
  std::array<int, kSteps> events{};
  auto ring = EventRing::open(maps.events.get(), [&](const kerf_event_record& event) { ++events[step_of(event)]; });
  if (!ring) return ring.error();
  auto results = run_in_cgroup(cgroup, {loopback4(tcp), loopback6(tcp, false), loopback4(udp), loopback6(udp, false)});
  if (!results) return results.error();
  ring->drain();
  if (auto done = judge(*results, events); !done) return done;
  clear_counters(maps);
  return Unit{};
}

}  // namespace kerf::loader
