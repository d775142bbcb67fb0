// Options of `kerf run` -> what the child gives up before it becomes the command. The one decision: capabilities leave the bounding
// set too, else the next execve of a root process would have them back.
#include "runtime/loader/privileges.h"

#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "runtime/loader/failure.h"
#include "runtime/loader/files.h"

namespace kerf::loader {
namespace {

// Names by number, <linux/capability.h>.
constexpr std::string_view kCapabilities[] = {
    "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "linux_immutable",
    "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner", "sys_module", "sys_rawio", "sys_chroot",
    "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config", "mknod", "lease",
    "audit_write", "audit_control", "setfcap", "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read",
    "perfmon", "bpf", "checkpoint_restore"};
static_assert(std::size(kCapabilities) == CAP_LAST_CAP + 1);

constexpr const char* kDefaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr std::size_t kMaxGroups = 65536;

std::optional<std::uint32_t> number(std::string_view text) {
  std::uint32_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  bool whole = error == std::errc() && end == text.data() + text.size() && value != ~0u;
  return whole ? std::optional(value) : std::nullopt;
}

Failure no_user(const std::string& text, const char* why) { return fail(Code::K7504, escape_bytes(text), std::string(why)); }

// NAME, UID, or either with :GROUP.
LoaderResult<User> find_user(const std::string& text) {
  std::string name = text.substr(0, text.find(':'));
  std::optional<std::string> group;
  if (name.size() != text.size()) group = text.substr(name.size() + 1);
  User user;
  std::optional<std::uint32_t> uid = number(name);
  const passwd* known = uid ? ::getpwuid(*uid) : ::getpwnam(name.c_str());
  if (known != nullptr) {
    user.uid = known->pw_uid, user.gid = known->pw_gid;
    user.name = known->pw_name, user.home = known->pw_dir, user.shell = known->pw_shell;
  } else if (uid && group) {
    user.uid = *uid;
  } else {
    return no_user(text, uid ? "the user database does not list it, so its group must be given" : "the user database does not list it");
  }
  if (group) {
    std::optional<std::uint32_t> gid = number(*group);
    const struct group* listed = gid ? nullptr : ::getgrnam(group->c_str());
    if (!gid && listed == nullptr) return no_user(text, "the group database does not list its group");
    user.gid = gid ? *gid : listed->gr_gid;
  }
  user.groups = {user.gid};
  if (!group && !user.name.empty()) {
    int count = 0;
    ::getgrouplist(user.name.c_str(), user.gid, nullptr, &count);
    user.groups.resize(std::clamp<std::size_t>(static_cast<std::size_t>(count), 1, kMaxGroups));
    count = static_cast<int>(user.groups.size());
    if (::getgrouplist(user.name.c_str(), user.gid, user.groups.data(), &count) < 0) return no_user(text, "it is in too many groups");
    user.groups.resize(static_cast<std::size_t>(count));
  }
  return user;
}

LoaderResult<std::uint64_t> read_capabilities(const std::vector<std::string>& names) {
  std::uint64_t bits = 0;
  for (const std::string& given : names) {
    std::string name = given;
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (name.starts_with("cap_")) name = name.substr(4);
    auto found = std::find(std::begin(kCapabilities), std::end(kCapabilities), name);
    if (found == std::end(kCapabilities)) return fail(Code::K7505, escape_bytes(given), std::string("the kernel has none of this name"));
    auto bit = static_cast<unsigned>(found - std::begin(kCapabilities));
    if (bit == CAP_SYS_ADMIN) return fail(Code::K7505, escape_bytes(given), std::string("it leads to every other one; --privileged says so"));
    bits |= 1ull << bit;
  }
  return bits;
}

bool kept_in_clean(std::string_view entry) {
  return entry.starts_with("TERM=") || entry.starts_with("LANG=") || entry.starts_with("LC_") || entry.starts_with("TZ=");
}

void set(std::vector<std::string>& environment, const std::string& entry) {
  std::string key = entry.substr(0, entry.find('=') + 1);
  std::erase_if(environment, [&](const std::string& one) { return one.starts_with(key); });
  environment.push_back(entry);
}

std::vector<std::string> build_environment(const RunOptions& options, const std::optional<User>& user) {
  std::vector<std::string> environment;
  for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    if (!options.clean_env || kept_in_clean(*entry)) environment.push_back(*entry);
  }
  if (options.clean_env) {
    set(environment, kDefaultPath);
    const passwd* own = user ? nullptr : ::getpwuid(::geteuid());
    std::string name = user ? user->name : own != nullptr ? own->pw_name : "";
    std::string home = user ? user->home : own != nullptr ? own->pw_dir : "";
    std::string shell = user ? user->shell : own != nullptr ? own->pw_shell : "";
    if (!name.empty()) set(environment, "USER=" + name), set(environment, "LOGNAME=" + name);
    set(environment, "HOME=" + (home.empty() ? "/" : home));
    if (!shell.empty()) set(environment, "SHELL=" + shell);
  }
  for (const std::string& entry : options.env) {
    const char* inherited = entry.find('=') == std::string::npos ? ::getenv(entry.c_str()) : nullptr;
    if (entry.find('=') != std::string::npos) set(environment, entry);
    else if (inherited != nullptr) set(environment, entry + "=" + inherited);
  }
  return environment;
}

int failed(long result) { return result < 0 ? errno : 0; }

int trim_bounding_set(std::uint64_t keep) {
  for (unsigned bit = 0; bit < 64; ++bit) {
    int held = ::prctl(PR_CAPBSET_READ, bit, 0, 0, 0);
    if (held < 0) return 0;   // past the kernel's last one
    if (held == 1 && !(keep >> bit & 1) && ::prctl(PR_CAPBSET_DROP, bit, 0, 0, 0) != 0) return errno;
  }
  return 0;
}

int become(const User& user) {
  if (int error = failed(::syscall(SYS_setgroups, user.groups.size(), user.groups.data()))) return error;
  if (int error = failed(::syscall(SYS_setresgid, user.gid, user.gid, user.gid))) return error;
  return failed(::syscall(SYS_setresuid, user.uid, user.uid, user.uid));
}

int set_capabilities(std::uint64_t wanted) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (int error = failed(::syscall(SYS_capget, &header, data))) return error;
  for (unsigned i = 0; i < 2; ++i) {
    auto word = static_cast<std::uint32_t>(wanted >> (32 * i));
    if ((word & ~data[i].permitted) != 0) return EPERM;
    data[i] = {word, word, word};
  }
  if (int error = failed(::syscall(SYS_capset, &header, data))) return error;
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return errno;
  for (unsigned bit = 0; bit < 64; ++bit) {
    if ((wanted >> bit & 1) && ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, bit, 0, 0) != 0) return errno;
  }
  return 0;
}

}  // namespace

LoaderResult<Surroundings> read_surroundings(const RunOptions& options) {
  Surroundings surroundings;
  surroundings.privileged = options.privileged;
  if (!options.user.empty()) {
    auto user = find_user(options.user);
    if (!user) return user.error();
    surroundings.user = std::move(*user);
  }
  auto capabilities = read_capabilities(options.capabilities);
  if (!capabilities) return capabilities.error();
  surroundings.capabilities = *capabilities;
  for (const std::string& entry : options.env) {
    if (entry.empty() || entry.front() == '=' || entry.find('\0') != std::string::npos) return fail(Code::K7506, escape_bytes(entry));
  }
  surroundings.environment = build_environment(options, surroundings.user);
  return surroundings;
}

int enter_surroundings(const Surroundings& surroundings) {
  bool trimmed = !surroundings.privileged;
  if (trimmed) {
    if (int error = trim_bounding_set(surroundings.capabilities)) return error;
    if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return errno;   // over setresuid; execve clears it
  }
  if (surroundings.user) {
    if (int error = become(*surroundings.user)) return error;
  }
  if (trimmed) {
    if (int error = set_capabilities(surroundings.capabilities)) return error;
  }
  return trimmed || surroundings.no_new_privs ? failed(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) : 0;
}

}  // namespace kerf::loader
