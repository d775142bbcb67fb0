// Entity data: attributes, tags, parents, and the transitive closure of `in`.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "ir/values/value.h"

namespace kerf {

struct EntityUidHash {
  std::size_t operator()(const EntityUid& uid) const noexcept {
    return std::hash<std::string>{}(uid.type) * 31 + std::hash<std::string>{}(uid.id);
  }
};
using UidSet = std::unordered_set<EntityUid, EntityUidHash>;

struct Entity {
  EntityUid uid;
  ValueRecord attrs;
  ValueRecord tags;
  std::vector<EntityUid> parents;  // as given, sorted, without repetitions
};

// Built once, then read-only; copies share. Parents may name entities that are not stored; they still count as
// ancestors. Memory and time to build are near linear in entities and parents, however deep the hierarchy: only
// closures of at most kStoredAncestors are stored, longer ones are walked (a full closure is quadratic on a chain).
class Entities {
 public:
  static constexpr std::size_t kStoredAncestors = 64;

  Entities();
  // Fails on a different entity with the same uid (an identical repetition is accepted) and on a cycle of parents.
  static Result<Entities> build(std::vector<Entity> entities);

  const Entity* find(const EntityUid& uid) const;
  // Reflexive and transitive: `descendant in ancestor`. An entity that is not stored has no ancestors but itself.
  bool is_in(const EntityUid& descendant, const EntityUid& ancestor) const;
  // `descendant in [a, b, …]` for a set whose elements are all entities; one walk, however many elements.
  bool is_in_any(const EntityUid& descendant, const ValueSet& ancestors) const;
  std::vector<EntityUid> ancestors(const EntityUid& uid) const;         // proper, sorted; none if not stored
  std::vector<const Entity*> descendants(const EntityUid& uid) const;   // stored and proper, sorted by uid
  const std::vector<Entity>& all() const;                               // sorted by uid

  // A copy with these entities added, replaced (same uid) or, for observed ones, merged by the caller beforehand.
  Result<Entities> with(std::vector<Entity> replacements) const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

struct Request {
  EntityUid principal;
  EntityUid action;
  EntityUid resource;
  ValueRecord context;
};

}  // namespace kerf
