// One pass over the nodes, operands first: static types, origins, and whether an error is possible. The one decision:
// origins follow what is evaluated, so a branch that the environment rules out contributes nothing.
#include "ir/passes/origin.h"

#include <algorithm>
#include <set>

#include "ir/base/check.h"

namespace kerf {

namespace {

// Conditions looked at for one operand: a guard that is farther away is not seen, which only adds an error row.
constexpr int kMaxGuardSteps = 64;

bool is_variable(const Body& body, NodeId id, Var var) {
  return body[id].op == Op::variable && body.variable(id) == var;
}

class Analyser {
 public:
  Analyser(const Module& module, const Body& body, const RequestEnv& env)
      : module_(module), body_(body), env_(env), action_(*module.schema.find_action(env.action)) {}

  Analysis run() {
    result_.folded = fold(module_, body_, env_, FoldWith::kernel);
    for (std::size_t i = 0; i < body_.size(); ++i) {
      result_.types.push_back(type(NodeId(i)));
      result_.origins.push_back(origins(NodeId(i)));
    }
    result_.can_error.assign(body_.size(), true);
    find_errors();
    return std::move(result_);
  }

 private:
  // ---- types ----
  StaticType declared(std::optional<TypeId> id) const {
    if (!id) return {};
    const Type& type = module_.schema.types[*id];
    StaticType result{type.kind, {}, *id};
    if (!type.entity_types.empty()) result.entity = type.entity_types.front();
    if (type.kind == TypeKind::set) {
      const Type& element = module_.schema.types[type.element];
      if (!element.entity_types.empty()) result.entity = element.entity_types.front();
    }
    return result;
  }

  StaticType entity_type(std::string_view name) const { return {TypeKind::entity, name, {}}; }
  static StaticType simple(TypeKind kind) { return {kind, {}, {}}; }

  static StaticType type_of_value(const Value& value) {
    switch (value.kind()) {
      case ValueKind::boolean: return simple(TypeKind::boolean);
      case ValueKind::long_: return simple(TypeKind::long_);
      case ValueKind::string: return simple(TypeKind::string);
      case ValueKind::entity: return {TypeKind::entity, value.as_entity()->type, {}};
      case ValueKind::set: return simple(TypeKind::set);
      case ValueKind::record: return simple(TypeKind::record);
      case ValueKind::decimal: return simple(TypeKind::decimal);
      case ValueKind::ip: return simple(TypeKind::ip);
      case ValueKind::datetime: return simple(TypeKind::datetime);
      case ValueKind::duration: return simple(TypeKind::duration);
    }
    internal_error("value kind");
  }

  StaticType variable_type(NodeId id) const {
    switch (body_.variable(id)) {
      case Var::principal: return entity_type(env_.principal);
      case Var::resource: return entity_type(env_.resource);
      case Var::action: break;   // a constant
      case Var::context: return declared(action_.context);
    }
    internal_error("variable");
  }

  StaticType attribute_type(NodeId id) const {
    NodeId object = body_.arg(id, 0);
    const StaticType& base = result_.types[object.index];
    if (body_[object].op == Op::record) {
      for (std::size_t i = 0; i < body_.args(object).size(); ++i) {
        if (body_.field(object, i) == body_.name(id)) return result_.types[body_.arg(object, i).index];
      }
      return {};
    }
    TypeId record = base.type;
    if (base.kind == TypeKind::entity) {
      const EntityType* type = module_.schema.find_type(std::string(base.entity));
      if (!type) return {};
      record = type->attrs;
    }
    if (!record.valid() || module_.schema.types[record].kind != TypeKind::record) return {};
    const auto& attrs = module_.schema.types[record].attrs;
    auto it = attrs.find(body_.name(id));
    return it == attrs.end() ? StaticType{} : declared(it->second.type);
  }

  StaticType tag_type(NodeId id) const {
    const EntityType* type = module_.schema.find_type(std::string(result_.types[body_.arg(id, 0).index].entity));
    return type ? declared(type->tags) : StaticType{};
  }

  StaticType call_type(const std::string& name) const {
    if (name == "ip") return simple(TypeKind::ip);
    if (name == "decimal") return simple(TypeKind::decimal);
    if (name == "datetime" || name == "offset" || name == "toDate") return simple(TypeKind::datetime);
    if (name == "duration" || name == "durationSince" || name == "toTime") return simple(TypeKind::duration);
    if (name.starts_with("to")) return simple(TypeKind::long_);   // toMilliseconds … toDays
    return simple(TypeKind::boolean);
  }

  StaticType set_type(NodeId id) const {
    StaticType result = simple(TypeKind::set);
    for (NodeId arg : body_.args(id)) {
      if (result_.types[arg.index].kind == TypeKind::entity) result.entity = result_.types[arg.index].entity;
    }
    return result;
  }

  StaticType type(NodeId id) const {
    if (const Value* value = result_.folded.value(id); value && value->kind() != ValueKind::set) {
      return type_of_value(*value);
    }
    switch (body_[id].op) {
      case Op::literal: return type_of_value(body_.literal(id));
      case Op::variable: return variable_type(id);
      case Op::get_attr: return attribute_type(id);
      case Op::get_tag: return tag_type(id);
      case Op::call: return call_type(body_.name(id));
      case Op::set: return set_type(id);
      case Op::record: return simple(TypeKind::record);
      case Op::add:
      case Op::sub:
      case Op::mul:
      case Op::neg: return simple(TypeKind::long_);
      case Op::if_: {
        const StaticType& then_type = result_.types[body_.arg(id, 1).index];
        return then_type.kind != TypeKind::never ? then_type : result_.types[body_.arg(id, 2).index];
      }
      case Op::and_:
      case Op::or_:
      case Op::not_:
      case Op::eq:
      case Op::less:
      case Op::less_eq:
      case Op::in:
      case Op::is:
      case Op::has_attr:
      case Op::has_tag:
      case Op::like:
      case Op::contains:
      case Op::contains_all:
      case Op::contains_any:
      case Op::is_empty: return simple(TypeKind::boolean);
    }
    internal_error("operator");
  }

  // ---- origins ----
  Origins from_binding(const AttrBinding& binding) const {
    if (binding.kind == AttrBinding::Kind::fact) return kFromFact;
    const Observable* observable = find_observable(binding.name);
    check(observable, "bound observables exist");
    switch (observable->from) {
      case ObservedFrom::address: return kFromAddress;
      case ObservedFrom::port: return kFromPort;
      case ObservedFrom::host: return kFromHost;
      case ObservedFrom::path: return kFromPath;
      case ObservedFrom::call: return kFromEndpoint;   // which one it is
      case ObservedFrom::executable:
      case ObservedFrom::name:
      case ObservedFrom::argument:
      case ObservedFrom::scalar: return kFromScalar;
    }
    internal_error("observable");
  }

  Origins union_of_operands(NodeId id) const {
    Origins all = 0;
    for (NodeId arg : body_.args(id)) all |= result_.origins[arg.index];
    return all;
  }

  // Reads entity data of its first operand.
  Origins dereference(NodeId id) const {
    NodeId object = body_.arg(id, 0);
    Origins all = union_of_operands(id);
    if (is_variable(body_, object, Var::resource)) return all;
    const StaticType& type = result_.types[object.index];
    if (type.kind != TypeKind::entity) return all;
    const EntityType* declared_type = module_.schema.find_type(std::string(type.entity));
    bool bound = declared_type && declared_type->kernel && *declared_type->kernel != KernelKind::process;
    return bound ? static_cast<Origins>(all | kThroughOther) : all;
  }

  Origins attribute(NodeId id) const {
    NodeId object = body_.arg(id, 0);
    if (const AttrBinding* binding = binding_of(module_, body_, env_, id)) return from_binding(*binding);
    if (is_variable(body_, object, Var::context)) return kFromGateway;
    return dereference(id);
  }

  // Is it of the type, or a group with such a member; a set: one of its elements?
  bool has_member(const Value& value, const std::string& type) const {
    if (const EntityUid* uid = value.as_entity()) {
      if (uid->type == type) return true;
      const auto members = module_.entities.descendants(*uid);
      return std::any_of(members.begin(), members.end(), [&](const Entity* member) { return member->uid.type == type; });
    }
    const ValueSet* set = value.as_set();
    return set && std::any_of(set->begin(), set->end(), [&](const Value& element) { return has_member(element, type); });
  }

  // An endpoint is in a group by what is stored, and by the hosts whose names are known for its address.
  Origins membership(NodeId id) const {
    const Origins all = dereference(id);
    if (!is_variable(body_, body_.arg(id, 0), Var::resource)) return all;
    if (resource_origin() == kFromFile) return static_cast<Origins>(all | kFromPath);
    const EntityType* host = module_.schema.kernel_type(KernelKind::host);
    const EntityType* resource = module_.schema.find_type(env_.resource);
    if (!host || !resource || !resource->ancestors.contains(host->name)) return all;
    const NodeId group = body_.arg(id, 1);
    const Value* value = result_.folded.value(group);
    if (!value) {
      const std::string type(result_.types[group.index].entity);
      return type.empty() || type == host->name || host->ancestors.contains(type) ? static_cast<Origins>(all | kFromHost) : all;
    }
    if (!has_member(*value, host->name)) return all;
    return has_member(*value, env_.resource) ? static_cast<Origins>(all | kFromHost) : kFromHost;
  }

  Origins origins(NodeId id) const {
    if (result_.folded.known(id)) return 0;
    switch (body_[id].op) {
      case Op::variable: return variable_origin(id);
      case Op::get_attr:
      case Op::has_attr: return attribute(id);
      case Op::in: return membership(id);
      case Op::has_tag:
      case Op::get_tag: return dereference(id);
      case Op::if_:
        if (const Value* condition = result_.folded.value(body_.arg(id, 0)); condition && condition->as_bool()) {
          return result_.origins[body_.arg(id, *condition->as_bool() ? 1 : 2).index];
        }
        return union_of_operands(id);
      case Op::literal:
      case Op::and_:
      case Op::or_:
      case Op::not_:
      case Op::eq:
      case Op::less:
      case Op::less_eq:
      case Op::add:
      case Op::sub:
      case Op::mul:
      case Op::neg:
      case Op::is:
      case Op::like:
      case Op::contains:
      case Op::contains_all:
      case Op::contains_any:
      case Op::is_empty:
      case Op::set:
      case Op::record:
      case Op::call: return union_of_operands(id);
    }
    internal_error("operator");
  }

  Origins variable_origin(NodeId id) const {
    switch (body_.variable(id)) {
      case Var::principal: return kFromPrincipal;
      case Var::action: return 0;
      case Var::resource: return resource_origin();
      case Var::context: return kFromContext;
    }
    internal_error("variable");
  }

  Origins resource_origin() const {
    const EntityType* type = module_.schema.find_type(env_.resource);
    check(type && type->kernel, "the resources of hooks are bound");
    return has_text_id(*type->kernel) ? kFromFile : kFromEndpoint;
  }

  // ---- errors ----
  using Guard = std::pair<Var, std::string>;   // `VAR has ATTR` is known to hold

  // What holds where `id` is true, added to `guards`; returns what was new.
  void add_guards(NodeId id, std::set<Guard>& guards, std::vector<Guard>& added) const {
    std::vector<NodeId> open{id};
    for (int steps = 0; !open.empty() && steps < kMaxGuardSteps; ++steps) {   // the nearest conditions first
      NodeId condition = open.back();
      open.pop_back();
      if (body_[condition].op == Op::and_) {
        open.push_back(body_.arg(condition, 0));
        open.push_back(body_.arg(condition, 1));
      }
      if (body_[condition].op != Op::has_attr) continue;
      NodeId object = body_.arg(condition, 0);
      if (body_[object].op != Op::variable) continue;
      Guard guard{body_.variable(object), body_.name(condition)};
      if (guards.insert(guard).second) added.push_back(guard);
    }
  }

  bool attribute_can_fail(NodeId id, const std::set<Guard>& guards) const {
    NodeId object = body_.arg(id, 0);
    if (body_[object].op != Op::variable) return optional_in(result_.types[object.index].type, body_.name(id));
    Var var = body_.variable(object);
    if (guards.contains({var, body_.name(id)})) return false;
    const Observable* observable = observable_of(module_, body_, env_, id);
    if (observable && observable->always_present) return false;
    switch (var) {
      case Var::principal: {
        const EntityType* type = module_.schema.find_type(env_.principal);
        return !type || optional_in(type->attrs, body_.name(id));
      }
      case Var::context: return optional_in(action_.context, body_.name(id));
      case Var::resource:   // may not be stored
      case Var::action: return true;
    }
    internal_error("variable");
  }

  // An entity may not be stored: its type has no attributes here.
  bool optional_in(TypeId record, const std::string& attr) const {
    if (!record.valid()) return true;
    const auto& attrs = module_.schema.types[record].attrs;
    auto it = attrs.find(attr);
    if (it == attrs.end()) return true;
    return !it->second.required;
  }

  bool itself_can_fail(NodeId id, const std::set<Guard>& guards) const {
    if (body_[id].op == Op::get_attr) return attribute_can_fail(id, guards);
    if (body_[id].op != Op::call) return op_row(body_[id].op).fallible;
    // Predicates on addresses and decimals cannot fail, nor can parts of times; constructors and date arithmetic can.
    const std::string& name = body_.name(id);
    return result_.types[id.index].kind != TypeKind::boolean && (name == "toDate" || !name.starts_with("to"));
  }

  // Depth first, with the guards of the conditions on the way; children are done when a node comes up again.
  void find_errors() {
    struct Frame {
      NodeId id;
      std::size_t next = 0;
      std::vector<Guard> added;
    };
    std::set<Guard> guards;
    std::vector<Frame> stack;
    stack.push_back({body_.root, 0, {}});
    while (!stack.empty()) {
      Frame& frame = stack.back();
      auto args = body_.args(frame.id);
      bool leaf = result_.folded.known(frame.id);
      const Op op = body_[frame.id].op;
      if (frame.next == 1 && !leaf && (op == Op::and_ || op == Op::if_)) add_guards(args[0], guards, frame.added);
      if (frame.next == 2 && op == Op::if_) drop(guards, frame.added);
      if (!leaf && frame.next < args.size()) {
        NodeId next = args[frame.next++];
        stack.push_back({next, 0, {}});
        continue;
      }
      drop(guards, frame.added);
      bool fails = leaf ? !result_.folded.value(frame.id) : itself_can_fail(frame.id, guards);
      if (!leaf) {
        for (NodeId arg : args) fails = fails || result_.can_error[arg.index];
      }
      result_.can_error[frame.id.index] = fails;
      stack.pop_back();
    }
  }

  static void drop(std::set<Guard>& guards, const std::vector<Guard>& added) {
    for (const Guard& guard : added) guards.erase(guard);
  }

  const Module& module_;
  const Body& body_;
  const RequestEnv& env_;
  const Action& action_;
  Analysis result_;
};

}  // namespace

Analysis analyse(const Module& module, const Body& body, const RequestEnv& env) {
  return Analyser(module, body, env).run();
}

const AttrBinding* binding_of(const Module& module, const Body& body, const RequestEnv& env, NodeId id) {
  if (body[id].op != Op::get_attr && body[id].op != Op::has_attr) return nullptr;
  NodeId object = body.arg(id, 0);
  if (body[object].op != Op::variable) return nullptr;
  const std::map<std::string, AttrBinding>* bindings = nullptr;
  switch (body.variable(object)) {
    case Var::context:
      if (const Action* action = module.schema.find_action(env.action)) bindings = &action->bindings;
      break;
    case Var::resource:
      if (const EntityType* type = module.schema.find_type(env.resource)) bindings = &type->bindings;
      break;
    case Var::principal:
    case Var::action:
      break;
  }
  if (!bindings) return nullptr;
  auto it = bindings->find(body.name(id));
  return it == bindings->end() ? nullptr : &it->second;
}

const Observable* observable_of(const Module& module, const Body& body, const RequestEnv& env, NodeId id) {
  const AttrBinding* binding = binding_of(module, body, env, id);
  if (!binding || binding->kind != AttrBinding::Kind::observable) return nullptr;
  return find_observable(binding->name);
}

}  // namespace kerf
