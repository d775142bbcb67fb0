// What conditions ask of the executable of the task that acts.
#pragma once
#include <optional>
#include <vector>

#include "ir/passes/plan.h"

namespace kerf {

// A comparison of the executable with constants, in a code predicate: it holds if one of these matches; a text is a pattern without
// a wildcard. Nothing: the node is none.
std::optional<std::vector<Pattern>> executables_of(const Module& module, const KernelEnv& env, const CodePredicate& predicate, NodeId node);

// Those of the whole predicate.
std::vector<Pattern> executables_of(const Module& module, const KernelEnv& env, const CodePredicate& predicate);

}  // namespace kerf
