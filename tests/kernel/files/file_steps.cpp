// Steps that open files and change what is in them.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <linux/io_uring.h>

#include "steps.h"

namespace kerf::test {
namespace {

constexpr int kIdle = 1 << 30;   // no flag of the kernel's

// A descriptor alone proves nothing: what it was opened for is done once.
int use(int fd, int flags) {
  char byte = 'x';
  if (flags & (O_PATH | O_DIRECTORY | kIdle)) return 0;
  int access = flags & O_ACCMODE;
  if ((access == O_WRONLY || access == O_RDWR) && ::pwrite(fd, &byte, 1, 0) != 1) return errno;
  if ((access == O_RDONLY || access == O_RDWR) && ::pread(fd, &byte, 1, 0) < 0) return errno;
  return 0;
}

int keep(Task& task, long fd) {
  if (fd < 0) return errno;
  if (task.fd >= 0) ::close(task.fd);
  task.fd = static_cast<int>(fd);
  return 0;
}

int open_at(Task& task, int directory, const std::string& path, const std::string& how) {
  int flags = open_flags(how);
  int fd = ::openat(directory, path.c_str(), (flags & ~kIdle) | O_CLOEXEC, 0644);
  if (fd < 0) return errno;
  int error = use(fd, flags);
  keep(task, fd);
  return error;
}

int list(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno;
  char entries[4096];
  return result_of(::syscall(SYS_getdents64, fd, entries, sizeof entries));
}

// One openat through io_uring, without its library. `async`: by a worker thread of the kernel.
int uring_open(Task& task, const std::string& path, const std::string& how, bool async) {
  io_uring_params params{};
  long ring = ::syscall(SYS_io_uring_setup, 4, &params);
  if (ring < 0) return errno;
  std::size_t size = std::max<std::size_t>(params.sq_off.array + params.sq_entries * sizeof(unsigned),
                                           params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe));
  auto* rings = static_cast<char*>(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, static_cast<int>(ring), IORING_OFF_SQ_RING));
  auto* entries = static_cast<io_uring_sqe*>(::mmap(nullptr, params.sq_entries * sizeof(io_uring_sqe), PROT_READ | PROT_WRITE,
                                                    MAP_SHARED | MAP_POPULATE, static_cast<int>(ring), IORING_OFF_SQES));
  if (rings == MAP_FAILED || static_cast<void*>(entries) == MAP_FAILED) return errno;
  io_uring_sqe& entry = entries[0];
  std::memset(&entry, 0, sizeof entry);
  entry.opcode = IORING_OP_OPENAT;
  entry.fd = AT_FDCWD;
  entry.addr = reinterpret_cast<std::uint64_t>(path.c_str());
  entry.open_flags = static_cast<unsigned>(open_flags(how) | O_CLOEXEC);
  entry.len = 0644;
  if (async) entry.flags = IOSQE_ASYNC;
  *reinterpret_cast<unsigned*>(rings + params.sq_off.array) = 0;
  __atomic_store_n(reinterpret_cast<unsigned*>(rings + params.sq_off.tail), 1, __ATOMIC_RELEASE);
  if (::syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, nullptr, 0) != 1) return errno;
  int result = reinterpret_cast<io_uring_cqe*>(rings + params.cq_off.cqes)->res;
  if (result < 0) return -result;
  int error = use(result, open_flags(how));
  keep(task, result);
  return error;
}

// Down a chain of directories of which no name is long enough to be refused, by descriptors: "descend FROM NAME COUNT".
int descend(Task& task, const std::string& from, const std::string& name, int count) {
  int at = ::open(from.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  for (int i = 0; i < count && at >= 0; ++i) {
    int next = ::openat(at, name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (next < 0) return errno;
    ::close(at);
    at = next;
  }
  return keep(task, at);
}

constexpr int kGap = EBADE, kTooMuch = EBADR;   // answers of `alternate`; no file system gives them

constexpr unsigned kLongest = 3600;   // seconds; a replacement takes minutes where the emulated machine gets little time

// Opens what is permitted and what is not, over and over, until the file `stop` exists and there were as many as wanted: does
// that ever change? When there were, it leaves the processor to what it waits for, now and then.
int alternate(const std::string& permitted, const std::string& refused, const std::string& stop, long at_least) {
  ::alarm(kLongest);
  for (long made = 2;; made += 2) {
    if (made > at_least && made % 64 == 0) ::usleep(1000);
    int fd = ::open(refused.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd >= 0) return kGap;
    fd = ::open(permitted.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return kTooMuch;
    ::close(fd);
    if (made >= at_least && ::access(stop.c_str(), F_OK) == 0) return 0;
  }
}

int control(int fd, unsigned long command) {
  int answer = 0;
  return result_of(::ioctl(fd, command, &answer));
}

// As a 32-bit program calls it.
int control32(int fd, unsigned command) {
  void* low = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  if (low == MAP_FAILED) return errno;
  long result = 54;   // ioctl there
  __asm__ volatile("movq %%rbx, %%r12; movl %1, %%ebx; int $0x80; movq %%r12, %%rbx"
                   : "+a"(result) : "S"(fd), "c"(command), "d"(low) : "memory", "cc", "r8", "r9", "r10", "r11", "r12");
  const int error = static_cast<int>(result);
  return error < 0 ? -error : 0;
}

int share(int fd, int protection) { return ::mmap(nullptr, 4096, protection, MAP_SHARED, fd, 0) == MAP_FAILED ? errno : 0; }

constexpr int kAnywhere = 0x20;   // RWF_NOAPPEND, from 6.9 on

int write_anywhere(int fd) {
  char byte = 'x';
  const iovec part{&byte, 1};
  return result_of(::pwritev2(fd, &part, 1, 0, kAnywhere));
}

int map_for_exec(const std::string& path, bool later) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  void* at = ::mmap(nullptr, 4096, later ? PROT_READ : PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
  if (at == MAP_FAILED) return errno;
  return later ? result_of(::mprotect(at, 4096, PROT_READ | PROT_EXEC)) : 0;
}

}  // namespace

int open_flags(const std::string& text) {
  int flags = 0;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    std::size_t end = std::min(text.find('+', begin), text.size());
    std::string word = text.substr(begin, end - begin);
    if (word == "w") flags |= O_WRONLY;
    else if (word == "rw") flags |= O_RDWR;
    else if (word == "acc3") flags |= O_ACCMODE;
    else if (word == "creat") flags |= O_CREAT;
    else if (word == "excl") flags |= O_EXCL;
    else if (word == "trunc") flags |= O_TRUNC;
    else if (word == "append") flags |= O_APPEND;
    else if (word == "tmpfile") flags |= O_TMPFILE;
    else if (word == "path") flags |= O_PATH;
    else if (word == "dir") flags |= O_DIRECTORY;
    else if (word == "idle") flags |= kIdle;
    else if (word != "r") unknown_word(word);
    begin = end + 1;
  }
  return flags;
}

int result_of(long value) { return value < 0 ? errno : 0; }

int file_step(Task& task, const Words& w) {
  const std::string& word = w[0];
  auto remembered = [&] { return "/proc/self/fd/" + std::to_string(task.fd); };
  if (word == "open") return open_at(task, AT_FDCWD, w.at(1), w.at(2));
  if (word == "open-below") return open_at(task, task.fd, w.at(1), w.at(2));      // the remembered directory
  if (word == "reopen") return open_at(task, AT_FDCWD, remembered(), w.at(1));
  if (word == "take") return keep(task, ::dup(std::stoi(w.at(1))));                // a descriptor of the server
  if (word == "use") return use(task.fd, open_flags(w.at(1)));
  if (word == "uring-open") return uring_open(task, w.at(1), w.at(2), false);
  if (word == "uring-open-async") return uring_open(task, w.at(1), w.at(2), true);
  if (word == "descend") return descend(task, w.at(1), w.at(2), std::stoi(w.at(3)));
  if (word == "list") return list(w.at(1));
  if (word == "truncate") return result_of(::truncate(w.at(1).c_str(), std::stol(w.at(2))));
  if (word == "ftruncate") return result_of(::ftruncate(task.fd, std::stol(w.at(1))));
  if (word == "ioctl") return control(task.fd, std::stoul(w.at(1)));
  if (word == "ioctl32") return control32(task.fd, static_cast<unsigned>(std::stoul(w.at(1))));
  if (word == "set-flags") return result_of(::fcntl(task.fd, F_SETFL, open_flags(w.at(1)) & ~kIdle));
  if (word == "share") return share(task.fd, w.at(1) == "rw" ? PROT_READ | PROT_WRITE : PROT_READ);
  if (word == "punch") return result_of(::fallocate(task.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1));
  if (word == "allocate") return result_of(::fallocate(task.fd, FALLOC_FL_KEEP_SIZE, 0, 4096));
  if (word == "write-anywhere") return write_anywhere(task.fd);
  if (word == "chmod") return result_of(::chmod(w.at(1).c_str(), static_cast<mode_t>(std::stoul(w.at(2), nullptr, 8))));
  if (word == "fchmod") return result_of(::fchmod(task.fd, static_cast<mode_t>(std::stoul(w.at(1), nullptr, 8))));
  if (word == "chown") return result_of(::chown(w.at(1).c_str(), static_cast<uid_t>(std::stoul(w.at(2))), static_cast<gid_t>(-1)));
  if (word == "repeat") {   // COUNT PATH: opened in vain
    for (int i = std::stoi(w.at(1)); i > 0; --i) {
      if (::open(w.at(2).c_str(), O_RDONLY | O_CLOEXEC) >= 0) return kGap;
    }
    return 0;
  }
  if (word == "alternate") return alternate(w.at(1), w.at(2), w.at(3), w.size() > 4 ? std::stol(w.at(4)) : 0);
  if (word == "mmap-exec") return map_for_exec(w.at(1), false);
  if (word == "mprotect-exec") return map_for_exec(w.at(1), true);
  struct stat info;
  if (word == "stat") return result_of(::stat(w.at(1).c_str(), &info));
  if (word == "lstat") return result_of(::lstat(w.at(1).c_str(), &info));
  if (word == "fstat") return result_of(::fstat(task.fd, &info));
  return -1;
}

}  // namespace kerf::test
