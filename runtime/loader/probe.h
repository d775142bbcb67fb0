// The live probe: processes inside a cgroup try what must be refused. "Loaded" and "attached" are never believed.
#pragma once
#include <string>
#include <vector>

#include "runtime/loader/kernel.h"

namespace kerf::loader {

inline constexpr std::uint32_t kProbeBinding = 0xffffffffu;   // no binding ever has it, so it never has a record

struct ProbeInput {
  const Maps& maps;
  const std::string& pins;
  const std::vector<std::string>& programs;   // those that were loaded
  std::uint64_t governed = 0;
  std::string cgroup;                         // a path that is free: a cgroup is made there, and removed
  std::string outside;                        // a cgroup that belongs to nobody; a process is moved there
  std::string directory;                      // empty and ours: files are tried there
  std::uint64_t waived_guards = 0;            // bits of enum kerf_guard
  std::uint64_t levels = ~std::uint64_t{0};   // kerf_state.cgroup_levels while the probe runs
};

// Each hook that has a step must refuse, and report it; a task must keep its tag when it leaves the cgroup, and get one if
// it was there before. Eats the events that it causes.
LoaderResult<Unit> probe(const ProbeInput& input);

// Before a cgroup's record is set: what is governed must fail there too. For cgroups that other tasks use, so the event is
// left to whoever reads them.
LoaderResult<Unit> probe_bound(int cgroup, const std::vector<std::string>& programs, std::uint64_t governed);

}  // namespace kerf::loader
