// Entity data: attributes, tags, parents, and the transitive closure of `in`.
#pragma once
#include <map>
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

// Built once, then read-only. Parents may name entities that are not stored; they still count as ancestors.
class Entities {
 public:
  Entities() = default;
  // Fails on a different entity with the same uid (an identical repetition is accepted) and on a cycle of parents.
  static Result<Entities> build(std::vector<Entity> entities);

  const Entity* find(const EntityUid& uid) const;
  // Reflexive and transitive: `descendant in ancestor`. An entity that is not stored has no ancestors but itself.
  bool is_in(const EntityUid& descendant, const EntityUid& ancestor) const;
  const UidSet* ancestors(const EntityUid& uid) const;  // proper ancestors; nullptr if not stored
  const std::vector<Entity>& all() const { return entities_; }  // sorted by uid

  // A copy with these entities added, replaced (same uid) or, for observed ones, merged by the caller beforehand.
  Result<Entities> with(std::vector<Entity> replacements) const;

 private:
  std::vector<Entity> entities_;
  std::unordered_map<EntityUid, std::size_t, EntityUidHash> index_;
  std::vector<UidSet> ancestors_;
};

struct Request {
  EntityUid principal;
  EntityUid action;
  EntityUid resource;
  ValueRecord context;
};

}  // namespace kerf
