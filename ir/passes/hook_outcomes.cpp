// Conditions over one observable to outcome maps. The one decision: the structure is combined as maps, and only the
// leaves are evaluated, by the reference evaluator: an address leaf once per interval between the addresses it
// mentions, a port leaf once per interval or for all 65,536 ports, an endpoint leaf once per endpoint that the entities
// or the leaf name, and once for all the others.
#include "ir/passes/hook_outcomes.h"

#include <algorithm>
#include <set>

#include "ir/base/check.h"
#include "ir/canonical.h"
#include "ir/values/extension.h"

namespace kerf {

namespace {

constexpr std::uint32_t kLastPort = 65535;

Request request_of(const RequestEnv& env) {
  return Request{{env.principal, ""}, env.action, {env.resource, ""}, {}};
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

bool is_resource(const Body& body, NodeId id) {
  return body[id].op == Op::variable && body.variable(id) == Var::resource;
}

bool reads_variable(const Body& body, NodeId id) {
  return body[id].op == Op::get_attr && body[body.arg(id, 0)].op == Op::variable;
}

HookOutcomes::HookOutcomes(const Module& module, const RequestEnv& env) : module_(module), env_(env) {}

Outcome HookOutcomes::ask(const Body& body, const Request& request) const {
  return evaluate_outcome(body, body.root, EvalContext{&request, &module_.entities});
}

std::optional<AddressOutcomes> HookOutcomes::address(const PolicyInEnv& policy, NodeId node, NodeId& blame) const {
  return combine_outcomes<AddressOutcomes>(policy, node, [&](NodeId leaf) -> std::optional<AddressOutcomes> {
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
  auto result = combine_outcomes<PortOutcomes>(policy, node, [&](NodeId leaf) -> std::optional<PortOutcomes> {
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
  return ports_.emplace(hash, CachedPorts{policy.body, node, port_leaf(policy, node)})->second.outcomes;
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
    for (std::int64_t number : *longs) {   // one that no port has: the nearest, and a start too many changes nothing
      const auto near = static_cast<std::uint32_t>(std::clamp<std::int64_t>(number, 0, kLastPort));
      starts.insert(near);
      starts.insert(std::min(near + 1, kLastPort));
    }
    for (std::uint32_t start : starts) ask_from(start);
  } else {
    for (std::uint32_t port = 0; port <= kLastPort; ++port) ask_from(port);
  }
  return result;
}

}  // namespace kerf
