// Constants and errors, operand by operand. The one decision: a term is decided only if its operands are, by the very
// operators of ir/values; the rules here are those that need no value of a variable, only its type.
#include "backends/check/knowledge.h"

#include <algorithm>

#include "backends/check/evaluate.h"
#include "ir/base/check.h"

namespace kerf::proof {

using Kind = Knowledge::Known::Kind;

Knowledge::Knowledge(Terms& terms, const Module& module, const RequestEnv& env, Setting setting)
    : terms_(terms), module_(module), env_(env), action_(*module.schema.find_action(env.action)),
      resource_type_(*module.schema.find_type(env.resource)), principal_type_(*module.schema.find_type(env.principal)),
      setting_(setting) {}

Knowledge::Known Knowledge::value(Term t) {
  if (t >= known_.size()) known_.resize(std::max<std::size_t>(terms_.size(), t + 1));
  if (known_[t].kind == Kind::not_asked) {
    const Known found = find(t);
    if (t >= known_.size()) known_.resize(terms_.size());
    known_[t] = found;
  }
  return known_[t];
}

const Value* Knowledge::value_or_null(Term t) {
  const Known known = value(t);
  return known.kind == Kind::value ? &terms_.literal(known.value) : nullptr;
}

std::optional<Outcome> Knowledge::outcome(Term t) {
  const Known known = value(t);
  if (known.kind == Kind::unknown) return std::nullopt;
  const bool* truth = known.kind == Kind::value ? terms_.literal(known.value).as_bool() : nullptr;
  if (!truth) return Outcome::error;
  return *truth ? Outcome::true_ : Outcome::false_;
}

Knowledge::Known Knowledge::from(const EvalResult& result) { return result.ok() ? literal(result.value()) : error(); }

Knowledge::Known Knowledge::find(Term t) {
  switch (terms_.op(t)) {
    case Op::literal: return {Kind::value, t};
    case Op::variable: return terms_.variable(t) == Var::action ? literal(Value(env_.action)) : unknown();
    case Op::and_:
    case Op::or_: return chain_value(t);
    case Op::if_: {
      const std::optional<Outcome> condition = outcome(terms_.arg(t, 0));
      if (!condition) return unknown();
      return *condition == Outcome::error ? error() : value(terms_.arg(t, *condition == Outcome::true_ ? 1 : 2));
    }
    case Op::eq: return equality(t);
    case Op::is:
      if (const std::string* type = entity_type(terms_.arg(t, 0))) return literal(Value(*type == terms_.name(t)));
      return strict(t);
    case Op::in: return membership(t);
    case Op::has_attr: return presence(t);
    case Op::get_attr:
    case Op::has_tag:
    case Op::get_tag: return entity_data(t);
    case Op::not_:
    case Op::less:
    case Op::less_eq:
    case Op::add:
    case Op::sub:
    case Op::mul:
    case Op::neg:
    case Op::like:
    case Op::contains:
    case Op::contains_all:
    case Op::contains_any:
    case Op::is_empty:
    case Op::set:
    case Op::record:
    case Op::call: return strict(t);
  }
  internal_error("operator");
}

// Along the chain, which may be long, instead of down.
Knowledge::Known Knowledge::chain_value(Term t) {
  const Op op = terms_.op(t);
  const Outcome deciding = op == Op::and_ ? Outcome::false_ : Outcome::true_;
  for (;;) {
    const bool link = terms_.op(t) == op;
    const Term operand = link ? terms_.arg(t, 0) : t;
    const std::optional<Outcome> first = outcome(operand);
    if (!first) return unknown();
    if (*first == Outcome::error) return error();
    if (*first == deciding || !link) return literal(Value(*first == Outcome::true_));
    t = terms_.arg(t, 1);
  }
}

// The type of an entity whose value need not be known.
const std::string* Knowledge::entity_type(Term t) {
  if (terms_.is_variable(t, Var::principal)) return &env_.principal;
  if (terms_.is_variable(t, Var::resource)) return &env_.resource;
  const Value* known = value_or_null(t);
  return known && known->as_entity() ? &known->as_entity()->type : nullptr;
}

Knowledge::Known Knowledge::equality(Term t) {
  const Term a = terms_.arg(t, 0), b = terms_.arg(t, 1);
  const std::string *a_type = entity_type(a), *b_type = entity_type(b);
  if (a_type && b_type && *a_type != *b_type) return literal(Value(false));
  for (auto [variable, other] : {std::pair(a, b), std::pair(b, a)}) {
    if (terms_.op(variable) != Op::variable || !entity_type(variable)) continue;
    if (const Value* known = value_or_null(other); known && !known->as_entity()) return literal(Value(false));
  }
  return strict(t);
}

// The action hierarchy is the schema's in both settings; other hierarchies are in the snapshot, which hooks alone have.
Knowledge::Known Knowledge::membership(Term t) {
  const Value* member = value_or_null(terms_.arg(t, 0));
  const Value* groups = value_or_null(terms_.arg(t, 1));
  if (!member || !groups || !member->as_entity()) return strict(t);
  const Action* action = module_.schema.find_action(*member->as_entity());
  if (!action) return entity_data(t);
  auto within = [&](const Value& group) {
    return *group.as_entity() == action->uid || action->ancestors.contains(*group.as_entity());
  };
  if (groups->as_entity()) return literal(Value(within(*groups)));
  const ValueSet* set = groups->as_set();
  if (!set || !std::all_of(set->begin(), set->end(), [](const Value& v) { return v.as_entity() != nullptr; })) return error();
  return literal(Value(std::any_of(set->begin(), set->end(), within)));
}

Knowledge::Known Knowledge::presence(Term t) {
  const Term object = terms_.arg(t, 0);
  if (setting_ == Setting::hook) {
    if (terms_.op(object) == Op::variable && always_there(t)) return literal(Value(true));
    if (terms_.is_variable(object, Var::context)) {
      const auto& attrs = module_.schema.types[action_.context].attrs;
      if (!attrs.contains(terms_.name(t))) return literal(Value(false));
    }
  }
  return entity_data(t);
}

// Operators that read data of an entity, if it is known and its data too.
Knowledge::Known Knowledge::entity_data(Term t) {
  const Value* object = value_or_null(terms_.arg(t, 0));
  const EntityUid* uid = object ? object->as_entity() : nullptr;
  if (!uid) return strict(t);
  if (setting_ == Setting::table) return unknown();
  const EntityType* type = module_.schema.find_type(uid->type);
  const bool of_kernel = type && type->kernel && *type->kernel != KernelKind::process;
  return of_kernel ? unknown() : strict(t);
}

Knowledge::Known Knowledge::strict(Term t) {
  std::vector<Value> args;
  for (std::size_t i = 0; i < terms_.args(t).size(); ++i) {
    const Known known = value(terms_.arg(t, i));
    if (known.kind != Kind::value) return known.kind == Kind::error ? error() : unknown();
    args.push_back(terms_.literal(known.value));
  }
  return from(apply(terms_, t, args, module_.entities));
}

const AttrBinding* Knowledge::binding_of(Term t) const {
  if (terms_.op(t) != Op::get_attr && terms_.op(t) != Op::has_attr) return nullptr;
  const Term object = terms_.arg(t, 0);
  const std::map<std::string, AttrBinding>* bindings = terms_.is_variable(object, Var::context)    ? &action_.bindings
                                                       : terms_.is_variable(object, Var::resource) ? &resource_type_.bindings
                                                                                                   : nullptr;
  if (!bindings) return nullptr;
  auto found = bindings->find(terms_.name(t));
  return found == bindings->end() ? nullptr : &found->second;
}

const Observable* Knowledge::observable_of(Term t) const {
  const AttrBinding* binding = binding_of(t);
  return binding && binding->kind == AttrBinding::Kind::observable ? find_observable(binding->name) : nullptr;
}

std::optional<TypeId> Knowledge::type_of(Term t) const {
  if (terms_.is_variable(t, Var::context)) return action_.context;
  if (terms_.op(t) != Op::get_attr) return std::nullopt;
  const Term object = terms_.arg(t, 0);
  TypeId record;
  if (terms_.is_variable(object, Var::principal)) {
    record = principal_type_.attrs;
  } else if (terms_.is_variable(object, Var::resource)) {
    record = resource_type_.attrs;
  } else if (auto base = type_of(object)) {
    record = *base;
    const Type& type = module_.schema.types[record];
    if (type.kind == TypeKind::entity && type.entity_types.size() == 1) {
      const EntityType* entity = module_.schema.find_type(type.entity_types.front());
      if (!entity) return std::nullopt;
      record = entity->attrs;
    }
  } else {
    return std::nullopt;
  }
  const Type& type = module_.schema.types[record];
  auto attr = type.attrs.find(terms_.name(t));
  if (type.kind != TypeKind::record || attr == type.attrs.end()) return std::nullopt;
  return attr->second.type;
}

// Of data that conforms to the schema, at a hook: the principal is stored; resources need not be. Reading it cannot fail
// itself; what it is read of may.
bool Knowledge::always_there(Term t) const {
  const Term object = terms_.arg(t, 0);
  const Observable* observable = observable_of(t);
  if (observable && observable->always_present) return true;
  auto required = [&](TypeId record) {
    const Type& type = module_.schema.types[record];
    auto attr = type.attrs.find(terms_.name(t));
    return type.kind == TypeKind::record && attr != type.attrs.end() && attr->second.required;
  };
  if (terms_.op(object) != Op::variable) {
    auto base = type_of(object);
    return base && required(*base);   // of a record; an entity is no record type
  }
  switch (terms_.variable(object)) {
    case Var::principal: return required(principal_type_.attrs);
    case Var::context: return required(action_.context);
    case Var::resource:
    case Var::action: return false;
  }
  internal_error("variable");
}

bool Knowledge::can_fail(Term t) {
  if (t >= can_fail_.size()) can_fail_.resize(std::max<std::size_t>(terms_.size(), t + 1));
  if (can_fail_[t] == 0) {
    const bool fails = find_can_fail(t);
    if (t >= can_fail_.size()) can_fail_.resize(terms_.size());
    can_fail_[t] = fails ? 2 : 1;
  }
  return can_fail_[t] == 2;
}

namespace {

TypeKind kind_of_value(const Value& value) {
  if (value.as_bool()) return TypeKind::boolean;
  if (value.as_long()) return TypeKind::long_;
  if (value.as_string()) return TypeKind::string;
  if (value.as_entity()) return TypeKind::entity;
  if (value.as_set()) return TypeKind::set;
  if (value.as_record()) return TypeKind::record;
  if (value.as_ip()) return TypeKind::ip;
  if (value.as_datetime()) return TypeKind::datetime;
  return value.as_duration() ? TypeKind::duration : TypeKind::decimal;
}

}  // namespace

// Extension methods that give a Bool take values that are there already, and never err.
std::optional<TypeKind> Knowledge::kind_of(Term t) const {
  const Op op = terms_.op(t);
  if (op_row(op).result == OpResult::boolean) return TypeKind::boolean;
  if (op_row(op).result == OpResult::long_) return TypeKind::long_;
  if (op == Op::set) return TypeKind::set;
  if (op == Op::record) return TypeKind::record;
  if (op == Op::if_) return kind_of(terms_.arg(t, 1));
  if (op == Op::literal) return kind_of_value(terms_.literal(t));
  if (op == Op::variable) return TypeKind::entity;
  if (op == Op::call) {
    const std::string& name = terms_.name(t);
    if (name == "ip") return TypeKind::ip;
    if (name == "decimal") return TypeKind::decimal;
    if (name == "datetime" || name == "offset" || name == "toDate") return TypeKind::datetime;
    if (name == "duration" || name == "durationSince" || name == "toTime") return TypeKind::duration;
    return name.starts_with("to") ? TypeKind::long_ : TypeKind::boolean;
  }
  const auto type = op == Op::get_tag ? type_of_tag(terms_.arg(t, 0)) : type_of(t);
  return type ? std::optional(module_.schema.types[*type].kind) : std::nullopt;
}

std::optional<TypeId> Knowledge::type_of_tag(Term entity) const {
  std::string name;
  if (terms_.is_variable(entity, Var::principal)) name = env_.principal;
  else if (terms_.is_variable(entity, Var::resource)) name = env_.resource;
  else if (const auto type = type_of(entity); type && !module_.schema.types[*type].entity_types.empty()) {
    name = module_.schema.types[*type].entity_types.front();
  }
  const EntityType* declared = module_.schema.find_type(name);
  return declared ? declared->tags : std::nullopt;
}

bool Knowledge::gives_bool(Term call) const {
  static constexpr std::string_view others[] = {"ip", "decimal", "datetime", "duration", "offset", "durationSince"};
  const std::string& function = terms_.name(call);
  return !function.starts_with("to") && std::find(std::begin(others), std::end(others), function) == std::end(others);
}

bool Knowledge::find_can_fail(Term t) {
  const Known known = value(t);
  if (known.kind != Kind::unknown) return known.kind == Kind::error;
  const Op op = terms_.op(t);
  if (op == Op::variable) return false;
  if (setting_ == Setting::table) {   // requests need not conform: only comparisons of what is there anyway
    auto there = [&](std::size_t i) { return terms_.op(terms_.arg(t, i)) == Op::variable || value_or_null(terms_.arg(t, i)); };
    if (op == Op::eq) return !there(0) || !there(1);
    if (op == Op::is) return !entity_type(terms_.arg(t, 0));
    return op != Op::in || !entity_type(terms_.arg(t, 0)) || !entity_type(terms_.arg(t, 1));
  }
  if (op == Op::get_attr && !always_there(t)) return true;
  if (op == Op::call ? !gives_bool(t) : op != Op::get_attr && op_row(op).fallible) return true;
  for (; terms_.op(t) == op && (op == Op::and_ || op == Op::or_); t = terms_.arg(t, 1)) {   // a chain may be long
    if (can_fail(terms_.arg(t, 0))) return true;
  }
  if (op == Op::and_ || op == Op::or_) return can_fail(t);
  for (std::size_t i = 0; i < terms_.args(t).size(); ++i) {
    if (can_fail(terms_.arg(t, i))) return true;
  }
  return false;
}

bool Knowledge::may_apply(Term t) {
  for (bool last = false; !last;) {
    last = terms_.op(t) != Op::and_;
    const Term operand = last ? t : terms_.arg(t, 0);
    const std::optional<Outcome> known = outcome(operand);
    if (known == Outcome::false_) return false;
    if (known == Outcome::error || (!known && can_fail(operand))) return true;
    if (!last) t = terms_.arg(t, 1);
  }
  return true;
}

}  // namespace kerf::proof
