// The outcome of a condition for every address and every port: exact, by asking the reference evaluator for one
// representative of each class.
#pragma once
#include <unordered_map>

#include "ir/passes/address_set.h"
#include "ir/passes/origin.h"
#include "ir/passes/outcome_map.h"

namespace kerf {

using AddressOutcomes = Steps<AddressKey>;
using PortOutcomes = Steps<std::uint32_t>;            // keys 0 … 65535

struct PolicyInEnv {
  PolicyId policy;
  const Body* body;
  const Analysis* analysis;
};

// Conditions of one environment whose origin is kFromAddress or kFromPort.
class HookOutcomes {
 public:
  HookOutcomes(const Module& module, const RequestEnv& env);

  // Nothing if the classes of addresses cannot be read off the expression: `blame` is the part that hides them.
  std::optional<AddressOutcomes> address(const PolicyInEnv& policy, NodeId node, NodeId& blame) const;
  PortOutcomes port(const PolicyInEnv& policy, NodeId node);

 private:
  Outcome ask(const Body& body, const Request& request) const;
  std::optional<AddressOutcomes> address_leaf(const PolicyInEnv& policy, NodeId node, NodeId& blame) const;
  PortOutcomes port_leaf(const PolicyInEnv& policy, NodeId node) const;
  const PortOutcomes& cached_port_leaf(const PolicyInEnv& policy, NodeId node);

  struct CachedPorts {
    const Body* body;
    NodeId node;
    PortOutcomes outcomes;
  };
  const Module& module_;
  const RequestEnv& env_;
  std::unordered_multimap<std::uint64_t, CachedPorts> ports_;
};

// Helpers that the outcomes of endpoints and files share.
bool is_resource(const Body& body, NodeId id);
// `resource.a` or `context.a`; with the origins of one observable, that observable.
bool reads_variable(const Body& body, NodeId id);

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

// The map of a whole condition; `leaf(node)` gives that of a node that is no connective, or nothing.
template <class Map, class Leaf>
std::optional<Map> combine_outcomes(const PolicyInEnv& policy, NodeId node, const Leaf& leaf) {
  const Body& body = *policy.body;
  const Folded& folded = policy.analysis->folded;
  const Op op = body[node].op;
  if (folded.known(node)) return leaf(node);
  if (op == Op::and_ || op == Op::or_) {
    std::vector<Map> operands;
    for (NodeId operand : chain_operands(body, node, [&](NodeId id) { return folded.known(id); })) {
      auto map = combine_outcomes<Map>(policy, operand, leaf);
      if (!map) return std::nullopt;
      operands.push_back(std::move(*map));
    }
    return combine_chain(std::move(operands), op == Op::and_ ? outcome_and : outcome_or);
  }
  if (op == Op::not_) {
    auto map = combine_outcomes<Map>(policy, body.arg(node, 0), leaf);
    if (!map) return std::nullopt;
    return map_outcomes(std::move(*map), outcome_not);
  }
  if (op == Op::if_) {
    if (auto condition = folded.outcome(body.arg(node, 0)); condition && *condition != Outcome::error) {
      return combine_outcomes<Map>(policy, body.arg(node, *condition == Outcome::true_ ? 1 : 2), leaf);
    }
    auto condition = combine_outcomes<Map>(policy, body.arg(node, 0), leaf);
    auto then_branch = combine_outcomes<Map>(policy, body.arg(node, 1), leaf);
    auto else_branch = combine_outcomes<Map>(policy, body.arg(node, 2), leaf);
    if (!condition || !then_branch || !else_branch) return std::nullopt;
    return combine_if(*condition, *then_branch, *else_branch);
  }
  return leaf(node);
}

}  // namespace kerf
