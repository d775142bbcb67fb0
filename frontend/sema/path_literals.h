// Texts and patterns that a policy compares with the path of a file: they must be ones that some path can match.
#pragma once
#include <set>
#include <vector>

#include "ir/module.h"

namespace kerf {

// `node_types`: of the policy's body in `env`, `never` where short circuits hide a node. Each span is reported once.
void check_path_literals(const Policy& policy, const Schema& schema, const Types& types,
                         const std::vector<TypeId>& node_types, const RequestEnv& env, std::set<Span>& seen,
                         Diagnostics& diagnostics);

}  // namespace kerf
