// A cgroup and a binding -> tags. The one decision: the cgroup's entry comes first, so that a task that is forked or
// moved while the iterator runs is tagged by its hook; and goes first, so that nobody is tagged behind our back.
#include "runtime/loader/identity.h"

#include <bpf/bpf.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <vector>

#include "runtime/loader/failure.h"

namespace kerf::loader {
namespace {

LoaderResult<Unit> run_iterator(const std::string& pins) {
  auto program = open_program(pins, "kerf_tag_tasks");
  if (!program) return program.error();
  Fd link(::bpf_link_create(program->get(), 0, BPF_TRACE_ITER, nullptr));
  if (!link.ok()) return fail(Code::K7406, "kerf_tag_tasks", errno_text(errno));
  Fd iterator(::bpf_iter_create(link.get()));
  if (!iterator.ok()) return fail(Code::K7406, "kerf_tag_tasks", errno_text(errno));
  char buffer[4096];
  for (;;) {
    ssize_t n = ::read(iterator.get(), buffer, sizeof buffer);
    if (n == 0) return Unit{};
    if (n < 0 && errno != EINTR && errno != EAGAIN) return fail(Code::K7406, "kerf_tag_tasks", errno_text(errno));
  }
}

// Tasks that have the tag now.
std::vector<std::uint64_t> tagged(const Maps& maps, std::uint32_t binding) {
  std::vector<std::uint64_t> tasks;
  std::uint64_t key = 0, next = 0;
  const std::uint64_t* at = nullptr;
  // a key that is deleted meanwhile starts the walk again: bounded, and the caller asks again
  for (std::uint32_t turn = 0; turn < 4 * KERF_MAX_TASKS && ::bpf_map_get_next_key(maps.tasks.get(), at, &next) == 0; ++turn) {
    kerf_tag tag{};
    if (::bpf_map_lookup_elem(maps.tasks.get(), &next, &tag) == 0 && tag.binding == binding) tasks.push_back(next);
    key = next;
    at = &key;
  }
  return tasks;
}

// Once nobody has the tag, and no hook is running that had found one.
LoaderResult<Unit> forget_count(const Maps& maps, std::uint32_t binding) {
  if (::bpf_map_delete_elem(maps.live.get(), &binding) != 0 && errno != ENOENT) return fail(Code::K7604, errno_text(errno));
  return Unit{};
}

}  // namespace

LoaderResult<Unit> tag_cgroup(const Maps& maps, const std::string& pins, std::uint64_t cgroup_id, std::uint32_t binding) {
  const std::uint64_t none = 0;
  if (::bpf_map_update_elem(maps.live.get(), &binding, &none, BPF_NOEXIST) != 0 && errno != EEXIST) return fail(Code::K7604, errno_text(errno));
  kerf_tag tag{.binding = binding, .place = 0, .punched = 0};
  if (::bpf_map_update_elem(maps.cgroups.get(), &cgroup_id, &tag, BPF_ANY) != 0) return fail(Code::K7604, errno_text(errno));
  return run_iterator(pins);
}

LoaderResult<Unit> untag(const Maps& maps, std::uint64_t cgroup_id, std::uint32_t binding) {
  if (!maps.cgroups.ok() || !maps.tasks.ok() || !maps.live.ok()) return Unit{};
  if (::bpf_map_delete_elem(maps.cgroups.get(), &cgroup_id) != 0 && errno != ENOENT) return fail(Code::K7604, errno_text(errno));
  for (int turn = 0; turn < 100; ++turn) {
    // a fork that read its parent's tag before it was removed writes it before the period ends
    if (auto done = grace_period(); !done) return done;
    std::vector<std::uint64_t> tasks = tagged(maps, binding);
    if (tasks.empty()) return forget_count(maps, binding);
    for (std::uint64_t task : tasks) static_cast<void>(::bpf_map_delete_elem(maps.tasks.get(), &task));
  }
  return fail(Code::K7604, std::string("tasks of the binding are forked faster than they can be let go; freeze the cgroup first"));
}

// Whole seconds, so that it does not matter how long the readings take as long as it is less than one.
std::uint64_t tai_offset_ns() {
  constexpr std::int64_t second = 1'000'000'000;
  auto now_ns = [](clockid_t clock) {
    timespec time{};
    check(::clock_gettime(clock, &time) == 0, "the wall clock can be read");
    return time.tv_sec * second + time.tv_nsec;
  };
  for (;;) {
    const std::int64_t before = now_ns(CLOCK_REALTIME), offset = now_ns(CLOCK_TAI) - before, after = now_ns(CLOCK_REALTIME);
    if (after >= before && after - before < second / 2) return static_cast<std::uint64_t>(offset - offset % second);
  }
}

namespace {

template <class Change>
LoaderResult<Unit> change_kernel_state(const Maps& maps, const Change& change) {
  std::uint32_t zero = 0;
  kerf_state state{};
  bool done = ::bpf_map_lookup_elem(maps.state.get(), &zero, &state) == 0;
  state.tai_offset_ns = tai_offset_ns();
  change(state);
  done = done && ::bpf_map_update_elem(maps.state.get(), &zero, &state, BPF_ANY) == 0;
  if (!done) return fail(Code::K7604, errno_text(errno));
  return Unit{};
}

}  // namespace

LoaderResult<Unit> set_cgroup_levels(const Maps& maps, std::uint64_t levels) {
  return change_kernel_state(maps, [&](kerf_state& state) { state.cgroup_levels = levels; });
}

LoaderResult<Unit> renew_clock(const Maps& maps) {
  return change_kernel_state(maps, [](kerf_state&) {});
}

std::size_t cgroup_depth(std::string_view mount_point, std::string_view cgroup) {
  if (cgroup.starts_with(mount_point)) cgroup.remove_prefix(mount_point.size());
  return static_cast<std::size_t>(std::count(cgroup.begin(), cgroup.end(), '/'));
}

std::uint64_t level_bit(std::string_view mount_point, std::string_view cgroup, bool whole_hierarchy) {
  constexpr std::uint64_t all = ~std::uint64_t{0};
  if (!whole_hierarchy || !cgroup.starts_with(mount_point)) return all;
  const std::size_t depth = cgroup_depth(mount_point, cgroup);
  return depth <= kMaxCgroupDepth ? std::uint64_t{1} << depth : all;
}

}  // namespace kerf::loader
