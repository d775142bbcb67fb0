// What an engine holds. Private to runtime/gateway.
#pragma once
#include "runtime/gateway/engine.h"
#include "runtime/gateway/plan.h"

namespace kerf::gateway {

// What does not change with the entities.
struct Plans {
  std::shared_ptr<const Table> table;
  Names names;
  std::deque<Value> folded;             // literals that atoms point to
  std::vector<EnvironmentPlan> environments;
  FlatMap index;                        // principal type, action, resource type -> environment
  std::size_t most_atoms = 0, most_gathered = 0;
};

struct Engine::State {
  std::shared_ptr<const Plans> plans;
  Store store;

  // Exact as long as types and nodes are below these, which build() sees to.
  static constexpr std::uint32_t kTypes = 1u << 20, kNodes = 1u << 24;
  static std::uint64_t key(std::uint32_t principal_type, Node action, std::uint32_t resource_type) {
    return static_cast<std::uint64_t>(principal_type) << 44 | static_cast<std::uint64_t>(action) << 20 | resource_type;
  }
  std::uint32_t find(std::uint32_t principal_type, Node action, std::uint32_t resource_type) const {
    if (principal_type >= kTypes || action >= kNodes || resource_type >= kTypes) return FlatMap::kNone;
    return plans->index.find(key(principal_type, action, resource_type));
  }
};

}  // namespace kerf::gateway
