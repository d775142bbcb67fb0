// Conditions over one observable to outcome maps. The one decision: the structure is combined as maps, and only the
// leaves are evaluated, by the reference evaluator: an address leaf once per interval between the addresses it
// mentions, a port leaf once per interval or for all 65,536 ports, an endpoint leaf once per endpoint that the entities
// or the leaf name, and once for all the others.
#include "ir/passes/hook_outcomes.h"

#include <set>

#include "ir/base/check.h"
#include "ir/canonical.h"
#include "ir/values/extension.h"

namespace kerf {

namespace {

constexpr std::uint32_t kPorts = 65536;
// An endpoint that no entity and no policy can name: ids of endpoints always have a colon.
constexpr std::string_view kOtherId = "other";

bool is_resource(const Body& body, NodeId id) {
  return body[id].op == Op::variable && body.variable(id) == Var::resource;
}

Request request_of(const RequestEnv& env) {
  return Request{{env.principal, ""}, env.action, {env.resource, std::string(kOtherId)}, {}};
}

// `resource.a` or `context.a`; with the origins of one observable, that observable.
bool reads_variable(const Body& body, NodeId id) {
  return body[id].op == Op::get_attr && body[body.arg(id, 0)].op == Op::variable;
}

// The leaf with the observed attribute read from the context instead, under the name "observed".
Body observed_from_context(const PolicyInEnv& policy, NodeId leaf, Origins observed) {
  return rewrite(*policy.body, leaf, policy.analysis->folded, [&](NodeId id, Body& to) -> std::optional<NodeId> {
    const Body& body = *policy.body;
    if (!reads_variable(body, id) || policy.analysis->origins[id.index] != observed) return std::nullopt;
    NodeId context = to.add_variable(Var::context, body[id].span);
    return to.add_named(Op::get_attr, "observed", {context}, body[id].span);
  });
}

// Calls `visit` with the nodes below `root` that are evaluated, known ones included but not entered.
template <class Visit>
void visit_tree(const PolicyInEnv& policy, NodeId root, const Visit& visit) {
  std::vector<NodeId> open{root};
  while (!open.empty()) {
    NodeId id = open.back();
    open.pop_back();
    visit(id);
    if (policy.analysis->folded.known(id)) continue;
    for (NodeId arg : policy.body->args(id)) open.push_back(arg);
  }
}

void add_boundaries(const Value& value, std::set<AddressKey>& starts) {
  if (const IpAddr* ip = value.as_ip()) {
    auto [first, last] = prefix_bounds(*ip);
    AddressKey exact = address_key(*ip);
    starts.insert(first);
    starts.insert(exact);
    if (auto next = next_address(last)) starts.insert(*next);
    if (auto next = next_address(exact)) starts.insert(*next);
  } else if (const ValueSet* set = value.as_set()) {
    for (const Value& element : *set) add_boundaries(element, starts);
  } else if (const ValueRecord* record = value.as_record()) {
    for (const auto& [name, field] : *record) add_boundaries(field, starts);
  }
}

void add_built_in_ranges(std::set<AddressKey>& starts) {
  for (const char* text : {"127.0.0.0/8", "::1", "224.0.0.0/4", "ff00::/8"}) {
    auto range = parse_ip(text);
    check(range.has_value(), "built-in range");
    add_boundaries(Value(*range), starts);
  }
}

// Only constants may bring addresses in: data read through a computed entity or a computed text could hide one.
bool hides_addresses(const PolicyInEnv& policy, NodeId id) {
  const Body& body = *policy.body;
  if (policy.analysis->folded.known(id)) return false;
  auto reads_entity = [&] {
    NodeId object = body.arg(id, 0);
    return policy.analysis->types[object.index].kind != TypeKind::record && !reads_variable(body, id);
  };
  switch (body[id].op) {
    case Op::get_attr: return reads_entity();
    case Op::get_tag: return true;
    case Op::call: return body.name(id) == "ip";
    case Op::literal:
    case Op::variable:
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
    case Op::is:
    case Op::has_attr:
    case Op::has_tag:
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

// The Long constants that the leaf compares the port with, if it does nothing else; nothing: anything else.
std::optional<std::vector<std::int64_t>> compared_longs(const PolicyInEnv& policy, NodeId leaf) {
  const Body& body = *policy.body;
  const Op op = body[leaf].op;
  if (op != Op::eq && op != Op::less && op != Op::less_eq && op != Op::contains) return std::nullopt;
  std::vector<std::int64_t> longs;
  for (NodeId arg : body.args(leaf)) {
    if (const Value* value = policy.analysis->folded.value(arg)) {
      if (const std::int64_t* number = value->as_long()) longs.push_back(*number);
      if (const ValueSet* set = value->as_set()) {
        for (const Value& element : *set) {
          if (const std::int64_t* number = element.as_long()) longs.push_back(*number);
        }
      }
    } else if (!reads_variable(body, arg)) {
      return std::nullopt;
    }
  }
  return longs;
}

}  // namespace

Endpoints::Endpoints(const Module& module, std::string type) : module_(module), type_(std::move(type)) {
  for (const Entity& entity : module.entities.all()) {
    add_known(Value(entity.uid), known_);
    for (const auto& [name, value] : entity.attrs) add_known(value, known_);
    for (const auto& [name, value] : entity.tags) add_known(value, known_);
    for (const EntityUid& parent : entity.parents) add_known(Value(parent), known_);
  }
  std::sort(known_.begin(), known_.end());
  known_.erase(std::unique(known_.begin(), known_.end()), known_.end());
}

std::optional<EndpointKey> Endpoints::key(const EntityUid& uid) const {
  if (uid.type != type_) return std::nullopt;
  auto parsed = parse_endpoint_id(uid.id);
  if (!parsed) return std::nullopt;
  return EndpointKey{parsed->first.v6, parsed->first.bytes, parsed->second};
}

void Endpoints::add_members(const EntityUid& group, std::vector<EndpointKey>& to) const {
  if (auto own = key(group)) to.push_back(*own);
  for (const Entity* entity : module_.entities.descendants(group)) {
    if (auto own = key(entity->uid)) to.push_back(*own);
  }
}

void Endpoints::add_known(const Value& value, std::vector<Known>& to) const {
  if (const EntityUid* uid = value.as_entity()) {
    if (auto own = key(*uid)) to.push_back({*own, *uid});
  } else if (const ValueSet* set = value.as_set()) {
    for (const Value& element : *set) add_known(element, to);
  } else if (const ValueRecord* record = value.as_record()) {
    for (const auto& [name, field] : *record) add_known(field, to);
  }
}

HookOutcomes::HookOutcomes(const Module& module, const RequestEnv& env, const Endpoints& endpoints)
    : module_(module), env_(env), endpoints_(endpoints) {}

Outcome HookOutcomes::ask(const Body& body, const Request& request) const {
  return evaluate_outcome(body, body.root, EvalContext{&request, &module_.entities});
}

// `leaf(node)` gives the map of a node that is no connective, or nothing.
template <class Map, class Leaf>
std::optional<Map> HookOutcomes::combined(const PolicyInEnv& policy, NodeId node, const Leaf& leaf) const {
  const Body& body = *policy.body;
  const Op op = body[node].op;
  if (!policy.analysis->folded.known(node) && (op == Op::and_ || op == Op::or_)) {
    std::vector<Map> operands;
    for (NodeId operand : chain_operands(body, node, [&](NodeId id) { return policy.analysis->folded.known(id); })) {
      auto map = combined<Map>(policy, operand, leaf);
      if (!map) return std::nullopt;
      operands.push_back(std::move(*map));
    }
    return combine_chain(std::move(operands), op == Op::and_ ? outcome_and : outcome_or);
  }
  if (!policy.analysis->folded.known(node) && op == Op::not_) {
    auto map = combined<Map>(policy, body.arg(node, 0), leaf);
    if (!map) return std::nullopt;
    return map_outcomes(std::move(*map), outcome_not);
  }
  if (!policy.analysis->folded.known(node) && op == Op::if_) {
    if (auto condition = policy.analysis->folded.outcome(body.arg(node, 0)); condition && *condition != Outcome::error) {
      return combined<Map>(policy, body.arg(node, *condition == Outcome::true_ ? 1 : 2), leaf);
    }
    auto condition = combined<Map>(policy, body.arg(node, 0), leaf);
    auto then_branch = combined<Map>(policy, body.arg(node, 1), leaf);
    auto else_branch = combined<Map>(policy, body.arg(node, 2), leaf);
    if (!condition || !then_branch || !else_branch) return std::nullopt;
    return combine_if(*condition, *then_branch, *else_branch);
  }
  return leaf(node);
}

std::optional<AddressOutcomes> HookOutcomes::address(const PolicyInEnv& policy, NodeId node, NodeId& blame) const {
  return combined<AddressOutcomes>(policy, node, [&](NodeId leaf) -> std::optional<AddressOutcomes> {
    if (auto outcome = policy.analysis->folded.outcome(leaf)) return AddressOutcomes{{{kFirstAddress, *outcome}}};
    return address_leaf(policy, leaf, blame);
  });
}

std::optional<AddressOutcomes> HookOutcomes::address_leaf(const PolicyInEnv& policy, NodeId node,
                                                          NodeId& blame) const {
  std::set<AddressKey> starts{kFirstAddress, kFirstV6};
  bool hidden = false, built_in = false;
  visit_tree(policy, node, [&](NodeId id) {
    if (const Value* value = policy.analysis->folded.value(id)) {
      add_boundaries(*value, starts);
    } else if (hides_addresses(policy, id)) {
      hidden = true;
      blame = id;
    } else if (policy.body->operator[](id).op == Op::call) {
      const std::string& name = policy.body->name(id);
      built_in = built_in || name == "isLoopback" || name == "isMulticast";
    }
  });
  if (hidden) return std::nullopt;
  if (built_in) add_built_in_ranges(starts);
  const Body leaf = observed_from_context(policy, node, kFromAddress);
  Request request = request_of(env_);
  AddressOutcomes result;
  for (const AddressKey& start : starts) {
    request.context["observed"] = Value(address_of(start));
    result.append(start, ask(leaf, request));
  }
  return result;
}

PortOutcomes HookOutcomes::port(const PolicyInEnv& policy, NodeId node) {
  auto result = combined<PortOutcomes>(policy, node, [&](NodeId leaf) -> std::optional<PortOutcomes> {
    if (auto outcome = policy.analysis->folded.outcome(leaf)) return PortOutcomes{{{0, *outcome}}};
    return cached_port_leaf(policy, leaf);
  });
  return std::move(*result);
}

const PortOutcomes& HookOutcomes::cached_port_leaf(const PolicyInEnv& policy, NodeId node) {
  const std::uint64_t hash = tree_hash(*policy.body, node);
  auto [first, last] = ports_.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    if (same_tree(*it->second.body, it->second.node, *policy.body, node)) return it->second.outcomes;
  }
  return ports_.emplace(hash, Cached<PortOutcomes>{policy.body, node, port_leaf(policy, node)})->second.outcomes;
}

PortOutcomes HookOutcomes::port_leaf(const PolicyInEnv& policy, NodeId node) const {
  const Body leaf = observed_from_context(policy, node, kFromPort);
  Request request = request_of(env_);
  PortOutcomes result;
  auto ask_from = [&](std::uint32_t port) {
    request.context["observed"] = Value(std::int64_t{port});
    result.append(port, ask(leaf, request));
  };
  if (auto longs = compared_longs(policy, node)) {
    std::set<std::uint32_t> starts{0};
    for (std::int64_t number : *longs) {
      if (number >= 0 && number < kPorts) starts.insert(static_cast<std::uint32_t>(number));
      if (number >= -1 && number + 1 < kPorts) starts.insert(static_cast<std::uint32_t>(number + 1));
    }
    for (std::uint32_t start : starts) ask_from(start);
  } else {
    for (std::uint32_t port = 0; port < kPorts; ++port) ask_from(port);
  }
  return result;
}

EndpointOutcomes HookOutcomes::endpoint(const PolicyInEnv& policy, NodeId node) {
  auto result = combined<EndpointOutcomes>(policy, node, [&](NodeId leaf) -> std::optional<EndpointOutcomes> {
    if (auto outcome = policy.analysis->folded.outcome(leaf)) return EndpointOutcomes{*outcome, {}};
    if (auto listed = listed_endpoints(policy, leaf)) return listed;
    return cached_endpoint_leaf(policy, leaf);
  });
  return std::move(*result);
}

// `resource == X`, `resource in G`, `resource in [G, …]`, `[X, …].contains(resource)`: true for a list, else false.
std::optional<EndpointOutcomes> HookOutcomes::listed_endpoints(const PolicyInEnv& policy, NodeId node) const {
  const Body& body = *policy.body;
  const Op op = body[node].op;
  if (op != Op::eq && op != Op::in && op != Op::contains) return std::nullopt;
  NodeId subject = body.arg(node, op == Op::contains ? 1 : 0), other = body.arg(node, op == Op::contains ? 0 : 1);
  if (op == Op::eq && !is_resource(body, subject)) std::swap(subject, other);
  const Value* value = policy.analysis->folded.value(other);
  if (!is_resource(body, subject) || !value) return std::nullopt;
  ValueSet elements{*value};
  if (const ValueSet* set = value->as_set()) elements = op == Op::eq ? ValueSet{} : *set;
  if (op == Op::contains && !value->as_set()) return std::nullopt;
  std::vector<EndpointKey> keys;
  for (const Value& element : elements) {
    const EntityUid* uid = element.as_entity();
    if (!uid && op == Op::in) return std::nullopt;   // a type error: ask the evaluator
    if (!uid) continue;
    if (op == Op::in) {
      endpoints_.add_members(*uid, keys);
    } else if (auto own = endpoints_.key(*uid)) {
      keys.push_back(*own);
    }
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  EndpointOutcomes result;
  for (const EndpointKey& key : keys) result.append(key, Outcome::true_);
  return result;
}

const EndpointOutcomes& HookOutcomes::cached_endpoint_leaf(const PolicyInEnv& policy, NodeId node) {
  const std::uint64_t hash = tree_hash(*policy.body, node);
  auto [first, last] = endpoint_leaves_.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    if (same_tree(*it->second.body, it->second.node, *policy.body, node)) return it->second.outcomes;
  }
  Cached<EndpointOutcomes> made{policy.body, node, endpoint_leaf(policy, node)};
  return endpoint_leaves_.emplace(hash, std::move(made))->second.outcomes;
}

EndpointOutcomes HookOutcomes::endpoint_leaf(const PolicyInEnv& policy, NodeId node) const {
  std::vector<Endpoints::Known> named;
  visit_tree(policy, node, [&](NodeId id) {
    if (const Value* value = policy.analysis->folded.value(id)) endpoints_.add_known(*value, named);
  });
  const Body leaf = rewrite(*policy.body, node, policy.analysis->folded,
                            [](NodeId, Body&) -> std::optional<NodeId> { return std::nullopt; });
  std::vector<Endpoints::Known> all = endpoints_.known();
  if (!named.empty()) {
    all.insert(all.end(), named.begin(), named.end());
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
  }
  Request request = request_of(env_);
  EndpointOutcomes result{ask(leaf, request), {}};
  for (const Endpoints::Known& endpoint : all) {
    request.resource = endpoint.uid;
    result.append(endpoint.key, ask(leaf, request));
  }
  return result;
}

}  // namespace kerf
