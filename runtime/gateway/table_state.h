// A table in memory: flat arrays, groups found by key. Private to runtime/gateway.
#pragma once
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/gateway/scope_uids.h"
#include "runtime/gateway/table.h"

namespace kerf::gateway {

struct Requirement {
  std::uint32_t atom;
  Outcome outcome;
};

struct Row {
  std::uint32_t first = 0;                 // requirements
  std::uint32_t count : 30 = 0;
  Outcome then : 2 = Outcome::true_;
};

// A formula as steps with one current outcome; an error ends it at once.
struct FormulaStep {
  enum class Kind : std::uint8_t { constant, atom, flip, jump, jump_if_false, jump_if_true } kind;
  std::uint32_t operand;        // the Outcome, the atom, or the step to go to
};

// A policy: its rows; or the steps of a formula, whose jumps count from `first`.
struct Rule {
  std::uint32_t policy = 0;
  std::uint32_t first = 0;
  std::uint32_t count : 31 = 0;
  bool is_formula : 1 = false;
};

// A scope on principal or resource: 0 is any; else the number of an entity, for `==` or for `in`.
using ScopeKey = std::uint32_t;
inline constexpr ScopeKey kAnyScope = 0;
constexpr ScopeKey equal_scope(std::uint32_t uid) { return uid * 2 + 1; }
constexpr ScopeKey in_scope(std::uint32_t uid) { return uid * 2 + 2; }

// Policies of the same scopes, forbids before permits.
struct Group {
  ScopeKey principal = kAnyScope, resource = kAnyScope;
  std::uint32_t first = 0;                 // rules
  std::uint32_t forbids = 0, permits = 0;

  std::pair<ScopeKey, ScopeKey> scopes() const { return {principal, resource}; }
};

struct Environment {
  std::string principal, resource;
  EntityUid action;
  std::vector<Expr> atoms;
  std::vector<Rule> rules;
  std::vector<Row> rows;                   // one for all rules that always hold
  std::vector<Requirement> requirements;
  std::vector<FormulaStep> steps;
  std::vector<Group> groups;               // ascending by scopes, each once
  std::vector<std::uint32_t> principal_in, resource_in;   // entities of `in` scopes, ascending

  bool is_of(const Environment& other) const { return principal == other.principal && resource == other.resource && action == other.action; }

  std::span<const Rule> rules_of(const Group& group) const { return std::span(rules).subspan(group.first, group.forbids + group.permits); }
  std::span<const Row> rows_of(const Rule& rule) const { return std::span(rows).subspan(rule.first, rule.count); }
  std::span<const Requirement> needs_of(const Row& row) const { return std::span(requirements).subspan(row.first, row.count); }
  std::span<const FormulaStep> steps_of(const Rule& rule) const { return std::span(steps).subspan(rule.first, rule.count); }
};

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
  Entities actions;
  std::deque<Environment> environments;   // stable: the index points into them
  std::unordered_map<EnvironmentKey, const Environment*, EnvironmentKeyHash> index;
  ScopeUids uids;
};

// Fills the rules of an environment; no two groups have the same scopes. What a row requires and the steps of a formula are appended to the environment itself.
class RuleWriter {
 public:
  explicit RuleWriter(Environment& environment) : out_(environment) {}

  void begin_group(ScopeKey principal, ScopeKey resource);
  void begin_rule(std::uint32_t policy, bool forbid, bool is_formula);
  void begin_row(Outcome then);
  void end_group();
  void finish();

 private:
  void end_row();
  void end_rule();

  Environment& out_;
  Group group_;
  Rule rule_;
  bool in_rule_ = false, in_row_ = false, forbid_ = false;
  std::vector<Rule> forbids_, permits_;    // of the group
  std::uint32_t always_ = 0xffffffffu;     // the row of rules that always hold
};

// The two ways of Table::read, each into an empty state. The fast one takes nothing that the strict one would refuse, and
// reads the same from what it takes; it parses `piece` bytes at a time.
bool read_table_fast(std::string_view text, Table::State& state, std::size_t piece = 1 << 14);
Status read_table_strict(std::string_view text, Table::State& state);

}  // namespace kerf::gateway
