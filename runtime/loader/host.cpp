// /proc/mounts and our own privileges -> the three directories that kerf uses, or what is missing. The one decision:
// where the usual place of the BPF file system is empty, root gets it mounted; everything else is only looked for.
#include "runtime/loader/host.h"

#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "runtime/loader/failure.h"
#include "runtime/loader/files.h"
#include "runtime/loader/mountinfo.h"

namespace kerf::loader {
namespace {

constexpr const char* kBpffs = "/sys/fs/bpf";
constexpr const char* kStates = "/run/kerf";
constexpr std::uint64_t kMaxMountsBytes = 16u << 20;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return parts;
}

bool usual(const std::string& path) {
  return path == "/sys/fs/cgroup" || path == "/sys/fs/cgroup/unified" || path == kBpffs;
}

LoaderResult<Unit> make_directory(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0) return Unit{};
  int error = errno;
  struct stat about {};
  if (error == EEXIST && ::lstat(path.c_str(), &about) == 0 && S_ISDIR(about.st_mode) && about.st_uid == ::geteuid()) return Unit{};
  if (error == EEXIST) return fail(Code::K7404, path, std::string("it is there and is no directory of ours"));
  return fail(Code::K7404, path, errno_text(error));
}

LoaderResult<Host> look() {
  auto text = read_file("/proc/mounts", kMaxMountsBytes);
  if (!text) return fail(Code::K7402, text.error().message);
  Mounts mounts = parse_mounts(*text);
  if (mounts.cgroup2.empty()) return fail(Code::K7402, std::string("/proc/mounts lists no file system of type cgroup2"));
  Host host;
  host.cgroups = mounts.cgroup2 + "/kerf";
  host.pins = mounts.bpffs.empty() ? "" : mounts.bpffs + "/kerf";
  host.states = kStates;
  return host;
}

}  // namespace

Mounts parse_mounts(std::string_view text) {
  Mounts mounts;
  for (std::string_view line : split(text, '\n')) {
    std::vector<std::string_view> fields = split(line, ' ');
    if (fields.size() < 4) continue;
    std::string path = unescape_mount(fields[1]);
    std::string* place = fields[2] == "cgroup2" ? &mounts.cgroup2 : fields[2] == "bpf" ? &mounts.bpffs : nullptr;
    if (place != nullptr && (place->empty() || (usual(path) && !usual(*place)))) *place = path;
  }
  return mounts;
}

LoaderResult<Host> find_host() { return look(); }

LoaderResult<Host> open_host() {
  auto host = look();
  if (!host) return host;
  if (host->pins.empty()) {
    if (::mount("bpf", kBpffs, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") != 0) {
      return fail(Code::K7403, errno_text(errno));
    }
    host->pins = std::string(kBpffs) + "/kerf";
    host->mounted_bpffs = true;
  }
  if (auto done = make_directory(host->cgroups, 0755); !done) return done.error();
  if (auto done = make_directory(host->pins, 0700); !done) return done.error();
  if (auto done = make_directory(host->states, 0700); !done) return done.error();
  return host;
}

std::string cgroup_mount(const Host& host) { return host.cgroups.substr(0, host.cgroups.rfind('/')); }

LoaderResult<Unit> check_privileges() {
  struct Need {
    unsigned bit;
    const char* name;
  };
  static constexpr Need needs[] = {{12, "CAP_NET_ADMIN"}, {13, "CAP_NET_RAW"}, {21, "CAP_SYS_ADMIN"}, {39, "CAP_BPF"}};
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (::syscall(SYS_capget, &header, data) != 0) return fail(Code::K7401, fmt::format("capabilities (capget: {})", errno_text(errno)));
  std::vector<std::string> missing;
  for (const Need& need : needs) {
    if (!(data[need.bit / 32].effective >> (need.bit % 32) & 1)) missing.push_back(need.name);
  }
  if (missing.empty()) return Unit{};
  return fail(Code::K7401, fmt::format("{}", fmt::join(missing, ", ")));
}

std::string binding_of_cgroup(std::string_view proc_cgroup) {
  for (std::string_view line : split(proc_cgroup, '\n')) {
    if (!line.starts_with("0::/kerf/")) continue;
    std::string_view name = line.substr(std::string_view("0::/kerf/").size());
    return std::string(name.substr(0, name.find('/')));
  }
  return {};
}

std::string boot_id() {
  auto text = read_file("/proc/sys/kernel/random/boot_id", 256);
  if (!text) return {};
  return text->substr(0, text->find('\n'));
}

}  // namespace kerf::loader
