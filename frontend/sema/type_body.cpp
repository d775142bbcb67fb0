// Types one body in one environment. The recursion follows the official typechecker case by case, also in what it does
// after an error, so that the same errors are found. The one decision: capabilities are small numbers, given once per
// body to the pairs (expression shape, attribute or tag), and what is known at a point is a counter per number that
// goes up and down with the conditions around that point.
#include "frontend/sema/type_body.h"

#include <algorithm>
#include <map>

#include "ir/base/check.h"
#include "ir/values/extension.h"

namespace kerf {

bool is_action_type(std::string_view type) { return type == "Action" || type.ends_with("::Action"); }

SchemaTypes::SchemaTypes(const Schema& schema, Types& types, ValidationMode mode)
    : schema_(schema), types_(types), mode_(mode) {
  for (const auto& [name, type] : schema.entity_types) entities_.emplace(name, types.entity(name));
  for (const auto& [uid, action] : schema.actions) {
    entities_.emplace(uid.type, types.entity(uid.type));
    for (const EntityUid& ancestor : action.ancestors) action_edges_.emplace(uid.type, ancestor.type);
  }
}

TypeId SchemaTypes::entity(const std::string& name) const {
  auto found = entities_.find(name);
  return found == entities_.end() ? TypeId() : found->second;
}

// Types of actions are not declared, so officially none is unknown; actions themselves are checked by their ids.
bool SchemaTypes::is_known(const std::string& type) const {
  return is_action_type(type) || entities_.contains(type);
}

TypeId SchemaTypes::attributes(const std::string& type) const {
  const EntityType* declared = schema_.find_type(type);
  return declared == nullptr ? TypeId() : declared->attrs;
}

bool SchemaTypes::can_be_in(const std::string& lower, const std::string& upper) const {
  if (lower == upper) return true;
  const EntityType* declared = schema_.find_type(lower);
  if (declared != nullptr && declared->ancestors.contains(upper)) return true;
  return action_edges_.contains({lower, upper});
}

namespace {

TypeHint number_hint(const Type& type) {
  return type.kind == TypeKind::set ? TypeHint::no_set_operations : TypeHint::none;
}

TypeHint sum_hint(const Type& type) {
  return type.kind == TypeKind::string ? TypeHint::no_concatenation : number_hint(type);
}

std::vector<std::uint32_t> united(const std::vector<std::uint32_t>& a, const std::vector<std::uint32_t>& b) {
  if (a.empty() || b.empty()) return a.empty() ? b : a;
  std::vector<std::uint32_t> all;
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(all));
  return all;
}

std::vector<std::uint32_t> common(const std::vector<std::uint32_t>& a, const std::vector<std::uint32_t>& b) {
  std::vector<std::uint32_t> both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  return both;
}

bool is_test(Op op) { return op == Op::has_attr || op == Op::has_tag; }
bool is_access(Op op) { return is_test(op) || op == Op::get_attr || op == Op::get_tag; }

// Numbers trees by shape, spans aside: equal numbers iff equal trees.
std::vector<std::uint32_t> number_shapes(const Body& body) {
  std::vector<std::uint32_t> shape(body.size());
  std::map<std::string, std::uint32_t> numbers;
  for (std::size_t i = 0; i < body.size(); ++i) {
    NodeId id(i);
    std::string key(1, static_cast<char>(body[id].op));
    auto add_text = [&](std::string_view text) { key.append(std::to_string(text.size())).append(":").append(text); };
    switch (body[id].op) {
      case Op::literal: add_text(to_text(body.literal(id))); break;
      case Op::variable: add_text(to_text(body.variable(id))); break;
      case Op::like: add_text(to_text(body.pattern(id))); break;
      case Op::has_attr: case Op::get_attr: case Op::is: case Op::call: add_text(body.name(id)); break;
      case Op::record:
        for (std::size_t f = 0; f < body.args(id).size(); ++f) add_text(body.field(id, f));
        break;
      case Op::and_: case Op::or_: case Op::not_: case Op::if_: case Op::eq: case Op::less: case Op::less_eq:
      case Op::add: case Op::sub: case Op::mul: case Op::neg: case Op::in: case Op::has_tag: case Op::get_tag:
      case Op::contains: case Op::contains_all: case Op::contains_any: case Op::is_empty: case Op::set: break;
    }
    for (NodeId arg : body.args(id)) key.append(",").append(std::to_string(shape[arg.index]));
    shape[i] = numbers.emplace(std::move(key), static_cast<std::uint32_t>(numbers.size())).first->second;
  }
  return shape;
}

}  // namespace

BodyTyper::BodyTyper(const SchemaTypes& schema_types, const Body& body)
    : schema_types_(schema_types), schema_(schema_types.schema()), types_(schema_types.types()), body_(body) {
  type_literals();
  number_capabilities();
}

void BodyTyper::number_capabilities() {
  capability_.assign(body_.size(), 0);
  held_.assign(1, 0);   // number 0: never held
  bool has_tests = false;
  for (std::size_t i = 0; i < body_.size() && !has_tests; ++i) has_tests = is_test(body_[NodeId(i)].op);
  if (!has_tests) return;
  std::vector<std::uint32_t> shape = number_shapes(body_);
  std::map<std::pair<std::uint32_t, std::string>, std::uint32_t> numbers;
  for (std::size_t i = 0; i < body_.size(); ++i) {
    NodeId id(i);
    Op op = body_[id].op;
    if (!is_access(op)) continue;
    bool is_attr = op == Op::has_attr || op == Op::get_attr;
    std::string what = is_attr ? "." + body_.name(id) : "#" + std::to_string(shape[body_.arg(id, 1).index]);
    auto next = static_cast<std::uint32_t>(numbers.size() + 1);
    capability_[i] = numbers.emplace(std::pair(shape[body_.arg(id, 0).index], std::move(what)), next).first->second;
  }
  held_.assign(numbers.size() + 1, 0);
}

void BodyTyper::type_literals() {
  literal_types_.assign(body_.size(), TypeId());
  folded_.assign(body_.size(), std::nullopt);
  for (std::size_t i = 0; i < body_.size(); ++i) {
    NodeId id(i);
    const Op op = body_[id].op;
    if (op == Op::and_ || op == Op::or_) {   // the official reader makes one literal of two
      const std::optional<bool> x = folded_[body_.arg(id, 0).index], y = folded_[body_.arg(id, 1).index];
      if (x && y) folded_[i] = op == Op::and_ ? *x && *y : *x || *y;
    }
    if (op != Op::literal) continue;
    const Value& value = body_.literal(id);
    if (const bool* b = value.as_bool()) {
      folded_[i] = *b;
      literal_types_[i] = singleton(*b);
    } else if (value.as_long() != nullptr) {
      literal_types_[i] = simple(TypeKind::long_);
    } else if (value.as_string() != nullptr) {
      literal_types_[i] = simple(TypeKind::string);
    } else if (const EntityUid* uid = value.as_entity()) {
      // An undeclared type or action is reported once per policy; here it only has no type.
      bool known = !is_action_type(uid->type) || schema_.find_action(*uid) != nullptr;
      if (known) literal_types_[i] = schema_types_.entity(uid->type);
    } else {
      internal_error("policies have literals of Bool, Long, String and entities only");
    }
  }
}

BodyTyper::Verdict BodyTyper::run(const RequestEnv& env, std::vector<TypeProblem>& problems) {
  const Action* action = schema_.find_action(env.action);
  check(action != nullptr, "environments are made of declared actions");
  env_ = &env;
  problems_ = &problems;
  principal_ = schema_types_.entity(env.principal);
  action_ = schema_types_.entity(env.action.type);
  resource_ = schema_types_.entity(env.resource);
  context_ = action->context;
  node_types_.assign(body_.size(), simple(TypeKind::never));
  Answer root = expect_boolean(body_.root);
  return {root.ok, is(root.type, TypeKind::false_)};
}

void BodyTyper::hold(const Capabilities& capabilities, int by) {
  for (std::uint32_t number : capabilities) held_[number] += by;
}

BodyTyper::Answer BodyTyper::visit(NodeId id) {
  Answer answer = dispatch(id);
  if (!answer.ok) answer.capabilities.clear();
  if (answer.type.valid()) node_types_[id.index] = answer.type;
  return answer;
}

BodyTyper::Answer BodyTyper::dispatch(NodeId id) {
  switch (body_[id].op) {
    case Op::literal: return {literal_types_[id.index], literal_types_[id.index].valid(), {}};
    case Op::variable: return variable(id);
    case Op::and_: return conjunction(id);
    case Op::or_: return disjunction(id);
    case Op::not_: return negation(id);
    case Op::if_: return conditional(id);
    case Op::eq: return equality(id);
    case Op::less: case Op::less_eq: return comparison(id);
    case Op::add: case Op::sub: case Op::mul: case Op::neg: return arithmetic(id);
    case Op::in: return membership(id);
    case Op::is: return type_test(id);
    case Op::has_attr: return has_attr(id);
    case Op::get_attr: return get_attr(id);
    case Op::has_tag: case Op::get_tag: return tag(id);
    case Op::like: return pattern(id);
    case Op::contains: case Op::contains_all: case Op::contains_any: return set_test(id);
    case Op::is_empty: return emptiness(id);
    case Op::set: return set(id);
    case Op::record: return record(id);
    case Op::call: return call(id);
  }
  internal_error("unknown operator");
}

BodyTyper::Answer BodyTyper::expect_boolean(NodeId id) {
  return expect(id, [](const Type& type) { return is_boolean(type.kind); }, "Bool", no_hint);
}

BodyTyper::Answer BodyTyper::expect_kind(NodeId id, TypeKind kind, std::string_view expected, Hint hint) {
  return expect(id, [kind](const Type& type) { return type.kind == kind; }, expected, hint);
}

BodyTyper::Answer BodyTyper::expect_entity_or_record(NodeId id, Hint hint) {
  auto accepts = [](const Type& type) { return type.kind == TypeKind::entity || type.kind == TypeKind::record; };
  return expect(id, accepts, "an entity or a record", hint);
}

BodyTyper::Answer BodyTyper::variable(NodeId id) {
  switch (body_.variable(id)) {
    case Var::principal: return {principal_, true, {}};
    case Var::action: return {action_, true, {}};
    case Var::resource: return {resource_, true, {}};
    case Var::context: return {context_, true, {}};
  }
  internal_error("unknown variable");
}

BodyTyper::Answer BodyTyper::conjunction(NodeId id) {
  Answer left = expect_boolean(body_.arg(id, 0));
  if (is(left.type, TypeKind::false_)) return {left.type, left.ok, {}};
  hold(left.capabilities, 1);
  Answer right = expect_boolean(body_.arg(id, 1));
  hold(left.capabilities, -1);
  bool ok = left.ok && right.ok;
  if (!left.type.valid() || !right.type.valid()) return {simple(TypeKind::boolean), false, {}};
  if (is(right.type, TypeKind::false_)) return {right.type, ok, {}};
  if (is(right.type, TypeKind::true_)) return {left.type, ok, united(left.capabilities, right.capabilities)};
  if (is(left.type, TypeKind::true_)) return {right.type, ok, std::move(right.capabilities)};
  return {simple(TypeKind::boolean), ok, united(left.capabilities, right.capabilities)};
}

BodyTyper::Answer BodyTyper::disjunction(NodeId id) {
  Answer left = expect_boolean(body_.arg(id, 0));
  if (is(left.type, TypeKind::true_)) return left;
  Answer right = expect_boolean(body_.arg(id, 1));
  bool ok = left.ok && right.ok;
  if (!left.type.valid() || !right.type.valid()) return {simple(TypeKind::boolean), false, {}};
  if (is(right.type, TypeKind::true_)) return {right.type, ok, std::move(right.capabilities)};
  if (is(right.type, TypeKind::false_)) return {left.type, ok, std::move(left.capabilities)};
  if (is(left.type, TypeKind::false_)) return {right.type, ok, std::move(right.capabilities)};
  return {simple(TypeKind::boolean), ok, common(left.capabilities, right.capabilities)};
}

BodyTyper::Answer BodyTyper::negation(NodeId id) {
  Answer operand = expect_boolean(body_.arg(id, 0));
  if (is(operand.type, TypeKind::true_)) return {singleton(false), operand.ok, {}};
  if (is(operand.type, TypeKind::false_)) return {singleton(true), operand.ok, {}};
  return {simple(TypeKind::boolean), operand.ok, {}};
}

BodyTyper::Answer BodyTyper::conditional(NodeId id) {
  Answer test = expect_boolean(body_.arg(id, 0));
  if (is(test.type, TypeKind::false_)) {
    Answer otherwise = visit(body_.arg(id, 2));
    otherwise.ok = otherwise.ok && test.ok;
    return otherwise;
  }
  hold(test.capabilities, 1);
  Answer then = visit(body_.arg(id, 1));
  hold(test.capabilities, -1);
  if (then.ok) then.capabilities = united(then.capabilities, test.capabilities);
  if (is(test.type, TypeKind::true_)) {
    then.ok = then.ok && test.ok;
    return then;
  }
  Answer otherwise = visit(body_.arg(id, 2));
  bool ok = test.ok && then.ok && otherwise.ok;
  if (!then.type.valid() || !otherwise.type.valid()) return {TypeId(), false, {}};
  Lub lub = join(then.type, otherwise.type);
  if (lub.type.valid()) return {lub.type, ok, common(then.capabilities, otherwise.capabilities)};
  problems_->push_back(IncompatibleTypes{id, body_.arg(id, 1), body_.arg(id, 2), then.type, otherwise.type,
                                         lub.mismatch, LubPlace::conditional});
  return {TypeId(), false, {}};
}

// The value of a literal, or of `action` in this environment, which the validator knows as well; what is no node is put into `action`.
const Value* BodyTyper::literal_value(NodeId id, Value& action) const {
  if (body_[id].op == Op::literal) return &body_.literal(id);
  if (folded_[id.index]) action = Value(*folded_[id.index]);
  else if (body_[id].op == Op::variable && body_.variable(id) == Var::action) action = Value(env_->action);
  else return nullptr;
  return &action;
}

TypeId BodyTyper::type_of_equality(NodeId left, TypeId left_type, NodeId right, TypeId right_type) const {
  bool entities = is(left_type, TypeKind::entity) && is(right_type, TypeKind::entity);
  if (entities && left_type != right_type) {
    const std::vector<std::string>& x = types_[left_type].entity_types;
    const std::vector<std::string>& y = types_[right_type].entity_types;
    bool shared = std::any_of(x.begin(), x.end(), [&](const auto& name) { return std::binary_search(y.begin(), y.end(), name); });
    return shared ? simple(TypeKind::boolean) : singleton(false);
  }
  Value left_action, right_action;
  const Value* a = literal_value(left, left_action);
  const Value* b = literal_value(right, right_action);
  if (a != nullptr && b != nullptr) return singleton(*a == *b);
  return simple(TypeKind::boolean);
}

bool BodyTyper::require_same(NodeId node, NodeId first, TypeId first_type, NodeId second, TypeId second_type,
                             LubPlace place) {
  if (!first_type.valid() || !second_type.valid()) return true;   // reported where it has no type
  if (permissive()) return true;                                   // values of different types are unequal
  Lub lub = join(first_type, second_type);
  if (lub.type.valid()) return true;
  problems_->push_back(IncompatibleTypes{node, first, second, first_type, second_type, lub.mismatch, place});
  return false;
}

BodyTyper::Answer BodyTyper::equality(NodeId id) {
  NodeId a = body_.arg(id, 0), b = body_.arg(id, 1);
  Answer left = visit(a);
  Answer right = visit(b);
  TypeId type = type_of_equality(a, left.type, b, right.type);
  bool ok = left.ok && right.ok;
  if (!is(type, TypeKind::boolean)) return {type, ok, {}};
  return {type, require_same(id, a, left.type, b, right.type, LubPlace::equality) && ok, {}};
}

void BodyTyper::report_operand(NodeId node, std::string expected, TypeId actual) {
  problems_->push_back(UnexpectedType{node, std::move(expected), actual});
}

BodyTyper::Answer BodyTyper::comparison(NodeId id) {
  NodeId a = body_.arg(id, 0), b = body_.arg(id, 1);
  Answer left = visit(a);
  Answer right = visit(b);
  TypeId type = simple(TypeKind::boolean);
  if (!left.type.valid() || !right.type.valid()) return {type, false, {}};
  auto ordered = [&](TypeId t) {
    return is(t, TypeKind::long_) || is(t, TypeKind::datetime) || is(t, TypeKind::duration);
  };
  if (left.type == right.type && ordered(left.type)) return {type, left.ok && right.ok, {}};
  TypeId long_type = simple(TypeKind::long_);
  if (left.type == long_type || (right.type != long_type && ordered(left.type))) {
    report_operand(b, types_.text(left.type), right.type);
  } else if (ordered(right.type)) {
    report_operand(a, types_.text(right.type), left.type);
  } else {
    report_operand(a, "Long, datetime or duration", left.type);
    report_operand(b, "Long, datetime or duration", right.type);
  }
  return {type, false, {}};
}

BodyTyper::Answer BodyTyper::arithmetic(NodeId id) {
  Hint hint = body_[id].op == Op::neg ? no_hint : body_[id].op == Op::add ? sum_hint : number_hint;
  bool ok = true;
  for (NodeId arg : body_.args(id)) ok = expect_kind(arg, TypeKind::long_, "Long", hint).ok && ok;
  return {simple(TypeKind::long_), ok, {}};
}

}  // namespace kerf
