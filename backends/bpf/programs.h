// The programs that an object has: those that its governed events bring in (runtime/abi/programs.def).
#pragma once
#include <cstdint>
#include <vector>

#include "runtime/abi/policy_abi.h"

namespace kerf::bpf {

// `governed`: a mask of events, and KERF_READS_EXE.
inline std::vector<const char*> needed_programs(std::uint64_t governed) {
  std::vector<const char*> names;
#define KERF_PROGRAM(name, section, type, attach, role, events, instead, feature) \
  if (((events) & governed) && !((instead) & governed)) names.push_back(#name);
#include "runtime/abi/programs.def"
  return names;
}

}  // namespace kerf::bpf
