// Steps that come to a descriptor by other ways than open: handles, openat2, sockets; and one that races with a rename.
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string_view>

#include "steps.h"

namespace kerf::test {
namespace {

constexpr int kReached = EBADE;   // what `race` answers; no file system gives it

int keep(Task& task, long fd) {
  if (fd < 0) return errno;
  if (task.fd >= 0) ::close(task.fd);
  task.fd = static_cast<int>(fd);
  return 0;
}

std::uint64_t resolve_flags(const std::string& text) {
  if (text == "no-symlinks") return RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  if (text == "no-xdev") return RESOLVE_NO_XDEV;
  if (text == "beneath") return RESOLVE_BENEATH;
  if (text == "in-root") return RESOLVE_IN_ROOT;
  unknown_word(text);
}

// Below the remembered directory if there is one.
int open_with(Task& task, const std::string& path, const std::string& how, const std::string& resolve) {
  open_how wanted{};
  wanted.flags = static_cast<std::uint64_t>(open_flags(how)) | O_CLOEXEC;
  wanted.resolve = resolve_flags(resolve);
  return keep(task, ::syscall(SYS_openat2, task.fd >= 0 ? task.fd : AT_FDCWD, path.c_str(), &wanted, sizeof wanted));
}

// FILE holds a handle, as tests/kernel/files/way_cases.cpp writes it; MOUNT is a directory of its file system.
int open_handle(Task& task, const std::string& file, const std::string& mount, const std::string& how) {
  std::ifstream stream(file, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  if (bytes.size() < sizeof(file_handle)) return ENODATA;
  alignas(file_handle) char handle[256];
  std::memcpy(handle, bytes.data(), std::min(bytes.size(), sizeof handle));
  const int directory = ::open(mount.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return errno;
  const int error = keep(task, ::open_by_handle_at(directory, reinterpret_cast<file_handle*>(handle), open_flags(how) | O_CLOEXEC));
  ::close(directory);
  return error;
}

struct Message {
  msghdr header{};
  char byte = 'x';
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  Message() {
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
  }
};

int receive_from(Task& task, int socket) {
  Message message;
  if (::recvmsg(socket, &message.header, MSG_CMSG_CLOEXEC) != 1) return errno;
  const cmsghdr* first = CMSG_FIRSTHDR(&message.header);
  if (first == nullptr) return ENODATA;
  int fd;
  std::memcpy(&fd, CMSG_DATA(first), sizeof fd);
  return keep(task, fd);
}

// The remembered descriptor goes through a socket and comes back as another one.
int pass_through_socket(Task& task) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return errno;
  Message message;
  cmsghdr* first = CMSG_FIRSTHDR(&message.header);
  *first = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
  std::memcpy(CMSG_DATA(first), &task.fd, sizeof task.fd);
  int error = ::sendmsg(ends[0], &message.header, 0) == 1 ? 0 : errno;
  if (error == 0) error = receive_from(task, ends[1]);
  ::close(ends[0]);
  ::close(ends[1]);
  return error;
}

int receive(Task& task, const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::strncpy(to.sun_path, path.c_str(), sizeof to.sun_path - 1);
  const int error = fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 ? errno : receive_from(task, fd);
  ::close(fd);
  return error;
}

// Opens PATH over and over, while others move what it leads to: is WORD ever read from it?
int race(int count, const std::string& path, std::string_view word) {
  for (int i = 0; i < count; ++i) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    char text[64];
    const ssize_t n = ::read(fd, text, sizeof text);
    ::close(fd);
    if (n > 0 && std::string_view(text, static_cast<std::size_t>(n)).starts_with(word)) return kReached;
  }
  return 0;
}

}  // namespace

int way_step(Task& task, const Words& w) {
  const std::string& word = w[0];
  if (word == "openat2") return open_with(task, w.at(1), w.at(2), w.at(3));                // PATH HOW RESOLVE
  if (word == "open-handle") return open_handle(task, w.at(1), w.at(2), w.at(3));          // FILE MOUNT HOW
  if (word == "pass") return pass_through_socket(task);
  if (word == "receive") return receive(task, w.at(1));                                    // SOCKET
  if (word == "race") return race(std::stoi(w.at(1)), w.at(2), w.at(3));                   // COUNT PATH WORD
  return -1;
}

}  // namespace kerf::test
