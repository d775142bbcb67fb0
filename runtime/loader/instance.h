// Loaded bundles and their bindings: the steps that run, load, bind, unbind and gc are made of.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "runtime/loader/abilities.h"
#include "runtime/loader/bundle.h"
#include "runtime/loader/kernel.h"
#include "runtime/loader/state.h"

namespace kerf::loader {

// A bundle that may be loaded here, and what of it will hold. Needs privileges, changes nothing.
struct Prepared {
  LoadedBundle bundle;
  Enforcement plan;
};
// Filters of system calls are for a command that is to be started; cgroups that are bound have tasks without one.
enum class ForWhom { command, cgroups };
LoaderResult<Prepared> prepare_bundle(const std::string& directory, const std::vector<std::string>& accepted, ForWhom whom);

// This process must belong to no binding: a task keeps its principal for life, and may not make others. What only ends
// something is done also where bindings cannot be read.
enum class Step { begins, ends };
LoaderResult<Unit> check_not_bound(const Host& host, Step step = Step::begins);

struct InstallInput {
  std::string name, bundle_dir;
  bool run = false, log_allows = false, count_hits = true;
};
// Copied, loaded, attached, pinned, probed and written down. `life`: held by the caller as long as it is at work. On
// failure nothing is left.
struct Installed {
  State state;
  Fd life;
};
LoaderResult<Installed> install(const Host& host, const Prepared& prepared, const InstallInput& input);

// Replaces what is loaded under state.name; the caller holds the change lock. Killed at any point, the old bundle is in
// force (with the new one beside it until gc) or the new one is.
struct ReplaceInput {
  std::string bundle_dir;
  bool log_allows = false, count_hits = true, allow_noncanonical = false;
};
LoaderResult<Unit> replace(const Host& host, State& state, const Prepared& prepared, const ReplaceInput& input);

struct BindInput {
  EntityUid principal;
  Facts facts;
  std::uint32_t mode = 0;
  bool filtered = false;            // its command gets a filter of system calls, made for this mode
  std::string cgroup;               // exists
  std::string view = "self";        // a task: whose mounts count
  bool own_cgroup = false;
  bool allow_noncanonical = false;
};
struct Bound {
  std::uint32_t id = 0;
  std::vector<std::string> notes;
};
// The caller holds the change lock. On failure the cgroup is unbound again.
LoaderResult<Bound> bind_cgroup(const Host& host, State& state, const LoadedBundle& bundle, const BindInput& input);
LoaderResult<Unit> unbind_cgroup(const Host& host, State& state, std::uint32_t id);

// Every binding on this machine that can be read, as NAME/ID; of those that another kerf made, what foreign_bindings says.
LoaderResult<std::vector<std::pair<std::string, BoundState>>> all_bindings(const Host& host);

std::string mode_text(std::uint32_t mode);
LoaderResult<std::uint32_t> read_mode(const std::string& name);
LoaderResult<Facts> read_facts(const Manifest& manifest, const std::vector<std::pair<std::string, std::string>>& texts);

// kerf_state.cgroup_levels of these bindings.
std::uint64_t cgroup_levels(const Host& host, const std::vector<BoundState>& bindings);

// "NAME/ID" or "NAME" -> a bundle and a binding; 0: the only one is meant.
struct Choice {
  std::string name;
  std::uint32_t id = 0;
};
// `wanted` empty: the only bundle that is loaded.
LoaderResult<Choice> choose(const Host& host, const std::string& wanted);
// The binding that a choice means in a state.
LoaderResult<BoundState*> pick(State& state, const Choice& choice);

// The state and the bundle data (no object) of a name, under its change lock.
struct Held {
  Fd lock;
  State state;
  LoadedBundle bundle;
};
LoaderResult<Held> hold(const Host& host, const std::string& name);

}  // namespace kerf::loader
