// Which resource it is: conditions over identity, stored attributes and stored groups of `resource`, as outcomes for
// every endpoint or every file. Exact: the resources that the snapshot or the condition name are asked one by one, and
// one that nothing names stands for all the others.
#pragma once
#include "ir/passes/hook_outcomes.h"

namespace kerf {

using EndpointOutcomes = Exceptions<EndpointKey>;
using FileOutcomes = Exceptions<std::string>;         // keys: ids of files or directories

// The resources of one entity type that the module's entities name, stored or referred to.
template <class Key>
class KnownResources {
 public:
  KnownResources(const Module& module, std::string type);
  struct Known {
    Key key;
    EntityUid uid;
    friend auto operator<=>(const Known&, const Known&) = default;
  };
  const std::vector<Known>& known() const { return known_; }   // sorted
  // Adds the keys of the resources that are `in` the group by what is stored.
  void add_members(const EntityUid& group, std::vector<Key>& to) const;
  // Nothing: of another type, or no canonical id, so no event is about it.
  std::optional<Key> key(const EntityUid& uid) const;
  void add_known(const Value& value, std::vector<Known>& to) const;   // every resource in `value`

 private:
  const Module& module_;
  const std::string type_;
  std::vector<Known> known_;
};

// Conditions of one environment whose origin is kFromEndpoint or kFromFile alone.
template <class Key>
class ResourceOutcomes {
 public:
  using Map = Exceptions<Key>;
  ResourceOutcomes(const Module& module, const RequestEnv& env, const KnownResources<Key>& resources)
      : module_(module), env_(env), resources_(resources) {}

  Map outcomes(const PolicyInEnv& policy, NodeId node);

 private:
  std::optional<Map> listed(const PolicyInEnv& policy, NodeId node) const;
  const Map& cached_leaf(const PolicyInEnv& policy, NodeId node);
  Map leaf(const PolicyInEnv& policy, NodeId node) const;

  struct Cached {
    const Body* body;
    NodeId node;
    Map outcomes;
  };
  const Module& module_;
  const RequestEnv& env_;
  const KnownResources<Key>& resources_;
  std::unordered_multimap<std::uint64_t, Cached> leaves_;
};

using Endpoints = KnownResources<EndpointKey>;
using Files = KnownResources<std::string>;

}  // namespace kerf
