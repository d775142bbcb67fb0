// Steps that make, move and remove names.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "steps.h"

namespace kerf::test {
namespace {

int bind_socket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return ENAMETOOLONG;
  std::memcpy(address.sun_path, path.data(), path.size());
  int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  int error = result_of(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address));
  ::close(fd);
  return error;
}

int rename_with(const std::string& from, const std::string& to, unsigned flags) {
  return result_of(::syscall(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags));
}

}  // namespace

int name_step(Task& task, const Words& w) {
  const std::string& word = w[0];
  auto path = [&](std::size_t i) { return w.at(i).c_str(); };
  if (word == "mkdir") return result_of(::mkdir(path(1), 0755));
  if (word == "rmdir") return result_of(::rmdir(path(1)));
  if (word == "unlink") return result_of(::unlink(path(1)));
  if (word == "mkfifo") return result_of(::mknod(path(1), S_IFIFO | 0644, 0));
  if (word == "mkfile") return result_of(::mknod(path(1), S_IFREG | 0644, 0));
  if (word == "mkdevice") return result_of(::mknod(path(1), S_IFCHR | 0644, 0x103));
  if (word == "bind-socket") return bind_socket(w.at(1));
  if (word == "symlink") return result_of(::symlink(path(1), path(2)));
  if (word == "link") return result_of(::link(path(1), path(2)));
  if (word == "link-following") return result_of(::linkat(AT_FDCWD, path(1), AT_FDCWD, path(2), AT_SYMLINK_FOLLOW));
  if (word == "link-remembered") {   // also of a file without a name, from O_TMPFILE
    return result_of(::linkat(AT_FDCWD, ("/proc/self/fd/" + std::to_string(task.fd)).c_str(), AT_FDCWD, path(1), AT_SYMLINK_FOLLOW));
  }
  if (word == "link-empty") return result_of(::linkat(task.fd, "", AT_FDCWD, path(1), AT_EMPTY_PATH));
  if (word == "rename") return result_of(::rename(path(1), path(2)));
  if (word == "rename-noreplace") return rename_with(w.at(1), w.at(2), RENAME_NOREPLACE);
  if (word == "exchange") return rename_with(w.at(1), w.at(2), RENAME_EXCHANGE);
  if (word == "chdir") return result_of(::chdir(path(1)));
  return -1;
}

}  // namespace kerf::test
