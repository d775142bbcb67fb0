// Text to syntax trees. The only folder that sees ANTLR. Errors go to `diagnostics` (K1xxx); parsing recovers at the
// end of a policy or declaration, so one file reports several errors. The tree returned then holds what was good.
//
// Trees nest to the right at most as deep as brackets do; to the left, `a && b && c` is as deep as it is long, so
// whoever walks a tree must not recurse into left operands.
#pragma once
#include "frontend/ast/policy.h"
#include "frontend/ast/schema.h"
#include "ir/base/diagnostic.h"

namespace kerf {

inline constexpr int kMaxNesting = 256;               // brackets and `if` chains; K8001 past it
inline constexpr std::size_t kMaxTokens = 1'000'000;  // in one policy or declaration; K8003

// `jobs` threads, as in ir/base/parallel.h; the result is the same.
ast::PolicyFile parse_policies(const Sources& sources, SourceId source, Diagnostics& diagnostics, std::size_t jobs = 1);
ast::SchemaFile parse_schema(const Sources& sources, SourceId source, Diagnostics& diagnostics);

// One expression and nothing else.
struct ParsedExpr {
  ast::PolicyFile file;
  std::optional<ast::ExprId> expr;
};
ParsedExpr parse_expression(const Sources& sources, SourceId source, Diagnostics& diagnostics);

}  // namespace kerf
