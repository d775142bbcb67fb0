// PolicyChange -> the next engine. Removed policies are bits; added ones are planned on their own and decide beside the
// first ones, in a few layers, until they are many and all is planned anew.
#include <algorithm>
#include <optional>

#include "runtime/gateway/editor_state.h"

namespace kerf::gateway {
namespace {

constexpr std::size_t kLayer = 16;    // policies of the newest layer, up to which it takes more
constexpr std::size_t kMost = 128;    // policies of all layers; and of the removed ones, as a least

std::size_t live(const Layer& layer) {
  std::size_t count = 0;
  for (std::uint32_t p = 0; p < layer.plans->table->policies().size(); ++p) count += has(layer.removed.get(), p) ? 0 : 1;
  return count;
}

// Where a live policy is: in a layer, or among the first.
struct Place {
  std::optional<std::size_t> layer;
  std::uint32_t policy;
};

std::optional<Place> find(const Engine::State& state, const std::unordered_map<std::string_view, std::uint32_t>& first,
                          std::string_view id) {
  for (std::size_t l = 0; l < state.later.size(); ++l) {
    const std::vector<PolicyInfo>& policies = state.later[l].plans->table->policies();
    for (std::uint32_t p = 0; p < policies.size(); ++p) {
      if (policies[p].id == id && !has(state.later[l].removed.get(), p)) return Place{l, p};
    }
  }
  auto found = first.find(id);
  if (found == first.end() || has(state.removed.get(), found->second)) return std::nullopt;
  return Place{std::nullopt, found->second};
}

void remove(std::shared_ptr<const PolicyBits>& removed, std::uint32_t policy, std::size_t policies) {
  auto next = removed == nullptr ? std::make_shared<PolicyBits>((policies + 63) / 64) : std::make_shared<PolicyBits>(*removed);
  (*next)[policy / 64] |= std::uint64_t{1} << (policy % 64);
  removed = std::move(next);
}

// The newest layer takes the table, if both together are few; else it becomes a layer of its own.
Status add(std::shared_ptr<const Table> table, Engine::State& state) {
  Result<Places> places = find_places(*table, *state.plans, state.store);
  if (!places.ok()) return places.error();
  if (!state.later.empty() && live(state.later.back()) + table->policies().size() <= kLayer) {
    const Layer& last = state.later.back();
    const TablePart parts[] = {{&last.plans->table->state(), last.removed.get(), &last.plans->places}, {&table->state(), nullptr, &*places}};
    Places merged;
    table = std::make_shared<const Table>(merge_later_tables(parts, state.plans->table->state(), merged));
    places = std::move(merged);
    state.later.pop_back();
  }
  state.later.push_back({plan_later(std::move(table), *std::move(places), *state.plans, state.store), nullptr, 0});
  return Unit{};
}

}  // namespace

Status Editor::State::apply(const PolicyChange& change, bool& many) {
  const std::vector<PolicyInfo>& first = plans().table->policies();
  if (first_policies.empty()) {
    first_policies.reserve(first.size());
    for (std::uint32_t p = 0; p < first.size(); ++p) first_policies.emplace(first[p].id, p);
  }
  auto next = std::make_shared<Engine::State>(*engine.state_);
  for (const std::string& id : change.remove) {
    const std::optional<Place> place = find(*next, first_policies, id);
    if (!place) return Error{"there is no policy `" + id + "`"};
    if (!place->layer) {
      remove(next->removed, place->policy, first.size());
    } else {
      Layer& layer = next->later[*place->layer];
      remove(layer.removed, place->policy, layer.plans->table->policies().size());
    }
  }
  std::erase_if(next->later, [](const Layer& layer) { return live(layer) == 0; });
  if (change.add != nullptr) {
    for (const PolicyInfo& policy : change.add->policies()) {
      if (find(*next, first_policies, policy.id)) return Error{"there is a policy `" + policy.id + "` already"};
    }
    if (Status added = add(change.add, *next); !added.ok()) return added;
  }
  if (next->store.nodes() >= Engine::State::kNodes) return Error{"more than " + std::to_string(Engine::State::kNodes) + " entities"};
  hierarchy.grow(next->store.nodes());
  auto number = static_cast<std::uint32_t>(first.size());
  for (Layer& layer : next->later) {
    layer.first = number;
    number += static_cast<std::uint32_t>(layer.plans->table->policies().size());
  }
  const std::size_t later = number - first.size();
  engine = Engine(std::move(next));
  const std::size_t removed = first.size() + later - engine.policies();
  many = later > kMost || removed > std::max(kMost, first.size() / 2);
  return Unit{};
}

std::shared_ptr<const Table> Editor::State::whole_table() const {
  const Engine::State& state = *engine.state_;
  if (!state.has_changes()) return plans().table;
  std::vector<TablePart> parts{{&plans().table->state(), state.removed.get()}};
  for (const Layer& layer : state.later) parts.push_back({&layer.plans->table->state(), layer.removed.get(), &layer.plans->places});
  return std::make_shared<const Table>(merge_tables(parts));
}

}  // namespace kerf::gateway
