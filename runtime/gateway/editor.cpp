// EntityChange -> the next engine. The edges between entities are kept here, in both directions, because only changes need
// them; closures are made anew for what changed and its descendants, parents first.
#include <algorithm>
#include <optional>

#include "runtime/gateway/editor_state.h"

namespace kerf::gateway {
namespace {

// Nodes that later changes added, as a least, before the engine is built anew to be rid of dead ones.
constexpr std::size_t kLeastAdded = 4096;

std::string shown(const EntityUid& uid) { return "`" + to_text(uid) + "`"; }

}  // namespace

void Editor::State::learn_hierarchy() {
  hierarchy.grow(store().nodes());
  for (Node node = 0; node < store().nodes(); ++node) {
    pairs += store().ancestors(node).size();
    if (!store().stored(node)) continue;
    std::vector<Node> parents;
    for (const EntityUid& parent : store().entity(node)->parents) parents.push_back(store().find(parent.type, parent.id));
    hierarchy.set_parents(node, parents);
  }
}

// As it is before the change, when it is first asked for.
Fate& Editor::State::fate(Fates& fates, const EntityUid& uid) const {
  auto [entry, added] = fates.try_emplace(uid);
  if (!added) return entry->second;
  const Node node = store().find(uid.type, uid.id);
  if (node == kNoNode || !store().stored(node)) return entry->second;
  entry->second.stored = true;
  entry->second.parents = parents_of(node);
  return entry->second;
}

Status Editor::State::resolve(const EntityChange& change, Fates& fates) const {
  auto refuse = [](const EntityUid& uid, const char* why) { return Error{shown(uid) + " " + why}; };
  constexpr const char* kAction = "is an action of the table, which only the table changes";
  constexpr const char* kMissing = "is not stored";
  for (const EntityUid& uid : change.remove) {
    if (is_action(uid)) return refuse(uid, kAction);
    Fate& of = fate(fates, uid);
    if (!of.stored) return refuse(uid, kMissing);
    of = {};
  }
  for (const Entity& entity : change.upsert) {
    if (is_action(entity.uid)) return refuse(entity.uid, kAction);
    Fate& of = fate(fates, entity.uid);
    if (of.fresh != nullptr) return refuse(entity.uid, "is given twice");
    of = {true, std::make_shared<const Entity>(entity), entity.parents};
  }
  for (const EntityChange::Edges& edges : change.remove_parents) {
    if (is_action(edges.uid)) return refuse(edges.uid, kAction);
    Fate& of = fate(fates, edges.uid);
    if (!of.stored) return refuse(edges.uid, kMissing);
    for (const EntityUid& parent : edges.parents) {
      if (std::erase(of.parents, parent) == 0) return Error{shown(edges.uid) + " has no parent " + shown(parent)};
    }
  }
  for (const EntityChange::Edges& edges : change.add_parents) {
    if (is_action(edges.uid)) return refuse(edges.uid, kAction);
    Fate& of = fate(fates, edges.uid);
    if (!of.stored) return refuse(edges.uid, kMissing);
    of.parents.insert(of.parents.end(), edges.parents.begin(), edges.parents.end());
  }
  for (auto& [uid, of] : fates) {
    std::sort(of.parents.begin(), of.parents.end());
    of.parents.erase(std::unique(of.parents.begin(), of.parents.end()), of.parents.end());
  }
  return Unit{};
}

bool Editor::State::order(const std::vector<Node>& changed, std::vector<Node>& sorted) const {
  struct Visit {
    Node node;
    std::size_t next;
  };
  std::unordered_map<Node, bool> done;   // false: on the way down
  std::vector<Visit> way;
  for (Node start : changed) {
    if (!done.try_emplace(start, false).second) continue;
    way.push_back({start, 0});
    while (!way.empty()) {
      Visit& at = way.back();
      const std::vector<Node>& children = hierarchy.children(at.node);
      if (at.next == children.size()) {
        done[at.node] = true;
        sorted.push_back(at.node);
        way.pop_back();
        continue;
      }
      const Node child = children[at.next++];
      auto [entry, added] = done.try_emplace(child, false);
      if (added) way.push_back({child, 0});
      else if (!entry->second) return false;
    }
  }
  std::reverse(sorted.begin(), sorted.end());
  return true;
}

std::vector<Node> Editor::State::closure(const Store& draft, Node node) const {
  std::vector<Node> all = hierarchy.parents(node);
  const std::size_t direct = all.size();
  for (std::size_t i = 0; i < direct; ++i) {
    const std::span<const Node> above = draft.ancestors(all[i]);
    all.insert(all.end(), above.begin(), above.end());
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

Status Editor::State::apply(const Fates& fates) {
  auto next = std::make_shared<Engine::State>(*engine.state_);
  Store& draft = next->store;
  std::vector<Node> changed;
  std::vector<std::pair<Node, std::vector<Node>>> before;
  for (const auto& [uid, of] : fates) {
    const Node node = draft.add_node(uid);
    if (!of.stored && draft.stored(node)) draft.remove(node);
    if (of.stored && of.fresh != nullptr) draft.put(node, of.fresh);
    std::vector<Node> parents;
    for (const EntityUid& parent : of.parents) parents.push_back(draft.add_node(parent));
    hierarchy.grow(draft.nodes());
    std::vector<Node> old = hierarchy.parents(node);
    hierarchy.set_parents(node, parents);
    if (old != parents) changed.push_back(node);
    before.emplace_back(node, std::move(old));
  }
  auto undo = [&](std::string why) {
    for (auto at = before.rbegin(); at != before.rend(); ++at) hierarchy.set_parents(at->first, at->second);
    return Error{std::move(why)};
  };
  if (draft.nodes() >= Engine::State::kNodes) return undo("more than " + std::to_string(Engine::State::kNodes) + " entities");
  std::vector<Node> sorted;
  if (!order(changed, sorted)) return undo("the parents would form a cycle: an entity would be its own ancestor");
  std::size_t after = pairs;
  for (Node node : sorted) {
    after -= draft.ancestors(node).size();
    std::vector<Node> all = closure(draft, node);
    after += all.size();
    if (after > kMaxAncestorPairs) {
      return undo("the hierarchy has more than " + std::to_string(kMaxAncestorPairs) + " pairs of entity and ancestor");
    }
    draft.set_ancestors(node, std::move(all));
  }
  pairs = after;
  engine = Engine(std::move(next));
  return Unit{};
}

Editor::Editor(std::unique_ptr<State> state) : state_(std::move(state)) {}
Editor::Editor(Editor&&) noexcept = default;
Editor& Editor::operator=(Editor&&) noexcept = default;
Editor::~Editor() = default;

Result<Editor> Editor::build(std::shared_ptr<const Table> table, Entities entities) {
  Result<Engine> engine = Engine::build(std::move(table), std::move(entities));
  if (!engine.ok()) return engine.error();
  auto state = std::make_unique<State>(*std::move(engine));
  state->learn_hierarchy();
  return Editor(std::move(state));
}

const Engine& Editor::engine() const { return state_->engine; }

Status Editor::change(const EntityChange& change) {
  Fates fates;
  if (Status status = state_->resolve(change, fates); !status.ok()) return status;
  if (Status status = state_->apply(fates); !status.ok()) return status;
  const Store& store = state_->store();
  if (store.added_nodes() <= std::max(kLeastAdded, store.first_nodes())) return Unit{};
  Result<Entities> all = Entities::build(entities());
  check(all.ok(), "the entities of an editor have no cycle");
  return replace(*std::move(all));
}

Status Editor::replace(Entities entities) {
  Result<Editor> built = build(state_->whole_table(), std::move(entities));
  if (!built.ok()) return built.error();
  *this = *std::move(built);
  return Unit{};
}

Status Editor::change(const PolicyChange& change) {
  bool many = false;
  if (Status status = state_->apply(change, many); !status.ok() || !many) return status;
  Result<Entities> all = Entities::build(entities());
  check(all.ok(), "the entities of an editor have no cycle");
  return replace(*std::move(all));
}

std::vector<Entity> Editor::entities() const {
  std::vector<Entity> list;
  const Store& store = state_->store();
  for (Node node = 0; node < store.nodes(); ++node) {
    if (!store.stored(node) || state_->is_action(store.uid(node))) continue;
    Entity& entity = list.emplace_back(*store.entity(node));
    entity.parents = state_->parents_of(node);
    std::sort(entity.parents.begin(), entity.parents.end());
  }
  std::sort(list.begin(), list.end(), [](const Entity& a, const Entity& b) { return a.uid < b.uid; });
  return list;
}

}  // namespace kerf::gateway
