// Steps that guards refuse, whatever the policies say, beside those of world_steps.cpp.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "steps.h"

namespace kerf::test {
namespace {

int make_socket(int family, int type, int protocol) {
  int fd = ::socket(family, type | SOCK_CLOEXEC, protocol);
  if (fd < 0) return errno;
  ::close(fd);
  return 0;
}

sockaddr_in6 loopback6(int port) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(static_cast<std::uint16_t>(port));
  address.sin6_addr = IN6ADDR_LOOPBACK_INIT;
  return address;
}

// Nobody listens: what counts is whether the kernel was asked. ECONNREFUSED is then what the other side says.
int connect_to(int port) {
  int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int error = fd < 0 ? errno : result_of(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address));
  ::close(fd);
  return error;
}

// A datagram by a way of its own: one way point, the loopback address itself. `before`: with options in front of it.
int send_routed(int port, bool before) {
  struct {
    unsigned char next = 0, length = 2, type = 4, left = 0, last = 0, flags = 0, tag[2] = {};
    in6_addr way = IN6ADDR_LOOPBACK_INIT;
  } routing;
  unsigned char padding[8] = {0, 0, 1, 4, 0, 0, 0, 0};
  int fd = ::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  if (before && ::setsockopt(fd, IPPROTO_IPV6, IPV6_HOPOPTS, padding, sizeof padding) != 0) return errno;
  if (before && ::setsockopt(fd, IPPROTO_IPV6, IPV6_RTHDRDSTOPTS, padding, sizeof padding) != 0) return errno;
  if (::setsockopt(fd, IPPROTO_IPV6, IPV6_RTHDR, &routing, sizeof routing) != 0) return errno;
  sockaddr_in6 address = loopback6(port);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return errno;
  int error = result_of(::send(fd, "x", 1, 0));
  ::close(fd);
  return error;
}

// The byte of ours at this address, of the other process.
int read_memory(pid_t pid) {
  static char byte;
  char copy;
  iovec here{&copy, 1}, there{&byte, 1};
  return result_of(::process_vm_readv(pid, &here, 1, &there, 1, 0));
}

int signal_by_descriptor(pid_t pid, int number) {
  int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0) return errno;
  int error = result_of(::syscall(SYS_pidfd_send_signal, fd, number, nullptr, 0));
  ::close(fd);
  return error;
}

}  // namespace

int guard_step(Task&, const Words& w) {
  const std::string& word = w[0];
  auto number = [&](std::size_t i) { return std::stoi(w.at(i)); };
  if (word == "socket") return make_socket(number(1), number(2), number(3));   // FAMILY TYPE PROTOCOL
  if (word == "connect") return connect_to(number(1));
  if (word == "send-routed") return send_routed(number(1), false);
  if (word == "send-routed-late") return send_routed(number(1), true);
  if (word == "new-mounts") return result_of(::unshare(CLONE_NEWNS));
  if (word == "read-memory") return read_memory(number(1));
  if (word == "kill-thread") return result_of(::syscall(SYS_tgkill, number(1), number(1), number(2)));
  if (word == "kill-descriptor") return signal_by_descriptor(number(1), number(2));
  if (word == "queue") return result_of(::sigqueue(number(1), number(2), sigval{}));
  return -1;
}

}  // namespace kerf::test
