// Paths of a formula of which some atoms are unknown: where it must be true, or where it may be, whatever they are.
#pragma once
#include "ir/passes/residual.h"

namespace kerf {

struct UnknownAtoms {
  std::uint32_t first;     // this atom and all above it
  bool if_possible;        // a path is true where some outcomes of the unknown make it true; else where all do
};

// As residual_paths, over the other atoms: a path is an error where no outcomes of the unknown atoms make it true or false.
std::optional<std::vector<Path>> approximate_paths(Residuals& residuals, Residuals::Id root, const UnknownAtoms& unknown,
                                                   std::size_t limit, std::uint64_t max_work);

}  // namespace kerf
