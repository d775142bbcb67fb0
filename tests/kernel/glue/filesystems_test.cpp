// File systems that are special: overlayfs raises one event for an operation, by the name above, and none for what it does to
// its layers; where two spellings mean one file, names are refused.
#include <doctest/doctest.h>
#include <dirent.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "rig.h"

namespace {

using namespace kerf::test;

// Modules that the guest carries; what is built in or loaded needs none.
void load_modules() {
  std::error_code ignored;
  std::set<std::string> modules;
  for (const auto& entry : std::filesystem::directory_iterator("/guest/modules", ignored)) modules.insert(entry.path().string());
  for (const std::string& module : modules) {
    int fd = ::open(module.c_str(), O_RDONLY | O_CLOEXEC);
    ::syscall(SYS_finit_module, fd, "", 0);
    ::close(fd);
  }
}
bool is_there(const std::string& filesystem) {
  load_modules();
  std::ifstream list("/proc/filesystems");
  for (std::string line; std::getline(list, line);) {
    if (line.size() > filesystem.size() && line.substr(line.size() - filesystem.size() - 1) == "\t" + filesystem) return true;
  }
  return false;
}
// The device of a file's loop; empty: none is to be had.
std::string loop_of(const char* image) {
  int file = ::open(image, O_RDWR | O_CLOEXEC), control = ::open("/dev/loop-control", O_RDWR | O_CLOEXEC);
  if (file < 0 || control < 0) return "";
  std::string device = "/dev/loop" + std::to_string(::ioctl(control, LOOP_CTL_GET_FREE));
  ::close(control);
  int loop = ::open(device.c_str(), O_RDWR | O_CLOEXEC);
  bool done = ::ioctl(loop, LOOP_SET_FD, file) == 0;
  ::close(file);
  return done ? device : "";   // the loop stays with its mount
}

long opened(const char* path, int flags) { return ::open(path, flags, 0644); }

}  // namespace

TEST_CASE("overlayfs") {
  if (!is_there("overlay")) {
    MESSAGE("no overlayfs here");
    return;
  }
  Rig& rig = Rig::fresh(Variant::all);
  REQUIRE(std::system("mkdir -p /tmp/ovl/l /tmp/ovl/u /tmp/ovl/w /tmp/o; for f in a b c d e; do echo data > /tmp/ovl/l/$f; done; echo x > /tmp/ovl/u/up") == 0);
  REQUIRE(::mount("overlay", "/tmp/o", "overlay", 0, "lowerdir=/tmp/ovl/l,upperdir=/tmp/ovl/u,workdir=/tmp/ovl/w") == 0);
  CHECK(rig.inside([] { return opened("/tmp/o/a", O_RDONLY); }) == "101\nread  no-path 101\n");
  rig.anchor("/tmp/o", "/o");
  CHECK(rig.inside([] { return opened("/tmp/o/a", O_RDONLY); }) == "0\nread /o/a permit\n");
  CHECK(rig.last_file() == "overlay 0 100644 1");
  CHECK(rig.inside([] { return opened("/tmp/o/up", O_RDONLY); }) == "0\nread /o/up permit\n");
  CHECK(rig.inside([] { return opened("/tmp/o/b", O_RDWR); }) == "0\nread /o/b permit\nwrite /o/b permit\n");
  CHECK(rig.inside([] { return ::truncate("/tmp/o/c", 1); }) == "0\ntruncate /o/c permit\n");
  CHECK(rig.inside([] { return ::chmod("/tmp/o/d", 0600); }) == "0\nchmod /o/d permit\n");
  CHECK(rig.inside([] { return opened("/tmp/o/new", O_CREAT | O_WRONLY); }) == "0\ncreate /o/new new permit\nwrite /o/new permit\n");
  CHECK(rig.inside([] {
    DIR* directory = ::opendir("/tmp/o");
    long count = 0;
    while (::readdir(directory)) ++count;
    return count > 5 ? 0l : -1l;
  }).find("0\nlist /o dir permit\n") == 0);
  CHECK(rig.inside([] { struct stat info; return ::stat("/tmp/o/a", &info); }) == "0\nstat /o/a permit\n");
  CHECK(rig.inside([] {
    int fd = ::open("/tmp/o/e", O_RDONLY);
    void* at = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    return static_cast<long>(::mprotect(at, 4096, PROT_READ | PROT_EXEC));
  }) == "0\nread /o/e permit\nload /o/e permit\n");
  CHECK(rig.inside([] { return ::rename("/tmp/o/a", "/tmp/o/a2"); }) == "0\nrename /o/a permit\nrename /o/a2 permit\n");
  CHECK(rig.inside([] { return opened("/tmp/ovl/l/e", O_RDONLY); }) == "0\nread /tmp/ovl/l/e permit\n");
  rig.deny(1u << KERF_EVENT_FILE_CREATE);
  REQUIRE(::mkdir("/tmp/o/deny", 0755) == 0);
  CHECK(rig.inside([] { return opened("/tmp/o/deny/new", O_CREAT | O_WRONLY); }) == "103\ncreate /o/deny/new new forbid 103\n");
  CHECK(::access("/tmp/o/deny/new", F_OK) != 0);
  REQUIRE(::umount2("/tmp/o", MNT_DETACH) == 0);
}

TEST_CASE("a directory that takes two spellings for one name") {
  std::string device = is_there("ext4") ? loop_of("/guest/ext4.image") : "";
  if (device.empty()) {
    MESSAGE("no ext4 with case folding here");
    return;
  }
  Rig& rig = Rig::fresh(Variant::all);
  REQUIRE(std::system("mkdir -p /tmp/e") == 0);
  REQUIRE(::mount(device.c_str(), "/tmp/e", "ext4", 0, nullptr) == 0);
  rig.anchor("/tmp/e", "/e");
  REQUIRE(std::system("mkdir -p /tmp/e/plain /tmp/e/folded; echo a > /tmp/e/plain/f") == 0);
  int fd = ::open("/tmp/e/folded", O_RDONLY);
  int flags = 0;
  REQUIRE(::ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0);
  flags |= FS_CASEFOLD_FL;
  REQUIRE(::ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0);
  ::close(fd);
  REQUIRE(std::system("echo a > /tmp/e/folded/f; mkdir /tmp/e/folded/sub; echo b > /tmp/e/folded/sub/g") == 0);
  CHECK(rig.inside([] { return opened("/tmp/e/plain/f", O_RDONLY); }) == "0\nread /e/plain/f permit\n");
  CHECK(rig.inside([] { return opened("/tmp/e/folded", O_RDONLY); }) == "0\nlist /e/folded dir permit\n");
  CHECK(rig.inside([] { return opened("/tmp/e/folded/f", O_RDONLY); }) == "101\nread /e/folded/f ambiguous 101\n");
  CHECK(rig.inside([] { return opened("/tmp/e/folded/F", O_RDONLY); }) == "101\nread /e/folded/f ambiguous 101\n");
  CHECK(rig.inside([] { return opened("/tmp/e/folded/sub/g", O_RDONLY); }) == "101\nread /e/folded/sub/g ambiguous 101\n");
  CHECK(rig.inside([] { return opened("/tmp/e/folded/new", O_CREAT | O_WRONLY); }) == "103\ncreate /e/folded/new new ambiguous 103\n");
  CHECK(rig.inside([] { return ::rename("/tmp/e/plain/f", "/tmp/e/folded/h"); }).find("105\n") == 0);
  CHECK(rig.inside([] { return opened("/proc/sys/kernel/ostype", O_RDONLY); }) == "0\nread /proc/sys/kernel/ostype permit\n");
  REQUIRE(::umount2("/tmp/e", MNT_DETACH) == 0);
}
