// The entity store and `in`. Uids (stored ones and parents that are only named) become dense nodes; closures are
// stored where they are short, sorted by node, and walked elsewhere, so deep chains stay linear in memory.
#include "ir/values/entities.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <span>

namespace kerf {

namespace {
using Node = std::uint32_t;
constexpr Node kNoNode = 0xffffffffu;

// Compressed lists: list i is flat[begin[i] .. begin[i + 1]).
struct Lists {
  std::vector<std::uint32_t> begin{0};
  std::vector<Node> flat;

  std::span<const Node> operator[](Node i) const {
    return std::span(flat).subspan(begin[i], begin[i + 1] - begin[i]);
  }
  void close() { begin.push_back(static_cast<std::uint32_t>(flat.size())); }
  std::size_t size() const { return begin.size() - 1; }
};
}  // namespace

struct Entities::State {
  std::vector<Entity> entities;                                    // sorted by uid; entity i is node i
  std::vector<EntityUid> named;                                    // parents that are not stored: later nodes
  std::unordered_map<EntityUid, Node, EntityUidHash> nodes;
  Lists parents, children;
  Lists closure;                                                   // proper ancestors, sorted; empty if `walked`
  std::vector<bool> walked;

  Node node(const EntityUid& uid) const {
    auto found = nodes.find(uid);
    return found == nodes.end() ? kNoNode : found->second;
  }
  const EntityUid& uid(Node node) const {
    return node < entities.size() ? entities[node].uid : named[node - entities.size()];
  }
  // Calls visit(ancestor) for every proper ancestor once, in no particular order, until it returns true.
  template <class Visit>
  bool any_ancestor(Node start, Visit visit) const {
    if (!walked[start]) {
      auto stored = closure[start];
      return std::any_of(stored.begin(), stored.end(), visit);
    }
    std::vector<bool> seen(walked.size());
    std::vector<Node> stack{start};
    auto reach = [&](Node node) {
      if (seen[node]) return false;
      seen[node] = true;
      return visit(node);
    };
    while (!stack.empty()) {
      Node from = stack.back();
      stack.pop_back();
      for (Node parent : parents[from]) {
        if (seen[parent]) continue;
        if (reach(parent)) return true;
        if (walked[parent]) stack.push_back(parent);
        // A stored closure has no walked members, so nothing above it needs expanding.
        auto stored = closure[parent];
        if (std::any_of(stored.begin(), stored.end(), reach)) return true;
      }
    }
    return false;
  }
};

namespace {

// Sorted, identical repetitions dropped; the parents of each sorted and unique.
Result<std::vector<Entity>> tidy(std::vector<Entity> entities) {
  for (Entity& entity : entities) {
    std::sort(entity.parents.begin(), entity.parents.end());
    entity.parents.erase(std::unique(entity.parents.begin(), entity.parents.end()), entity.parents.end());
  }
  std::stable_sort(entities.begin(), entities.end(), [](const Entity& a, const Entity& b) { return a.uid < b.uid; });
  for (std::size_t i = 1; i < entities.size(); ++i) {
    const Entity& a = entities[i - 1];
    const Entity& b = entities[i];
    if (a.uid == b.uid && !(a.attrs == b.attrs && a.tags == b.tags && a.parents == b.parents)) {
      return Error{fmt::format("duplicate entity entry `{}`", to_text(a.uid))};
    }
  }
  auto same = [](const Entity& a, const Entity& b) { return a.uid == b.uid; };
  entities.erase(std::unique(entities.begin(), entities.end(), same), entities.end());
  return entities;
}

Lists reversed(const Lists& lists) {
  Lists result;
  result.begin.assign(lists.size() + 1, 0);
  for (Node to : lists.flat) ++result.begin[to + 1];
  for (std::size_t i = 0; i < lists.size(); ++i) result.begin[i + 1] += result.begin[i];
  result.flat.resize(lists.flat.size());
  std::vector<std::uint32_t> next(result.begin.begin(), result.begin.end() - 1);
  for (Node from = 0; from < lists.size(); ++from) {
    for (Node to : lists[from]) result.flat[next[to]++] = from;
  }
  return result;
}

// Every node after its parents, or fewer nodes than there are if parents form a cycle.
std::vector<Node> topological(const Lists& parents, const Lists& children) {
  std::vector<std::uint32_t> open(parents.size());
  std::vector<Node> order;
  for (Node node = 0; node < parents.size(); ++node) {
    open[node] = static_cast<std::uint32_t>(parents[node].size());
    if (open[node] == 0) order.push_back(node);
  }
  for (std::size_t i = 0; i < order.size(); ++i) {
    for (Node child : children[order[i]]) {
      if (--open[child] == 0) order.push_back(child);
    }
  }
  return order;
}

// A node that lies on a cycle: from any node that never became ready, parents that never did lead round one.
Node on_cycle(const Lists& parents, const std::vector<Node>& order) {
  std::vector<bool> ready(parents.size());
  for (Node node : order) ready[node] = true;
  Node at = 0;
  while (ready[at]) ++at;
  std::vector<bool> seen(parents.size());
  while (!seen[at]) {
    seen[at] = true;
    auto up = parents[at];
    at = *std::find_if(up.begin(), up.end(), [&](Node parent) { return !ready[parent]; });
  }
  return at;
}

// Closures in topological order; a node whose closure is longer than the bound, or has a parent such, is walked.
void store_closures(const Lists& parents, const std::vector<Node>& order, Lists& closure, std::vector<bool>& walked) {
  std::vector<std::vector<Node>> sets(parents.size());
  walked.assign(parents.size(), false);
  for (Node node : order) {
    std::vector<Node>& set = sets[node];
    for (Node parent : parents[node]) {
      if (walked[parent] || parents[node].size() > Entities::kStoredAncestors) {
        walked[node] = true;
        break;
      }
      set.push_back(parent);
      set.insert(set.end(), sets[parent].begin(), sets[parent].end());
    }
    std::sort(set.begin(), set.end());
    set.erase(std::unique(set.begin(), set.end()), set.end());
    if (set.size() > Entities::kStoredAncestors) walked[node] = true;
    if (walked[node]) set = {};
    set.shrink_to_fit();
  }
  for (const std::vector<Node>& set : sets) {
    closure.flat.insert(closure.flat.end(), set.begin(), set.end());
    closure.close();
  }
}

}  // namespace

Entities::Entities() : state_(std::make_shared<const State>()) {}

Result<Entities> Entities::build(std::vector<Entity> given) {
  auto tidied = tidy(std::move(given));
  if (!tidied.ok()) return tidied.error();
  auto state = std::make_shared<State>();
  state->entities = std::move(tidied).value();
  state->nodes.reserve(state->entities.size());
  for (const Entity& entity : state->entities) state->nodes.emplace(entity.uid, static_cast<Node>(state->nodes.size()));
  for (const Entity& entity : state->entities) {
    for (const EntityUid& parent : entity.parents) {
      auto [entry, added] = state->nodes.emplace(parent, static_cast<Node>(state->nodes.size()));
      if (added) state->named.push_back(parent);
      state->parents.flat.push_back(entry->second);
    }
    state->parents.close();
  }
  for (std::size_t i = 0; i < state->named.size(); ++i) state->parents.close();
  state->children = reversed(state->parents);
  std::vector<Node> order = topological(state->parents, state->children);
  if (order.size() != state->parents.size()) {
    Node node = on_cycle(state->parents, order);
    return Error{fmt::format("the parents of `{}` form a cycle: it would be its own ancestor",
                             to_text(state->uid(node)))};
  }
  store_closures(state->parents, order, state->closure, state->walked);
  Entities result;
  result.state_ = std::move(state);
  return result;
}

const Entity* Entities::find(const EntityUid& uid) const {
  Node node = state_->node(uid);
  return node < state_->entities.size() ? &state_->entities[node] : nullptr;
}

bool Entities::is_in(const EntityUid& descendant, const EntityUid& ancestor) const {
  if (descendant == ancestor) return true;
  Node from = state_->node(descendant);
  Node to = from == kNoNode ? kNoNode : state_->node(ancestor);
  if (to == kNoNode) return false;
  if (!state_->walked[from]) {
    auto stored = state_->closure[from];
    return std::binary_search(stored.begin(), stored.end(), to);
  }
  return state_->any_ancestor(from, [&](Node node) { return node == to; });
}

bool Entities::is_in_any(const EntityUid& descendant, const ValueSet& ancestors) const {
  Node from = state_->node(descendant);
  std::vector<Node> targets;
  for (const Value& value : ancestors) {
    const EntityUid* ancestor = value.as_entity();
    check(ancestor != nullptr, "is_in_any takes entities only");
    if (*ancestor == descendant) return true;
    Node to = from == kNoNode ? kNoNode : state_->node(*ancestor);
    if (to != kNoNode) targets.push_back(to);
  }
  if (targets.empty()) return false;
  std::sort(targets.begin(), targets.end());
  return state_->any_ancestor(
      from, [&](Node node) { return std::binary_search(targets.begin(), targets.end(), node); });
}

std::vector<EntityUid> Entities::ancestors(const EntityUid& uid) const {
  Node from = state_->node(uid);
  std::vector<EntityUid> result;
  if (from == kNoNode) return result;
  state_->any_ancestor(from, [&](Node node) {
    result.push_back(state_->uid(node));
    return false;
  });
  std::sort(result.begin(), result.end());
  return result;
}

std::vector<const Entity*> Entities::descendants(const EntityUid& uid) const {
  std::vector<Node> stack{state_->node(uid)};
  std::vector<const Entity*> result;
  if (stack.back() == kNoNode) return result;
  std::vector<bool> seen(state_->parents.size());
  while (!stack.empty()) {
    Node from = stack.back();
    stack.pop_back();
    for (Node child : state_->children[from]) {
      if (seen[child]) continue;
      seen[child] = true;
      stack.push_back(child);
      result.push_back(&state_->entities[child]);
    }
  }
  std::sort(result.begin(), result.end());  // stored entities are sorted by uid, so addresses are
  return result;
}

const std::vector<Entity>& Entities::all() const { return state_->entities; }

Result<Entities> Entities::with(std::vector<Entity> replacements) const {
  std::vector<EntityUid> replaced;
  for (const Entity& entity : replacements) replaced.push_back(entity.uid);
  std::sort(replaced.begin(), replaced.end());
  for (const Entity& entity : state_->entities) {
    if (!std::binary_search(replaced.begin(), replaced.end(), entity.uid)) replacements.push_back(entity);
  }
  return build(std::move(replacements));
}

}  // namespace kerf
