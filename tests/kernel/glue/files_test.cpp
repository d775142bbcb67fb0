// Operations on one object: which events, with which names, and what a refusal leaves behind.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <sstream>

#include "rig.h"

namespace {

using namespace kerf::test;

constexpr std::uint32_t bit(int event) { return 1u << event; }

void fresh() {
  REQUIRE(std::system("rm -rf /tmp/w; mkdir -p /tmp/w/deny/sub /tmp/w/dir; echo a > /tmp/w/f; echo b > /tmp/w/deny/f; echo c > /tmp/w/deny/sub/g") == 0);
}
long opened(const std::string& path, int flags, int mode = 0644) { return ::open(path.c_str(), flags, mode); }
bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }
std::string by_fd(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

// Names of `depth` components below /tmp/w, the last one a file; made relative, since they may pass PATH_MAX.
long open_deep(int depth, const std::string& component) {
  int at = ::open("/tmp/w", O_PATH);
  for (int i = 0; i + 1 < depth; ++i) {
    ::mkdirat(at, component.c_str(), 0755);
    int next = ::openat(at, component.c_str(), O_PATH);
    if (next < 0) return next;
    ::close(at);
    at = next;
  }
  return ::openat(at, "x", O_CREAT | O_WRONLY, 0644);
}

}  // namespace

TEST_CASE("opening") {
  Rig& rig = Rig::fresh(Variant::all);
  fresh();
  CHECK(rig.inside([] { return opened("/tmp/w/f", O_RDONLY); }) == "0\nread /tmp/w/f permit\n");
  CHECK(rig.inside([] { return opened("/tmp/w/f", O_WRONLY); }) == "0\nwrite /tmp/w/f permit\n");
  CHECK(rig.inside([] { return opened("/tmp/w/f", O_RDWR | O_APPEND); }) == "0\nread /tmp/w/f permit\nappend /tmp/w/f permit\n");
  CHECK(rig.inside([] { return opened("/tmp/w/../w/./f", O_RDONLY); }) == "0\nread /tmp/w/f permit\n");
  CHECK(rig.inside([] { return opened("/tmp/w/f", 3); }) == "0\nwrite /tmp/w/f permit\n");
  // before the file is opened, and when the kernel comes to truncating it
  CHECK(rig.inside([] { return opened("/tmp/w/f", O_RDONLY | O_TRUNC); }) ==
        "0\nread /tmp/w/f permit\nwrite /tmp/w/f permit\ntruncate /tmp/w/f permit\ntruncate /tmp/w/f permit\n");
  CHECK(rig.inside([] { return opened("/tmp/w/f", O_PATH); }) == "0\n");
  CHECK(rig.inside([] { return opened("/tmp/w", O_RDONLY); }) == "0\nlist /tmp/w dir permit\n");
  CHECK(rig.inside([] { return opened("/", O_RDONLY); }) == "0\nlist / dir permit\n");
  CHECK(rig.inside([] { return opened("/tmp", O_RDONLY); }) == "0\nlist /tmp dir permit\n");
  CHECK(rig.inside([] { return opened("/proc/self/../version", O_RDONLY); }) == "0\nread /proc/version permit\n");
  CHECK(rig.outside([] { return opened("/tmp/w/f", O_RDONLY); }) == "0\n");

  rig.deny(bit(KERF_EVENT_FILE_READ));
  CHECK(rig.inside([] { return opened("/tmp/w/deny/f", O_RDONLY); }) == "101\nread /tmp/w/deny/f forbid 101\n");
  CHECK(rig.inside([] { return opened("/tmp/w/deny/f", O_RDWR); }) == "101\nread /tmp/w/deny/f forbid 101\nwrite /tmp/w/deny/f permit\n");
  CHECK(rig.outside([] { return opened("/tmp/w/deny/f", O_RDONLY); }) == "0\n");
  rig.deny(bit(KERF_EVENT_FILE_READ) | bit(KERF_EVENT_FILE_WRITE));
  CHECK(rig.inside([] { return opened("/tmp/w/deny/f", O_RDWR); }) ==
        "101\nread /tmp/w/deny/f forbid 101\nwrite /tmp/w/deny/f forbid 102\n");
  CHECK(rig.inside([] { int fd = ::open("/tmp/w/deny/f", O_PATH); return opened(by_fd(fd), O_RDONLY); }) ==
        "101\nread /tmp/w/deny/f forbid 101\n");
  rig.deny(bit(KERF_EVENT_FILE_LIST));
  CHECK(rig.inside([] { return opened("/tmp/w/deny", O_RDONLY); }) == "107\nlist /tmp/w/deny dir forbid 107\n");
}

TEST_CASE("creating") {
  Rig& rig = Rig::fresh(Variant::all);
  fresh();
  CHECK(rig.inside([] { return opened("/tmp/w/new", O_CREAT | O_WRONLY); }) == "0\ncreate /tmp/w/new new permit\nwrite /tmp/w/new permit\n");
  CHECK(rig.inside([] { return opened("/tmp/w/new", O_CREAT | O_WRONLY); }) == "0\nwrite /tmp/w/new permit\n");
  rig.deny(bit(KERF_EVENT_FILE_CREATE));
  CHECK(rig.inside([] { return opened("/tmp/w/deny/new", O_CREAT | O_RDWR); }) == "103\ncreate /tmp/w/deny/new new forbid 103\n");
  CHECK(!exists("/tmp/w/deny/new"));
  CHECK(rig.inside([] { return opened("/tmp/w/deny/f", O_CREAT | O_RDONLY); }) == "0\nread /tmp/w/deny/f permit\n");
  CHECK(rig.inside([] { return ::mknod("/tmp/w/deny/r", S_IFREG | 0644, 0); }) == "103\ncreate /tmp/w/deny/r new forbid 103\n");
  CHECK(rig.inside([] { return ::mknod("/tmp/w/deny/r", 0644, 0); }) == "103\ncreate /tmp/w/deny/r new forbid 103\n");
  rig.deny(bit(KERF_EVENT_FILE_MKDIR) | bit(KERF_EVENT_FILE_SYMLINK) | bit(KERF_EVENT_FILE_MKNOD));
  const std::string mkdir = "mkdir /tmp/w/deny/d new dir forbid 116\n";   // 116 is ESTALE, on which the kernel tries once more
  CHECK(rig.inside([] { return ::mkdir("/tmp/w/deny/d", 0755); }) == "116\n" + mkdir + mkdir);
  CHECK(rig.inside([] { return ::symlink("/x", "/tmp/w/deny/s"); }) == "118\nsymlink /tmp/w/deny/s new forbid 118\n");
  CHECK(rig.inside([] { return ::mknod("/tmp/w/deny/p", S_IFIFO | 0644, 0); }) == "117\nmknod /tmp/w/deny/p new forbid 117\n");
  CHECK(rig.inside([] { return ::mknod("/tmp/w/deny/c", S_IFCHR | 0644, 0x103); }) == "117\nmknod /tmp/w/deny/c new forbid 117\n");
  CHECK(rig.inside([] { return ::mknod("/tmp/w/deny/b", S_IFBLK | 0644, 0x700); }) == "117\nmknod /tmp/w/deny/b new forbid 117\n");
  rig.deny(bit(KERF_EVENT_UNIX_BIND));
  CHECK(rig.inside([] {
    sockaddr_un to{AF_UNIX, "/tmp/w/deny/u"};
    return ::bind(::socket(AF_UNIX, SOCK_STREAM, 0), reinterpret_cast<sockaddr*>(&to), sizeof to);
  }) == "112\nunix-bind /tmp/w/deny/u new forbid 112\n");
  rig.deny(bit(KERF_EVENT_FILE_CREATE));
  CHECK(rig.inside([] { return ::mkdir("/tmp/w/d", 0755); }) == "0\nmkdir /tmp/w/d new dir permit\n");
  std::string temporary = rig.inside([] { return opened("/tmp/w/deny", O_TMPFILE | O_RDWR); });
  CHECK(temporary.find("103\ncreate /tmp/w/deny/#") == 0);
  CHECK(temporary.find(" new forbid 103\nread /tmp/w/deny/#") != std::string::npos);
  CHECK(rig.inside([] { return opened("/tmp/w", O_TMPFILE | O_WRONLY); }).find("0\ncreate /tmp/w/#") == 0);
}

TEST_CASE("changing and deleting") {
  Rig& rig = Rig::fresh(Variant::all);
  fresh();
  rig.deny(bit(KERF_EVENT_FILE_TRUNCATE) | bit(KERF_EVENT_FILE_CHMOD) | bit(KERF_EVENT_FILE_CHOWN) | bit(KERF_EVENT_FILE_DELETE) | bit(KERF_EVENT_FILE_RMDIR));
  CHECK(rig.inside([] { return ::truncate("/tmp/w/f", 0); }) == "0\ntruncate /tmp/w/f permit\n");
  CHECK(rig.inside([] { return ::truncate("/tmp/w/deny/f", 0); }) == "113\ntruncate /tmp/w/deny/f forbid 113\n");
  CHECK(rig.inside([] { return opened("/tmp/w/deny/f", O_WRONLY | O_TRUNC); }) == "113\nwrite /tmp/w/deny/f permit\ntruncate /tmp/w/deny/f forbid 113\n");
  CHECK(rig.inside([] { return ::chmod("/tmp/w/deny/f", 0600); }) == "114\nchmod /tmp/w/deny/f forbid 114\n");
  CHECK(rig.inside([] { return ::chmod("/tmp/w/deny", 0700); }) == "114\nchmod /tmp/w/deny dir forbid 114\n");
  CHECK(rig.inside([] { return ::chown("/tmp/w/deny/f", 1, 1); }) == "115\nchown /tmp/w/deny/f forbid 115\n");
  CHECK(rig.inside([] { return ::unlink("/tmp/w/deny/f"); }) == "104\ndelete /tmp/w/deny/f forbid 104\n");
  CHECK(rig.inside([] { return ::rmdir("/tmp/w/deny/sub"); }) == "119\nrmdir /tmp/w/deny/sub dir forbid 119\n");
  CHECK(exists("/tmp/w/deny/f"));
  CHECK(rig.inside([] { return ::unlink("/tmp/w/f"); }) == "0\ndelete /tmp/w/f permit\n");
  CHECK(rig.inside([] { return ::rmdir("/tmp/w/dir"); }) == "0\nrmdir /tmp/w/dir dir permit\n");
  fresh();
  int inherited = ::open("/tmp/w/deny/f", O_RDWR);
  CHECK(rig.inside([=] { return ::fchmod(inherited, 0600); }) == "114\nchmod /tmp/w/deny/f forbid 114\n");
  CHECK(rig.inside([=] { return ::ftruncate(inherited, 0); }) == "113\ntruncate /tmp/w/deny/f forbid 113\n");
  ::close(inherited);
}

TEST_CASE("ioctl, by whoever opened the file") {
  Rig& rig = Rig::fresh(Variant::all);
  fresh();
  rig.deny(bit(KERF_EVENT_FILE_IOCTL));
  int left = 0, fine = ::open("/tmp/w/f", O_RDONLY), denied = ::open("/tmp/w/deny/f", O_RDONLY);
  CHECK(rig.inside([&] { return ::ioctl(fine, FIONREAD, &left); }) == "0\nioctl /tmp/w/f permit\n");
  CHECK(rig.inside([&] { return ::ioctl(denied, FIONREAD, &left); }) == "120\nioctl /tmp/w/deny/f forbid 120\n");
  CHECK(rig.inside([&] { return ::ioctl(::socket(AF_UNIX, SOCK_STREAM, 0), FIONREAD, &left); }) == "0\nioctl kerf:socket permit\n");
  CHECK(rig.outside([&] { return ::ioctl(denied, FIONREAD, &left); }) == "0\n");
  ::close(fine);
  ::close(denied);
}

TEST_CASE("what was opened for appending stays so, or is asked as writing") {
  Rig& rig = Rig::fresh(Variant::all);
  fresh();
  rig.deny(bit(KERF_EVENT_FILE_WRITE));
  constexpr const char* path = "/tmp/w/deny/f";
  const std::string appended = "read /tmp/w/deny/f permit\nappend /tmp/w/deny/f permit\n", refused = "102\n" + appended + "write /tmp/w/deny/f forbid 102\n";
  auto append = [] { return ::open(path, O_RDWR | O_APPEND); };
  CHECK(rig.inside([&] { return ::write(append(), "x", 1) == 1 ? 0l : -1l; }) == "0\n" + appended);
  CHECK(rig.inside([&] { return ::pwrite(append(), "x", 1, 0) == 1 ? 0l : -1l; }) == "0\n" + appended);   // goes to the end
  CHECK(rig.outside([] { char bytes[8] = {}; return ::read(::open(path, O_RDONLY), bytes, 8) == 4 && std::strcmp(bytes, "b\nxx") == 0 ? 0l : -1l; }) == "0\n");
  CHECK(rig.inside([&] { return ::fcntl(append(), F_SETFL, O_APPEND | O_NONBLOCK); }) == "0\n" + appended);
  CHECK(rig.inside([&] { return ::fcntl(append(), F_SETFL, O_NONBLOCK); }) == refused);
  CHECK(rig.inside([&] { return ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, append(), 0) == MAP_FAILED ? -1l : 0l; }) == refused);
  CHECK(rig.inside([&] { return ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED_VALIDATE, append(), 0) == MAP_FAILED ? -1l : 0l; }) == refused);
  CHECK(rig.inside([&] { return ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, append(), 0) == MAP_FAILED ? -1l : 0l; }) == "0\n" + appended);
  CHECK(rig.inside([&] { return ::fallocate(append(), 0, 0, 64); }) == "0\n" + appended);
  CHECK(rig.inside([&] { return ::fallocate(append(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1); }) == refused);
  CHECK(rig.inside([&] {   // and nothing of it is remembered
    int fd = append();
    if (::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1) == 0 || ::fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 1) == 0) return -1l;
    return ::write(fd, "x", 1) == 1 ? 0l : -1l;
  }) == "0\n" + appended + "write /tmp/w/deny/f forbid 102\n");
  CHECK(rig.inside([] { return opened(path, O_WRONLY | O_APPEND | O_TRUNC); }) ==
        "102\nwrite /tmp/w/deny/f forbid 102\ntruncate /tmp/w/deny/f permit\n");
  REQUIRE(::mknod("/tmp/w/null", S_IFCHR | 0666, 0x103) == 0);
  CHECK(rig.inside([] { return opened("/tmp/w/null", O_WRONLY | O_APPEND); }) == "0\nwrite /tmp/w/null permit\n");
  CHECK(rig.inside([] { return opened("/proc/self/comm", O_WRONLY | O_APPEND); }).find("\nwrite /proc/") != std::string::npos);
  rig.deny(bit(KERF_EVENT_FILE_APPEND));
  CHECK(rig.inside([] { return opened(path, O_WRONLY | O_APPEND); }) == "121\nappend /tmp/w/deny/f forbid 121\n");
  CHECK(rig.inside([] { return opened(path, O_WRONLY); }) == "0\nwrite /tmp/w/deny/f permit\n");
}

TEST_CASE("reading attributes") {
  Rig& rig = Rig::fresh(Variant::all);
  fresh();
  struct stat info {};
  CHECK(rig.inside([&] { return ::stat("/tmp/w/f", &info); }) == "0\nstat /tmp/w/f permit\n");
  CHECK(rig.inside([&] { return ::stat("/tmp/w", &info); }) == "0\nstat /tmp/w dir permit\n");
  rig.deny(bit(KERF_EVENT_FILE_STAT));
  CHECK(rig.inside([&] { return ::lstat("/tmp/w/deny/f", &info); }) == "108\nstat /tmp/w/deny/f forbid 108\n");
  CHECK(rig.inside([&] { int fd = ::open("/tmp/w/deny/f", O_PATH); return ::fstat(fd, &info); }) == "108\nstat /tmp/w/deny/f forbid 108\n");
}

TEST_CASE("what is seen of a file, and of one to be made") {
  Rig& rig = Rig::fresh(Variant::all);
  fresh();
  REQUIRE(::chown("/tmp/w/f", 4294967294u, 7) == 0);
  REQUIRE(::chmod("/tmp/w/f", 04751) == 0);
  REQUIRE(::link("/tmp/w/f", "/tmp/w/f2") == 0);
  CHECK(rig.inside([] { return opened("/tmp/w/f2", O_RDONLY); }) == "0\nread /tmp/w/f2 permit\n");
  CHECK(rig.last_file() == "tmpfs 4294967294 104751 2");
  CHECK(rig.inside([] { return ::mkdir("/tmp/w/made", 0700); }) == "0\nmkdir /tmp/w/made new dir permit\n");
  CHECK(rig.last_file() == "tmpfs 0 0 0");
  CHECK(rig.inside([] { return opened("/proc/version", O_RDONLY); }) == "0\nread /proc/version permit\n");
  CHECK(rig.last_file() == "proc 0 100444 1");
  CHECK(rig.inside([] { return opened("/tmp/w/made", O_RDONLY); }) == "0\nlist /tmp/w/made dir permit\n");
  CHECK(rig.last_file() == "tmpfs 0 40700 2");
}

TEST_CASE("executing and mapping") {
  Rig& rig = Rig::fresh(Variant::all);
  fresh();
  REQUIRE(std::system("cp /bin/busybox /tmp/w/deny/busybox; cp /bin/busybox /tmp/w/busybox; printf '#!/tmp/w/busybox true\\n' > /tmp/w/script; chmod 755 /tmp/w/script") == 0);
  // a bound child's child, so that the events of exec are apart
  auto executed = [](const char* path) {
    return [path]() -> long {
      pid_t child = ::fork();
      if (child == 0) {
        const char* argv[] = {"busybox", "true", nullptr};
        ::execv(path, const_cast<char**>(argv));
        ::_exit(errno);
      }
      int status = 0;
      ::waitpid(child, &status, 0);
      errno = WEXITSTATUS(status);
      return errno ? -1 : 0;
    };
  };
  CHECK(rig.inside(executed("/tmp/w/busybox")).find("0\nexec /tmp/w/busybox permit\n") == 0);
  CHECK(rig.inside(executed("/tmp/w/busybox")).find("load") == std::string::npos);
  CHECK(rig.inside(executed("/tmp/w/script")).find("0\nexec /tmp/w/script permit\nexec /tmp/w/busybox permit\n") == 0);
  rig.deny(bit(KERF_EVENT_FILE_EXEC) | bit(KERF_EVENT_LIB_LOAD));
  CHECK(rig.inside(executed("/tmp/w/deny/busybox")) == "109\nexec /tmp/w/deny/busybox forbid 109\n");
  auto map_of = [](const char* path) {
    return [path] {
      int fd = ::open(path, O_RDONLY);
      void* at = ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
      return at == MAP_FAILED ? -1l : 0l;
    };
  };
  CHECK(rig.inside(map_of("/tmp/w/busybox")) == "0\nread /tmp/w/busybox permit\nload /tmp/w/busybox permit\n");
  CHECK(rig.inside(map_of("/tmp/w/deny/busybox")) == "110\nread /tmp/w/deny/busybox permit\nload /tmp/w/deny/busybox forbid 110\n");
  CHECK(rig.inside([] {
    int fd = ::open("/tmp/w/deny/busybox", O_RDONLY);
    void* at = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    return static_cast<long>(::mprotect(at, 4096, PROT_READ | PROT_EXEC));
  }) == "110\nread /tmp/w/deny/busybox permit\nload /tmp/w/deny/busybox forbid 110\n");
  CHECK(rig.inside([] {
    void* at = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? -1l : static_cast<long>(::mprotect(at, 4096, PROT_READ | PROT_EXEC));
  }) == "0\n");
}

TEST_CASE("what stands for an event that no action binds") {
  Rig& rig = Rig::fresh(Variant::few);
  fresh();
  rig.deny(bit(KERF_EVENT_FILE_WRITE) | bit(KERF_EVENT_FILE_EXEC));
  struct stat info {};
  CHECK(rig.inside([] { return opened("/tmp/w/new", O_CREAT | O_WRONLY); }) == "0\nwrite /tmp/w/new new permit\nwrite /tmp/w/new permit\n");
  CHECK(rig.inside([] { return opened("/tmp/w/deny/new", O_CREAT | O_RDONLY); }) == "102\nwrite /tmp/w/deny/new new forbid 102\n");
  CHECK(!exists("/tmp/w/deny/new"));
  CHECK(rig.inside([] { return ::unlink("/tmp/w/deny/f"); }) == "102\nwrite /tmp/w/deny/f forbid 102\n");
  CHECK(rig.inside([] { return ::mkdir("/tmp/w/deny/d", 0755); }) == "102\nwrite /tmp/w/deny/d new dir forbid 102\n");
  CHECK(rig.inside([] { return ::symlink("/x", "/tmp/w/deny/s"); }) == "102\nwrite /tmp/w/deny/s new forbid 102\n");
  CHECK(rig.inside([] { return ::mknod("/tmp/w/deny/p", S_IFIFO | 0644, 0); }) == "102\nwrite /tmp/w/deny/p new forbid 102\n");
  CHECK(rig.inside([] { return ::rmdir("/tmp/w/deny/sub"); }) == "102\nwrite /tmp/w/deny/sub dir forbid 102\n");
  CHECK(rig.inside([] { return ::truncate("/tmp/w/deny/f", 0); }) == "102\nwrite /tmp/w/deny/f forbid 102\n");
  CHECK(rig.inside([] { return ::chmod("/tmp/w/deny/f", 0600); }) == "102\nwrite /tmp/w/deny/f forbid 102\n");
  CHECK(rig.inside([] { return ::chown("/tmp/w/deny/f", 1, 1); }) == "102\nwrite /tmp/w/deny/f forbid 102\n");
  CHECK(rig.inside([] { return opened("/tmp/w/deny/f", O_WRONLY | O_APPEND); }) == "102\nwrite /tmp/w/deny/f forbid 102\n");
  CHECK(rig.inside([] { return opened("/tmp/w/f", O_RDONLY | O_TRUNC); }) == "0\nread /tmp/w/f permit\nwrite /tmp/w/f permit\nwrite /tmp/w/f permit\n");
  CHECK(rig.inside([] { int left; return ::ioctl(::open("/tmp/w/deny/f", O_RDONLY), FIONREAD, &left); }) == "0\nread /tmp/w/deny/f permit\n");
  CHECK(rig.inside([] { return opened("/tmp/w/deny", O_RDONLY); }) == "0\n");
  CHECK(rig.inside([&] { return ::stat("/tmp/w/deny/f", &info); }) == "0\n");
  CHECK(rig.inside([] {
    int fd = ::open("/tmp/w/deny/f", O_RDONLY);
    return ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1l : 0l;
  }) == "109\nread /tmp/w/deny/f permit\nexec /tmp/w/deny/f forbid 109\n");
}

TEST_CASE("objects without a name of their own") {
  Rig& rig = Rig::fresh(Variant::all);
  fresh();
  CHECK(rig.inside([] { int fd = static_cast<int>(::syscall(SYS_memfd_create, "/tmp/w/f", 0)); return opened(by_fd(fd), O_RDWR); }) ==
        "0\nread kerf:memfd permit\nwrite kerf:memfd permit\n");
  CHECK(rig.inside([] { int fds[2]; if (::pipe(fds)) return -1l; return opened(by_fd(fds[0]), O_RDONLY | O_NONBLOCK); }) == "0\nread kerf:pipe permit\n");
  CHECK(rig.inside([] { return opened("/proc/self/ns/mnt", O_RDONLY); }) == "0\nread kerf:anon permit\n");
  CHECK(rig.inside([] { struct stat info; return ::fstat(::socket(AF_UNIX, SOCK_STREAM, 0), &info); }) == "0\nstat kerf:socket permit\n");
  // no hook is asked about the inode that event descriptors and the like share
  CHECK(rig.inside([] { struct stat info; return ::fstat(::eventfd(0, 0), &info); }) == "0\n");
  // unlinked: the last name
  CHECK(rig.inside([] { int fd = ::open("/tmp/w/f", O_PATH); ::unlink("/tmp/w/f"); return opened(by_fd(fd), O_RDONLY); }) ==
        "0\ndelete /tmp/w/f permit\nread /tmp/w/f permit\n");
}

TEST_CASE("names at the limits, byte for byte") {
  Rig& rig = Rig::fresh(Variant::few);
  fresh();
  std::string bytes = "\xff\xfe\x80 \n\\\x01", name = "/tmp/w/" + bytes;
  REQUIRE(::close(::open(name.c_str(), O_CREAT | O_WRONLY, 0644)) == 0);
  CHECK(rig.inside([&] { return opened(name, O_RDONLY); }) == "0\nread " + name + " permit\n");
  std::string longest = "/tmp/w/" + std::string(255, 'n');
  REQUIRE(::close(::open(longest.c_str(), O_CREAT | O_WRONLY, 0644)) == 0);
  CHECK(rig.inside([&] { return opened(longest, O_RDONLY); }) == "0\nread " + longest + " permit\n");
  // /tmp/w/ and 126 more: 128 components below the root of the file system are 127 below /tmp and the file
  std::string deep = "/tmp/w";
  for (int i = 0; i < 126; ++i) deep += "/c";
  std::string deepest = rig.inside([] { return open_deep(127, "c"); });
  CHECK(deepest.find("0\n") == 0);
  CHECK(deepest.find("\nwrite " + deep + "/x new permit\nwrite " + deep + "/x permit\n") != std::string::npos);
  CHECK(rig.inside([] { return open_deep(128, "c"); }).find("write  new too-long 102\n") != std::string::npos);
  // 4,096 bytes: "/tmp/w" + 15 * 256 + 249 + "/"
  auto length_of = [](std::size_t bytes) {
    return [bytes]() -> long {
      int at = ::open("/tmp/w", O_PATH);
      std::size_t rest = bytes - 6;
      while (rest > 255 + 1) {
        std::string component(200, 'l');
        ::mkdirat(at, component.c_str(), 0755);
        at = ::openat(at, component.c_str(), O_PATH);
        rest -= 201;
      }
      return ::openat(at, std::string(rest - 1, 'z').c_str(), O_CREAT | O_WRONLY, 0644);
    };
  };
  std::string full = rig.inside(length_of(4096));
  CHECK(full.find("0\n") == 0);
  std::size_t last = full.rfind("write /tmp/w/");
  REQUIRE(last != std::string::npos);
  CHECK(full.substr(last).size() == 6 + 4096 + 8);
  CHECK(rig.inside(length_of(4097)).find("\nwrite  new too-long 102\n") != std::string::npos);
  REQUIRE(::rename("/tmp/w", "/tmp/deep") == 0);   // too deep for rm
}

TEST_CASE("renames during the walk: the old name or the new one, never a mixture") {
  Rig& rig = Rig::fresh(Variant::few);
  fresh();
  REQUIRE(std::system("mkdir -p /tmp/w/one/two/three/move/a/b; echo x > /tmp/w/one/two/three/move/a/b/f; mkdir /tmp/w/deep") == 0);
  pid_t renamer = ::fork();
  if (renamer == 0) {
    ::alarm(60);
    for (;;) {
      if (::rename("/tmp/w/one/two/three/move", "/tmp/w/deep/moved") || ::rename("/tmp/w/deep/moved", "/tmp/w/one/two/three/move")) ::_exit(1);
    }
  }
  int old_name = 0, new_name = 0;
  // an emulated machine may give the renamer no turn among a thousand opens
  for (int turn = 0; turn < 20 && (old_name == 0 || new_name == 0); ++turn) {
    std::istringstream lines(rig.inside([] {
      int fd = -1;
      while (fd < 0) {   // it may be renamed between the two
        fd = ::open("/tmp/w/one/two/three/move/a/b/f", O_PATH);
        if (fd < 0) fd = ::open("/tmp/w/deep/moved/a/b/f", O_PATH);
      }
      std::string path = by_fd(fd);
      for (int i = 0; i < 1000; ++i) ::close(::open(path.c_str(), O_RDONLY));
      return 0l;
    }));
    int named = 0, raced = 0;
    std::string line, unlike;
    std::getline(lines, line);
    CHECK(line == "0");
    while (std::getline(lines, line)) {
      const bool is_old = line == "read /tmp/w/one/two/three/move/a/b/f permit", is_new = line == "read /tmp/w/deep/moved/a/b/f permit";
      old_name += is_old;
      new_name += is_new;
      named += is_old || is_new;
      if (line == "read  raced 101") ++raced;
      else if (!is_old && !is_new) unlike = line;
    }
    CHECK(unlike.empty());
    CHECK(named + raced == 1000);
    CHECK(raced < 100);
  }
  CHECK(::kill(renamer, SIGKILL) == 0);
  ::waitpid(renamer, nullptr, 0);
  CHECK(old_name > 0);
  CHECK(new_name > 0);
}

TEST_CASE("anchors: the outermost names, another generation or binding does not, none refuses") {
  Rig& rig = Rig::fresh(Variant::few);
  fresh();
  CHECK(rig.inside([] { return opened("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY); }) == "101\nread  no-path 101\n");
  rig.anchor("/tmp/w/dir", "/elsewhere");
  REQUIRE(::close(::open("/tmp/w/dir/f", O_CREAT | O_WRONLY, 0644)) == 0);
  CHECK(rig.inside([] { return opened("/tmp/w/dir/f", O_RDONLY); }) == "0\nread /tmp/w/dir/f permit\n");
  kerf_anchor_key key{}, tmp{};
  int fd = rig.map("kerf_anchors");
  std::uint32_t index = 0;
  for (bool first = true; bpf_map_get_next_key(fd, first ? nullptr : &key, &key) == 0; first = false) {
    bpf_map_lookup_elem(fd, &key, &index);
    if (index == 1) tmp = key;
  }
  index = 1;
  REQUIRE(bpf_map_delete_elem(fd, &tmp) == 0);
  CHECK(rig.inside([] { return opened("/tmp/w/dir/f", O_RDONLY); }) == "0\nread /elsewhere/f permit\n");
  CHECK(rig.inside([] { return opened("/tmp/w/f", O_RDONLY); }) == "101\nread  no-path 101\n");
  kerf_anchor_key other = tmp;
  ++other.generation;
  REQUIRE(bpf_map_update_elem(fd, &other, &index, BPF_ANY) == 0);
  CHECK(rig.inside([] { return opened("/tmp/w/f", O_RDONLY); }) == "101\nread  no-path 101\n");
  other = tmp;
  other.binding = 2;
  REQUIRE(bpf_map_update_elem(fd, &other, &index, BPF_ANY) == 0);
  CHECK(rig.inside([] { return opened("/tmp/w/f", O_RDONLY); }) == "101\nread  no-path 101\n");
  REQUIRE(bpf_map_update_elem(fd, &tmp, &index, BPF_ANY) == 0);
  CHECK(rig.inside([] { return opened("/tmp/w/f", O_RDONLY); }) == "0\nread /tmp/w/f permit\n");
}

TEST_CASE("modes, and records that are not there") {
  Rig& rig = Rig::fresh(Variant::few);
  fresh();
  rig.deny(bit(KERF_EVENT_FILE_READ));
  rig.set_mode(KERF_MODE_AUDIT);
  CHECK(rig.inside([] { return opened("/tmp/w/deny/f", O_RDONLY); }) == "0\nread /tmp/w/deny/f forbid\n");
  CHECK(rig.inside([] { return opened("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY); }) == "0\nread  no-path\n");
  rig.set_mode(KERF_MODE_QUARANTINE);
  CHECK(rig.inside([] { return opened("/tmp/w/f", O_RDONLY); }) == "101\nread /tmp/w/f quarantine 101\n");
  CHECK(rig.inside([] { return opened("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY); }) == "101\nread  quarantine 101\n");
  rig.set_binding(false);
  CHECK(rig.inside([] { return opened("/tmp/w/f", O_RDONLY); }) == "101\nread /tmp/w/f no-record 101\n");
  rig.set_binding(true);
  CHECK(rig.inside([] { return opened("/tmp/w/f", O_RDONLY); }) == "0\nread /tmp/w/f permit\n");
}

TEST_CASE("no scratch slot is free") {
  Rig& rig = Rig::fresh(Variant::few);
  fresh();
  int fd = rig.map("kerf_scratch");
  std::vector<std::uint32_t> slot(bpf_map__value_size(bpf_object__find_map_by_name(rig.object(), "kerf_scratch")) / 4);
  auto fill = [&](std::uint32_t busy) {
    slot[0] = busy;
    for (std::uint32_t i = 0; i < KERF_SCRATCH_SLOTS; ++i) REQUIRE(bpf_map_update_elem(fd, &i, slot.data(), BPF_ANY) == 0);
  };
  fill(1);
  CHECK(rig.inside([] { return opened("/tmp/w/f", O_RDONLY); }) == "13\nread  new no-slot 13\n");
  CHECK(rig.inside([] { return ::rename("/tmp/w/f", "/tmp/w/g"); }) == "13\nread  new no-slot 13\n");
  CHECK(rig.counters().no_slot == 2);
  fill(0);
  CHECK(rig.inside([] { return opened("/tmp/w/f", O_RDONLY); }) == "0\nread /tmp/w/f permit\n");
  for (std::uint32_t i = 0; i < KERF_SCRATCH_SLOTS; ++i) {
    REQUIRE(bpf_map_lookup_elem(fd, &i, slot.data()) == 0);
    CHECK(slot[0] == 0);
  }
}
