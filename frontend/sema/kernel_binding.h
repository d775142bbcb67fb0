// `@kernel` and `@errno`: from annotations to the kernel fields of a resolved schema. Used inside sema only.
#pragma once
#include <map>
#include <optional>

#include "frontend/sema/schema_scope.h"
#include "ir/schema.h"

namespace kerf {

// The record literal that an action's context is written as, directly or through common types.
using ContextLiterals = std::map<EntityUid, ast::TypeExprId>;

// Reads the annotations, checks them against the kernel model (K4xxx) and fills the kernel fields of `schema`, which
// is otherwise complete.
void bind_kernel(const ast::SchemaFile& file, const SchemaScope& scope, const ContextLiterals& contexts,
                 Schema& schema, Diagnostics& diagnostics);

}  // namespace kerf
