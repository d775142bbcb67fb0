// Expressions of table.json and manifest.json (docs/table-format.md, "Atoms"), read again from their bytes.
#pragma once
#include "ir/body.h"
#include "ir/values/json.h"

namespace kerf::proof {

inline constexpr int kMaxExprNesting = 8000;
inline constexpr int kMaxArtefactJsonDepth = 3 * kMaxExprNesting;   // an operator opens an object and an array

// Adds the expression's tree to the body and returns its top node.
Result<NodeId> read_expr(const Json& json, Body& body);
Result<EntityUid> read_uid(const Json& json);

}  // namespace kerf::proof
