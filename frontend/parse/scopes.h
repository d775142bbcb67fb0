// The scope of a policy. Internal to this folder.
#pragma once
#include "frontend/parse/expressions.h"

namespace kerf {

class ScopeReader {
 public:
  ScopeReader(const TokenReader& reader, ExpressionReader& expressions, Diagnostics& diagnostics)
      : reader_(reader), expressions_(expressions), diagnostics_(diagnostics) {}

  // Fills the three scopes; what is wrong is reported.
  void read(Cedar::PolicyContext& context, ast::Policy& policy);

 private:
  ast::Scope read_item(Cedar::ScopeItemContext& item, ast::Var variable);
  ast::Scope read_entity_scope(Cedar::ScopeItemContext& item, ast::Var variable);
  ast::Scope read_action_scope(Cedar::ScopeItemContext& item);
  bool check_operators(Cedar::ScopeItemContext& item, ast::Var variable);
  std::optional<ast::EntityOrSlot> read_operand(Cedar::ExprContext& value, ast::Var variable);
  std::optional<ast::EntityRef> read_action(Cedar::ExprContext& value, bool list_fits);
  void report_operand(Cedar::ExprContext& value, ast::Var variable, std::string_view needed);

  const TokenReader& reader_;
  ExpressionReader& expressions_;
  Diagnostics& diagnostics_;
};

}  // namespace kerf
