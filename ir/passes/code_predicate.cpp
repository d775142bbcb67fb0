// A condition over several observables and userspace values to a code predicate: a tree of observables, constants and
// value slots under operators that an instruction can do. The one decision: whatever userspace knows is one slot, as
// large as possible, so the hook computes only what depends on the event.
#include "ir/passes/code_predicate.h"

#include <set>

#include "ir/base/check.h"

namespace kerf {

// Checks one condition; nothing is added to the environment unless all of it is expressible.
class CodeCheck {
 public:
  CodeCheck(const Module& module, const KernelEnv& env, const PolicyInEnv& policy)
      : module_(module), env_(env), policy_(policy), body_(*policy.body) {}

  bool condition(NodeId id) {
    if (auto done = early(id, false)) return *done;
    switch (body_[id].op) {
      case Op::and_:
      case Op::or_: return condition(body_.arg(id, 0)) && condition(body_.arg(id, 1));
      case Op::not_: return condition(body_.arg(id, 0));
      case Op::if_: return choice(id, true);
      case Op::less:
      case Op::less_eq: return number(body_.arg(id, 0)) && number(body_.arg(id, 1));
      case Op::eq: return equality(id);
      case Op::contains: return membership(id);
      case Op::has_attr: return observable(id) && observable(id)->from != ObservedFrom::host;   // names are in records
      case Op::like: return observed_name(body_.arg(id, 0)) && begins(id);
      case Op::get_attr: return observable(id) && observable(id)->type == TypeKind::boolean;
      case Op::call:
        if (body_.name(id) != "isInRange") return false;
        return (observed_address(body_.arg(id, 0)) && address_slot(body_.arg(id, 1))) ||
               (observed_address(body_.arg(id, 1)) && address_slot(body_.arg(id, 0)));
      case Op::literal:
      case Op::variable:
      case Op::add:
      case Op::sub:
      case Op::mul:
      case Op::neg:
      case Op::in:
      case Op::is:
      case Op::has_tag:
      case Op::get_tag:
      case Op::contains_all:
      case Op::contains_any:
      case Op::is_empty:
      case Op::set:
      case Op::record: return false;
    }
    internal_error("operator");
  }

  std::vector<std::pair<NodeId, TypeKind>> slots;
  std::map<NodeId, Value> constants;

 private:
  // Constants and what userspace knows; nothing: the operator has to be looked at.
  std::optional<bool> early(NodeId id, bool numeric) {
    if (const Value* value = policy_.analysis->folded.value(id)) {
      bool fits = numeric ? is_number(*value) : value->as_bool() != nullptr;
      if (fits) constants.emplace(id, *value);
      return fits;
    }
    if ((policy_.analysis->origins[id.index] & ~kUserspace) != 0) return std::nullopt;
    TypeKind own = policy_.analysis->types[id.index].kind;
    if (own == TypeKind::true_ || own == TypeKind::false_) own = TypeKind::boolean;
    if (numeric ? !kerf::is_number(own) : own != TypeKind::boolean) return false;
    slots.emplace_back(id, own);
    return true;
  }

  static bool is_number(const Value& value) { return value.as_long() || value.as_datetime() || value.as_duration(); }

  // Dates and durations are milliseconds here. A constructor of text that is not constant is none of these.
  bool time_call(NodeId id) {
    static const std::set<std::string, std::less<>> known = {"offset", "durationSince", "toDate", "toTime", "toMilliseconds",
                                                             "toSeconds", "toMinutes", "toHours", "toDays"};
    if (!known.contains(body_.name(id))) return false;
    for (NodeId arg : body_.args(id)) {
      if (!number(arg)) return false;
    }
    return true;
  }

  bool number(NodeId id) {
    if (auto done = early(id, true)) return *done;
    switch (body_[id].op) {
      case Op::add:
      case Op::sub:
      case Op::mul: return number(body_.arg(id, 0)) && number(body_.arg(id, 1));
      case Op::neg: return number(body_.arg(id, 0));
      case Op::if_: return choice(id, false);
      case Op::get_attr: return observable(id) && kerf::is_number(observable(id)->type);
      case Op::call: return time_call(id);
      case Op::literal:
      case Op::variable:
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
      case Op::get_tag:
      case Op::like:
      case Op::contains:
      case Op::contains_all:
      case Op::contains_any:
      case Op::is_empty:
      case Op::set:
      case Op::record: return false;
    }
    internal_error("operator");
  }

  bool choice(NodeId id, bool boolean) {
    auto branch = [&](std::size_t i) { return boolean ? condition(body_.arg(id, i)) : number(body_.arg(id, i)); };
    return condition(body_.arg(id, 0)) && branch(1) && branch(2);
  }

  // What `resource.a`, `context.a` or `… has a` observes, or nullptr.
  const Observable* observable(NodeId id) const {
    return observable_of(module_, body_, module_.environments[env_.environment], id);
  }

  bool equality(NodeId id) {
    NodeId a = body_.arg(id, 0), b = body_.arg(id, 1);
    if (observed_address(b) || observed_name(b)) std::swap(a, b);
    if (observed_address(a)) return address_slot(b);
    if (observed_name(a)) return constant_name(id, b);
    return number(a) && number(b);
  }

  bool membership(NodeId id) {
    if (observed_name(body_.arg(id, 1))) return constant_names(id, body_.arg(id, 0));
    return constant_numbers(body_.arg(id, 0)) && number(body_.arg(id, 1));
  }

  bool observed_address(NodeId id) const {
    return body_[id].op == Op::get_attr && observable(id) && observable(id)->from == ObservedFrom::address;
  }

  bool observed_name(NodeId id) const {
    return body_[id].op == Op::get_attr && observable(id) && observable(id)->from == ObservedFrom::name;
  }

  // Names of file systems are bytes without 0, at most kMaxFsTypeBytes of them; no other text equals one.
  static bool can_be_name(const Value& value) {
    const std::string* text = value.as_string();
    return text && text->size() <= kMaxFsTypeBytes && text->find('\0') == std::string::npos;
  }

  // `like "fuse*"`, and a pattern without a wildcard. What no name can begin with is false.
  bool begins(NodeId id) {
    const std::vector<std::string>& pieces = body_.pattern(id).pieces;
    if (pieces.size() > 2 || (pieces.size() == 2 && !pieces[1].empty())) return false;
    if (!can_be_name(Value(pieces[0]))) constants.emplace(id, Value(false));
    return true;
  }

  bool constant_name(NodeId equality, NodeId id) {
    const Value* value = policy_.analysis->folded.value(id);
    if (!value) return false;
    if (can_be_name(*value)) {
      constants.emplace(id, *value);
    } else {
      constants.emplace(equality, Value(false));
    }
    return true;
  }

  const ValueSet* constant_set(NodeId id) const {
    const Value* value = policy_.analysis->folded.value(id);
    return value ? value->as_set() : nullptr;
  }

  bool constant_names(NodeId membership, NodeId id) {
    const ValueSet* set = constant_set(id);
    if (!set) return false;
    std::vector<Value> names;
    for (const Value& element : *set) {
      if (can_be_name(element)) names.push_back(element);
    }
    if (names.empty()) {
      constants.emplace(membership, Value(false));
    } else {
      constants.emplace(id, Value::set(std::move(names)));
    }
    return true;
  }

  bool address_slot(NodeId id) {
    bool userspace = policy_.analysis->origins[id.index] != 0 &&
                     (policy_.analysis->origins[id.index] & ~kUserspace) == 0;
    if (!userspace || policy_.analysis->types[id.index].kind != TypeKind::ip) return false;
    slots.emplace_back(id, TypeKind::ip);
    return true;
  }

  bool constant_numbers(NodeId id) {
    const ValueSet* set = constant_set(id);
    if (!set) return false;
    for (const Value& element : *set) {
      if (!is_number(element)) return false;
    }
    constants.emplace(id, *policy_.analysis->folded.value(id));
    return true;
  }

  const Module& module_;
  const KernelEnv& env_;
  const PolicyInEnv& policy_;
  const Body& body_;
};

std::optional<std::uint32_t> SharedExprs::find(const Index& index, const Body& body, NodeId node,
                                               std::uint64_t hash) {
  auto [first, last] = index.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    if (same_tree(*it->second.body, it->second.node, body, node)) return it->second.number;
  }
  return std::nullopt;
}

namespace {

Stage userspace_stage(const PolicyInEnv& policy, NodeId node) {
  const Origins origins = policy.analysis->origins[node.index];
  return (origins & kFromHost) ? Stage::learn : (origins & kFromFact) ? Stage::publish : Stage::bind;
}

}  // namespace

std::uint32_t SharedExprs::predicate(const PolicyInEnv& policy, NodeId node) {
  const std::uint64_t hash = tree_hash(*policy.body, node);
  if (auto number = find(predicates_, *policy.body, node, hash)) return *number;
  const std::uint32_t number = static_cast<std::uint32_t>(env_.predicates.size());
  env_.predicates.push_back({policy.policy, node, userspace_stage(policy, node)});
  predicates_.emplace(hash, Tree{policy.body, node, number});
  return number;
}

std::optional<std::uint32_t> SharedExprs::slot(const PolicyInEnv& policy, NodeId node, TypeKind type) {
  const std::uint64_t hash = tree_hash(*policy.body, node);
  if (auto number = find(slots_, *policy.body, node, hash)) return *number;
  if (env_.slots.size() == kMaxValueSlots) return std::nullopt;
  const std::uint32_t number = static_cast<std::uint32_t>(env_.slots.size());
  env_.slots.push_back({policy.policy, node, userspace_stage(policy, node), type});
  slots_.emplace(hash, Tree{policy.body, node, number});
  return number;
}

std::optional<std::uint32_t> SharedExprs::code(const PolicyInEnv& policy, NodeId node) {
  const std::uint64_t hash = tree_hash(*policy.body, node);
  if (auto number = find(codes_, *policy.body, node, hash)) return *number;
  CodeCheck check(module_, env_, policy);
  if (!check.condition(node)) return std::nullopt;
  CodePredicate made{policy.policy, node, {}, std::move(check.constants)};
  for (auto [id, type] : check.slots) {
    auto number = slot(policy, id, type);
    if (!number) {
      out_of_slots = true;
      return std::nullopt;
    }
    made.slots.emplace(id, *number);
  }
  const std::uint32_t number = static_cast<std::uint32_t>(env_.code.size());
  env_.code.push_back(std::move(made));
  codes_.emplace(hash, Tree{policy.body, node, number});
  return number;
}

}  // namespace kerf
