// Policies as the official tools (golden version 4.12) print what they read from JSON: a line for each annotation, the
// rest on one line, every operand in parentheses that is no leaf. Kept apart from print.cpp, which decides by
// precedence; here nothing depends on it.
#include <fmt/format.h>

#include "frontend/ast/policy.h"
#include "frontend/ast/text.h"

namespace kerf::ast {
namespace {

bool is_leaf(const Expr& expr) {
  struct Visitor {
    bool operator()(const BoolLit&) { return true; }
    bool operator()(const LongLit&) { return true; }   // brings its own parentheses
    bool operator()(const StringLit&) { return true; }
    bool operator()(const EntityLit&) { return true; }
    bool operator()(const VarExpr&) { return true; }
    bool operator()(const SlotExpr&) { return true; }
    bool operator()(const SetLit&) { return true; }
    bool operator()(const RecordLit&) { return true; }
    bool operator()(const Not&) { return false; }
    bool operator()(const Negate&) { return false; }
    bool operator()(const Binary&) { return false; }
    bool operator()(const If&) { return false; }
    bool operator()(const HasAttr&) { return false; }
    bool operator()(const Like&) { return false; }
    bool operator()(const Is&) { return false; }
    bool operator()(const GetAttr&) { return false; }
    bool operator()(const MethodCall& e) { return e.value; }
    bool operator()(const FunctionCall& e) { return e.value; }
  };
  return std::visit(Visitor{}, expr.node);
}

struct OfficialPrinter {
  const PolicyFile& file;
  std::string out;

  void expr(ExprId id) { std::visit(*this, file[id].node); }
  void operand(ExprId id) {
    bool parentheses = !is_leaf(file[id]);
    if (parentheses) out += '(';
    expr(id);
    if (parentheses) out += ')';
  }
  template <class Items, class Print>
  void list(const Items& items, Print print) {
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i != 0) out += ", ";
      print(items[i]);
    }
  }
  void word(const Attr& attr) { out += is_attribute_word(attr.name) ? attr.name : debug_quoted(attr.name); }
  void entity(const EntityRef& uid) { (out += uid.type.text + "::") += debug_quoted(uid.id); }
  void entity_or_slot(const EntityOrSlot& operand) {
    if (const auto* uid = std::get_if<EntityRef>(&operand)) entity(*uid);
    else out += text_of(std::get<Slot>(operand).name);
  }

  void operator()(const BoolLit& e) { out += e.value ? "true" : "false"; }
  void operator()(const LongLit& e) { out += e.value < 0 ? fmt::format("({})", e.value) : fmt::format("{}", e.value); }
  void operator()(const StringLit& e) { out += debug_quoted(e.value); }
  void operator()(const EntityLit& e) { entity(e.uid); }
  void operator()(const VarExpr& e) { out += text_of(e.var); }
  void operator()(const SlotExpr& e) { out += text_of(e.slot.name); }
  void operator()(const Not& e) { (out += '!'), operand(e.operand); }
  void operator()(const Negate& e) {
    out += "-(";   // a minus before a plain number would become part of it
    expr(e.operand);
    out += ')';
  }
  void operator()(const Binary& e) {
    operand(e.left);
    out += fmt::format(" {} ", text_of(e.op));
    operand(e.right);
  }
  void operator()(const If& e) {
    out += "if ", operand(e.condition);
    out += " then ", operand(e.then_branch);
    out += " else ", operand(e.else_branch);
  }
  void operator()(const HasAttr& e) {
    operand(e.object);
    out += " has ";
    for (std::size_t i = 0; i < e.path.size(); ++i) {
      if (i != 0) out += '.';
      word(e.path[i]);
    }
  }
  void operator()(const Like& e) {
    operand(e.object);
    out += " like \"";
    for (std::size_t i = 0; i < e.pattern.pieces.size(); ++i) {
      if (i != 0) out += '*';
      out += debug_pattern(e.pattern.pieces[i]);
    }
    out += '"';
  }
  void operator()(const Is& e) {
    operand(e.object);
    (out += " is ") += e.type.text;
    if (e.in) out += " in ", operand(*e.in);
  }
  void operator()(const GetAttr& e) {
    operand(e.object);
    if (is_attribute_word(e.attr.name)) (out += '.') += e.attr.name;
    else ((out += '[') += debug_quoted(e.attr.name)) += ']';
  }
  void operator()(const MethodCall& e) {
    operand(e.object);
    (out += '.') += e.method.name, arguments(e.args);
  }
  void operator()(const FunctionCall& e) { out += e.function.text, arguments(e.args); }
  void arguments(const std::vector<ExprId>& args) {
    out += '(';
    list(args, [&](ExprId id) { expr(id); });
    out += ')';
  }
  void operator()(const SetLit& e) {
    out += '[';
    list(e.elements, [&](ExprId id) { expr(id); });
    out += ']';
  }
  void operator()(const RecordLit& e) {
    out += '{';
    list(e.fields, [&](const RecordField& field) {
      if (field.name.quoted) out += debug_quoted(field.name.name);
      else word(field.name);
      out += ": ", expr(field.value);
    });
    out += '}';
  }

  void operator()(const ScopeAny&) {}
  void operator()(const ScopeEq& s) { out += " == ", entity_or_slot(s.entity); }
  void operator()(const ScopeIn& s) { out += " in ", entity_or_slot(s.entity); }
  void operator()(const ScopeIs& s) {
    (out += " is ") += s.type.text;
    if (s.in) out += " in ", entity_or_slot(*s.in);
  }
  void operator()(const ScopeInList& s) {
    out += " in [";
    list(s.entities, [&](const EntityRef& uid) { entity(uid); });
    out += ']';
  }

  void policy(const Policy& policy) {
    for (const Annotation& a : policy.annotations) {
      (out += '@') += a.key;
      if (a.value) ((out += '(') += debug_quoted(*a.value)) += ')';
      out += '\n';
    }
    out += policy.effect == Effect::permit ? "permit(principal" : "forbid(principal";
    std::visit(*this, policy.principal.constraint);
    out += ", action", std::visit(*this, policy.action.constraint);
    out += ", resource", std::visit(*this, policy.resource.constraint);
    out += ')';
    for (const Condition& condition : policy.conditions) {
      out += condition.unless ? " unless { " : " when { ";
      expr(condition.expr);
      out += " }";
    }
    out += ';';
  }
};

}  // namespace

std::string print_official(const PolicyFile& file, const Policy& policy) {
  OfficialPrinter printer{file, {}};
  printer.policy(policy);
  return std::move(printer.out);
}

}  // namespace kerf::ast
