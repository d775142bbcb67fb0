// The loaded object: programs attached to one cgroup, links and maps pinned, and the maps by their ABI shapes.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/abi/policy_abi.h"
#include "runtime/loader/bundle.h"
#include "runtime/loader/fd.h"
#include "runtime/loader/object.h"

namespace kerf::loader {

inline constexpr std::uint32_t kBinding = 1;      // the one binding of a run
inline constexpr std::uint64_t kGeneration = 1;

// The maps of a running binding, opened from its pins or from the loaded object.
struct Maps {
  Fd bindings, cgroup, state, counters, hits, events;
};

struct Loaded {
  Object object;
  Maps maps;
};

// Loads (the self-test and its maps stay out) and writes kerf_state. Nothing is attached yet.
LoaderResult<Loaded> load_object(const LoadedBundle& bundle, bool log_allows);
// Attaches every hook to the cgroup and pins links and maps in `pins`, an existing empty directory. From here on the
// cgroup is refused everything that is governed, until a record is set; and it outlives this process.
LoaderResult<std::vector<std::string>> attach(const Loaded& loaded, int cgroup, const std::string& pins);
// Removing the pins is what ends enforcement.
LoaderResult<Unit> unpin(const std::string& pins);

LoaderResult<Maps> open_pinned(const std::string& pins);

// Replaces the record whole, then waits until no hook reads the one before (policy_abi.h). The caller holds the lock.
LoaderResult<Unit> set_record(const Maps& maps, const std::vector<std::uint8_t>& record, bool replaces);
// Ties the cgroup to the binding: the record comes into force.
LoaderResult<Unit> set_cgroup_slot(const Maps& maps, std::uint64_t cgroup, std::uint32_t binding);

kerf_counters read_counters(const Maps& maps);
void clear_counters(const Maps& maps);
std::vector<kerf_hit> read_hits(const Maps& maps, std::size_t policies);

}  // namespace kerf::loader
