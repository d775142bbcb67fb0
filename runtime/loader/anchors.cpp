// Mounts of a view -> anchors with the kernel's keys, in the maps. The one decision: a mount point counts only if
// opening it leads to the very mount that mountinfo listed, and a key only if its device is that mount's; whatever does
// not fit fails, and the caller has bound nothing yet.
#include "runtime/loader/anchors.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <tuple>

#include "runtime/loader/failure.h"
#include "runtime/loader/files.h"

namespace kerf::loader {
namespace {

constexpr std::uint64_t kMaxMountinfoBytes = 64u << 20;
constexpr const char* kInitialPids = "pid:[4026531836]";   // PROC_PID_INIT_INO

template <class... Args>
Failure view_failure(fmt::format_string<Args...> format, Args&&... args) {
  return fail(Code::K7413, fmt::format(format, std::forward<Args>(args)...));
}

// The probe compares with our thread group id in the initial pid namespace; elsewhere getpid() tells another number.
LoaderResult<Unit> check_initial_pids() {
  char target[64] = {};
  ssize_t n = ::readlink("/proc/self/ns/pid", target, sizeof target - 1);
  if (n > 0 && std::string_view(target) == kInitialPids) return Unit{};
  return view_failure("kerf does not run in the initial pid namespace");
}

LoaderResult<Fd> open_mount(const View& view, const Mount& mount) {
  std::string relative = mount.point == "/" ? "." : mount.point.substr(1);
  open_how how{};
  how.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS;
  Fd fd(static_cast<int>(::syscall(SYS_openat2, view.root.get(), relative.c_str(), &how, sizeof how)));
  if (!fd.ok()) return view_failure("cannot open the mount point {}: {}", escape_bytes(mount.point), errno_text(errno));
  struct statx about {};
  bool asked = ::statx(fd.get(), "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &about) == 0 || errno == EACCES;
  bool same = asked && (!(about.stx_mask & STATX_MNT_ID) || about.stx_mnt_id == static_cast<std::uint64_t>(mount.id));
  if (!same) return view_failure("the mounts changed while kerf looked at them ({})", escape_bytes(mount.point));
  return fd;
}

using ProbeCell = struct kerf_anchor_probe;

LoaderResult<kerf_anchor_key> learn_key(const View& view, const Maps& maps, const Mount& mount) {
  auto fd = open_mount(view, mount);
  if (!fd) return fd.error();
  std::uint32_t zero = 0;
  ProbeCell cell{};
  cell.tgid = static_cast<std::uint32_t>(::getpid());
  if (::bpf_map_update_elem(maps.anchor_probe.get(), &zero, &cell, BPF_ANY) != 0) return view_failure("kerf_probe: {}", errno_text(errno));
  struct stat about {};
  static_cast<void>(::fstat(fd->get(), &about));   // may fail in a file system that shows nothing to root; the hook ran before
  if (::bpf_map_lookup_elem(maps.anchor_probe.get(), &zero, &cell) != 0) return view_failure("kerf_probe: {}", errno_text(errno));
  if (cell.filled != 1) return view_failure("the kernel's probe did not see {}", escape_bytes(mount.point));
  if (cell.key.device != mount.device) {
    return view_failure("the kernel's probe saw device {:#x} at {}, mountinfo says {:#x}", cell.key.device, escape_bytes(mount.point), mount.device);
  }
  cell.key.binding = cell.key.reserved = 0;
  return cell.key;
}

auto order(const kerf_anchor_key& key) { return std::tuple(key.inode, key.device, key.generation, key.binding); }

// Every key in kerf_anchors with the index of its path.
std::vector<std::pair<kerf_anchor_key, std::uint32_t>> all_keys(const Maps& maps) {
  std::vector<std::pair<kerf_anchor_key, std::uint32_t>> list;
  kerf_anchor_key key{}, next{};
  const kerf_anchor_key* at = nullptr;
  while (list.size() <= KERF_MAX_ANCHORS && ::bpf_map_get_next_key(maps.anchors.get(), at, &next) == 0) {
    std::uint32_t index = 0;
    if (::bpf_map_lookup_elem(maps.anchors.get(), &next, &index) == 0) list.emplace_back(next, index);
    key = next;
    at = &key;
  }
  return list;
}

LoaderResult<Unit> write_path(const Maps& maps, std::uint32_t index, std::uint32_t binding, const std::string& path) {
  kerf_anchor_path row{};
  std::string text = path == "/" ? "" : path;
  check(text.size() < sizeof row.path, "a planned anchor's path has room");
  row.binding = binding;
  row.length = static_cast<std::uint32_t>(text.size());
  std::memcpy(row.path, text.data(), text.size());
  if (::bpf_map_update_elem(maps.anchor_paths.get(), &index, &row, BPF_ANY) != 0) return fail(Code::K7604, errno_text(errno));
  return Unit{};
}

// `change`: BPF_NOEXIST, or BPF_ANY: a key that is there gets the new path at one blow.
LoaderResult<Unit> put_anchors(const Maps& maps, std::uint32_t binding, const std::vector<Anchor>& anchors, std::uint64_t change) {
  std::set<std::uint32_t> taken;
  for (const auto& [key, index] : all_keys(maps)) taken.insert(index);
  if (taken.size() + anchors.size() > KERF_MAX_ANCHORS) {
    return view_failure("{} anchors are needed, {} of {} are taken", anchors.size(), taken.size(), KERF_MAX_ANCHORS);
  }
  std::uint32_t index = 0;
  for (const Anchor& anchor : anchors) {
    while (taken.contains(index)) ++index;
    if (auto done = write_path(maps, index, binding, anchor.path); !done) return done;
    kerf_anchor_key key = anchor.key;
    key.binding = binding;
    if (::bpf_map_update_elem(maps.anchors.get(), &key, &index, change) != 0) return fail(Code::K7604, errno_text(errno));
    ++index;
  }
  return Unit{};
}

}  // namespace

LoaderResult<View> open_view(const std::string& task) {
  View view;
  view.task = task;
  std::string process = "/proc/" + task;
  view.root = Fd(::open((process + "/root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!view.root.ok()) return view_failure("cannot see the root of process {}: {}", task, errno_text(errno));
  auto text = read_file(process + "/mountinfo", kMaxMountinfoBytes);
  if (!text) return view_failure("cannot see the mounts of process {}: {}", task, text.error().message);
  view.plan = plan_anchors(parse_mountinfo(*text));
  if (!view.plan.has_root) return view_failure("the root of process {} is no mount of its own, so nothing names what is outside of its mounts", task);
  return view;
}

std::optional<std::pair<Anchor, Anchor>> find_twins(const std::vector<Anchor>& anchors) {
  std::map<decltype(order(kerf_anchor_key{})), const Anchor*> seen;
  for (const Anchor& anchor : anchors) {
    auto [it, fresh] = seen.emplace(order(anchor.key), &anchor);
    if (!fresh) return std::pair(*it->second, anchor);
  }
  return std::nullopt;
}

// An object has one of them.
static LoaderResult<Fd> open_probe(const std::string& pins) {
  LoaderResult<Fd> found = open_program(pins, "kerf_anchor_probe");
  return found ? std::move(found) : open_program(pins, "kerf_exe_probe");
}

LoaderResult<std::vector<Anchor>> learn_anchors(const View& view, const Maps& maps, const std::string& pins) {
  if (auto done = check_initial_pids(); !done) return done.error();
  auto program = open_probe(pins);
  if (!program) return program.error();
  Fd link(::bpf_raw_tracepoint_open(nullptr, program->get()));   // lives as long as this function
  if (!link.ok()) return fail(Code::K7406, "the probe of anchors", errno_text(errno));
  std::vector<Anchor> anchors;
  for (const Mount& mount : view.plan.anchors) {
    auto key = learn_key(view, maps, mount);
    if (!key) return key.error();
    anchors.push_back({mount.point, *key});
  }
  if (auto twins = find_twins(anchors)) {
    return view_failure("{} and {} show the same directory or file to the kernel", escape_bytes(twins->first.path), escape_bytes(twins->second.path));
  }
  return anchors;
}

LoaderResult<Unit> add_anchors(const Maps& maps, std::uint32_t binding, const std::vector<Anchor>& anchors) {
  return put_anchors(maps, binding, anchors, BPF_NOEXIST);
}

LoaderResult<Unit> replace_anchors(const Maps& maps, std::uint32_t binding, const std::vector<Anchor>& anchors) {
  std::set<decltype(order(kerf_anchor_key{}))> wanted;
  for (const Anchor& anchor : anchors) wanted.insert(order(anchor.key));
  if (auto done = put_anchors(maps, binding, anchors, BPF_ANY); !done) return done;
  for (auto [key, index] : all_keys(maps)) {
    if (key.binding != binding) continue;
    kerf_anchor_key bare = key;
    bare.binding = 0;
    if (wanted.contains(order(bare))) continue;
    if (::bpf_map_delete_elem(maps.anchors.get(), &key) != 0 && errno != ENOENT) return fail(Code::K7604, errno_text(errno));
  }
  return grace_period();   // a hook may still copy a path whose place is free now
}

LoaderResult<Unit> remove_anchors(const Maps& maps, std::uint32_t binding) {
  if (!maps.anchors.ok()) return Unit{};
  for (const auto& [key, index] : all_keys(maps)) {
    if (key.binding != binding) continue;
    if (::bpf_map_delete_elem(maps.anchors.get(), &key) != 0 && errno != ENOENT) return fail(Code::K7604, errno_text(errno));
  }
  return grace_period();   // a hook may still copy a path that the next bind would overwrite
}

}  // namespace kerf::loader
