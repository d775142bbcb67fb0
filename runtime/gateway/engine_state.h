// What an engine holds. Private to runtime/gateway.
#pragma once
#include "runtime/gateway/engine.h"
#include "runtime/gateway/plan.h"
#include "runtime/gateway/table_merge.h"

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

// Policies that came later, planned on their own over the same names.
struct LaterPlans {
  std::shared_ptr<const Table> table;
  Places places;                        // of the engine's environments
  std::deque<Value> folded;
  CellMemory memory{64};
  std::vector<EnvironmentPlan> environments;   // those that have policies
  std::vector<std::uint32_t> numbers;          // of an environment of the engine's: its own, or kNone
  static constexpr std::uint32_t kNone = 0xffffffffu;
};
// The table's environments in the engine's order. Fails if they or the actions are others.
Result<Places> find_places(const Table& table, const Plans& plans, const Store& store);
// Mentioned entities get nodes.
std::shared_ptr<const LaterPlans> plan_later(std::shared_ptr<const Table> table, Places places, const Plans& plans, Store& draft);

struct Layer {
  std::shared_ptr<const LaterPlans> plans;
  std::shared_ptr<const PolicyBits> removed;   // null: none
  std::uint32_t first = 0;                     // the engine's number of its first policy
};

struct Engine::State {
  std::shared_ptr<const Plans> plans;
  Store store;
  std::shared_ptr<const PolicyBits> removed;   // of the first policies; null: none
  std::vector<Layer> later;

  bool has_changes() const { return removed != nullptr || !later.empty(); }
  // visit(plan, removed, first) of each layer that has policies of the environment
  template <class Visit>
  void each_layer(std::uint32_t environment, Visit visit) const {
    visit(plans->environments[environment], removed.get(), 0u);
    for (const Layer& layer : later) {
      const std::uint32_t number = layer.plans->numbers[environment];
      if (number != LaterPlans::kNone) visit(layer.plans->environments[number], layer.removed.get(), layer.first);
    }
  }

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
