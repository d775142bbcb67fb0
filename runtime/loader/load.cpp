// A bundle -> loaded and attached, or in the place of another. The one decision: state.json names the generation that is
// in force, and changes by one rename; whatever else is found under the name is an unfinished step that only made more
// refusals, and may go.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
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
#include "runtime/loader/record.h"

namespace kerf::loader {
namespace {

LoaderResult<Unit> make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0) return Unit{};
  return fail(Code::K7407, fmt::format("cannot create `{}`: {}", path, errno_text(errno)));
}

// The directory and its life lock appear under the lock of all names, so that gc never meets a half-made one.
LoaderResult<Fd> claim(const Host& host, const std::string& name) {
  auto all = lock_all(host);
  if (!all) return all.error();
  std::string directory = state_directory(host, name);
  if (::mkdir(directory.c_str(), 0700) != 0) {
    if (errno == EEXIST) return fail(Code::K7605, name);
    return fail(Code::K7407, fmt::format("cannot create `{}`: {}", directory, errno_text(errno)));
  }
  auto life = lock(host, name, LockKind::life, false);
  if (!life) return life.error();
  if (!*life) return fail(Code::K7407, fmt::format("`{}` is in use", directory));
  return std::move(**life);
}

void describe(State& state, const Prepared& prepared, const std::string& bundle_dir) {
  std::error_code error;
  state.bundle_dir = std::filesystem::absolute(bundle_dir, error).lexically_normal().string();
  state.bundle_digest = prepared.bundle.manifest.digest;
  state.enforced = prepared.plan.enforced;
  state.degraded = prepared.plan.degraded;
  state.waived = prepared.plan.waived;
}

LoaderResult<Unit> probe_generation(const Host& host, const State& state, const Prepared& prepared, const Maps& maps,
                                    const std::string& pins, std::uint64_t levels) {
  std::string directory = state_directory(host, state.name) + "/probe";
  if (auto done = remove_tree(directory); !done) return fail(Code::K7407, done.error().message);   // of one that was killed
  if (auto done = make_directory(directory); !done) return done;
  std::string cgroup = probe_cgroup(host, state.name);
  if (auto done = remove_cgroup(cgroup); !done) return done;
  const BoundState here{.id = kProbeBinding, .principal = {}, .cgroup = cgroup, .mode = {}, .filter_mode = {}, .anchors = {}, .facts = {}, .names = {}};
  std::uint64_t ours = cgroup_levels(host, {here});
  auto done = probe({maps, pins, state.programs, prepared.bundle.manifest.governed, cgroup, host.cgroups, directory,
                     prepared.plan.waived_guards, levels | ours});
  static_cast<void>(remove_tree(directory));
  return done;
}

LoaderResult<State> load_first(const Host& host, const Prepared& prepared, const InstallInput& input) {
  State state;
  state.name = input.name;
  state.run = input.run;
  state.log_allows = input.log_allows;
  state.count_hits = input.count_hits;
  state.boot = boot_id();
  describe(state, prepared, input.bundle_dir);
  std::string pins = pin_directory(host, input.name, state.generation), copy = bundle_copy(host, input.name, state.generation);
  for (const std::string& path : {copy, host.pins + "/" + input.name, pins}) {
    if (auto done = make_directory(path); !done) return done.error();
  }
  if (auto done = copy_bundle(prepared.bundle, copy); !done) return done.error();
  auto loaded = load_object({prepared.bundle, prepared.plan, state.generation, input.log_allows, input.count_hits, nullptr});
  if (!loaded) return loaded.error();
  auto programs = pin_object(*loaded, prepared.plan, pins);
  if (!programs) return programs.error();
  state.programs = std::move(*programs);
  if (auto done = attach_hooks(*loaded, prepared.plan, pins); !done) return done.error();
  if (auto done = probe_generation(host, state, prepared, loaded->maps, pins, 0); !done) return done.error();
  if (auto done = set_cgroup_levels(loaded->maps, 0); !done) return done.error();
  if (auto done = write_state(host, state); !done) return done.error();
  return state;
}

// What every binding becomes under the new bundle; fails before anything is done.
struct NewRecord {
  std::uint32_t id;
  std::vector<std::uint8_t> bytes;
  std::vector<NamedRecord> named;
};

LoaderResult<std::vector<NewRecord>> new_records(const State& state, const LoadedBundle& bundle, std::uint64_t generation) {
  std::vector<NewRecord> records;
  for (const BoundState& binding : state.bindings) {
    auto principal = find_principal(bundle, binding.principal);
    if (!principal) return with_help(principal.error(), fmt::format("it is bound as {}/{}", state.name, binding.id));
    if (auto done = check_facts(bundle.manifest, binding.facts); !done) return done.error();
    auto mode = read_mode(binding.mode);
    if (!mode) return mode.error();
    const RecordInput input{*principal, binding.facts, generation, *mode, boot_time_ns()};
    auto record = build_record(bundle, input);
    if (!record) return record.error();
    Names names = binding.names;
    drop_expired(names, input.now_ns);
    auto named = build_named(bundle, input, binding.id, names);
    if (!named) return named.error();
    records.push_back({binding.id, std::move(*record), std::move(*named)});
  }
  return records;
}

std::string view_of(const BoundState& binding) { return first_task(binding.cgroup).value_or("self"); }

// The paths that the new policies name, as each bound principal sees them.
LoaderResult<Unit> check_named_paths(const State& state, const Manifest& manifest) {
  for (const BoundState& binding : state.bindings) {
    auto view = open_view(view_of(binding));
    if (!view) return view.error();
    auto misspelled = check_paths(manifest, view->root.get(), view->plan);
    if (!misspelled.empty()) return with_help(misspelled_failure(misspelled), fmt::format("as {}/{} sees it", state.name, binding.id));
  }
  return Unit{};
}

// Bindings that the old generation had no anchors for get them; where there is no hook on files there are none.
LoaderResult<Unit> renew_anchors(State& state, const Maps& maps, const std::string& pins, bool files, bool kept) {
  for (BoundState& binding : state.bindings) {
    if (!files) binding.anchors.clear();
    if (!files || (kept && !binding.anchors.empty())) continue;
    auto view = open_view(view_of(binding));
    if (!view) return view.error();
    auto anchors = learn_anchors(*view, maps, pins);
    if (!anchors) return anchors.error();
    if (auto done = remove_anchors(maps, binding.id); !done) return done;
    if (auto done = add_anchors(maps, binding.id, *anchors); !done) return done;
    binding.anchors.clear();
    for (const Anchor& anchor : *anchors) binding.anchors.push_back(escape_bytes(anchor.path));
  }
  return Unit{};
}

LoaderResult<Unit> attach_cgroups(const State& state, const std::string& pins, const std::vector<std::string>& programs) {
  for (const BoundState& binding : state.bindings) {
    auto cgroup = open_cgroup(binding.cgroup);
    if (!cgroup) continue;   // gone with its tasks; gc removes the binding
    if (cgroup_id(cgroup->get()) != binding.cgroup_id) continue;
    if (auto done = attach_cgroup(pins, programs, binding.id, cgroup->get()); !done) return done;
  }
  return Unit{};
}

// Everything of the new generation up to the flip.
LoaderResult<State> raise_generation(const Host& host, const State& old, const Prepared& prepared, const ReplaceInput& input) {
  State next = old;
  ++next.generation;
  next.log_allows = input.log_allows;
  next.count_hits = input.count_hits;
  describe(next, prepared, input.bundle_dir);
  if (prepared.plan.files() && !input.allow_noncanonical) {
    if (auto done = check_named_paths(next, prepared.bundle.manifest); !done) return done.error();
  }
  auto records = new_records(next, prepared.bundle, next.generation);
  if (!records) return records.error();
  auto before = open_pinned(pin_directory(host, old.name, old.generation));
  if (!before) return before.error();
  std::string pins = pin_directory(host, next.name, next.generation), copy = bundle_copy(host, next.name, next.generation);
  for (const std::string& path : {copy, pins}) {
    if (auto done = make_directory(path); !done) return done.error();
  }
  if (auto done = copy_bundle(prepared.bundle, copy); !done) return done.error();
  auto loaded = load_object({prepared.bundle, prepared.plan, next.generation, input.log_allows, input.count_hits, &*before});
  if (!loaded) return loaded.error();
  for (const NewRecord& record : *records) {
    if (auto done = set_record(loaded->maps, record.id, record.bytes, RecordChange::add); !done) return done.error();
    if (auto done = set_named(loaded->maps, record.id, record.named); !done) return done.error();
  }
  std::uint64_t levels = cgroup_levels(host, next.bindings);
  if (auto done = set_cgroup_levels(loaded->maps, levels); !done) return done.error();
  auto programs = pin_object(*loaded, prepared.plan, pins);
  if (!programs) return programs.error();
  next.programs = std::move(*programs);
  if (auto done = renew_anchors(next, loaded->maps, pins, prepared.plan.files(), before->anchors.ok()); !done) return done.error();
  if (auto done = attach_hooks(*loaded, prepared.plan, pins); !done) return done.error();
  if (auto done = probe_generation(host, next, prepared, loaded->maps, pins, levels); !done) return done.error();
  if (auto done = set_cgroup_levels(loaded->maps, levels); !done) return done.error();
  if (auto done = attach_cgroups(next, pins, next.programs); !done) return done.error();
  return next;
}

}  // namespace

LoaderResult<Prepared> prepare_bundle(const std::string& directory, const std::vector<std::string>& accepted, ForWhom whom) {
  auto bundle = read_bundle(directory);
  if (!bundle) return bundle.error();
  if (auto done = check_known_features(bundle->manifest, accepted); !done) return done.error();
  if (auto done = check_privileges(); !done) return done.error();
  Enforcement plan = plan_enforcement(bundle->manifest, find_abilities(bundle->manifest));
  if (bundle->filters.governed) {
    (whom == ForWhom::command ? plan.enforced : plan.degraded).push_back("syscalls");
    if (whom != ForWhom::command) plan.reasons.push_back("system calls are filtered by `kerf run` only: a task that runs already gets no filter");
  }
  if (auto done = check_accepted(bundle->manifest, plan, accepted); !done) return done.error();
  return Prepared{std::move(*bundle), std::move(plan)};
}

LoaderResult<Installed> install(const Host& host, const Prepared& prepared, const InstallInput& input) {
  auto life = claim(host, input.name);
  if (!life) return life.error();
  auto state = load_first(host, prepared, input);
  if (state) return Installed{std::move(*state), std::move(*life)};
  auto removed = remove_loaded(host, input.name);
  return removed ? state.error() : with_help(state.error(), removed.error().message);
}

LoaderResult<Unit> replace(const Host& host, State& state, const Prepared& prepared, const ReplaceInput& input) {
  if (auto done = remove_other_generations(host, state.name, state.generation); !done) return done;
  auto next = raise_generation(host, state, prepared, input);
  auto flipped = next ? write_state(host, *next) : LoaderResult<Unit>(next.error());
  if (!flipped) {
    auto removed = remove_other_generations(host, state.name, state.generation);
    return removed ? flipped : with_help(flipped.error(), removed.error().message);
  }
  state = std::move(*next);
  return remove_other_generations(host, state.name, state.generation);
}

LoaderResult<LoadReport> load(const LoadOptions& options) {
  std::string name = options.name.empty() ? new_name() : options.name;
  if (!valid_name(name)) return fail(Code::K7606, escape_bytes(name));
  if (options.replace && options.name.empty()) return fail(Code::K7606, std::string());
  auto prepared = prepare_bundle(options.bundle_dir, options.allow_degraded, ForWhom::cgroups);
  if (!prepared) return prepared.error();
  auto host = open_host();
  if (!host) return host.error();
  if (auto done = check_not_bound(*host); !done) return done.error();
  auto report = [](const State& s) { return LoadReport{s.name, s.generation, s.enforced, s.degraded, s.waived}; };
  if (!options.replace) {
    auto installed = install(*host, *prepared, {name, options.bundle_dir, false, options.log_allows, options.count_hits});
    if (!installed) return installed.error();
    return report(installed->state);
  }
  auto held = hold(*host, name);
  if (!held) return held.error();
  if (held->state.run) return fail(Code::K7607, name, "is held by kerf run");
  if (auto done = replace(*host, held->state, *prepared, {options.bundle_dir, options.log_allows, options.count_hits, options.allow_noncanonical}); !done) return done.error();
  return report(held->state);
}

namespace {

// By force also what has no state any more, or one that cannot be read: the name says what is its own.
LoaderResult<std::string> name_to_unload(const Host& host, const std::string& name, bool force) {
  std::vector<std::string> names = all_names(host);
  if (force && std::find(names.begin(), names.end(), name) != names.end()) return name;
  auto choice = choose(host, name);
  if (choice) return choice->name;
  if (std::find(names.begin(), names.end(), name) == names.end()) return choice.error();
  return with_help(fail(Code::K7603, fmt::format("{} has no readable state.json", name)), fmt::format("`kerf unload --force {}` ends what it enforces", name));
}

// Does a kerf still run or load it?
LoaderResult<Unit> check_left_alone(const Host& host, const std::string& name) {
  if (!has_directory(state_directory(host, name))) return Unit{};
  auto life = lock(host, name, LockKind::life, false);
  if (!life) return life.error();
  if (!*life) return fail(Code::K7607, name, "is held by a running kerf");
  return Unit{};
}

}  // namespace

LoaderResult<Unit> unload(const std::string& name, bool force) {
  if (auto done = check_privileges(); !done) return done;
  auto host = find_host();
  if (!host) return host.error();
  if (auto done = check_not_bound(*host, Step::ends); !done) return done;
  auto found = name_to_unload(*host, name, force);
  if (!found) return found.error();
  auto held = hold(*host, *found);
  if (!held && !force) return held.error();
  if (!held) {
    if (auto done = check_left_alone(*host, *found); !done) return done;
  }
  if (held && held->state.run) return fail(Code::K7607, *found, "is held by kerf run");
  if (held && !held->state.bindings.empty() && !force) return fail(Code::K7607, *found, "has bindings");
  return remove_loaded(*host, *found);
}

}  // namespace kerf::loader
