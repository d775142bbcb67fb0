// Comparisons of one observed number with constants -> ranges, so that they are looked up like addresses and ports and
// need no instructions. The one decision: an environment has room for one number; the one that most rows ask for gets it.
#pragma once
#include <optional>
#include <vector>

#include "backends/bpf/tables.h"

namespace kerf::bpf {

struct NumberPlan {
  std::uint32_t seen_offset = 0;                                // in struct kerf_seen; meaningless if no row asks
  std::vector<std::optional<std::vector<KeyRange>>> ranges;     // by row of the environment; nothing: any number
  std::vector<std::vector<Requirement>> code;                   // by row: what still needs instructions
};

// `exprs`: by code predicate of the environment.
NumberPlan plan_numbers(const KernelEnv& env, const std::vector<CodeExpr>& exprs);

}  // namespace kerf::bpf
