// The file systems and trees of the tests.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "stage.h"

namespace kerf::test {
namespace {

namespace fs = std::filesystem;

void must(bool good, const std::string& what) {
  if (good) return;
  std::perror(what.c_str());
  std::exit(1);
}

void mount_at(const char* type, const std::string& where, const char* device, const std::string& options) {
  fs::create_directories(where);
  must(::mount(device, where.c_str(), type, 0, options.empty() ? nullptr : options.c_str()) == 0, "mount " + where);
}

// A file as a block device.
std::string loop_device(const std::string& file) {
  int control = ::open("/dev/loop-control", O_RDWR | O_CLOEXEC);
  int number = ::ioctl(control, LOOP_CTL_GET_FREE);
  ::close(control);
  std::string device = "/dev/loop" + std::to_string(number);
  int fd = ::open(device.c_str(), O_RDWR | O_CLOEXEC), backing = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
  must(number >= 0 && fd >= 0 && backing >= 0 && ::ioctl(fd, LOOP_SET_FD, backing) == 0, "loop device of " + file);
  ::close(fd);
  ::close(backing);
  return device;
}

// An empty FAT12 file system, as on a floppy disk: nothing in Debian's busybox makes one.
void make_vfat(const std::string& path) {
  constexpr std::size_t kSector = 512, kSectors = 2880, kTableSectors = 9;
  std::string image(kSector * kSectors, '\0');
  auto at = [&](std::size_t where, std::initializer_list<int> bytes) {
    for (int byte : bytes) image[where++] = static_cast<char>(byte);
  };
  at(0, {0xeb, 0x3c, 0x90});
  image.replace(3, 8, "KERFTEST");
  // bytes a sector, sectors a cluster, reserved sectors, tables, root entries, sectors, medium, sectors a table, geometry
  at(11, {0x00, 0x02, 1, 1, 0, 2, 0xe0, 0x00, 0x40, 0x0b, 0xf0, kTableSectors, 0, 18, 0, 2, 0});
  at(38, {0x29, 1, 2, 3, 4});
  image.replace(43, 19, "NO NAME    FAT12   ");
  at(510, {0x55, 0xaa});
  for (std::size_t table : {std::size_t{1}, 1 + kTableSectors}) at(table * kSector, {0xf0, 0xff, 0xff});
  std::ofstream(path, std::ios::binary) << image;
}

}  // namespace

void make_world() {
  mount_at("tmpfs", "/zone", "zone", "");
  mount_at("tmpfs", "/mnt/tmpfs", "tmpfs", "");
  mount_at("tmpfs", "/layers", "layers", "");
  mount_at("tmpfs", "/play", "play", "");
  // copies: other tests mount the same images
  put_copy("/guest/play.image", "/layers/play.image", 0600);
  put_copy("/guest/ext4.image", "/layers/ext4.image", 0600);
  mount_at("ext4", "/play/m", loop_device("/layers/play.image").c_str(), "");
  for (const char* layer : {"/layers/lower", "/layers/upper", "/layers/work"}) fs::create_directories(layer);
  for (const char* name : {"read", "append", "truncate", "mode", "secret", "secret-copy", "gone", "both"}) put(std::string("/layers/lower/") + name);
  fs::create_directories("/layers/lower/merged");
  fs::create_directories("/layers/upper/merged");
  put("/layers/lower/merged/lower");
  put("/layers/upper/merged/upper");
  put("/layers/upper/upper");
  mount_at("overlay", "/mnt/overlay", "overlay", "lowerdir=/layers/lower,upperdir=/layers/upper,workdir=/layers/work");
  mount_at("ext4", "/mnt/ext4", loop_device("/layers/ext4.image").c_str(), "");
  fs::create_directories("/mnt/ext4/folded");
  int fd = ::open("/mnt/ext4/folded", O_RDONLY | O_DIRECTORY | O_CLOEXEC), flags = 0;
  must(::ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0, "flags of /mnt/ext4/folded");
  flags |= FS_CASEFOLD_FL;
  must(::ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0, "a case-insensitive directory on ext4");
  ::close(fd);
  make_vfat("/layers/vfat.image");
  mount_at("vfat", "/mnt/vfat", loop_device("/layers/vfat.image").c_str(), "");
  clean_zone();
}

void clean_zone() {
  for (const auto& entry : fs::directory_iterator("/zone")) {
    if (entry.path() != "/zone/fence") fs::remove_all(entry.path());
  }
  for (const char* zone : {"open", "readable", "drop", "runnable", "pattern", "set", "owned", "uid", "secret"}) {
    ::mkdir((std::string("/zone/") + zone).c_str(), 0755);
  }
}

void put(const std::string& path, const std::string& text, unsigned mode) {
  std::ofstream(path, std::ios::binary) << text;
  must(::chmod(path.c_str(), mode) == 0, "put " + path);
}

void put_directory(const std::string& path) { must(fs::create_directories(path), "mkdir " + path); }

void put_copy(const std::string& from, const std::string& to, unsigned mode) {
  std::error_code error;
  must(fs::copy_file(from, to, error), "copy " + from + " to " + to);
  must(::chmod(to.c_str(), mode) == 0, "chmod " + to);
}

void put_symlink(const std::string& target, const std::string& path) { must(::symlink(target.c_str(), path.c_str()) == 0, "symlink " + path); }
void put_link(const std::string& old_path, const std::string& path) { must(::link(old_path.c_str(), path.c_str()) == 0, "link " + path); }

std::string snapshot(const std::string& root) {
  std::vector<std::string> lines;
  std::error_code error;
  for (fs::recursive_directory_iterator at(root, error), end; at != end; at.increment(error)) {
    struct stat info{};
    if (::lstat(at->path().c_str(), &info) != 0) continue;
    std::ostringstream line;
    line << at->path().string() << " " << std::oct << info.st_mode << std::dec << " " << info.st_uid;
    if (!S_ISDIR(info.st_mode)) line << " links " << info.st_nlink << " size " << info.st_size;
    if (S_ISREG(info.st_mode)) {
      std::ifstream file(at->path(), std::ios::binary);
      std::stringstream text;
      text << file.rdbuf();
      line << " " << std::hash<std::string>()(text.str());
    }
    lines.push_back(line.str());
  }
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

}  // namespace kerf::test
