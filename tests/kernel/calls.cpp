// Text -> a system call and its errno. The one decision: a call counts as good only when the listener answered, so
// that "allowed" and "silently dropped" differ.
#include "calls.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace kerf::test {
namespace {

constexpr int kAnswerMs = 2000;

struct Target {
  sockaddr_storage storage{};
  socklen_t size = 0;
  int family = AF_INET;
  const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Target target(const std::string& address, int port) {
  Target t;
  if (address.find(':') != std::string::npos) {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(static_cast<std::uint16_t>(port));
    ::inet_pton(AF_INET6, address.c_str(), &in.sin6_addr);
    std::memcpy(&t.storage, &in, sizeof in);
    t.size = sizeof in;
    t.family = AF_INET6;
    return t;
  }
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(static_cast<std::uint16_t>(port));
  ::inet_pton(AF_INET, address.c_str(), &in.sin_addr);
  std::memcpy(&t.storage, &in, sizeof in);
  t.size = sizeof in;
  return t;
}

class Socket {
 public:
  Socket(int family, int type, int protocol = 0) : fd(::socket(family, type | SOCK_CLOEXEC, protocol)), error(fd < 0 ? errno : 0) {}
  ~Socket() {
    if (fd >= 0) ::close(fd);
  }
  const int fd;
  const int error;
};

int answer(int fd) {
  pollfd ready{fd, POLLIN, 0};
  if (::poll(&ready, 1, kAnswerMs) != 1) return ETIMEDOUT;
  char byte;
  ssize_t n = ::recv(fd, &byte, 1, 0);
  return n > 0 ? 0 : n == 0 ? EPIPE : errno;
}

int tcp(const Target& to, bool fast_open) {
  Socket s(to.family, SOCK_STREAM);
  if (s.error) return s.error;
  if (fast_open) return ::sendto(s.fd, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, to.raw(), to.size) < 0 ? errno : answer(s.fd);
  if (::connect(s.fd, to.raw(), to.size) != 0) return errno;
  if (::send(s.fd, "x", 1, MSG_NOSIGNAL) != 1) return errno;
  return answer(s.fd);
}

enum class Send { to, message, connected };

int udp(const Target& to, Send how) {
  Socket s(to.family, SOCK_DGRAM);
  if (s.error) return s.error;
  char byte = 'x';
  iovec part{&byte, 1};
  msghdr message{};
  message.msg_name = const_cast<sockaddr*>(to.raw());
  message.msg_namelen = to.size;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  ssize_t sent = 1;
  switch (how) {
    case Send::to: sent = ::sendto(s.fd, &byte, 1, 0, to.raw(), to.size); break;
    case Send::message: sent = ::sendmsg(s.fd, &message, 0); break;
    case Send::connected:
      if (::connect(s.fd, to.raw(), to.size) != 0) return errno;
      sent = ::send(s.fd, &byte, 1, 0);
      break;
  }
  return sent != 1 ? errno : answer(s.fd);
}

int bind_to(int type, const Target& to) {
  Socket s(to.family, type);
  if (s.error) return s.error;
  return ::bind(s.fd, to.raw(), to.size) == 0 ? 0 : errno;
}

// Somebody at `from` connects to a listener of ours at `port`: 0 if accept(2) has the connection.
int accept_from(const Target& from, const Target& to, const Target& own) {
  Socket listener(own.family, SOCK_STREAM), client(from.family, SOCK_STREAM | SOCK_NONBLOCK);
  if (listener.error || client.error) return listener.error ? listener.error : client.error;
  int on = 1, off = 0;
  ::setsockopt(listener.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (own.family == AF_INET6) ::setsockopt(listener.fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (::bind(listener.fd, own.raw(), own.size) != 0 || ::listen(listener.fd, 8) != 0) return errno;
  if (::bind(client.fd, from.raw(), from.size) != 0) return errno;
  if (::connect(client.fd, to.raw(), to.size) != 0 && errno != EINPROGRESS) return errno;
  pollfd ready{listener.fd, POLLIN, 0};
  if (::poll(&ready, 1, kAnswerMs / 4) != 1) return ETIMEDOUT;
  int connection = ::accept4(listener.fd, nullptr, nullptr, SOCK_CLOEXEC);
  if (connection < 0) return errno;
  ::close(connection);
  return 0;
}

// One operation by io_uring, without its library: its result, as of a system call that tells -errno.
int by_ring(const io_uring_sqe& wanted) {
  io_uring_params params{};
  const int ring = static_cast<int>(::syscall(SYS_io_uring_setup, 4, &params));
  if (ring < 0) return -errno;
  const std::size_t size = std::max<std::size_t>(params.sq_off.array + params.sq_entries * sizeof(unsigned), params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe));
  const std::size_t entries = params.sq_entries * sizeof(io_uring_sqe);
  void* queues = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
  void* sent = ::mmap(nullptr, entries, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
  int result = -ENOMEM;
  if (queues != MAP_FAILED && sent != MAP_FAILED) {
    char* at = static_cast<char*>(queues);
    *static_cast<io_uring_sqe*>(sent) = wanted;
    *reinterpret_cast<unsigned*>(at + params.sq_off.array) = 0;
    __atomic_store_n(reinterpret_cast<unsigned*>(at + params.sq_off.tail), 1, __ATOMIC_RELEASE);
    const long entered = ::syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, nullptr, 0);
    result = entered == 1 ? reinterpret_cast<io_uring_cqe*>(at + params.cq_off.cqes)->res : -errno;
  }
  if (queues != MAP_FAILED) ::munmap(queues, size);
  if (sent != MAP_FAILED) ::munmap(sent, entries);
  ::close(ring);
  return result;
}

int uring_connect(const Target& to, unsigned char flags) {
  Socket s(to.family, SOCK_STREAM);
  if (s.error) return s.error;
  io_uring_sqe entry{};
  entry.opcode = IORING_OP_CONNECT;
  entry.flags = flags;
  entry.fd = s.fd;
  entry.addr = reinterpret_cast<std::uint64_t>(to.raw());
  entry.off = to.size;
  if (int result = by_ring(entry); result < 0) return -result;
  return ::send(s.fd, "x", 1, MSG_NOSIGNAL) != 1 ? errno : answer(s.fd);
}

int uring_send(const Target& to) {
  Socket s(to.family, SOCK_DGRAM);
  if (s.error) return s.error;
  char byte = 'x';
  iovec part{&byte, 1};
  msghdr message{};
  message.msg_name = const_cast<sockaddr*>(to.raw());
  message.msg_namelen = to.size;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  io_uring_sqe entry{};
  entry.opcode = IORING_OP_SENDMSG;
  entry.fd = s.fd;
  entry.addr = reinterpret_cast<std::uint64_t>(&message);
  entry.len = 1;
  const int result = by_ring(entry);
  return result != 1 ? -result : answer(s.fd);
}

// A datagram socket that stays connected from one call to the next.
int kept = -1;

int keep(const Target& to) {
  kept = ::socket(to.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  return kept < 0 || ::connect(kept, to.raw(), to.size) != 0 ? errno : 0;
}

int send_kept() { return ::send(kept, "x", 1, 0) != 1 ? errno : answer(kept); }

// In a process and a network of its own, so that nothing stays.
int set_variable(const std::string& name, const std::string& value) {
  pid_t child = ::fork();
  if (child == 0) {
    if (::unshare(CLONE_NEWNET) != 0) ::_exit(errno);
    int fd = ::open(("/proc/sys/" + name).c_str(), O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && ::write(fd, value.data(), value.size()) == static_cast<ssize_t>(value.size());
    ::_exit(good ? 0 : errno);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

int only_socket(int family, int type, int protocol) { return Socket(family, type, protocol).error; }

// Makes a cgroup below our own and goes there.
int nest(const std::string& mount) {
  std::ifstream self("/proc/self/cgroup");
  std::string line, own;
  while (std::getline(self, line)) {
    if (line.starts_with("0::")) own = line.substr(3);
  }
  std::string path = mount + own + "/nested";
  if (::mkdir(path.c_str(), 0755) != 0) return errno;
  std::ofstream procs(path + "/cgroup.procs");
  procs << "0" << std::flush;
  return procs.good() ? 0 : EIO;
}

// Connects as fast as it can, for 20 seconds.
int flood(const Target& to) {
  time_t until = ::time(nullptr) + 20;
  while (::time(nullptr) < until) {
    Socket s(to.family, SOCK_STREAM);
    for (int i = 0; i < 1000; ++i) ::connect(s.fd, to.raw(), to.size);
  }
  return 0;
}

int wait_for(const std::string& path) {
  for (int waited = 0; waited < 20000; waited += 10) {
    if (::access(path.c_str(), F_OK) == 0) return 0;
    ::usleep(10000);
  }
  return ETIMEDOUT;
}

}  // namespace

int perform(const std::string& call) {
  std::istringstream words(call);
  std::string kind, where;
  int port = 0;
  words >> kind >> where >> port;
  if (kind == "tcp") return tcp(target(where, port), false);
  if (kind == "tfo") return tcp(target(where, port), true);
  if (kind == "udp") return udp(target(where, port), Send::to);
  if (kind == "udp-msg") return udp(target(where, port), Send::message);
  if (kind == "udp-connect") return udp(target(where, port), Send::connected);
  if (kind == "bind") return bind_to(SOCK_STREAM, target(where, port));
  if (kind == "bind-udp") return bind_to(SOCK_DGRAM, target(where, port));
  if (kind == "accept") {
    const bool v6 = where.find(':') != std::string::npos;
    return accept_from(target(where, 0), target(v6 ? "::1" : "127.0.0.1", port), target(v6 ? "::" : "0.0.0.0", port));
  }
  if (kind == "accept-mapped") return accept_from(target(where, 0), target("127.0.0.1", port), target("::", port));   // on a socket of IPv6
  if (kind == "variable") {
    std::string value;
    std::istringstream again(call);
    again >> kind >> where >> value;
    return set_variable(where, value);
  }
  if (kind == "socket") {   // FAMILY TYPE PROTOCOL
    int protocol = 0;
    words >> protocol;
    return only_socket(std::stoi(where), port, protocol);
  }
  if (kind == "name") return ::prctl(PR_SET_NAME, where.c_str()) == 0 ? 0 : errno;
  if (kind == "ring") return -std::min(0, by_ring({}));   // IORING_OP_NOP
  if (kind == "uring-tcp") return uring_connect(target(where, port), 0);
  if (kind == "uring-tcp-async") return uring_connect(target(where, port), IOSQE_ASYNC);
  if (kind == "uring-udp") return uring_send(target(where, port));
  if (kind == "keep") return keep(target(where, port));
  if (kind == "send-kept") return send_kept();
  if (kind == "raw") return only_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
  if (kind == "raw6") return only_socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
  if (kind == "udp-raw") return only_socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
  if (kind == "unix") return only_socket(AF_UNIX, SOCK_STREAM, 0);
  if (kind == "flood") return flood(target(where, port));
  if (kind == "nest") return nest(where);
  if (kind == "touch") return std::ofstream(where).good() ? 0 : EIO;
  if (kind == "wait") return wait_for(where);
  return ENOSYS;
}

int perform_all(const std::string& out, const std::vector<std::string>& calls) {
  std::ofstream file(out);
  for (const std::string& call : calls) file << perform(call) << "\n" << std::flush;
  return file.good() ? 0 : 99;
}

}  // namespace kerf::test
