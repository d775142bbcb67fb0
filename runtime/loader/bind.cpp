// A principal and a cgroup of a loaded bundle -> a binding, and back. The one decision: whatever can fail without touching
// the cgroup comes first; then refusals come before permissions, and the record, which permits, comes last.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "runtime/loader/anchors.h"
#include "runtime/loader/cgroup.h"
#include "runtime/loader/failure.h"
#include "runtime/loader/files.h"
#include "runtime/loader/identity.h"
#include "runtime/loader/instance.h"
#include "runtime/loader/names.h"
#include "runtime/loader/paths.h"
#include "runtime/loader/probe.h"
#include "runtime/loader/process.h"
#include "runtime/loader/record.h"

namespace kerf::loader {
namespace {

constexpr const char* kInitialCgroups = "cgroup:[4026531835]";   // PROC_CGROUP_INIT_INO
constexpr std::size_t kMaxTasksLooked = 1000;

std::string link_text(const std::string& path) {
  char target[256] = {};
  ssize_t n = ::readlink(path.c_str(), target, sizeof target - 1);
  return n > 0 ? std::string(target, static_cast<std::size_t>(n)) : std::string();
}

std::string first_line(const std::string& path) {
  auto text = read_file(path, 4096);
  return text ? text->substr(0, text->find('\n')) : std::string();
}

// Nothing can be tried where no task can be; found before anything is attached. Empty: a task can enter.
LoaderResult<std::string> why_closed(const std::string& path, int cgroup) {
  int error = 0;
  auto child = clone_into(cgroup, [] { return 0; }, &error);
  if (child) {
    wait_status(*child);
    return std::string();
  }
  switch (error) {
    case EBUSY:
      return fmt::format("it hands controllers to the cgroups below it ({}), so the kernel lets no task into it; bind each of those, or take the controllers out of its cgroup.subtree_control", first_line(path + "/cgroup.subtree_control"));
    case EOPNOTSUPP:
      return fmt::format("no process can be put into it: its cgroup.type is `{}`; bind the root of its threads", first_line(path + "/cgroup.type"));
    case EAGAIN:
      return std::string("no process can be started in it: a pids.max of it or above it is reached");
    default:
      return child.error();
  }
}

LoaderResult<Fd> open_free_cgroup(const Host& host, const std::string& path) {
  auto refuse = [&](const std::string& why) { return fail(Code::K7414, escape_bytes(path), why); };
  auto cgroup = open_cgroup(path);
  if (!cgroup) return cgroup.error();
  std::string mount = cgroup_mount(host);
  if (!is_cgroup2(cgroup->get())) return refuse("it is no cgroup of version 2");
  if (path == mount || !is_at_or_below(path, mount)) return refuse("it is the root, which every task belongs to, or not below " + mount);
  auto ours = cgroup_of("self", mount);
  if (!ours || is_at_or_below(*ours, path)) return refuse("kerf itself runs in it");
  auto all = all_bindings(host);
  if (!all) return all.error();
  for (const auto& [name, binding] : *all) {
    auto there = open_cgroup(binding.cgroup);
    bool exists = there.ok() && cgroup_id(there->get()) == binding.cgroup_id;
    if (!exists) continue;
    if (is_at_or_below(path, binding.cgroup)) return refuse("it is bound already, or lies in a bound cgroup: " + name);
    if (is_at_or_below(binding.cgroup, path)) return refuse("a cgroup below it is bound: " + name);
  }
  auto closed = why_closed(path, cgroup->get());
  if (!closed) return closed.error();
  if (!closed->empty()) return refuse(*closed);
  return cgroup;
}

// Everything that is known of a binding before its cgroup is touched.
struct Plan {
  Fd cgroup;
  std::vector<std::uint8_t> record;
  std::vector<Anchor> anchors;
  std::vector<std::string> notes;
};

void note_other_views(const std::string& cgroup, const std::string& view, std::vector<std::string>& notes) {
  std::string ours = link_text("/proc/" + view + "/ns/mnt"), root = link_text("/proc/" + view + "/root");
  for (const std::string& task : tasks_of(cgroup, kMaxTasksLooked)) {
    if (link_text("/proc/" + task + "/ns/mnt") == ours && link_text("/proc/" + task + "/root") == root) continue;
    notes.push_back(fmt::format("process {} of the cgroup has other mounts or another root than {}: its files have the names that {} sees, and those in file systems of its own are refused", task, view, view));
    return;
  }
}

LoaderResult<Unit> plan_files(const LoadedBundle& bundle, const BindInput& input, const Maps& maps, const std::string& pins, Plan& plan) {
  auto view = open_view(input.view);
  if (!view) return view.error();
  auto misspelled = check_paths(bundle.manifest, view->root.get(), view->plan);
  if (!misspelled.empty() && !input.allow_noncanonical) return misspelled_failure(misspelled);
  for (const Misspelled& m : misspelled) {
    plan.notes.push_back(fmt::format("accepted: `{}` is no canonical path here, and what it leads to is {}", escape_bytes(m.path),
                                     m.canonical.empty() ? "a loop of links" : "`" + escape_bytes(m.canonical) + "`"));
  }
  auto anchors = learn_anchors(*view, maps, pins);
  if (!anchors) return anchors.error();
  plan.anchors = std::move(*anchors);
  for (const std::string& line : view->plan.left_out) plan.notes.push_back("files are refused there: " + line);
  HardLinks links = count_hard_links(bundle.manifest, view->root.get());
  if (links.count != 0) {
    plan.notes.push_back(fmt::format("{} files that policies permit have more than one hard link, so another name may show what a policy meant to keep apart (for example {})", links.count, escape_bytes(links.example)));
  }
  if (!links.complete) plan.notes.push_back(fmt::format("hard links were looked for in the first {} entries only", kMaxLooked));
  note_other_views(input.cgroup, input.view, plan.notes);
  return Unit{};
}

bool has_program(const State& state, std::string_view name) {
  return std::find(state.programs.begin(), state.programs.end(), name) != state.programs.end();
}

// Are anchors asked for? Then there is a program that learns them.
bool knows_paths(const State& state) {
  return std::any_of(state.programs.begin(), state.programs.end(), [](const std::string& name) {
    const KnownProgram* row = find_program(name);
    return row != nullptr && row->role == ProgramRole::anchor_probe;
  });
}

LoaderResult<Plan> plan_binding(const Host& host, const State& state, const LoadedBundle& bundle, const BindInput& input,
                                const Maps& maps, const std::string& pins) {
  auto cgroup = open_free_cgroup(host, input.cgroup);
  if (!cgroup) return cgroup.error();
  Plan plan{std::move(*cgroup), {}, {}, {}};
  if (cgroup_depth(cgroup_mount(host), input.cgroup) > kMaxCgroupDepth) {
    return fail(Code::K7414, escape_bytes(input.cgroup), fmt::format("it lies deeper than {} levels, where hooks look for no bound cgroup", kMaxCgroupDepth));
  }
  if (state.bindings.size() + 1 >= KERF_MAX_BINDINGS) return fail(Code::K7414, escape_bytes(input.cgroup), fmt::format("{} bindings are all there can be", KERF_MAX_BINDINGS - 1));
  auto record = build_record(bundle, {input.principal, input.facts, state.generation, input.mode, boot_time_ns()});
  if (!record) return record.error();
  plan.record = std::move(*record);
  if (knows_paths(state)) {
    if (auto done = plan_files(bundle, input, maps, pins, plan); !done) return done.error();
  }
  return plan;
}

// From refusals to the record.
LoaderResult<Unit> enforce(const State& state, const BoundState& binding, const LoadedBundle& bundle, const Plan& plan, const Maps& maps,
                           const std::string& pins, std::uint64_t levels) {
  int cgroup = plan.cgroup.get();
  // the cgroup may have been bound before, and its slot outlives that
  if (auto done = set_cgroup_slot(maps, binding.cgroup_id, 0); !done) return done;
  if (auto done = attach_cgroup(pins, state.programs, binding.id, cgroup); !done) return done;
  if (has_program(state, "kerf_tag_tasks")) {
    if (auto done = set_cgroup_levels(maps, levels); !done) return done;
    if (auto done = tag_cgroup(maps, pins, binding.cgroup_id, binding.id); !done) return done;
  }
  if (!plan.anchors.empty()) {
    if (auto done = add_anchors(maps, binding.id, plan.anchors); !done) return done;
  }
  if (auto done = probe_bound(cgroup, state.programs, bundle.manifest.governed); !done) return done;
  if (auto done = set_record(maps, binding.id, plan.record, RecordChange::add); !done) return done;
  return set_cgroup_slot(maps, binding.cgroup_id, binding.id);
}

// Without links, `.`, `..` and a slash at the end: paths of cgroups are compared.
std::string plain_path(const std::string& path) {
  std::error_code error;
  std::string plain = std::filesystem::weakly_canonical(std::filesystem::absolute(path, error), error).string();
  while (plain.size() > 1 && plain.ends_with('/')) plain.pop_back();
  return plain;
}

std::string default_view(const std::string& cgroup) { return first_task(cgroup).value_or("self"); }

}  // namespace

std::uint64_t cgroup_levels(const Host& host, const std::vector<BoundState>& bindings) {
  bool whole = link_text("/proc/self/ns/cgroup") == kInitialCgroups;
  std::uint64_t levels = 0;
  for (const BoundState& binding : bindings) levels |= level_bit(cgroup_mount(host), binding.cgroup, whole);
  return levels;
}

LoaderResult<Bound> bind_cgroup(const Host& host, State& state, const LoadedBundle& bundle, const BindInput& input) {
  std::string pins = pin_directory(host, state.name, state.generation);
  auto maps = open_pinned(pins);
  if (!maps) return maps.error();
  auto plan = plan_binding(host, state, bundle, input, *maps, pins);
  if (!plan) return plan.error();
  BoundState binding;
  binding.id = state.take_id();
  binding.principal = to_text(input.principal);
  binding.cgroup = input.cgroup;
  binding.cgroup_id = cgroup_id(plan->cgroup.get());
  binding.own_cgroup = input.own_cgroup;
  binding.mode = mode_text(input.mode);
  if (input.filtered) binding.filter_mode = binding.mode;
  binding.facts = input.facts;
  for (const Anchor& anchor : plan->anchors) binding.anchors.push_back(escape_bytes(anchor.path));
  state.bindings.push_back(binding);
  // written down before it exists, so that what a killed kerf left is known to gc
  if (auto done = write_state(host, state); !done) return done.error();
  auto done = enforce(state, binding, bundle, *plan, *maps, pins, cgroup_levels(host, state.bindings));
  if (done) {
    state.bindings.back().ready = true;
    done = write_state(host, state);
  }
  if (done) return Bound{binding.id, std::move(plan->notes)};
  auto undone = unbind_cgroup(host, state, binding.id);
  return undone ? done.error() : with_help(done.error(), undone.error().message);
}

LoaderResult<Unit> unbind_cgroup(const Host& host, State& state, std::uint32_t id) {
  BoundState* binding = state.find(id);
  check(binding != nullptr, "a binding that is undone is known");
  if (binding->ready) {   // killed from here on, nothing says that it holds
    binding->ready = false;
    if (auto done = write_state(host, state); !done) return done;
  }
  std::string pins = pin_directory(host, state.name, state.generation);
  auto maps = open_pinned(pins);
  if (!maps) return maps.error();
  // tasks are let go before what they are judged by goes
  if (auto done = untag(*maps, binding->cgroup_id, id); !done) return done;
  if (auto done = detach_cgroup(pins, id); !done) return done;
  if (auto done = set_cgroup_slot(*maps, binding->cgroup_id, 0); !done) return done;
  if (auto done = remove_record(*maps, id); !done) return done;
  if (auto done = set_named(*maps, id, {}); !done) return done;
  if (auto done = remove_anchors(*maps, id); !done) return done;
  std::erase_if(state.bindings, [&](const BoundState& b) { return b.id == id; });
  if (auto done = set_cgroup_levels(*maps, cgroup_levels(host, state.bindings)); !done) return done;
  return write_state(host, state);
}

LoaderResult<BindReport> bind(const BindOptions& options) {
  if (auto done = check_privileges(); !done) return done.error();
  auto host = find_host();
  if (!host) return host.error();
  if (auto done = check_not_bound(*host); !done) return done.error();
  auto choice = choose(*host, options.name);
  if (!choice) return choice.error();
  auto held = hold(*host, choice->name);
  if (!held) return held.error();
  if (held->state.run) return fail(Code::K7607, choice->name, "is held by kerf run");
  BindInput input;
  auto principal = find_principal(held->bundle, options.principal);
  if (!principal) return principal.error();
  auto facts = read_facts(held->bundle.manifest, options.facts);
  if (!facts) return facts.error();
  auto mode = read_mode(options.mode);
  if (!mode) return mode.error();
  input.principal = std::move(*principal);
  input.facts = std::move(*facts);
  input.mode = *mode;
  input.allow_noncanonical = options.allow_noncanonical;
  if (options.pid != 0) {
    input.view = std::to_string(options.pid);
    auto cgroup = cgroup_of(input.view, cgroup_mount(*host));
    if (!cgroup) return fail(Code::K7415, options.pid);
    input.cgroup = std::move(*cgroup);
  } else {
    input.cgroup = plain_path(options.cgroup);
    input.view = default_view(input.cgroup);
  }
  auto bound = bind_cgroup(*host, held->state, held->bundle, input);
  if (!bound) return bound.error();
  return BindReport{choice->name, bound->id, input.cgroup, held->state.find(bound->id)->anchors, std::move(bound->notes)};
}

LoaderResult<BindReport> refresh(const std::string& binding, bool allow_noncanonical) {
  if (auto done = check_privileges(); !done) return done.error();
  auto host = find_host();
  if (!host) return host.error();
  if (auto done = check_not_bound(*host); !done) return done.error();
  auto choice = choose(*host, binding);
  if (!choice) return choice.error();
  auto held = hold(*host, choice->name);
  if (!held) return held.error();
  auto bound = pick(held->state, *choice);
  if (!bound) return bound.error();
  BoundState& row = **bound;
  std::string name = fmt::format("{}/{}", choice->name, row.id);
  if (!row.ready) return fail(Code::K7607, name, "was interrupted on its way, and `kerf gc` ends it");
  if (!knows_paths(held->state)) return fail(Code::K7607, name, "has no hook on files");
  // whose mounts are looked at is bound, and what it could mount it could name
  const std::vector<std::string>& enforced = held->state.enforced;
  if (std::find(enforced.begin(), enforced.end(), "guard-mount") == enforced.end()) {
    return fail(Code::K7607, name, "may mount, since guard-mount is not enforced; what it made of its mounts names no files");
  }
  std::string pins = pin_directory(*host, choice->name, held->state.generation);
  auto maps = open_pinned(pins);
  if (!maps) return maps.error();
  if (auto done = renew_clock(*maps); !done) return done.error();
  BindInput input;
  input.cgroup = row.cgroup;
  input.view = default_view(row.cgroup);
  input.allow_noncanonical = allow_noncanonical;
  Plan plan{Fd(), {}, {}, {}};
  if (auto done = plan_files(held->bundle, input, *maps, pins, plan); !done) return done.error();
  if (auto done = replace_anchors(*maps, row.id, plan.anchors); !done) return done.error();
  row.anchors.clear();
  for (const Anchor& anchor : plan.anchors) row.anchors.push_back(escape_bytes(anchor.path));
  if (auto done = write_state(*host, held->state); !done) return done.error();
  return BindReport{choice->name, row.id, row.cgroup, row.anchors, std::move(plan.notes)};
}

LoaderResult<Unit> unbind(const std::string& binding) {
  if (auto done = check_privileges(); !done) return done;
  auto host = find_host();
  if (!host) return host.error();
  if (auto done = check_not_bound(*host, Step::ends); !done) return done;
  auto choice = choose(*host, binding);
  if (!choice) return choice.error();
  auto held = hold(*host, choice->name);
  if (!held) return held.error();
  if (held->state.run) return fail(Code::K7607, choice->name, "is held by kerf run");
  auto bound = pick(held->state, *choice);
  if (!bound) return bound.error();
  return unbind_cgroup(*host, held->state, (*bound)->id);
}

}  // namespace kerf::loader
