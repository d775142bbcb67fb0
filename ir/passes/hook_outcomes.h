// The outcome of a condition for every address, every port, every endpoint: exact, by asking the reference evaluator
// for one representative of each class.
#pragma once
#include <unordered_map>

#include "ir/passes/address_set.h"
#include "ir/passes/origin.h"
#include "ir/passes/outcome_map.h"

namespace kerf {

using AddressOutcomes = Steps<AddressKey>;
using PortOutcomes = Steps<std::uint32_t>;            // keys 0 … 65535
using EndpointOutcomes = Exceptions<EndpointKey>;

// The endpoints that the module's entities name, stored or referred to.
class Endpoints {
 public:
  Endpoints(const Module& module, std::string type);
  struct Known {
    EndpointKey key;
    EntityUid uid;
    friend auto operator<=>(const Known&, const Known&) = default;
  };
  const std::vector<Known>& known() const { return known_; }   // sorted
  // Adds the keys of the endpoints that are `in` the group.
  void add_members(const EntityUid& group, std::vector<EndpointKey>& to) const;
  // Nothing: not an endpoint's canonical id, so no event is about it.
  std::optional<EndpointKey> key(const EntityUid& uid) const;
  void add_known(const Value& value, std::vector<Known>& to) const;   // every endpoint in `value`

 private:
  const Module& module_;
  const std::string type_;
  std::vector<Known> known_;
};

struct PolicyInEnv {
  PolicyId policy;
  const Body* body;
  const Analysis* analysis;
};

// Conditions of one environment whose origins are one of kFromAddress, kFromPort, kFromEndpoint.
class HookOutcomes {
 public:
  HookOutcomes(const Module& module, const RequestEnv& env, const Endpoints& endpoints);

  // Nothing if the classes of addresses cannot be read off the expression: `blame` is the part that hides them.
  std::optional<AddressOutcomes> address(const PolicyInEnv& policy, NodeId node, NodeId& blame) const;
  PortOutcomes port(const PolicyInEnv& policy, NodeId node);
  EndpointOutcomes endpoint(const PolicyInEnv& policy, NodeId node);

 private:
  template <class Map, class Leaf>
  std::optional<Map> combined(const PolicyInEnv& policy, NodeId node, const Leaf& leaf) const;
  Outcome ask(const Body& body, const Request& request) const;
  std::optional<AddressOutcomes> address_leaf(const PolicyInEnv& policy, NodeId node, NodeId& blame) const;
  PortOutcomes port_leaf(const PolicyInEnv& policy, NodeId node) const;
  std::optional<EndpointOutcomes> listed_endpoints(const PolicyInEnv& policy, NodeId node) const;
  EndpointOutcomes endpoint_leaf(const PolicyInEnv& policy, NodeId node) const;
  const EndpointOutcomes& cached_endpoint_leaf(const PolicyInEnv& policy, NodeId node);
  const PortOutcomes& cached_port_leaf(const PolicyInEnv& policy, NodeId node);

  template <class Map>
  struct Cached {
    const Body* body;
    NodeId node;
    Map outcomes;
  };
  const Module& module_;
  const RequestEnv& env_;
  const Endpoints& endpoints_;
  std::unordered_multimap<std::uint64_t, Cached<PortOutcomes>> ports_;
  std::unordered_multimap<std::uint64_t, Cached<EndpointOutcomes>> endpoint_leaves_;
};

}  // namespace kerf
