// The scope's parse tree, which takes any expression, to Cedar's few forms. The wider grammar is the one decision: it
// lets a policy such as `permit(principal == "alice", ..)` be refused with the cure instead of a list of tokens.
#include "frontend/parse/scopes.h"

#include <array>

namespace kerf {

using antlr4::Token;
using ast::Var;

namespace {

constexpr std::array<Var, 3> kOrder = {Var::principal, Var::action, Var::resource};

std::string_view name_of(Var variable) {
  switch (variable) {
    case Var::principal: return "principal";
    case Var::action: return "action";
    case Var::resource: return "resource";
    case Var::context: return "context";
  }
  internal_error("variable");
}

std::string_view needed_by(Var variable, bool list_fits) {
  if (variable == Var::action) return list_fits ? "an action or a list of actions" : "an action";
  return "an entity or its slot";
}

// `a in b is c` reads as `a in (b is c)`: the operator inside of the operand, or null.
const Token* comparison_in(Cedar::ExprContext& value) {
  if (value.chain == nullptr) return nullptr;
  Cedar::RelationContext& relation = *value.chain->items[0]->items[0];
  return relation.tails.empty() ? nullptr : relation.tails[0]->op;
}

std::string_view help_for(Cedar::ExprContext& value) {
  if (value.chain == nullptr) return "decide in a `when` clause";
  if (value.chain->items.size() > 1) return "write a policy for each side of `||`, or use a `when` clause";
  if (value.chain->items[0]->items.size() > 1) return "move the part after `&&` into a `when` clause";
  Cedar::SumContext& sum = *value.chain->items[0]->items[0]->left;
  if (sum.items.size() > 1) return "names of types have no `-` or `+`; use `_` or `::`";
  Cedar::PrimaryContext* primary = lone_primary(value, true);
  if (primary == nullptr) return "move the test into a `when` clause";
  if (primary->text != nullptr) return "an entity is its type and its id: `User::\"alice\"`";
  if (primary->head != nullptr) return "add the id (`User::\"alice\"`), or test for the type with `is`";
  return "move the test into a `when` clause";
}

bool has_id(Cedar::PrimaryContext& primary) {
  for (Cedar::PathTailContext* tail : primary.tails) {
    if (tail->part == nullptr) return true;
  }
  return false;
}

}  // namespace

void ScopeReader::read(Cedar::PolicyContext& context, ast::Policy& policy) {
  const auto& items = context.items;
  std::array<ast::Scope*, 3> scopes = {&policy.principal, &policy.action, &policy.resource};
  for (std::size_t i = 0; i < items.size(); ++i) {
    Span at = reader_.span(*items[i]->variable);
    std::string_view word = reader_.text(at);
    if (i >= kOrder.size()) {
      diagnostics_.report(Code::K1106, at, word);
    } else if (word != name_of(kOrder[i])) {
      Diagnostic& diagnostic = diagnostics_.report(Code::K1104, at, name_of(kOrder[i]), word);
      diagnostic.with_help("a scope is `(principal, action, resource)`, in this order");
    } else {
      *scopes[i] = read_item(*items[i], kOrder[i]);
    }
  }
  for (std::size_t i = items.size(); i < kOrder.size(); ++i) {
    diagnostics_.report(Code::K1105, reader_.span(*context.close), name_of(kOrder[i]))
        .with_help("a scope is `(principal, action, resource)`, in this order");
  }
}

ast::Scope ScopeReader::read_item(Cedar::ScopeItemContext& item, Var variable) {
  ast::Scope scope{ast::ScopeAny{}, reader_.span(item)};
  if (item.colon != nullptr) {
    Span at = reader_.span(*item.colon);
    diagnostics_.report(Code::K1107, at).with_help("write `is`").with_fix(at, " is");
    return scope;
  }
  bool any = item.isTest == nullptr && item.op == nullptr;
  if (any || !check_operators(item, variable)) return scope;
  return variable == Var::action ? read_action_scope(item) : read_entity_scope(item, variable);
}

// Which operators, and in which order. What they compare with is read afterwards.
bool ScopeReader::check_operators(Cedar::ScopeItemContext& item, Var variable) {
  const Token* inner = item.value == nullptr ? nullptr : comparison_in(*item.value);
  bool late_is = inner != nullptr && inner->getType() == Tokens::IS;
  const Token* is = item.isTest != nullptr ? item.isTest : late_is ? inner : nullptr;
  if (variable == Var::action && is != nullptr) {
    diagnostics_.report(Code::K1109, reader_.span(*is)).with_help("name the actions with `==` or `in`");
    return false;
  }
  if (item.op == nullptr) return true;
  Span at = reader_.span(*item.op);
  std::size_t op = item.op->getType();
  if (op == Tokens::ASSIGN) {
    diagnostics_.report(Code::K1120, at).with_help("equality is written `==`").with_fix(at, "==");
  } else if (late_is) {
    diagnostics_.report(Code::K1110, reader_.span(*is), reader_.text(at))
        .with_help(fmt::format("write `{} is TYPE in ENTITY`", name_of(variable)));
  } else if (op != Tokens::EQEQ && op != Tokens::IN) {
    diagnostics_.report(Code::K1108, at, reader_.text(at), name_of(variable))
        .with_help("a scope tests with `==`, `in` and `is`; use a `when` clause");
  } else if (item.isTest != nullptr && op == Tokens::EQEQ) {
    diagnostics_.report(Code::K1110, at, reader_.text(at)).with_help("`==` alone says it all, or write `is TYPE in ENTITY`");
  } else {
    return true;
  }
  return false;
}

void ScopeReader::report_operand(Cedar::ExprContext& value, Var variable, std::string_view needed) {
  diagnostics_.report(Code::K1111, reader_.span(value), name_of(variable), needed, describe(value))
      .with_help(std::string(help_for(value)));
}

std::optional<ast::EntityOrSlot> ScopeReader::read_operand(Cedar::ExprContext& value, Var variable) {
  Cedar::PrimaryContext* primary = lone_primary(value, true);
  if (primary != nullptr && primary->set != nullptr) {
    diagnostics_.report(Code::K1112, reader_.span(value))
        .with_help(fmt::format("use a group, or `when {{ {} in [..] }}`", name_of(variable)));
    return std::nullopt;
  }
  if (primary != nullptr && primary->slot != nullptr) {
    Span at = reader_.span(*primary->slot);
    std::string wanted = fmt::format("?{}", name_of(variable));
    if (reader_.text(at) != wanted) {
      diagnostics_.report(Code::K1113, at, reader_.text(at), name_of(variable)).with_help(fmt::format("the slot here is `{}`", wanted));
      return std::nullopt;
    }
    return ast::Slot{variable == Var::principal ? ast::SlotName::principal : ast::SlotName::resource, at};
  }
  if (primary == nullptr || primary->head == nullptr || !has_id(*primary)) {
    report_operand(value, variable, needed_by(variable, false));
    return std::nullopt;
  }
  std::optional<ast::EntityRef> uid = expressions_.read_entity(*primary);
  if (!uid) return std::nullopt;
  return ast::EntityOrSlot(std::move(*uid));
}

ast::Scope ScopeReader::read_entity_scope(Cedar::ScopeItemContext& item, Var variable) {
  ast::Scope scope{ast::ScopeAny{}, reader_.span(item)};
  if (item.isTest == nullptr) {
    std::optional<ast::EntityOrSlot> operand = read_operand(*item.value, variable);
    if (!operand) return scope;
    if (item.op->getType() == Tokens::EQEQ) scope.constraint = ast::ScopeEq{std::move(*operand)};
    else scope.constraint = ast::ScopeIn{std::move(*operand)};
    return scope;
  }
  std::optional<ast::Name> type = expressions_.read_type(*item.type);
  std::optional<ast::EntityOrSlot> in;
  if (item.value != nullptr) in = read_operand(*item.value, variable);
  if (type) scope.constraint = ast::ScopeIs{std::move(*type), std::move(in)};
  return scope;
}

std::optional<ast::EntityRef> ScopeReader::read_action(Cedar::ExprContext& value, bool list_fits) {
  Cedar::PrimaryContext* primary = lone_primary(value, true);
  if (primary != nullptr && primary->slot != nullptr) {
    diagnostics_.report(Code::K1113, reader_.span(*primary->slot), reader_.text(*primary->slot), "action")
        .with_help("there are no slots for actions");
    return std::nullopt;
  }
  if (primary != nullptr && primary->set != nullptr) {
    diagnostics_.report(Code::K1112, reader_.span(value)).with_help("write `action in [..]`, without further brackets");
    return std::nullopt;
  }
  if (primary == nullptr || primary->head == nullptr || !has_id(*primary)) {
    report_operand(value, Var::action, needed_by(Var::action, list_fits));
    return std::nullopt;
  }
  std::optional<ast::EntityRef> uid = expressions_.read_entity(*primary);
  if (!uid) return std::nullopt;
  if (uid->type.text != "Action" && !uid->type.text.ends_with("::Action")) {
    diagnostics_.report(Code::K1115, uid->type.span, uid->type.text);
    return std::nullopt;
  }
  return uid;
}

ast::Scope ScopeReader::read_action_scope(Cedar::ScopeItemContext& item) {
  ast::Scope scope{ast::ScopeAny{}, reader_.span(item)};
  bool in = item.op->getType() == Tokens::IN;
  Cedar::PrimaryContext* primary = lone_primary(*item.value, true);
  if (in && primary != nullptr && primary->set != nullptr) {
    ast::ScopeInList list;
    for (Cedar::ExprContext* element : primary->items) {
      if (std::optional<ast::EntityRef> uid = read_action(*element, false)) list.entities.push_back(std::move(*uid));
    }
    scope.constraint = std::move(list);
    return scope;
  }
  std::optional<ast::EntityRef> uid = read_action(*item.value, in);
  if (!uid) return scope;
  if (in) scope.constraint = ast::ScopeIn{std::move(*uid)};
  else scope.constraint = ast::ScopeEq{std::move(*uid)};
  return scope;
}

}  // namespace kerf
