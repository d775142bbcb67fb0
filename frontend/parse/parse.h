// Text to syntax trees. The only folder that sees ANTLR. Errors go to `diagnostics` (K1xxx); parsing recovers at the
// end of a policy or declaration, so one file reports several errors. The tree returned then holds what was good.
#pragma once
#include "frontend/ast/policy.h"
#include "frontend/ast/schema.h"
#include "ir/base/diagnostic.h"

namespace kerf {

inline constexpr int kMaxNesting = 256;            // brackets and `if` chains; K8001 past it
inline constexpr int kMaxDepth = 2'000;            // operations along one path of a policy, clauses included; K8002
inline constexpr std::size_t kMaxTokens = 1'000'000;  // in one policy or declaration; K8003

ast::PolicyFile parse_policies(const Sources& sources, SourceId source, Diagnostics& diagnostics);
ast::SchemaFile parse_schema(const Sources& sources, SourceId source, Diagnostics& diagnostics);

// One expression and nothing else.
struct ParsedExpr {
  ast::PolicyFile file;
  std::optional<ast::ExprId> expr;
};
ParsedExpr parse_expression(const Sources& sources, SourceId source, Diagnostics& diagnostics);

}  // namespace kerf
