// A table in memory: flat arrays, groups found by key. Private to runtime/gateway.
#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/gateway/table.h"

namespace kerf::gateway {

struct Requirement {
  std::uint32_t atom;
  Outcome outcome;
};

struct Row {
  std::uint32_t policy;
  std::uint32_t first, count;   // requirements
  Outcome then;
};

// A formula as steps with one current outcome; an error ends it at once.
struct FormulaStep {
  enum class Kind : std::uint8_t { constant, atom, flip, jump, jump_if_false, jump_if_true } kind;
  std::uint32_t operand;        // the Outcome, the atom, or the step to go to
};

struct FormulaRule {
  std::uint32_t policy;
  std::uint32_t first, count;   // steps; jumps count from `first`
};

struct Group {
  std::uint32_t first_row = 0, row_count = 0;        // rows of one policy lie together
  std::uint32_t first_formula = 0, formula_count = 0;
};

// A scope on principal or resource: 0 is any; else the interned uid, for `==` or for `in`.
using ScopeKey = std::uint32_t;
inline constexpr ScopeKey kAnyScope = 0;
constexpr ScopeKey equal_scope(std::uint32_t uid) { return uid * 2 + 1; }
constexpr ScopeKey in_scope(std::uint32_t uid) { return uid * 2 + 2; }

using ScopeUid = std::pair<const EntityUid, std::uint32_t>;

struct Environment {
  std::string principal, resource;
  EntityUid action;
  std::vector<Expr> atoms;
  std::vector<Row> rows;
  std::vector<Requirement> requirements;
  std::vector<FormulaRule> formulas;
  std::vector<FormulaStep> steps;
  std::vector<Group> groups;
  // Scope of the principal -> the resource scopes that occur with it, each with its group.
  std::unordered_map<ScopeKey, std::vector<std::pair<ScopeKey, std::uint32_t>>> by_principal;
  std::unordered_map<std::uint64_t, std::uint32_t> by_scopes;
  std::vector<const ScopeUid*> principal_in, resource_in;   // distinct entities of `in` scopes, owned by State::uids
};
constexpr std::uint64_t scope_pair(ScopeKey principal, ScopeKey resource) {
  return static_cast<std::uint64_t>(principal) << 32 | resource;
}

struct EnvironmentKey {
  std::string_view principal, action_type, action_id, resource;
  friend bool operator==(const EnvironmentKey&, const EnvironmentKey&) = default;
};
struct EnvironmentKeyHash {
  std::size_t operator()(const EnvironmentKey& key) const noexcept {
    std::size_t hash = 0;
    for (std::string_view part : {key.principal, key.action_type, key.action_id, key.resource}) {
      hash = hash * 1099511628211u + std::hash<std::string_view>{}(part);
    }
    return hash;
  }
};

// What is said of a request that no environment fits.
std::string no_environment(std::string_view principal_type, const EntityUid& action, std::string_view resource_type);

struct Table::State {
  std::vector<PolicyInfo> policies;
  std::vector<Entity> actions;
  Entities action_entities;
  std::deque<Environment> environments;   // stable: the index points into them
  std::unordered_map<EnvironmentKey, const Environment*, EnvironmentKeyHash> index;
  std::unordered_map<EntityUid, std::uint32_t, EntityUidHash> uids;   // those in scopes
};

// The two ways of Table::read, each into an empty state. The fast one takes nothing that the strict one would refuse, and
// reads the same from what it takes.
bool read_table_fast(std::string_view text, Table::State& state);
Status read_table_strict(std::string_view text, Table::State& state);

}  // namespace kerf::gateway
