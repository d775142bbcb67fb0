// Bottom-up folding over a body's nodes, operands first. The one decision: an operator with known operands is put
// into a body of its own and given to the reference evaluator, so folding cannot disagree with evaluation. The rules
// written here are only those that decide with operands that are not known.
#include "ir/passes/fold.h"

#include <algorithm>
#include <unordered_map>

#include "ir/base/check.h"

namespace kerf {

namespace {

class Folder {
 public:
  Folder(const Module& module, const Body& body, const RequestEnv& env, FoldWith with)
      : module_(module), body_(body), env_(env), kernel_(with == FoldWith::kernel) {}

  Folded run() {
    for (std::size_t i = 0; i < body_.size(); ++i) folded_.values.push_back(node(NodeId(i)));
    return std::move(folded_);
  }

 private:
  using Known = std::optional<EvalResult>;

  Known node(NodeId id) {
    switch (body_[id].op) {
      case Op::literal: return EvalResult(body_.literal(id));
      case Op::variable: return variable(id);
      case Op::and_: return logic(id, false);
      case Op::or_: return logic(id, true);
      case Op::if_: return choice(id);
      case Op::eq: return equality(id);
      case Op::is: return type_test(id);
      case Op::has_attr: return presence(id);
      case Op::in:
      case Op::get_attr:
      case Op::has_tag:
      case Op::get_tag: return strict(id, true);
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
      case Op::call: return strict(id, false);
    }
    internal_error("operator");
  }

  Known variable(NodeId id) {
    switch (body_.variable(id)) {
      case Var::action: return EvalResult(Value(env_.action));
      case Var::principal:
      case Var::resource:
      case Var::context: return std::nullopt;
    }
    internal_error("variable");
  }

  const Known& known(NodeId id) const { return folded_.values[id.index]; }

  // `deciding`: the value of the first operand that ends the evaluation.
  Known logic(NodeId id, bool deciding) {
    const Known& first = known(body_.arg(id, 0));
    if (!first) return std::nullopt;
    if (!first->ok()) return first;
    const bool* value = first->value().as_bool();
    if (!value) return EvalResult(type_error("bool", first->value()));
    if (*value == deciding) return first;
    if (!known(body_.arg(id, 1))) return std::nullopt;
    return evaluated(id);
  }

  Known choice(NodeId id) {
    const Known& condition = known(body_.arg(id, 0));
    if (!condition) return std::nullopt;
    if (!condition->ok()) return condition;
    const bool* value = condition->value().as_bool();
    if (!value) return EvalResult(type_error("bool", condition->value()));
    return known(body_.arg(id, *value ? 1 : 2));
  }

  std::optional<std::string_view> variable_type(NodeId id) const {
    if (body_[id].op != Op::variable) return std::nullopt;
    switch (body_.variable(id)) {
      case Var::principal: return env_.principal;
      case Var::resource: return env_.resource;
      case Var::action:
      case Var::context: return std::nullopt;
    }
    internal_error("variable");
  }

  // Entities of different types are never equal.
  Known equality(NodeId id) {
    NodeId a = body_.arg(id, 0), b = body_.arg(id, 1);
    if (variable_type(b)) std::swap(a, b);
    if (auto type = variable_type(a)) {
      if (auto other = variable_type(b); other && *other != *type) return EvalResult(Value(false));
      const Value* value = folded_.value(b);
      if (value && (!value->as_entity() || value->as_entity()->type != *type)) return EvalResult(Value(false));
    }
    return strict(id, false);
  }

  Known type_test(NodeId id) {
    if (auto type = variable_type(body_.arg(id, 0))) return EvalResult(Value(*type == body_.name(id)));
    return strict(id, false);
  }

  // At a hook: what is always there, and context attributes that the schema requires or does not have.
  Known presence(NodeId id) {
    NodeId object = body_.arg(id, 0);
    if (!kernel_ || body_[object].op != Op::variable) return strict(id, true);
    const std::string& attr = body_.name(id);
    switch (body_.variable(object)) {
      case Var::context: {
        const Action* action = module_.schema.find_action(env_.action);
        const auto& attrs = module_.schema.types[action->context].attrs;
        auto declared = attrs.find(attr);
        if (declared == attrs.end()) return EvalResult(Value(false));
        if (declared->second.required || always_observed(action->bindings, attr)) return EvalResult(Value(true));
        return std::nullopt;
      }
      case Var::resource: {
        const EntityType* type = module_.schema.find_type(env_.resource);
        if (type && always_observed(type->bindings, attr)) return EvalResult(Value(true));
        return std::nullopt;
      }
      case Var::principal: return std::nullopt;
      case Var::action: return strict(id, true);
    }
    internal_error("variable");
  }

  static bool always_observed(const std::map<std::string, AttrBinding>& bindings, const std::string& attr) {
    auto it = bindings.find(attr);
    if (it == bindings.end() || it->second.kind != AttrBinding::Kind::observable) return false;
    const Observable* observable = find_observable(it->second.name);
    return observable && observable->always_present;
  }

  // May entity data of `value` be read now?
  bool readable(const Value& value, Op op) const {
    const EntityUid* uid = value.as_entity();
    if (!uid) return true;
    if (module_.schema.find_action(*uid)) return kernel_ || op == Op::in;
    if (!kernel_) return false;
    const EntityType* type = module_.schema.find_type(uid->type);
    return !type || !type->kernel || *type->kernel == KernelKind::process;
  }

  Known strict(NodeId id, bool reads_entities) {
    for (NodeId arg : body_.args(id)) {
      if (!known(arg)) return std::nullopt;
      if (!known(arg)->ok()) return known(arg);
    }
    if (reads_entities && !readable(known(body_.arg(id, 0))->value(), body_[id].op)) return std::nullopt;
    return evaluated(id);
  }

  Known evaluated(NodeId id) {
    Body scratch;
    std::vector<NodeId> args;
    for (NodeId arg : body_.args(id)) {
      if (!known(arg)->ok()) return known(arg);
      args.push_back(scratch.add_literal(known(arg)->value(), body_[arg].span));
    }
    NodeId root = add_like_node(scratch, body_, id, std::move(args));
    return kerf::evaluate(scratch, root, EvalContext{nullptr, &module_.entities});
  }

  const Module& module_;
  const Body& body_;
  const RequestEnv& env_;
  bool kernel_;
  Folded folded_;
};

// The nodes of the tree that are kept, operands before users. What is replaced or known hides its operands.
std::vector<NodeId> kept_nodes(const Body& body, NodeId root, const Folded& folded,
                               const std::unordered_map<NodeId, NodeId>& replaced) {
  std::vector<NodeId> order, stack{root};
  while (!stack.empty()) {
    NodeId id = stack.back();
    stack.pop_back();
    order.push_back(id);
    if (folded.value(id) || replaced.contains(id)) continue;
    for (NodeId arg : body.args(id)) stack.push_back(arg);
  }
  std::sort(order.begin(), order.end());
  order.erase(std::unique(order.begin(), order.end()), order.end());
  return order;
}

}  // namespace

const Value* Folded::value(NodeId id) const {
  const std::optional<EvalResult>& known = values[id.index];
  return known && known->ok() ? &known->value() : nullptr;
}

std::optional<Outcome> Folded::outcome(NodeId id) const {
  if (!known(id)) return std::nullopt;
  const Value* result = value(id);
  if (!result || !result->as_bool()) return Outcome::error;
  return *result->as_bool() ? Outcome::true_ : Outcome::false_;
}

Folded fold(const Module& module, const Body& body, const RequestEnv& env, FoldWith with) {
  return Folder(module, body, env, with).run();
}

NodeId add_like_node(Body& to, const Body& from, NodeId node, std::vector<NodeId> args) {
  const Node& old = from[node];
  switch (old.op) {
    case Op::literal: return to.add_literal(from.literal(node), old.span);
    case Op::variable: return to.add_variable(from.variable(node), old.span);
    case Op::has_attr:
    case Op::get_attr:
    case Op::is:
    case Op::call: return to.add_named(old.op, from.name(node), std::move(args), old.span);
    case Op::like: return to.add_like(args.at(0), from.pattern(node), old.span);
    case Op::record: {
      std::vector<std::string> fields;
      for (std::size_t i = 0; i < args.size(); ++i) fields.push_back(from.field(node, i));
      return to.add_record(std::move(fields), std::move(args), old.span);
    }
    case Op::and_:
    case Op::or_:
    case Op::not_:
    case Op::if_:
    case Op::eq:
    case Op::less:
    case Op::less_eq:
    case Op::add:
    case Op::sub:
    case Op::mul:
    case Op::neg:
    case Op::in:
    case Op::has_tag:
    case Op::get_tag:
    case Op::contains:
    case Op::contains_all:
    case Op::contains_any:
    case Op::is_empty:
    case Op::set: return to.add(old.op, std::move(args), old.span);
  }
  internal_error("operator");
}

Body rewrite(const Body& body, NodeId root, const Folded& folded, const Replace& replace) {
  Body to;
  std::unordered_map<NodeId, NodeId> made;
  std::vector<NodeId> stack{root};
  while (!stack.empty()) {   // replacements first: they hide what is below them
    NodeId id = stack.back();
    stack.pop_back();
    if (folded.value(id) || made.contains(id)) continue;
    if (auto other = replace(id, to)) {
      made.emplace(id, *other);
      continue;
    }
    for (NodeId arg : body.args(id)) stack.push_back(arg);
  }
  for (NodeId id : kept_nodes(body, root, folded, made)) {
    if (made.contains(id)) continue;
    if (const Value* value = folded.value(id)) {
      made.emplace(id, to.add_literal(*value, body[id].span));
      continue;
    }
    if (body[id].op == Op::if_) {   // a decided branch stands for the whole
      if (const Value* condition = folded.value(body.arg(id, 0)); condition && condition->as_bool()) {
        made.emplace(id, made.at(body.arg(id, *condition->as_bool() ? 1 : 2)));
        continue;
      }
    }
    std::vector<NodeId> args;
    for (NodeId arg : body.args(id)) args.push_back(made.at(arg));
    made.emplace(id, add_like_node(to, body, id, std::move(args)));
  }
  to.root = made.at(root);
  return to;
}

std::vector<NodeId> chain_operands(const Body& body, NodeId root, const std::function<bool(NodeId)>& keep_whole) {
  const Op op = body[root].op;
  std::vector<NodeId> operands, stack{body.arg(root, 1), body.arg(root, 0)};
  while (!stack.empty()) {
    NodeId id = stack.back();
    stack.pop_back();
    if (body[id].op != op || keep_whole(id)) {
      operands.push_back(id);
      continue;
    }
    stack.push_back(body.arg(id, 1));
    stack.push_back(body.arg(id, 0));
  }
  return operands;
}

}  // namespace kerf
