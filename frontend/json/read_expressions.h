// Expressions of Cedar's JSON policy format to the store of a policy file. Internal to this folder.
#pragma once
#include "frontend/json/form.h"

namespace kerf {

class JsonExpressions {
 public:
  JsonExpressions(Form& form, ast::PolicyFile& file) : form_(form), file_(file) {}

  ast::ExprId read(JsonId id);   // not valid after a report

 private:
  struct Operands {
    ast::ExprId left, right;
    bool good = false;
  };

  ast::ExprId add(decltype(ast::Expr::node) node, JsonId at) { return file_.add({std::move(node), form_.span(at)}); }
  ast::ExprId read_operator(JsonId key);
  ast::ExprId read_value(JsonId id);
  JsonId escape_body(JsonId object) const;
  ast::ExprId read_escape(JsonId id, JsonId body);
  ast::ExprId read_variable(JsonId id);
  ast::ExprId read_unary(JsonId id, bool negate);
  ast::ExprId read_binary(JsonId id, ast::BinaryOp op);
  ast::ExprId read_method(JsonId id, std::string_view name);
  ast::ExprId read_empty_test(JsonId id);
  ast::ExprId read_get(JsonId id);
  ast::ExprId read_has(JsonId id);
  ast::ExprId has_path(JsonId id, ast::ExprId object, std::vector<ast::Attr> path);
  ast::ExprId read_like(JsonId id);
  ast::ExprId read_is(JsonId id);
  ast::ExprId read_if(JsonId id);
  ast::ExprId read_set(JsonId id);
  ast::ExprId read_record(JsonId id);
  ast::ExprId read_call(JsonId id, std::string_view name);
  ast::ExprId call(JsonId id, std::string_view name, std::vector<ast::ExprId> args, bool value);
  Operands operands(JsonId id);
  template <class Read>
  std::optional<std::vector<ast::ExprId>> list(JsonId id, Read read);
  template <class Read>
  ast::ExprId record(JsonId id, bool quoted, Read read);
  ast::ExprId child(JsonId object, std::string_view field);

  Form& form_;
  ast::PolicyFile& file_;
};

}  // namespace kerf
