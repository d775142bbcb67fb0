// Steps of sockets: names of unix sockets are paths, or `@NAME` for abstract ones.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "steps.h"

namespace kerf::test {
namespace {

constexpr int kArrivalMs = 1500;

sockaddr_in internet(const std::string& ip, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  ::inet_pton(AF_INET, ip.c_str(), &address.sin_addr);
  return address;
}

struct UnixName {
  sockaddr_un address{};
  socklen_t size = 0;
  explicit UnixName(const std::string& name) {
    address.sun_family = AF_UNIX;
    const bool abstract = name.starts_with('@');
    std::memcpy(address.sun_path + abstract, name.data() + abstract, name.size() - abstract);
    size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + !abstract);
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
};

int type_of(const Words& w, std::size_t at) { return w.size() > at && w[at] == "dgram" ? SOCK_DGRAM : SOCK_STREAM; }

// Leaves the socket for the next step.
int bind_internet(Task& task, const std::string& ip, int port) {
  task.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (task.fd < 0) return errno;
  int on = 1;
  ::setsockopt(task.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address = internet(ip, port);
  return result_of(::bind(task.fd, reinterpret_cast<sockaddr*>(&address), sizeof address));
}

// Somebody at `ip` connects to the listener that an earlier step left: does accept(2) have the connection in time?
int accept_from(const Task& task, const std::string& ip) {
  sockaddr_in own{}, from = internet(ip, 0);
  socklen_t size = sizeof own;
  if (::getsockname(task.fd, reinterpret_cast<sockaddr*>(&own), &size) != 0) return errno;
  int client = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (client < 0 || ::bind(client, reinterpret_cast<sockaddr*>(&from), sizeof from) != 0) return errno;
  if (::connect(client, reinterpret_cast<sockaddr*>(&own), sizeof own) != 0 && errno != EINPROGRESS) return errno;
  pollfd ready{task.fd, POLLIN, 0};
  int error = ::poll(&ready, 1, kArrivalMs) == 1 ? 0 : ETIMEDOUT;
  if (error == 0) error = result_of(::accept4(task.fd, nullptr, nullptr, SOCK_CLOEXEC));
  ::close(client);
  return error;
}

int bind_unix(Task& task, const std::string& name, int type) {
  task.fd = ::socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  UnixName to(name);
  return task.fd < 0 ? errno : result_of(::bind(task.fd, to.get(), to.size));
}

int connect_unix(const std::string& name, int type) {
  int fd = ::socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  UnixName to(name);
  int error = result_of(::connect(fd, to.get(), to.size));
  ::close(fd);
  return error;
}

int send_unix(const std::string& name) {
  int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  UnixName to(name);
  int error = result_of(::sendto(fd, "x", 1, MSG_DONTWAIT, to.get(), to.size));
  ::close(fd);
  return error;
}

int talk_in_pair(int type) {
  int fds[2];
  char byte = 'x';
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) != 0) return errno;
  if (::send(fds[0], &byte, 1, 0) != 1) return errno;
  return ::recv(fds[1], &byte, 1, 0) == 1 ? 0 : errno;
}

}  // namespace

int socket_step(Task& task, const Words& w) {
  const std::string& word = w[0];
  if (word == "bind-internet") return bind_internet(task, w.at(1), std::stoi(w.at(2)));
  if (word == "listen") return result_of(::listen(task.fd, 8));
  if (word == "accept-from") return accept_from(task, w.at(1));
  if (word == "bind-unix") return bind_unix(task, w.at(1), type_of(w, 2));
  if (word == "connect-unix") return connect_unix(w.at(1), type_of(w, 2));
  if (word == "send-unix") return send_unix(w.at(1));
  if (word == "pair") return talk_in_pair(type_of(w, 1));
  return -1;
}

}  // namespace kerf::test
