// One generation of a loaded bundle in the kernel: programs attached, links, programs and maps pinned, and the maps by
// their ABI shapes.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/abi/policy_abi.h"
#include "runtime/loader/abilities.h"
#include "runtime/loader/bundle.h"
#include "runtime/loader/fd.h"
#include "runtime/loader/object.h"

namespace kerf::loader {

// The maps of a generation, opened from its pins or from the loaded object. What the object has not is not open.
struct Maps {
  Fd bindings, named, cgroup, state, counters, hits, events, tasks, cgroups, live, anchors, anchor_paths, anchor_probe;
};

struct Loaded {
  Object object;
  Maps maps;
};

struct LoadInput {
  const LoadedBundle& bundle;
  const Enforcement& plan;
  std::uint64_t generation = 1;
  bool log_allows = false, count_hits = true;
  const Maps* shared = nullptr;     // of the generation that this one will replace: identity, cgroups and anchors go on
};

// Loads the programs of the plan and writes kerf_state. Nothing is attached yet.
LoaderResult<Loaded> load_object(const LoadInput& input);
// Pins maps, and the programs that later steps attach, in `pins`, an existing empty directory. Returns the names of all
// programs of the plan.
LoaderResult<std::vector<std::string>> pin_object(const Loaded& loaded, const Enforcement& plan, const std::string& pins);
// Attaches and pins every hook that belongs to no cgroup. It outlives this process.
LoaderResult<Unit> attach_hooks(const Loaded& loaded, const Enforcement& plan, const std::string& pins);

// Attaches the cgroup hooks among `programs`, from their pins. From here on the cgroup is refused what they govern,
// until there is a record.
LoaderResult<Unit> attach_cgroup(const std::string& pins, const std::vector<std::string>& programs, std::uint32_t binding, int cgroup);
LoaderResult<Unit> detach_cgroup(const std::string& pins, std::uint32_t binding);

// Removing the pins is what ends enforcement: links first.
LoaderResult<Unit> unpin(const std::string& pins);
LoaderResult<Maps> open_pinned(const std::string& pins);
LoaderResult<Fd> open_program(const std::string& pins, const std::string& name);

// Puts a record into the binding's slot, or another in its place, and returns when no hook reads the one before (policy_abi.h). The
// caller holds the lock.
enum class RecordChange { add, replace };
LoaderResult<Unit> set_record(const Maps& maps, std::uint32_t binding, std::vector<std::uint8_t> record, RecordChange change);
LoaderResult<Unit> remove_record(const Maps& maps, std::uint32_t binding);
// Ties the cgroup to the binding for the cgroup hooks; 0: to none, everything governed is refused there.
LoaderResult<Unit> set_cgroup_slot(const Maps& maps, std::uint64_t cgroup, std::uint32_t binding);

// Waits until no hook is running that began before.
LoaderResult<Unit> grace_period();

kerf_counters read_counters(const Maps& maps);
void clear_counters(const Maps& maps);
std::vector<kerf_hit> read_hits(const Maps& maps, std::size_t policies);

// What pinned maps and the programs of pinned links take of the kernel's memory, as /proc/self/fdinfo tells.
struct Memory {
  std::uint64_t maps = 0, programs = 0;
};
Memory memory_of(const std::string& pins);

}  // namespace kerf::loader
