// The second half of BodyTyper: entities, attributes, tags, sets, records and extension functions.
#include <algorithm>

#include "frontend/sema/type_body.h"
#include "ir/base/check.h"

namespace kerf {
namespace {

bool is_set(const Type& type) { return type.kind == TypeKind::set; }
bool is_string(const Type& type) { return type.kind == TypeKind::string; }

TypeHint use_contains(const Type&) { return TypeHint::use_contains; }
TypeHint entities_only(const Type&) { return TypeHint::tests_entities_only; }
TypeHint single_contains(const Type&) { return TypeHint::use_single_contains; }
TypeHint text_hint(const Type& type) { return type.kind == TypeKind::entity ? TypeHint::use_is : TypeHint::none; }
TypeHint empty_hint(const Type& type) { return is_string(type) ? TypeHint::compare_with_empty : TypeHint::none; }

TypeHint group_hint(const Type& type) {
  if (is_set(type)) return TypeHint::use_contains;
  return is_string(type) ? TypeHint::use_like : TypeHint::none;
}

TypeHint set_hint(const Type& type) {
  if (type.kind == TypeKind::entity) return TypeHint::use_in;
  if (type.kind == TypeKind::record) return TypeHint::use_has;
  return is_string(type) ? TypeHint::use_like : TypeHint::none;
}

}  // namespace

const EntityUid* BodyTyper::entity_value(NodeId id) const {
  if (body_[id].op == Op::literal) return body_.literal(id).as_entity();
  bool is_action = body_[id].op == Op::variable && body_.variable(id) == Var::action;
  return is_action ? &env_->action : nullptr;
}

std::vector<const EntityUid*> BodyTyper::entity_values(NodeId id) const {
  if (const EntityUid* uid = entity_value(id)) return {uid};
  std::vector<const EntityUid*> uids;
  if (body_[id].op != Op::set) return uids;
  for (NodeId element : body_.args(id)) {
    const EntityUid* uid = entity_value(element);
    if (uid == nullptr) return {};
    uids.push_back(uid);
  }
  return uids;
}

// `in` between actions that are both written out is decided by the schema; between types that no path of the
// hierarchy connects it is false.
BodyTyper::Answer BodyTyper::membership(NodeId id) {
  NodeId a = body_.arg(id, 0), b = body_.arg(id, 1);
  Answer left = expect_kind(a, TypeKind::entity, "an entity", use_contains);
  auto is_target = [&](const Type& type) {
    return type.kind == TypeKind::entity ||
           (type.kind == TypeKind::set && (types_[type.element].kind == TypeKind::entity || types_[type.element].kind == TypeKind::never));
  };
  Answer right = expect(b, is_target, "an entity or a set of entities", group_hint);
  TypeId unknown = simple(TypeKind::boolean);
  if (!left.ok || !right.ok) return {unknown, false, {}};
  const EntityUid* lower = entity_value(a);
  std::vector<const EntityUid*> upper = entity_values(b);
  if (lower != nullptr && is_action_type(lower->type) && !upper.empty()) {
    const Action* action = schema_.find_action(*lower);
    check(action != nullptr, "a typed action is declared");
    return {singleton(std::any_of(upper.begin(), upper.end(),
                                  [&](const EntityUid* uid) { return *uid == *lower || action->ancestors.contains(*uid); })),
            true,
            {}};
  }
  const Type& target = types_[right.type];
  const Type& group = target.kind == TypeKind::set ? types_[target.element] : target;
  bool possible = false;   // `in []` has a group of no type
  for (const std::string& member : types_[left.type].entity_types) {
    for (const std::string& above : group.entity_types) possible = possible || schema_types_.can_be_in(member, above);
  }
  return {possible ? unknown : singleton(false), true, {}};
}

BodyTyper::Answer BodyTyper::type_test(NodeId id) {
  Answer operand = expect_kind(body_.arg(id, 0), TypeKind::entity, "an entity", entities_only);
  if (!operand.type.valid()) return {simple(TypeKind::boolean), false, {}};
  const std::vector<std::string>& all = types_[operand.type].entity_types;
  bool among = std::find(all.begin(), all.end(), body_.name(id)) != all.end();
  return {among && all.size() > 1 ? simple(TypeKind::boolean) : singleton(among), operand.ok, {}};
}

// Of several entity types, what all of them have.
std::optional<AttrType> BodyTyper::find_attr(TypeId object, const std::string& name) {
  auto of_record = [&](TypeId record) -> std::optional<AttrType> {
    if (!record.valid()) return std::nullopt;
    auto found = types_[record].attrs.find(name);
    return found == types_[record].attrs.end() ? std::nullopt : std::optional(found->second);
  };
  if (!is(object, TypeKind::entity)) return of_record(object);
  std::vector<std::string> all = types_[object].entity_types;   // a copy: joining moves the store
  std::optional<AttrType> common;
  for (const std::string& type : all) {
    std::optional<AttrType> attr = of_record(schema_types_.attributes(type));
    if (!attr) return std::nullopt;
    if (!common) {
      common = attr;
      continue;
    }
    Lub lub = join(common->type, attr->type);
    if (!lub.type.valid()) return std::nullopt;
    common = AttrType{lub.type, common->required && attr->required};
  }
  return common;
}

bool BodyTyper::may_have_attr(TypeId object, const std::string& name) const {
  const Type& type = types_[object];
  if (type.kind == TypeKind::record) return type.open;
  return std::any_of(type.entity_types.begin(), type.entity_types.end(), [&](const std::string& one) {
    TypeId record = schema_types_.attributes(one);
    return record.valid() && types_[record].attrs.contains(name);
  });
}

// A record surely has its required attributes; an entity may not exist.
BodyTyper::Answer BodyTyper::has_attr(NodeId id) {
  Answer object = expect_entity_or_record(body_.arg(id, 0), group_hint);
  if (!object.type.valid()) return {simple(TypeKind::boolean), false, {}};
  std::optional<AttrType> attr = find_attr(object.type, body_.name(id));
  if (!attr) {
    bool possible = may_have_attr(object.type, body_.name(id));
    return {possible ? simple(TypeKind::boolean) : singleton(false), object.ok, {}};
  }
  bool certain = holds(id) || (attr->required && is(object.type, TypeKind::record));
  return {certain ? singleton(true) : simple(TypeKind::boolean), object.ok, {capability_[id.index]}};
}

BodyTyper::Answer BodyTyper::get_attr(NodeId id) {
  Answer object = expect_entity_or_record(body_.arg(id, 0), no_hint);
  if (!object.type.valid()) return {TypeId(), false, {}};
  std::optional<AttrType> attr = find_attr(object.type, body_.name(id));
  if (!attr) {
    problems_->push_back(MissingAttr{id});
    return {TypeId(), false, {}};
  }
  if (attr->required || holds(id)) return {attr->type, object.ok, {}};
  problems_->push_back(UnsafeAttr{id});
  return {attr->type, false, {}};
}

BodyTyper::Answer BodyTyper::tag(NodeId id) {
  bool is_test = body_[id].op == Op::has_tag;
  Answer object = expect_kind(body_.arg(id, 0), TypeKind::entity, "an entity", no_hint);
  Answer key = expect_kind(body_.arg(id, 1), TypeKind::string, "String", no_hint);
  bool ok = object.ok && key.ok;
  if (!object.type.valid()) return {TypeId(), false, {}};
  std::vector<std::string> all = types_[object.type].entity_types;
  std::size_t with_tags = 0;
  TypeId tags;
  std::optional<IncompatibleTypes> mixed;
  for (const std::string& type : all) {
    const EntityType* declared = schema_.find_type(type);
    if (declared == nullptr || !declared->tags) continue;
    if (with_tags++ == 0) {
      tags = *declared->tags;
    } else if (!mixed) {
      Lub lub = join(tags, *declared->tags);
      if (!lub.type.valid()) mixed = IncompatibleTypes{id, id, id, tags, *declared->tags, lub.mismatch, LubPlace::conditional};
      else tags = lub.type;
    }
  }
  bool tagged = with_tags != 0;
  if (is_test) {
    TypeId type = !tagged ? singleton(false) : holds(id) ? singleton(true) : simple(TypeKind::boolean);
    return {type, ok, {capability_[id.index]}};
  }
  // a test of a type without tags is false, so nothing that it guards is typed
  if (with_tags == all.size() && holds(id)) {
    if (!mixed) return {tags, ok, {}};
    problems_->push_back(*mixed);
    return {TypeId(), false, {}};
  }
  problems_->push_back(UnsafeTag{id});
  return {TypeId(), false, {}};
}

BodyTyper::Answer BodyTyper::pattern(NodeId id) {
  Answer text = expect_kind(body_.arg(id, 0), TypeKind::string, "String", text_hint);
  return {simple(TypeKind::boolean), text.ok, {}};
}

BodyTyper::Answer BodyTyper::set_test(NodeId id) {
  NodeId a = body_.arg(id, 0), b = body_.arg(id, 1);
  bool single = body_[id].op == Op::contains;
  Answer set = expect_kind(a, TypeKind::set, "a set", set_hint);
  Answer other = single ? visit(b) : expect_kind(b, TypeKind::set, "a set", single_contains);
  bool ok = set.ok && other.ok;
  TypeId compared = single && set.type.valid() ? types_[set.type].element : set.type;
  LubPlace place = single ? LubPlace::contains : LubPlace::contains_any_all;
  ok = require_same(id, a, compared, b, other.type, place) && ok;
  return {simple(TypeKind::boolean), ok, {}};
}

BodyTyper::Answer BodyTyper::emptiness(NodeId id) {
  Answer set = expect_kind(body_.arg(id, 0), TypeKind::set, "a set", empty_hint);
  return {simple(TypeKind::boolean), set.ok, {}};
}

BodyTyper::Answer BodyTyper::set(NodeId id) {
  if (body_.args(id).empty() && permissive()) return {types_.set(simple(TypeKind::never)), true, {}};
  if (body_.args(id).empty()) {
    problems_->push_back(EmptySet{id});
    return {TypeId(), false, {}};
  }
  bool ok = true, typed = true;
  std::vector<TypeId> elements;
  for (NodeId element : body_.args(id)) {
    Answer answer = visit(element);
    ok = ok && answer.ok;
    typed = typed && answer.type.valid();
    elements.push_back(answer.type);
  }
  if (!typed) return {TypeId(), false, {}};
  TypeId all = elements.front();
  for (std::size_t i = 1; i < elements.size(); ++i) {
    if (elements[i] == all) continue;
    Lub lub = join(all, elements[i]);
    if (!lub.type.valid()) {
      problems_->push_back(IncompatibleTypes{id, body_.arg(id, 0), body_.arg(id, i), all, elements[i], lub.mismatch,
                                             LubPlace::set});
      return {TypeId(), false, {}};
    }
    all = lub.type;
  }
  return {types_.set(all), ok, {}};
}

BodyTyper::Answer BodyTyper::record(NodeId id) {
  bool ok = true, typed = true;
  std::map<std::string, AttrType> attrs;
  for (std::size_t i = 0; i < body_.args(id).size(); ++i) {
    Answer answer = visit(body_.arg(id, i));
    ok = ok && answer.ok;
    typed = typed && answer.type.valid();
    attrs.emplace(body_.field(id, i), AttrType{answer.type, true});
  }
  if (!typed) return {TypeId(), false, {}};
  return {types_.record(std::move(attrs)), ok, {}};
}

// Everything about the arguments that does not depend on their types.
bool BodyTyper::check_call(NodeId id, const FunctionType& function) {
  std::span<const NodeId> args = body_.args(id);
  bool ok = true;
  if (args.size() != function.args.size()) {
    problems_->push_back(WrongArity{id, function.args.size(), args.size()});
    ok = false;
  }
  if (!function.constructor) return ok;
  auto is_literal = [&](NodeId arg) { return body_[arg].op == Op::literal; };
  if (args.size() == 1 && is_literal(args[0])) {
    const std::string* text = body_.literal(args[0]).as_string();
    if (text != nullptr && !constructs(function.name, *text)) {
      problems_->push_back(BadArgument{id});
      ok = false;
    }
  }
  if (!permissive() && !std::all_of(args.begin(), args.end(), is_literal)) {
    problems_->push_back(NonLiteralArgument{id});
    ok = false;
  }
  return ok;
}

BodyTyper::Answer BodyTyper::call(NodeId id) {
  const FunctionType* function = find_function_type(body_.name(id));
  check(function != nullptr, "unknown functions are refused when policies are lowered");
  bool ok = check_call(id, *function);
  std::span<const NodeId> args = body_.args(id);
  bool well_formed = ok;
  for (std::size_t i = 0; i < args.size(); ++i) {
    if (!well_formed) {
      visit(args[i]);
      continue;
    }
    TypeKind kind = function->args[i];
    std::string expected = types_.text(simple(kind));
    ok = expect_kind(args[i], kind, expected, no_hint).ok && ok;
  }
  return {simple(function->result), ok, {}};
}

}  // namespace kerf
