// What an editor keeps beside its engine. Private to runtime/gateway.
#pragma once
#include <map>
#include <unordered_map>

#include "runtime/gateway/editor.h"
#include "runtime/gateway/engine_state.h"

namespace kerf::gateway {

// The edges to parents and back; an edge knows its place in its parent's list, so it goes in constant time.
class Hierarchy {
 public:
  void grow(std::size_t nodes) {
    if (nodes > up_.size()) up_.resize(nodes), down_.resize(nodes);
  }
  std::vector<Node> parents(Node node) const {
    std::vector<Node> list;
    for (const Edge& edge : up_[node]) list.push_back(edge.parent);
    return list;
  }
  const std::vector<Node>& children(Node node) const { return down_[node]; }
  void set_parents(Node child, const std::vector<Node>& parents) {
    while (!up_[child].empty()) drop_last(child);
    for (Node parent : parents) {
      up_[child].push_back({parent, static_cast<std::uint32_t>(down_[parent].size())});
      down_[parent].push_back(child);
    }
  }

 private:
  struct Edge {
    Node parent;
    std::uint32_t place;
  };
  void drop_last(Node child) {
    const Edge edge = up_[child].back();
    up_[child].pop_back();
    std::vector<Node>& siblings = down_[edge.parent];
    const Node moved = siblings.back();
    siblings.pop_back();
    if (edge.place == siblings.size()) return;
    siblings[edge.place] = moved;
    for (Edge& other : up_[moved]) {
      if (other.parent == edge.parent) other.place = edge.place;
    }
  }
  std::vector<std::vector<Edge>> up_;
  std::vector<std::vector<Node>> down_;
};

// What comes of one entity.
struct Fate {
  bool stored = false;
  std::shared_ptr<const Entity> fresh;   // null: its attributes and tags stay
  std::vector<EntityUid> parents;
};
using Fates = std::map<EntityUid, Fate>;

struct Editor::State {
  Engine engine;
  Hierarchy hierarchy;
  std::size_t pairs = 0;   // of entity and ancestor
  std::unordered_map<std::string_view, std::uint32_t> first_policies;   // by id; made when it is first needed

  explicit State(Engine first) : engine(std::move(first)) {}
  const Store& store() const { return engine.state_->store; }
  const Plans& plans() const { return *engine.state_->plans; }
  bool is_action(const EntityUid& uid) const { return plans().table->state().actions.find(uid) != nullptr; }
  std::vector<EntityUid> parents_of(Node node) const {
    std::vector<EntityUid> list;
    for (Node parent : hierarchy.parents(node)) list.push_back(store().uid(parent));
    return list;
  }

  void learn_hierarchy();
  Fate& fate(Fates& fates, const EntityUid& uid) const;
  Status resolve(const EntityChange& change, Fates& fates) const;
  Status apply(const Fates& fates);
  Status apply(const PolicyChange& change, bool& many);   // `many`: it is time to build anew
  std::shared_ptr<const Table> whole_table() const;       // with the changes of policies
  // The nodes and their descendants, parents first. False if a cycle can be reached.
  bool order(const std::vector<Node>& changed, std::vector<Node>& sorted) const;
  std::vector<Node> closure(const Store& draft, Node node) const;
};

}  // namespace kerf::gateway
