// Splits a formula by sets of paths: classes of paths with the same rest of the formula.
#pragma once
#include <optional>
#include <utility>
#include <vector>

#include "ir/passes/partition.h"
#include "ir/passes/plan.h"

namespace kerf {

// Where all tests have the given answers, `rest` is left of the formula. The parts exclude each other.
struct PathPart {
  Residuals::Id rest;
  std::vector<std::pair<PathTest, bool>> when;
};

// `sets[i]` is atom `first_atom + i`, a set of paths. Parts whose rest is false are left out. Nothing: a limit was hit.
std::optional<std::vector<PathPart>> partition_paths(Residuals& residuals, Residuals::Id root, std::uint32_t first_atom,
                                                     const std::vector<const PathTest*>& sets, const Limits& limits);

}  // namespace kerf
