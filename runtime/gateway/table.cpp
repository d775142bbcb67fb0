// table.json -> Table. Everything that a decision relies on is checked here: keys, types, indices, one place for each
// policy, one group for each pair of scopes. Decisions then need no checks.
#include "runtime/gateway/table.h"

#include <set>

#include "runtime/gateway/formula_read.h"
#include "runtime/gateway/strict_json.h"
#include "runtime/gateway/table_state.h"

namespace kerf::gateway {
namespace {

constexpr std::size_t kAnyNumber = std::numeric_limits<std::uint32_t>::max();

Result<PolicyInfo> read_policy(const Json& json) {
  if (Status keys = expect_keys(json, {"id", "effect", "annotations", "source"}); !keys.ok()) return keys.error();
  PolicyInfo info;
  Result<std::string> id = read_string(json, "id");
  if (!id.ok()) return id.error();
  info.id = *std::move(id);
  const Json& effect = json["effect"];
  if (effect != "permit" && effect != "forbid") return Error{"`effect` is \"permit\" or \"forbid\""};
  info.forbid = effect == "forbid";
  const Json& annotations = json["annotations"];
  if (!annotations.is_object()) return Error{"`annotations` must be an object"};
  for (const auto& [name, value] : annotations.items()) {
    if (!value.is_string()) return Error{"the annotation " + quote(name) + " must be a string"};
    info.annotations.emplace(name, value.get<std::string>());
  }
  const Json& source = json["source"];
  if (Status keys = expect_keys(source, {"file", "begin", "end", "line", "column"}); !keys.ok()) return keys.error();
  Result<std::string> file = read_string(source, "file");
  if (!file.ok()) return file.error();
  info.file = *std::move(file);
  const std::pair<const char*, std::uint32_t*> places[] = {
      {"begin", &info.begin}, {"end", &info.end}, {"line", &info.line}, {"column", &info.column}};
  for (const auto& [key, place] : places) {
    Result<std::uint32_t> number = read_index(source[key], key, kAnyNumber);
    if (!number.ok()) return number.error();
    *place = *number;
  }
  return info;
}

Result<Entity> read_action(const Json& json) {
  if (Status keys = expect_keys(json, {"uid", "parents"}); !keys.ok()) return keys.error();
  Entity action;
  Result<EntityUid> uid = read_plain_uid(json["uid"]);
  if (!uid.ok()) return uid.error();
  action.uid = *std::move(uid);
  Status parents = read_each(json, "parents", [&](const Json& element) -> Status {
    Result<EntityUid> parent = read_plain_uid(element);
    if (!parent.ok()) return parent.error();
    action.parents.push_back(*std::move(parent));
    return Unit{};
  });
  if (!parents.ok()) return parents.error();
  return action;
}

class EnvironmentReader {
 public:
  explicit EnvironmentReader(Table::State& table) : table_(table), placed_(table.policies.size(), false) {}

  Status read(const Json& json, Environment& environment) {
    environment_ = &environment;
    if (Status keys = expect_keys(json, {"principal", "action", "resource", "atoms", "groups"}); !keys.ok()) return keys;
    Result<std::string> principal = read_string(json, "principal");
    if (!principal.ok()) return principal.error();
    Result<std::string> resource = read_string(json, "resource");
    if (!resource.ok()) return resource.error();
    Result<EntityUid> action = read_plain_uid(json["action"]);
    if (!action.ok()) return action.error();
    environment.principal = *std::move(principal);
    environment.resource = *std::move(resource);
    environment.action = *std::move(action);
    if (table_.action_entities.find(environment.action) == nullptr) {
      return Error{"the action " + to_text(environment.action) + " is not among `actions`"};
    }
    Status atoms = read_each(json, "atoms", [&](const Json& atom) -> Status {
      Result<Expr> expr = Expr::from_json(atom);
      if (!expr.ok()) return expr.error();
      environment.atoms.push_back(*std::move(expr));
      return Unit{};
    });
    if (!atoms.ok()) return atoms;
    return read_each(json, "groups", [&](const Json& group) { return read_group(group); });
  }

 private:
  Status read_group(const Json& json) {
    if (Status keys = expect_keys(json, {"principal", "resource", "rows", "exprs"}); !keys.ok()) return keys;
    Result<ScopeKey> principal = read_scope(json["principal"], environment_->principal_in, seen_principals_);
    if (!principal.ok()) return principal.error();
    Result<ScopeKey> resource = read_scope(json["resource"], environment_->resource_in, seen_resources_);
    if (!resource.ok()) return resource.error();
    const auto number = static_cast<std::uint32_t>(environment_->groups.size());
    if (!environment_->by_scopes.emplace(scope_pair(*principal, *resource), number).second) {
      return Error{"another group has the same scopes"};
    }
    environment_->by_principal[*principal].emplace_back(*resource, number);
    Group& group = environment_->groups.emplace_back();
    group.first_row = static_cast<std::uint32_t>(environment_->rows.size());
    group.first_formula = static_cast<std::uint32_t>(environment_->formulas.size());
    Status rows = read_each(json, "rows", [&](const Json& row) { return read_row(row, group); });
    if (!rows.ok()) return rows;
    return read_each(json, "exprs", [&](const Json& rule) { return read_rule(rule, group); });
  }

  Result<ScopeKey> read_scope(const Json& json, std::vector<const ScopeUid*>& in_scopes, std::set<ScopeKey>& seen) {
    if (json.is_null()) return kAnyScope;
    if (!json.is_object() || json.size() != 1 || (!json.contains("==") && !json.contains("in"))) {
      return Error{"a scope is null, {\"==\": entity} or {\"in\": entity}"};
    }
    Result<EntityUid> uid = read_plain_uid(json.begin().value());
    if (!uid.ok()) return uid.error();
    const auto next = static_cast<std::uint32_t>(table_.uids.size());
    const ScopeUid& known = *table_.uids.emplace(*std::move(uid), next).first;
    if (json.begin().key() == "==") return equal_scope(known.second);
    if (seen.insert(in_scope(known.second)).second) in_scopes.push_back(&known);
    return in_scope(known.second);
  }

  Result<std::uint32_t> read_policy_index(const Json& json) {
    return read_index(json["policy"], "policy", table_.policies.size());
  }

  Status read_row(const Json& json, Group& group) {
    if (Status keys = expect_keys(json, {"policy", "when", "then"}); !keys.ok()) return keys;
    Result<std::uint32_t> policy = read_policy_index(json);
    if (!policy.ok()) return policy.error();
    const bool continues = group.row_count != 0 && environment_->rows.back().policy == *policy;
    if (!continues && placed_[*policy]) {
      return Error{"the rows of a policy must lie together, in one group and without an expression"};
    }
    placed_[*policy] = true;
    const Json& then = json["then"];
    if (then != "true" && then != "error") return Error{"`then` is \"true\" or \"error\""};
    Row row{*policy, static_cast<std::uint32_t>(environment_->requirements.size()), 0,
            then == "true" ? Outcome::true_ : Outcome::error};
    Status when = read_each(json, "when", [&](const Json& pair) { return read_requirement(pair, row); });
    if (!when.ok()) return when;
    const bool ends_in_error = row.count != 0 && environment_->requirements.back().outcome == Outcome::error;
    if (ends_in_error != (row.then == Outcome::error)) {
      return Error{"a row is \"error\" if and only if its last pair is"};
    }
    environment_->rows.push_back(row);
    ++group.row_count;
    return Unit{};
  }

  Status read_requirement(const Json& json, Row& row) {
    if (!json.is_array() || json.size() != 2) return Error{"an array of an atom and an outcome is expected"};
    if (row.count != 0 && environment_->requirements.back().outcome == Outcome::error) {
      return Error{"nothing follows an error"};
    }
    Result<std::uint32_t> atom = read_index(json[0], "atom", environment_->atoms.size());
    if (!atom.ok()) return atom.error();
    const Json& outcome = json[1];
    if (outcome != "true" && outcome != "false" && outcome != "error") {
      return Error{"an outcome is \"true\", \"false\" or \"error\""};
    }
    environment_->requirements.push_back(
        {*atom, outcome == "true" ? Outcome::true_ : outcome == "false" ? Outcome::false_ : Outcome::error});
    ++row.count;
    return Unit{};
  }

  Status read_rule(const Json& json, Group& group) {
    if (Status keys = expect_keys(json, {"policy", "formula"}); !keys.ok()) return keys;
    Result<std::uint32_t> policy = read_policy_index(json);
    if (!policy.ok()) return policy.error();
    if (placed_[*policy]) return Error{"the policy has rows or another expression already"};
    placed_[*policy] = true;
    const auto first = static_cast<std::uint32_t>(environment_->steps.size());
    Status formula = read_formula(json["formula"], environment_->atoms.size(), environment_->steps);
    if (!formula.ok()) return formula;
    const auto count = static_cast<std::uint32_t>(environment_->steps.size() - first);
    environment_->formulas.push_back({*policy, first, count});
    ++group.formula_count;
    return Unit{};
  }

  Table::State& table_;
  std::set<ScopeKey> seen_principals_, seen_resources_;
  std::vector<bool> placed_;   // policies that have rows or an expression already
  Environment* environment_ = nullptr;
};

Status read_header(const Json& json) {
  if (!json.is_object() || !json.contains("format") || json["format"] != "kerf-table") {
    return Error{"not a decision table: `format` must be \"kerf-table\""};
  }
  if (!json.contains("version") || !json["version"].is_number_integer()) return Error{"`version` must be a number"};
  if (json["version"] == kTableVersion) return Unit{};
  return Error{"the table has format version " + json["version"].dump() + ", this evaluator reads version " +
               std::to_string(kTableVersion) + ": compile the policies again, or use a matching evaluator"};
}

Status read_policies(const Json& json, Table::State& table) {
  std::unordered_map<std::string, std::size_t> ids;
  return read_each(json, "policies", [&](const Json& element) -> Status {
    Result<PolicyInfo> info = read_policy(element);
    if (!info.ok()) return info.error();
    if (!ids.emplace(info->id, ids.size()).second) return Error{"another policy has the id " + quote(info->id)};
    table.policies.push_back(*std::move(info));
    return Unit{};
  });
}

Status read_actions(const Json& json, Table::State& table) {
  Status each = read_each(json, "actions", [&](const Json& element) -> Status {
    Result<Entity> action = read_action(element);
    if (!action.ok()) return action.error();
    table.actions.push_back(*std::move(action));
    return Unit{};
  });
  if (!each.ok()) return each;
  Result<Entities> entities = Entities::build(table.actions);
  if (!entities.ok()) return Error{"actions: " + entities.error().message};
  table.action_entities = *std::move(entities);
  table.actions = table.action_entities.all();
  return Unit{};
}

Status read_environments(const Json& json, Table::State& table) {
  return read_each(json, "environments", [&](const Json& element) -> Status {
    Environment& environment = table.environments.emplace_back();
    Status status = EnvironmentReader(table).read(element, environment);
    if (!status.ok()) return status;
    EnvironmentKey key{environment.principal, environment.action.type, environment.action.id, environment.resource};
    if (!table.index.emplace(key, &environment).second) {
      return Error{"another environment has the same principal, action and resource"};
    }
    return Unit{};
  });
}

}  // namespace

Table::Table(std::unique_ptr<State> state) : state_(std::move(state)) {}
Table::Table(Table&&) noexcept = default;
Table& Table::operator=(Table&&) noexcept = default;
Table::~Table() = default;

const std::vector<PolicyInfo>& Table::policies() const { return state_->policies; }
const std::vector<Entity>& Table::actions() const { return state_->actions; }

Result<Table> Table::read(std::string_view text) {
  Result<Json> parsed = parse_json(text, kMaxTableDepth, JsonNull::accept);
  if (!parsed.ok()) return Error{"the decision table is not valid JSON: " + parsed.error().message};
  const Json& json = *parsed;
  auto state = std::make_unique<State>();
  Status status = read_header(json);
  if (status.ok()) {
    status = expect_keys(json, {"format", "version", "policies", "actions", "environments"});
  }
  for (auto* read : {read_policies, read_actions, read_environments}) {
    if (status.ok()) status = read(json, *state);
  }
  if (!status.ok()) return Error{"the decision table is not valid: " + status.error().message};
  return Table(std::move(state));
}

}  // namespace kerf::gateway
