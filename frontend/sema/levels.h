// Level validation (RFC 76): how many steps through entities a typed body makes from the request's own entities.
#pragma once
#include "frontend/sema/type_body.h"
#include "ir/base/diagnostic.h"

namespace kerf {

// Attributes, tags and the left side of `in` are steps when they start at an entity. Literals are no start, but for the
// environment's action. `node_types` as BodyTyper::types() has them after a run in `env`.
void check_levels(const Body& body, const Types& types, const std::vector<TypeId>& node_types, const RequestEnv& env,
                  std::size_t most, Diagnostics& diagnostics);

}  // namespace kerf
