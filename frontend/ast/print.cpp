// Policies to canonical text. Holds after: parsing the text gives the same policies, spans aside. The one decision:
// every node knows its precedence and the least one its place accepts, so parentheses appear only where needed.
#include "frontend/ast/policy.h"
#include "frontend/ast/text.h"
#include "ir/base/check.h"

namespace kerf::ast {

namespace {

// Cedar's levels, loosest first.
enum class Level { if_, or_, and_, relation, sum, product, unary, member, primary };

constexpr int kMaxUnaryRun = 4;  // the grammar's own bound on `!!!!` and `----`

Level level_of(BinaryOp op) {
  switch (op) {
    case BinaryOp::or_: return Level::or_;
    case BinaryOp::and_: return Level::and_;
    case BinaryOp::eq:
    case BinaryOp::not_eq_:
    case BinaryOp::less:
    case BinaryOp::less_eq:
    case BinaryOp::greater:
    case BinaryOp::greater_eq:
    case BinaryOp::in: return Level::relation;
    case BinaryOp::add:
    case BinaryOp::sub: return Level::sum;
    case BinaryOp::mul: return Level::product;
  }
  internal_error("binary operator");
}

struct Printer {
  const PolicyFile& file;
  std::string out;

  void expr(ExprId id, Level least);
  void list(const std::vector<ExprId>& items);
  void attr(const Attr& attr) { out += attr.quoted || !is_attribute_word(attr.name) ? quoted(attr.name) : attr.name; }
  void entity(const EntityRef& uid) { (out += uid.type.text + "::") += quoted(uid.id); }
  void unary_run(ExprId id, char op, int run);

  // What follows the left operand, or the whole expression if it has none.
  void operator()(const BoolLit& lit) { out += lit.value ? "true" : "false"; }
  void operator()(const LongLit& lit) { out += std::to_string(lit.value); }
  void operator()(const StringLit& lit) { out += quoted(lit.value); }
  void operator()(const EntityLit& lit) { entity(lit.uid); }
  void operator()(const VarExpr& var) { out += text_of(var.var); }
  void operator()(const SlotExpr& slot) { out += text_of(slot.slot.name); }
  void operator()(const Not& op) { (out += '!'), unary_run(op.operand, '!', 1); }
  void operator()(const Negate& op) { (out += '-'), unary_run(op.operand, '-', 1); }
  void operator()(const Binary& op);
  void operator()(const If& op);
  void operator()(const HasAttr& op);
  void operator()(const Like& op);
  void operator()(const Is& op);
  void operator()(const GetAttr& op);
  void operator()(const MethodCall& call);
  void operator()(const FunctionCall& call) { (out += call.function.text), list(call.args); }
  void operator()(const SetLit& set);
  void operator()(const RecordLit& record);

  void operator()(const EntityRef& uid) { entity(uid); }
  void operator()(const Slot& slot) { out += text_of(slot.name); }
  void operator()(const ScopeAny&) {}
  void operator()(const ScopeEq& scope) { (out += " == "), std::visit(*this, scope.entity); }
  void operator()(const ScopeIn& scope) { (out += " in "), std::visit(*this, scope.entity); }
  void operator()(const ScopeIs& scope);
  void operator()(const ScopeInList& scope);
  void policy(const Policy& policy);
};

Level level_of(const Expr& expr) {
  struct Visitor {
    Level operator()(const BoolLit&) { return Level::primary; }
    Level operator()(const LongLit& lit) { return lit.value < 0 ? Level::unary : Level::primary; }
    Level operator()(const StringLit&) { return Level::primary; }
    Level operator()(const EntityLit&) { return Level::primary; }
    Level operator()(const VarExpr&) { return Level::primary; }
    Level operator()(const SlotExpr&) { return Level::primary; }
    Level operator()(const Not&) { return Level::unary; }
    Level operator()(const Negate&) { return Level::unary; }
    Level operator()(const Binary& op) { return level_of(op.op); }
    Level operator()(const If&) { return Level::if_; }
    Level operator()(const HasAttr&) { return Level::relation; }
    Level operator()(const Like&) { return Level::relation; }
    Level operator()(const Is&) { return Level::relation; }
    Level operator()(const GetAttr&) { return Level::member; }
    Level operator()(const MethodCall&) { return Level::member; }
    Level operator()(const FunctionCall&) { return Level::member; }
    Level operator()(const SetLit&) { return Level::primary; }
    Level operator()(const RecordLit&) { return Level::primary; }
  };
  return std::visit(Visitor{}, expr.node);
}

Level next(Level level) { return static_cast<Level>(static_cast<int>(level) + 1); }

// The operand that stands leftmost in the text of an expression, and the level its place accepts.
struct LeftOperand {
  ExprId id;
  Level least;
};

std::optional<LeftOperand> left_operand(const Expr& expr) {
  struct Visitor {
    using Left = std::optional<LeftOperand>;
    // Relations do not chain; everything else leans to the left.
    Left operator()(const Binary& op) {
      Level level = level_of(op.op);
      return LeftOperand{op.left, level == Level::relation ? next(level) : level};
    }
    Left operator()(const HasAttr& op) { return LeftOperand{op.object, Level::sum}; }
    Left operator()(const Like& op) { return LeftOperand{op.object, Level::sum}; }
    Left operator()(const Is& op) { return LeftOperand{op.object, Level::sum}; }
    Left operator()(const GetAttr& op) { return LeftOperand{op.object, Level::member}; }
    Left operator()(const MethodCall& op) { return LeftOperand{op.object, Level::member}; }
    Left operator()(const BoolLit&) { return {}; }
    Left operator()(const LongLit&) { return {}; }
    Left operator()(const StringLit&) { return {}; }
    Left operator()(const EntityLit&) { return {}; }
    Left operator()(const VarExpr&) { return {}; }
    Left operator()(const SlotExpr&) { return {}; }
    Left operator()(const Not&) { return {}; }
    Left operator()(const Negate&) { return {}; }
    Left operator()(const If&) { return {}; }
    Left operator()(const FunctionCall&) { return {}; }
    Left operator()(const SetLit&) { return {}; }
    Left operator()(const RecordLit&) { return {}; }
  };
  return std::visit(Visitor{}, expr.node);
}

// Chains are deep on their left side, so that side is a loop: down to the first operand, then back up, where each
// visit appends what follows the left operand.
void Printer::expr(ExprId id, Level least) {
  struct Pending {
    ExprId id;
    bool parentheses;
  };
  std::vector<Pending> spine;
  std::optional<LeftOperand> left = LeftOperand{id, least};
  for (; left; left = left_operand(file[left->id])) {
    bool parentheses = level_of(file[left->id]) < left->least;
    if (parentheses) out += '(';
    spine.push_back({left->id, parentheses});
  }
  for (; !spine.empty(); spine.pop_back()) {
    std::visit(*this, file[spine.back().id].node);
    if (spine.back().parentheses) out += ')';
  }
}

// `!` and `-` do not mix, a run has at most four, and a minus before a plain number would become part of the number.
void Printer::unary_run(ExprId id, char op, int run) {
  const Expr& operand = file[id];
  const auto* inner_not = std::get_if<Not>(&operand.node);
  const auto* inner_negate = std::get_if<Negate>(&operand.node);
  const auto* number = std::get_if<LongLit>(&operand.node);
  if (run < kMaxUnaryRun && op == '!' && inner_not) {
    out += '!';
    return unary_run(inner_not->operand, op, run + 1);
  }
  if (run < kMaxUnaryRun && op == '-' && inner_negate) {
    out += '-';
    return unary_run(inner_negate->operand, op, run + 1);
  }
  if (op == '-' && number && number->value < 0 && run < kMaxUnaryRun) {
    out += std::to_string(number->value);
    return;
  }
  bool parentheses = op == '-' && number;
  if (parentheses) out += '(';
  expr(id, parentheses ? Level::if_ : Level::member);
  if (parentheses) out += ')';
}

void Printer::operator()(const Binary& op) {
  ((out += ' ') += text_of(op.op)) += ' ';
  expr(op.right, next(level_of(op.op)));
}

void Printer::operator()(const If& op) {
  out += "if ";
  expr(op.condition, Level::if_);
  out += " then ";
  expr(op.then_branch, Level::if_);
  out += " else ";
  expr(op.else_branch, Level::if_);
}

void Printer::operator()(const HasAttr& op) {
  out += " has ";
  for (std::size_t i = 0; i < op.path.size(); ++i) {
    if (i != 0) out += '.';
    attr(op.path[i]);
  }
}

void Printer::operator()(const Like& op) {
  out += " like \"";
  for (std::size_t i = 0; i < op.pattern.pieces.size(); ++i) {
    if (i != 0) out += '*';
    out += escaped(op.pattern.pieces[i], true);
  }
  out += '"';
}

void Printer::operator()(const Is& op) {
  (out += " is ") += op.type.text;
  if (!op.in) return;
  out += " in ";
  expr(*op.in, Level::sum);
}

void Printer::operator()(const GetAttr& op) {
  bool index = op.index || op.attr.quoted || !is_attribute_word(op.attr.name);
  if (index) ((out += '[') += quoted(op.attr.name)) += ']';
  else (out += '.') += op.attr.name;
}

void Printer::operator()(const MethodCall& call) {
  (out += '.') += call.method.name;
  list(call.args);
}

void Printer::list(const std::vector<ExprId>& items) {
  out += '(';
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i != 0) out += ", ";
    expr(items[i], Level::if_);
  }
  out += ')';
}

void Printer::operator()(const SetLit& set) {
  out += '[';
  for (std::size_t i = 0; i < set.elements.size(); ++i) {
    if (i != 0) out += ", ";
    expr(set.elements[i], Level::if_);
  }
  out += ']';
}

void Printer::operator()(const RecordLit& record) {
  out += '{';
  for (std::size_t i = 0; i < record.fields.size(); ++i) {
    if (i != 0) out += ", ";
    attr(record.fields[i].name);
    out += ": ";
    expr(record.fields[i].value, Level::if_);
  }
  out += '}';
}

void Printer::operator()(const ScopeIs& scope) {
  (out += " is ") += scope.type.text;
  if (!scope.in) return;
  out += " in ";
  std::visit(*this, *scope.in);
}

void Printer::operator()(const ScopeInList& scope) {
  out += " in [";
  for (std::size_t i = 0; i < scope.entities.size(); ++i) {
    if (i != 0) out += ", ";
    entity(scope.entities[i]);
  }
  out += ']';
}

void Printer::policy(const Policy& policy) {
  for (const Annotation& annotation : policy.annotations) {
    (out += '@') += annotation.key;
    if (annotation.value) ((out += '(') += quoted(*annotation.value)) += ')';
    out += '\n';
  }
  out += policy.effect == Effect::permit ? "permit(principal" : "forbid(principal";
  std::visit(*this, policy.principal.constraint);
  out += ", action";
  std::visit(*this, policy.action.constraint);
  out += ", resource";
  std::visit(*this, policy.resource.constraint);
  out += ')';
  for (const Condition& condition : policy.conditions) {
    out += condition.unless ? "\nunless { " : "\nwhen { ";
    expr(condition.expr, Level::if_);
    out += " }";
  }
  out += ";\n";
}

}  // namespace

const Slot* slot_of(const Scope& scope) {
  struct Visitor {
    const Slot* operator()(const ScopeAny&) { return nullptr; }
    const Slot* operator()(const ScopeEq& s) { return std::get_if<Slot>(&s.entity); }
    const Slot* operator()(const ScopeIn& s) { return std::get_if<Slot>(&s.entity); }
    const Slot* operator()(const ScopeIs& s) { return s.in ? std::get_if<Slot>(&*s.in) : nullptr; }
    const Slot* operator()(const ScopeInList&) { return nullptr; }
  };
  return std::visit(Visitor{}, scope.constraint);
}

bool Policy::is_template() const { return slot_of(principal) != nullptr || slot_of(resource) != nullptr; }

namespace {

Scope fill(Scope scope, const std::optional<EntityRef>& entity) {
  if (slot_of(scope) == nullptr) return scope;
  check(entity.has_value(), "a link has an entity for every slot of its template");
  if (auto* eq = std::get_if<ScopeEq>(&scope.constraint)) eq->entity = *entity;
  else if (auto* in = std::get_if<ScopeIn>(&scope.constraint)) in->entity = *entity;
  else std::get<ScopeIs>(scope.constraint).in = *entity;
  return scope;
}

}  // namespace

Policy link(const Policy& from, const TemplateLink& link) {
  Policy policy = from;
  policy.id = link.id;
  policy.principal = fill(policy.principal, link.principal);
  policy.resource = fill(policy.resource, link.resource);
  return policy;
}

std::string print(const PolicyFile& file) {
  Printer printer{file, {}};
  for (std::size_t i = 0; i < file.policies.size(); ++i) {
    if (i != 0) printer.out += '\n';
    printer.policy(file.policies[i]);
  }
  return std::move(printer.out);
}

std::string print(const PolicyFile& file, const Policy& policy) {
  Printer printer{file, {}};
  printer.policy(policy);
  return std::move(printer.out);
}

std::string print(const PolicyFile& file, ExprId expr) {
  Printer printer{file, {}};
  printer.expr(expr, Level::if_);
  return std::move(printer.out);
}

}  // namespace kerf::ast
