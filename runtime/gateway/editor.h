// Changes of entities while an engine decides. An Editor holds the newest engine and makes the next from it, at a cost that
// follows the change: engines share what did not change, and those that are in use stay as they are. One thread edits;
// give each engine to the others with Live (live.h) or as a copy.
#pragma once
#include "runtime/gateway/engine.h"

namespace kerf::gateway {

// Applied in the order of the fields; none of it, if one part cannot be.
struct EntityChange {
  struct Edges {
    EntityUid uid;
    std::vector<EntityUid> parents;
  };
  std::vector<EntityUid> remove;        // stored ones. Others may go on naming them as parents
  std::vector<Entity> upsert;           // new, or in place of the entity with this uid, parents included
  std::vector<Edges> remove_parents;    // direct ones that the stored entity has
  std::vector<Edges> add_parents;       // to a stored entity; ones that it has already are passed over
};

// {"remove": [UID…], "upsert": [ENTITY…], "removeParents": [{"uid": UID, "parents": [UID…]}…], "addParents": […]}: each
// may be missing; entities as in entities.json.
Result<EntityChange> read_entity_change(std::string_view text);

// Whole or not at all. To replace a policy, remove it and add it.
struct PolicyChange {
  std::vector<std::string> remove;      // ids
  std::shared_ptr<const Table> add;     // compiled from these policies alone, with the same schema; null: none
};

class Editor {
 public:
  static Result<Editor> build(std::shared_ptr<const Table> table, Entities entities);

  const Engine& engine() const;
  // Fails, with the engine as it was, if the change is not possible: an entity that must be stored is not, parents form a
  // cycle, an action of the table is meant, or a bound of the engine is reached. O(k) for a change that reaches k
  // entities and their descendants; now and then as much as a build, when there are more dead nodes than others.
  Status change(const EntityChange& change);
  // Fails, with the engine as it was, if a removed policy is not there, an added one is, or the schema is another. The cost
  // is that of the change, not of the table; each time that many policies have come together, and when it is removed from
  // a large part of them, as much as a build.
  Status change(const PolicyChange& change);
  Status replace(Entities entities);               // all of them
  std::vector<Entity> entities() const;            // sorted by uid, without the table's actions

  Editor(Editor&&) noexcept;
  Editor& operator=(Editor&&) noexcept;
  ~Editor();

 private:
  struct State;
  explicit Editor(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace kerf::gateway
