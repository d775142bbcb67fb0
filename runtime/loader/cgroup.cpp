// Paths below the cgroup2 mount -> directories made, asked and removed. The one decision: nothing is ever moved between
// cgroups here; a task is born in its cgroup (process.cpp) or not at all.
#include "runtime/loader/cgroup.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <vector>

#include "runtime/loader/failure.h"
#include "runtime/loader/files.h"

namespace kerf::loader {

LoaderResult<Fd> create_cgroup(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0) return fail(Code::K7404, path, errno_text(errno));
  return open_cgroup(path);
}

LoaderResult<Fd> open_cgroup(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.ok()) return fail(Code::K7404, path, errno_text(errno));
  return fd;
}

std::uint64_t cgroup_id(int fd) {
  struct stat about {};
  check(::fstat(fd, &about) == 0, "an open cgroup can be asked for its id");
  return about.st_ino;
}

std::optional<std::string> cgroup_of(const std::string& task, const std::string& mount) {
  auto text = read_file("/proc/" + task + "/cgroup", 1u << 16);
  if (!text) return std::nullopt;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("0::/") || line.ends_with(" (deleted)") || line.starts_with("0::/..")) continue;
    std::string below = line.substr(3);
    return below == "/" ? mount : mount + below;
  }
  return std::nullopt;
}

bool is_cgroup2(int fd) {
  struct statfs about {};
  return ::fstatfs(fd, &about) == 0 && about.f_type == CGROUP2_SUPER_MAGIC;
}

std::vector<std::string> tasks_of(const std::string& path, std::size_t most) {
  std::vector<std::string> tasks;
  auto read = [&](const std::string& directory) {
    std::ifstream procs(directory + "/cgroup.procs");
    for (std::string pid; tasks.size() < most && procs >> pid;) tasks.push_back(pid);
  };
  read(path);
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator it(path, error), end; !error && it != end && tasks.size() < most; it.increment(error)) {
    if (it->is_directory(error) && !it->is_symlink(error)) read(it->path().string());
  }
  return tasks;
}

std::optional<std::string> first_task(const std::string& path) {
  auto tasks = tasks_of(path, 1);
  return tasks.empty() ? std::nullopt : std::optional(tasks.front());
}

bool cgroup_populated(const std::string& path) {
  auto text = read_file(path + "/cgroup.events", 4096);
  return text.ok() && text->find("populated 1") != std::string::npos;
}

LoaderResult<Unit> remove_cgroup(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  std::vector<std::string> directories{path};
  for (fs::recursive_directory_iterator it(path, fs::directory_options::none, error), end; !error && it != end; it.increment(error)) {
    if (it->is_directory(error) && !it->is_symlink(error)) directories.push_back(it->path().string());
  }
  // parents were listed before their children
  for (auto it = directories.rbegin(); it != directories.rend(); ++it) {
    if (::rmdir(it->c_str()) != 0 && errno != ENOENT) return fail(Code::K7404, *it, errno_text(errno));
  }
  return Unit{};
}

}  // namespace kerf::loader
