// A file without a name, in memory: what goes to and from another program, or a library that opens paths, needs no place on disk.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <string_view>

namespace kerf::bpf {

class AnonymousFile {
 public:
  explicit AnonymousFile(const char* name) : fd_(memfd_create(name, MFD_CLOEXEC)) {}
  ~AnonymousFile() { close(fd_); }
  AnonymousFile(const AnonymousFile&) = delete;
  AnonymousFile& operator=(const AnonymousFile&) = delete;
  int fd() const { return fd_; }
  // By which this process can open it.
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

  // At its beginning it is then read. A signal that does not end the process does not cut reading and writing of memory short.
  bool write(std::string_view bytes) {
    return ::write(fd_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) && lseek(fd_, 0, SEEK_SET) == 0;
  }
  std::string read() const {
    std::string bytes;
    char buffer[1 << 16];
    for (off_t at = 0;; at = static_cast<off_t>(bytes.size())) {
      ssize_t n = pread(fd_, buffer, sizeof buffer, at);
      if (n <= 0) return bytes;
      bytes.append(buffer, static_cast<std::size_t>(n));
    }
  }

 private:
  int fd_;
};

}  // namespace kerf::bpf
