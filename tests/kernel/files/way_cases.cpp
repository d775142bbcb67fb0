// Ways to a file that name it by something else than its path: handles, descriptors that somebody sent, openat2; and a
// name that leads elsewhere from one moment to the next.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>

#include "stage.h"

using namespace kerf::test;

namespace {

const std::vector<Told> kRead = {{"file.read", "/zone/secret/f", "no-permit"}};
const std::vector<Told> kWrite = {{"file.write", "/zone/secret/f", "no-permit"}};

void put_all() {
  put("/zone/secret/f", "secret");
  put("/zone/open/f", "open");
  put("/zone/readable/f");
}

// The handle of `path`, as bytes of the file `out`.
void put_handle(const std::string& path, const std::string& out) {
  alignas(file_handle) char bytes[sizeof(file_handle) + MAX_HANDLE_SZ] = {};
  auto* handle = reinterpret_cast<file_handle*>(bytes);
  handle->handle_bytes = MAX_HANDLE_SZ;
  int mount;
  const int made = ::name_to_handle_at(AT_FDCWD, path.c_str(), handle, &mount, 0);
  REQUIRE_MESSAGE(made == 0, path << ": " << ::strerrorname_np(errno));
  std::ofstream(out, std::ios::binary).write(bytes, static_cast<std::streamsize>(sizeof(file_handle) + handle->handle_bytes));
}

void forget_names() {
  for (int i = 0; i < 3; ++i) std::ofstream("/proc/sys/vm/drop_caches") << "2" << std::flush;
}

// A process outside of every binding that goes on until it is no longer wanted.
class Helper {
 public:
  explicit Helper(const std::function<void()>& turn) : pid_(::fork()) {
    if (pid_ != 0) return;
    for (;;) turn();
  }
  ~Helper() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Helper(const Helper&) = delete;

 private:
  pid_t pid_;
};

void give(int listener, const std::string& path) {
  const int to = ::accept(listener, nullptr, nullptr), fd = ::open(path.c_str(), O_RDONLY);
  char byte = 'x';
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* first = CMSG_FIRSTHDR(&message);
  *first = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
  std::memcpy(CMSG_DATA(first), &fd, sizeof fd);
  ::sendmsg(to, &message, MSG_NOSIGNAL);
  ::close(fd);
  ::close(to);
}

int listen_at(const char* path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  std::strcpy(at.sun_path, path);
  ::unlink(path);
  REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
  REQUIRE(::listen(fd, 16) == 0);
  return fd;
}

}  // namespace

TEST_CASE("openat2") {
  Scene scene(stage("files"), put_all);
  scene.refuses("openat2 /zone/secret/f r no-symlinks", ENOENT, kRead);
  scene.refuses("openat2 /zone/secret/f w no-symlinks", ENOENT, kWrite);
  scene.refuses("chdir /zone/secret ; openat2 f r beneath", ENOENT, kRead);
  scene.refuses("open /zone/secret path+dir ; openat2 f r no-xdev", ENOENT, kRead);
  scene.refuses("open /zone path+dir ; openat2 secret/f r beneath", ENOENT, kRead);
  scene.refuses("open /zone/secret path+dir ; openat2 /../f r in-root", ENOENT, kRead);   // its own `/`, and the same file
  scene.allows("openat2 /zone/open/f rw no-symlinks");
  scene.allows("open /zone/open path+dir ; openat2 /f rw in-root");
}

TEST_CASE("name_to_handle_at, and open_by_handle_at") {
  Scene scene(stage("files"), [] {
    put_all();
    put_handle("/zone/secret/f", "/zone/open/secret.handle");
    put_handle("/zone/open/f", "/zone/open/open.handle");
  });
  scene.refuses("open-handle /zone/open/secret.handle /zone/open r", ENOENT, kRead);
  scene.refuses("open-handle /zone/open/secret.handle /zone/open w", ENOENT, kWrite);
  scene.allows("open-handle /zone/open/open.handle /zone/open rw");

  // Whose name the kernel has forgotten has none: not that of the directory that it was asked for with.
  Scene forgotten(stage("files"), [] {
    put_all();
    put("/mnt/ext4/secret");
    put_handle("/mnt/ext4/secret", "/zone/open/handle");
    forget_names();
  });
  forgotten.refuses("open-handle /zone/open/handle /mnt/ext4 r", ENOENT, {{"file.read", "", "no-path"}});
  forgotten.refuses("open-handle /zone/open/handle /mnt/ext4 w", ENOENT, {{"file.write", "", "no-path"}});
}

TEST_CASE("descriptors that come through a socket") {
  Scene scene(stage("files"), put_all);
  scene.refuses("open /zone/secret/f path ; pass ; reopen r", ENOENT, kRead);
  scene.refuses("open /zone/secret path+dir ; pass ; open-below f r", ENOENT, kRead);
  scene.refuses("open /zone/readable/f r ; pass ; reopen w", ENOENT, {{"file.write", "/zone/readable/f", "no-permit"}});
  scene.allows("open /zone/open/f rw ; pass ; use rw");

  // From somebody who may: what it was opened for is done without a question, as `docs/security-model.md` says. Nothing more.
  clean_zone();
  put_all();
  const int listener = listen_at("/tmp/giver");
  Helper giver([&] { give(listener, "/zone/secret/f"); });
  scene.allows("receive /tmp/giver ; use r");
  scene.refuses("receive /tmp/giver ; reopen r", ENOENT, kRead);
  scene.refuses("receive /tmp/giver ; reopen w", ENOENT, kWrite);
  ::close(listener);
}

TEST_CASE("the path leads elsewhere from one moment to the next") {
  Stage& here = stage("files");
  clean_zone();
  put_all();
  put_directory("/zone/open/way");
  put("/zone/open/way/f", "open");
  put_symlink("/zone/secret", "/zone/open/other");
  put_symlink("/zone/open/f", "/zone/open/link");
  put_symlink("/zone/secret/f", "/zone/open/link-2");
  Helper changes([] {
    ::renameat2(AT_FDCWD, "/zone/open/link", AT_FDCWD, "/zone/open/link-2", RENAME_EXCHANGE);
    ::renameat2(AT_FDCWD, "/zone/open/way", AT_FDCWD, "/zone/open/other", RENAME_EXCHANGE);
  });
  for (const char* path : {"/zone/open/link", "/zone/open/way/f"}) {
    INFO(path);
    CHECK(here.free().perform(std::string("race 100000 ") + path + " secret") == Outcome{1, EBADE});   // there is something to win
    CHECK(here.bound().perform(std::string("race 400 ") + path + " secret") == Outcome{});
  }
}
