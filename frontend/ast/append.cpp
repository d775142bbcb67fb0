// One policy file behind the other. Ids of expressions are places in their file, so those of the second move.
#include "frontend/ast/policy.h"

namespace kerf::ast {
namespace {

void move_by(ExprId& id, std::size_t offset) { id = ExprId(id.index + offset); }

struct MoveChildren {
  std::size_t by;
  void operator()(BoolLit&) const {}
  void operator()(LongLit&) const {}
  void operator()(StringLit&) const {}
  void operator()(EntityLit&) const {}
  void operator()(VarExpr&) const {}
  void operator()(SlotExpr&) const {}
  void operator()(Not& n) const { move_by(n.operand, by); }
  void operator()(Negate& n) const { move_by(n.operand, by); }
  void operator()(Binary& n) const { move_by(n.left, by), move_by(n.right, by); }
  void operator()(If& n) const { move_by(n.condition, by), move_by(n.then_branch, by), move_by(n.else_branch, by); }
  void operator()(HasAttr& n) const { move_by(n.object, by); }
  void operator()(Like& n) const { move_by(n.object, by); }
  void operator()(Is& n) const {
    move_by(n.object, by);
    if (n.in) move_by(*n.in, by);
  }
  void operator()(GetAttr& n) const { move_by(n.object, by); }
  void operator()(MethodCall& n) const { move_by(n.object, by), all(n.args); }
  void operator()(FunctionCall& n) const { all(n.args); }
  void operator()(SetLit& n) const { all(n.elements); }
  void operator()(RecordLit& n) const {
    for (RecordField& field : n.fields) move_by(field.value, by);
  }
  void all(std::vector<ExprId>& ids) const {
    for (ExprId& id : ids) move_by(id, by);
  }
};

}  // namespace

void append(PolicyFile& file, PolicyFile part) {
  const MoveChildren move{file.exprs.size()};
  for (Expr& expr : part.exprs) {
    std::visit(move, expr.node);
    file.exprs.push_back(std::move(expr));
  }
  for (Policy& policy : part.policies) {
    for (Condition& condition : policy.conditions) move_by(condition.expr, move.by);
    file.policies.push_back(std::move(policy));
  }
}

}  // namespace kerf::ast
