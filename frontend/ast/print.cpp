// Policies to canonical text. Holds after: parsing the text gives the same policies, spans aside. The one decision:
// every node knows its precedence and the least one its place accepts, so parentheses appear only where needed.
#include <fmt/format.h>

#include <array>

#include "frontend/ast/policy.h"
#include "frontend/ast/text.h"
#include "ir/base/check.h"

namespace kerf::ast {

bool is_reserved_word(std::string_view word) {
  static constexpr std::array<std::string_view, 9> words = {"true", "false", "if",   "then", "else",
                                                            "in",   "is",    "like", "has"};
  for (std::string_view reserved : words) {
    if (word == reserved) return true;
  }
  return false;
}

bool is_word(std::string_view text) {
  auto letter = [](char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (text.empty() || !letter(text[0])) return false;
  for (char c : text) {
    if (!letter(c) && !(c >= '0' && c <= '9')) return false;
  }
  return true;
}

bool is_attribute_word(std::string_view text) {
  return is_word(text) && !is_reserved_word(text) && text != "__cedar";
}

namespace {

// Controls, line separators, zero-width and bidirectional marks: invisible, so never printed as they are.
bool is_invisible(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0xad || (c >= 0x200b && c <= 0x200f) ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || c == 0x061c;
}

struct Scalar {
  char32_t value;
  std::size_t length;
};

Scalar scalar_at(std::string_view text, std::size_t at) {
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(at + i < text.size() ? text[at + i] : 0); };
  unsigned char first = byte(0);
  auto tail = [&](std::size_t i) { return static_cast<char32_t>(byte(i) & 0x3f); };
  if (first < 0x80) return {first, 1};
  if (first < 0xe0) return {static_cast<char32_t>((first & 0x1f) << 6) | tail(1), 2};
  if (first < 0xf0) return {static_cast<char32_t>((first & 0x0f) << 12) | tail(1) << 6 | tail(2), 3};
  return {static_cast<char32_t>((first & 0x07) << 18) | tail(1) << 12 | tail(2) << 6 | tail(3), 4};
}

void append_escaped(std::string& out, char32_t c) {
  if (c == '\n') out += "\\n";
  else if (c == '\r') out += "\\r";
  else if (c == '\t') out += "\\t";
  else if (c == 0) out += "\\0";
  else out += fmt::format("\\u{{{:x}}}", static_cast<std::uint32_t>(c));
}

}  // namespace

std::string escaped(std::string_view text, bool in_pattern) {
  std::string out;
  out.reserve(text.size() + 2);
  for (std::size_t i = 0; i < text.size();) {
    Scalar scalar = scalar_at(text, i);
    if (scalar.value == '"' || scalar.value == '\\') (out += '\\') += text[i];
    else if (in_pattern && scalar.value == '*') out += "\\*";
    else if (is_invisible(scalar.value)) append_escaped(out, scalar.value);
    else out += text.substr(i, scalar.length);
    i += scalar.length;
  }
  return out;
}

std::string quoted(std::string_view text) {
  std::string out = escaped(text, false);
  out.insert(out.begin(), '"');
  out += '"';
  return out;
}

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

std::string_view text_of(BinaryOp op) {
  switch (op) {
    case BinaryOp::or_: return "||";
    case BinaryOp::and_: return "&&";
    case BinaryOp::eq: return "==";
    case BinaryOp::not_eq_: return "!=";
    case BinaryOp::less: return "<";
    case BinaryOp::less_eq: return "<=";
    case BinaryOp::greater: return ">";
    case BinaryOp::greater_eq: return ">=";
    case BinaryOp::in: return "in";
    case BinaryOp::add: return "+";
    case BinaryOp::sub: return "-";
    case BinaryOp::mul: return "*";
  }
  internal_error("binary operator");
}

std::string_view text_of(Var var) {
  switch (var) {
    case Var::principal: return "principal";
    case Var::action: return "action";
    case Var::resource: return "resource";
    case Var::context: return "context";
  }
  internal_error("variable");
}

std::string_view text_of(SlotName slot) {
  switch (slot) {
    case SlotName::principal: return "?principal";
    case SlotName::resource: return "?resource";
  }
  internal_error("slot");
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

bool has_slot(const Scope& scope) {
  struct Visitor {
    bool operator()(const ScopeAny&) { return false; }
    bool operator()(const ScopeEq& s) { return std::holds_alternative<Slot>(s.entity); }
    bool operator()(const ScopeIn& s) { return std::holds_alternative<Slot>(s.entity); }
    bool operator()(const ScopeIs& s) { return s.in && std::holds_alternative<Slot>(*s.in); }
    bool operator()(const ScopeInList&) { return false; }
  };
  return std::visit(Visitor{}, scope.constraint);
}

}  // namespace

bool Policy::is_template() const { return has_slot(principal) || has_slot(action) || has_slot(resource); }

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
