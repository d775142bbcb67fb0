// What kerf remembers of a binding in /run/kerf/<name>: state.json, a copy of the bundle, and two lock files.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "runtime/loader/facts.h"
#include "runtime/loader/fd.h"
#include "runtime/loader/host.h"

namespace kerf::loader {

struct State {
  std::string name, bundle_dir, bundle_digest, principal, cgroup, pins, mode, boot;
  std::uint64_t cgroup_id = 0;
  std::vector<std::string> programs, degraded;
  Facts facts;
};

std::string new_name();
bool valid_name(const std::string& name);   // what new_name makes: nothing that could leave its directory

std::string state_directory(const Host& host, const std::string& name);
std::string bundle_copy(const Host& host, const std::string& name);

LoaderResult<Unit> write_state(const Host& host, const State& state);   // atomically
LoaderResult<State> read_state(const Host& host, const std::string& name);
Json state_to_json(const State& state);
LoaderResult<State> state_from_json(const Json& json, const std::string& name);

// Names with a state directory, a pin directory or a cgroup, sorted: what a crash left behind is among them.
std::vector<std::string> all_names(const Host& host);

// `life`: held by the process that runs the binding. `facts`: held while the record is replaced.
enum class LockKind { life, facts };
// Nothing if somebody else holds it (only without `wait`).
LoaderResult<std::optional<Fd>> lock(const Host& host, const std::string& name, LockKind kind, bool wait);

// Held while bindings appear or are collected.
LoaderResult<Fd> lock_all(const Host& host);

// Cgroup, pins, state, in this order: a cgroup with a task cannot be removed, and then its enforcement stays.
LoaderResult<Unit> remove_binding(const Host& host, const std::string& name);

}  // namespace kerf::loader
