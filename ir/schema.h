// A resolved schema: full names, no common types left, hierarchies closed, kernel bindings read from `@kernel`.
#pragma once
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ir/base/source.h"
#include "ir/kernel_model.h"
#include "ir/types.h"
#include "ir/values/entities.h"

namespace kerf {

struct Annotations {
  std::map<std::string, std::string> values;
};

// Where an attribute's value comes from at a hook. Keyed by attribute name in EntityType and Action.
struct AttrBinding {
  enum class Kind { observable, fact } kind;
  std::string name;   // "endpoint.ip", "process.uid"; for a fact its NAME
  Span span;
};

struct EntityType {
  std::string name;
  std::set<std::string> parents;          // declared `in`, direct
  std::set<std::string> ancestors;        // closed, proper; may contain itself if the hierarchy is recursive
  TypeId attrs;                           // a record type
  std::optional<TypeId> tags;
  std::optional<std::vector<std::string>> enum_ids;   // as declared, without repetitions
  std::set<std::string, std::less<>> enum_index;      // the same, to look one up
  Annotations annotations;
  std::map<std::string, Span> attr_spans;
  std::optional<KernelKind> kernel;       // `@kernel("process")` …
  std::map<std::string, AttrBinding> bindings;
  Span span;                              // of the declared name
};

struct Action {
  EntityUid uid;
  std::set<EntityUid> parents, ancestors; // closed, proper
  std::vector<std::string> principals, resources;  // sorted, without repetitions
  TypeId context;                         // a record type
  Annotations annotations;
  std::map<std::string, Span> context_spans;
  std::vector<KernelEventId> events;      // non-empty: governed
  std::map<std::string, AttrBinding> bindings;
  std::optional<std::string> refusal_errno;        // @errno
  Span span;
};

// Does the context of the action have this observable?
inline bool binds(const Action& action, std::string_view observable) {
  return std::any_of(action.bindings.begin(), action.bindings.end(), [&](const auto& bound) {
    return bound.second.kind == AttrBinding::Kind::observable && bound.second.name == observable;
  });
}

// One combination a request can have; policies are type-checked and split per environment.
struct RequestEnv {
  std::string principal;
  EntityUid action;
  std::string resource;
  friend auto operator<=>(const RequestEnv&, const RequestEnv&) = default;
};

struct Schema {
  Types types;
  std::map<std::string, EntityType> entity_types;
  std::map<EntityUid, Action> actions;

  const EntityType* find_type(const std::string& name) const;
  const Action* find_action(const EntityUid& uid) const;
  std::vector<RequestEnv> environments() const;     // sorted
  std::vector<Entity> action_entities() const;      // the action hierarchy as entities
  const EntityType* kernel_type(KernelKind kind) const;  // the one entity type of that kind, or nullptr
};

}  // namespace kerf
