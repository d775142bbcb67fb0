// What kerf remembers of a loaded bundle in /run/kerf/<name>: state.json, a copy of the bundle for each generation, and
// two lock files.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "runtime/loader/facts.h"
#include "runtime/loader/fd.h"
#include "runtime/loader/host.h"

namespace kerf::loader {

// One principal in one cgroup.
struct BoundState {
  std::uint32_t id = 0;
  std::string principal, cgroup, mode;
  std::string filter_mode;          // of a command with a filter of system calls: the mode that this was made for; else empty
  std::uint64_t cgroup_id = 0;
  bool own_cgroup = false;          // made by kerf, removed with the binding
  bool ready = false;               // false: a bind (everything governed is refused) or an unbind was interrupted; gc ends it
  std::vector<std::string> anchors; // canonical paths, for a person
  Facts facts;
  Names names;                      // known for addresses
};

struct State {
  std::string name, bundle_dir, bundle_digest, boot;
  bool run = false;                 // `kerf run` holds it; else it stays until `kerf unload`
  bool log_allows = false, count_hits = true;
  std::uint64_t generation = 1;
  std::uint32_t next_binding = 1;
  std::uint32_t next_names = 1;
  std::vector<std::string> programs, enforced, degraded, waived;
  std::vector<BoundState> bindings;

  BoundState* find(std::uint32_t id);
  // An id for a new binding: never used before, and of a slot that no other binding has (policy_abi.h).
  std::uint32_t take_id();
};

std::string new_name();
// Lower-case letters, digits, `-` and `_`, not first; at most 40: nothing that could leave its directory.
bool valid_name(const std::string& name);

std::string state_directory(const Host& host, const std::string& name);
std::string bundle_copy(const Host& host, const std::string& name, std::uint64_t generation);
std::string pin_directory(const Host& host, const std::string& name, std::uint64_t generation);
std::string own_cgroup(const Host& host, const std::string& name);
std::string probe_cgroup(const Host& host, const std::string& name);   // while it is being loaded

LoaderResult<Unit> write_state(const Host& host, const State& state);   // atomically
LoaderResult<State> read_state(const Host& host, const std::string& name);
// The failure of read_state: another kerf wrote it.
bool is_foreign(const Failure& failure);
// What such a state says of its bindings: id, cgroup and cgroup id. Every version writes these three, in this way.
LoaderResult<std::vector<BoundState>> foreign_bindings(const Host& host, const std::string& name);
Json state_to_json(const State& state);
LoaderResult<State> state_from_json(const Json& json, const std::string& name);

// Names with a state directory, a pin directory or a cgroup, sorted: what a crash left behind is among them.
std::vector<std::string> all_names(const Host& host);

// `life`: held by the process that runs or loads it. `change`: held while records, bindings or generations change.
enum class LockKind { life, change };
// Nothing if somebody else holds it (only without `wait`).
LoaderResult<std::optional<Fd>> lock(const Host& host, const std::string& name, LockKind kind, bool wait);

// Held while names appear or are collected.
LoaderResult<Fd> lock_all(const Host& host);

// Our cgroup, pins, state, in this order: a cgroup with a task cannot be removed, and then its enforcement stays.
LoaderResult<Unit> remove_loaded(const Host& host, const std::string& name);
// Pins and bundle copies of every generation but this one: what a replacement left, finished or not.
LoaderResult<Unit> remove_other_generations(const Host& host, const std::string& name, std::uint64_t keep);

}  // namespace kerf::loader
