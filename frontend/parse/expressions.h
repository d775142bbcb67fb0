// Expressions of the parse tree to the store of a policy file. Internal to this folder.
#pragma once
#include "Cedar.h"
#include "frontend/ast/policy.h"
#include "frontend/parse/names.h"
#include "frontend/parse/tokens.h"

namespace kerf {

using grammar::Cedar;

// The primary that the expression consists of, through parentheses if asked; null if there is anything else.
Cedar::PrimaryContext* lone_primary(Cedar::ExprContext& expr, bool through_parentheses);
Cedar::MemberContext* lone_member(Cedar::SumContext& sum);
// "a string", "a comparison": what an expression is, for messages.
std::string describe(Cedar::ExprContext& expr);
std::string describe(Cedar::SumContext& sum);

class ExpressionReader {
 public:
  ExpressionReader(const TokenReader& reader, ast::PolicyFile& file, Diagnostics& diagnostics)
      : reader_(reader), file_(file), diagnostics_(diagnostics) {}

  // An invalid id after a report.
  ast::ExprId read(Cedar::ExprContext& expr);
  // The entity that a path with an id is; nothing after a report. `primary` has an id or a record at its end.
  std::optional<ast::EntityRef> read_entity(Cedar::PrimaryContext& primary);
  std::optional<ast::Name> read_type(Cedar::SumContext& sum);  // the operand of `is`


 private:
  ast::ExprId read(Cedar::OrChainContext& chain);
  ast::ExprId read(Cedar::AndChainContext& chain);
  ast::ExprId read(Cedar::RelationContext& relation);
  ast::ExprId read(Cedar::SumContext& sum);
  ast::ExprId read(Cedar::ProductContext& product);
  ast::ExprId read(Cedar::UnaryContext& unary);
  ast::ExprId read(Cedar::MemberContext& member);
  ast::ExprId read(Cedar::PrimaryContext& primary);
  ast::ExprId read_if(Cedar::ExprContext& expr);
  ast::ExprId read_comparison(Cedar::RelationContext& relation, ast::BinaryOp op);
  ast::ExprId read_has(Cedar::RelationContext& relation);
  ast::ExprId read_like(Cedar::RelationContext& relation);
  ast::ExprId read_is(Cedar::RelationContext& relation);
  bool check_relation(Cedar::RelationContext& relation);
  ast::ExprId read_number(const antlr4::Token& digits, const antlr4::Token* minus);
  ast::ExprId read_slot(const antlr4::Token& slot);
  ast::ExprId read_name(Cedar::PrimaryContext& primary);
  ast::ExprId read_record(Cedar::RecordLitContext& record);
  ast::ExprId read_function(Cedar::PrimaryContext& primary, Cedar::AccessContext& call);
  ast::ExprId read_method(ast::ExprId object, Cedar::MemberContext& member, std::size_t access);
  ast::ExprId read_attr(ast::ExprId object, Cedar::MemberContext& member, Cedar::AccessContext& access);
  std::optional<ast::Attr> read_attr_word(const antlr4::Token& word);
  std::optional<ast::Attr> read_attr_string(const antlr4::Token& string);
  std::optional<ast::Attr> read_field_name(Cedar::FieldContext& field);
  bool read_args(Cedar::AccessContext& call, std::vector<ast::ExprId>& args);
  template <class Chain>
  ast::ExprId read_chain(Chain& chain);

  // Stores the expression, unless one of its children is invalid.
  ast::ExprId add(ast::Expr expr, std::initializer_list<ast::ExprId> children);
  ast::ExprId add(ast::Expr expr, const std::vector<ast::ExprId>& children);
  Span span(const antlr4::ParserRuleContext& rule) const { return reader_.span(rule); }
  Span join(Span first, Span last) const { return {first.source, first.begin, last.end}; }

  const TokenReader& reader_;
  ast::PolicyFile& file_;
  Diagnostics& diagnostics_;
};

}  // namespace kerf
