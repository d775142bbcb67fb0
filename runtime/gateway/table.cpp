// table.json -> Table. Everything that a decision relies on is checked here: keys, types, indices, one place for each
// policy, one group for each pair of scopes. Decisions then need no checks.
#include "runtime/gateway/table.h"

#include <optional>
#include <set>
#include <unordered_set>

#include "runtime/gateway/formula_read.h"
#include "runtime/gateway/strict_json.h"
#include "runtime/gateway/table_state.h"

namespace kerf::gateway {
namespace {

constexpr std::size_t kAnyNumber = std::numeric_limits<std::uint32_t>::max();

template <class Node>
Result<PolicyInfo> read_policy(const Node& json) {
  if (Status keys = expect_keys(json, {"id", "effect", "annotations", "source"}); !keys.ok()) return keys.error();
  PolicyInfo info;
  Result<std::string> id = read_string(json, "id");
  if (!id.ok()) return id.error();
  info.id = *std::move(id);
  const Node effect = *json.find("effect");
  if (!effect.is_text("permit") && !effect.is_text("forbid")) return Error{"`effect` is \"permit\" or \"forbid\""};
  info.forbid = effect.is_text("forbid");
  const Node annotations = *json.find("annotations");
  if (!annotations.is_object()) return Error{"`annotations` must be an object"};
  const auto members = annotations.members();
  if (repeats(members)) return Error{"an annotation is there twice"};
  for (const auto& [name, value] : members) {
    if (!value.is_string()) return Error{"the annotation " + quote(std::string(name)) + " must be a string"};
    info.annotations.emplace_hint(info.annotations.end(), name, value.text());
  }
  const Node source = *json.find("source");
  if (Status keys = expect_keys(source, {"file", "begin", "end", "line", "column"}); !keys.ok()) return keys.error();
  Result<std::string> file = read_string(source, "file");
  if (!file.ok()) return file.error();
  info.file = *std::move(file);
  const std::pair<const char*, std::uint32_t*> places[] = {
      {"begin", &info.begin}, {"end", &info.end}, {"line", &info.line}, {"column", &info.column}};
  for (const auto& [key, place] : places) {
    Result<std::uint32_t> number = read_index(*source.find(key), key, kAnyNumber);
    if (!number.ok()) return number.error();
    *place = *number;
  }
  return info;
}

template <class Node>
Result<Entity> read_action(const Node& json) {
  if (Status keys = expect_keys(json, {"uid", "parents"}); !keys.ok()) return keys.error();
  Entity action;
  Result<EntityUid> uid = read_plain_uid(*json.find("uid"));
  if (!uid.ok()) return uid.error();
  action.uid = *std::move(uid);
  Status parents = read_each(json, "parents", [&](const Node& element) -> Status {
    Result<EntityUid> parent = read_plain_uid(element);
    if (!parent.ok()) return parent.error();
    action.parents.push_back(*std::move(parent));
    return Unit{};
  });
  if (!parents.ok()) return parents.error();
  return action;
}

template <class Node>
class EnvironmentReader {
 public:
  explicit EnvironmentReader(Table::State& table) : table_(table), placed_(table.policies.size(), false) {}

  Status read(const Node& json, Environment& environment) {
    environment_ = &environment;
    RuleWriter writer(environment);
    writer_ = &writer;
    if (Status keys = expect_keys(json, {"principal", "action", "resource", "atoms", "groups"}); !keys.ok()) return keys;
    Result<std::string> principal = read_string(json, "principal");
    if (!principal.ok()) return principal.error();
    Result<std::string> resource = read_string(json, "resource");
    if (!resource.ok()) return resource.error();
    Result<EntityUid> action = read_plain_uid(*json.find("action"));
    if (!action.ok()) return action.error();
    environment.principal = *std::move(principal);
    environment.resource = *std::move(resource);
    environment.action = *std::move(action);
    if (table_.action_entities.find(environment.action) == nullptr) {
      return Error{"the action " + to_text(environment.action) + " is not among `actions`"};
    }
    Status atoms = read_each(json, "atoms", [&](const Node& atom) -> Status {
      Result<Expr> expr = Expr::from_node(atom);
      if (!expr.ok()) return expr.error();
      environment.atoms.push_back(*std::move(expr));
      return Unit{};
    });
    if (!atoms.ok()) return atoms;
    Status groups = read_each(json, "groups", [&](const Node& group) { return read_group(group); });
    writer.finish();
    return groups;
  }

 private:
  Status read_group(const Node& json) {
    if (Status keys = expect_keys(json, {"principal", "resource", "rows", "exprs"}); !keys.ok()) return keys;
    Result<ScopeKey> principal = read_scope(*json.find("principal"));
    if (!principal.ok()) return principal.error();
    Result<ScopeKey> resource = read_scope(*json.find("resource"));
    if (!resource.ok()) return resource.error();
    if (!scopes_.emplace(*principal, *resource).second) return Error{"another group has the same scopes"};
    writer_->begin_group(*principal, *resource);
    last_.reset();
    Status rules = read_each(json, "rows", [&](const Node& row) { return read_row(row); });
    if (rules.ok()) rules = read_each(json, "exprs", [&](const Node& rule) { return read_formula_rule(rule); });
    writer_->end_group();
    return rules;
  }

  Result<ScopeKey> read_scope(const Node& json) {
    if (json.is_null()) return kAnyScope;
    const bool equal = json.is_object() && json.size() == 1 && json.only().first == "==";
    if (!equal && !(json.is_object() && json.size() == 1 && json.only().first == "in")) {
      return Error{"a scope is null, {\"==\": entity} or {\"in\": entity}"};
    }
    Result<EntityUid> uid = read_plain_uid(json.only().second);
    if (!uid.ok()) return uid.error();
    const std::uint32_t number = table_.uids.add(uid->type, uid->id);
    return equal ? equal_scope(number) : in_scope(number);
  }

  Result<std::uint32_t> read_policy_index(const Node& json) {
    return read_index(*json.find("policy"), "policy", table_.policies.size());
  }

  Status read_row(const Node& json) {
    if (Status keys = expect_keys(json, {"policy", "when", "then"}); !keys.ok()) return keys;
    Result<std::uint32_t> policy = read_policy_index(json);
    if (!policy.ok()) return policy.error();
    if (last_ != *policy) {
      if (placed_[*policy]) return Error{"the rows of a policy must lie together, in one group and without an expression"};
      placed_[*policy] = true;
      last_ = *policy;
      writer_->begin_rule(*policy, table_.policies[*policy].forbid, false);
    }
    const Node then = *json.find("then");
    if (!then.is_text("true") && !then.is_text("error")) return Error{"`then` is \"true\" or \"error\""};
    writer_->begin_row(then.is_text("true") ? Outcome::true_ : Outcome::error);
    bool ends_in_error = false;
    Status when = read_each(json, "when", [&](const Node& pair) -> Status {
      if (ends_in_error) return Error{"nothing follows an error"};
      Result<Requirement> required = read_requirement(pair);
      if (!required.ok()) return required.error();
      ends_in_error = required->outcome == Outcome::error;
      environment_->requirements.push_back(*required);
      return Unit{};
    });
    if (!when.ok()) return when;
    if (ends_in_error != then.is_text("error")) return Error{"a row is \"error\" if and only if its last pair is"};
    return Unit{};
  }

  Result<Requirement> read_requirement(const Node& json) {
    if (!json.is_array() || json.size() != 2) return Error{"an array of an atom and an outcome is expected"};
    const std::vector<Node> pair = json.elements();
    Result<std::uint32_t> atom = read_index(pair[0], "atom", environment_->atoms.size());
    if (!atom.ok()) return atom.error();
    const Node outcome = pair[1];
    if (!outcome.is_text("true") && !outcome.is_text("false") && !outcome.is_text("error")) {
      return Error{"an outcome is \"true\", \"false\" or \"error\""};
    }
    return Requirement{*atom, outcome.is_text("true") ? Outcome::true_ : outcome.is_text("false") ? Outcome::false_ : Outcome::error};
  }

  Status read_formula_rule(const Node& json) {
    if (Status keys = expect_keys(json, {"policy", "formula"}); !keys.ok()) return keys;
    Result<std::uint32_t> policy = read_policy_index(json);
    if (!policy.ok()) return policy.error();
    if (placed_[*policy]) return Error{"the policy has rows or another expression already"};
    placed_[*policy] = true;
    writer_->begin_rule(*policy, table_.policies[*policy].forbid, true);
    return read_formula(*json.find("formula"), environment_->atoms.size(), environment_->steps);
  }

  Table::State& table_;
  std::set<std::pair<ScopeKey, ScopeKey>> scopes_;
  std::vector<bool> placed_;             // policies that have rows or an expression already
  std::optional<std::uint32_t> last_;    // the group's policy whose rows are being read
  Environment* environment_ = nullptr;
  RuleWriter* writer_ = nullptr;
};

template <class Node>
Status read_header(const Node& json) {
  const std::optional<Node> format = json.is_object() ? json.find("format") : std::nullopt;
  if (!format || !format->is_text("kerf-table")) return Error{"not a decision table: `format` must be \"kerf-table\""};
  const std::optional<Node> version = json.find("version");
  if (!version || !version->is_integer()) return Error{"`version` must be a number"};
  if (version->natural() == kTableVersion) return Unit{};
  return Error{"the table has format version " + version->number() + ", this evaluator reads version " +
               std::to_string(kTableVersion) + ": compile the policies again, or use a matching evaluator"};
}

template <class Node>
Status read_policies(const Node& json, Table::State& table) {
  std::unordered_set<std::string> ids;
  Status each = read_each(json, "policies", [&](const Node& element) -> Status {
    Result<PolicyInfo> info = read_policy(element);
    if (!info.ok()) return info.error();
    if (!ids.insert(info->id).second) return Error{"another policy has the id " + quote(info->id)};
    table.policies.push_back(*std::move(info));
    return Unit{};
  });
  table.policies.shrink_to_fit();
  return each;
}

template <class Node>
Status read_actions(const Node& json, Table::State& table) {
  Status each = read_each(json, "actions", [&](const Node& element) -> Status {
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

template <class Node>
Status read_environments(const Node& json, Table::State& table) {
  return read_each(json, "environments", [&](const Node& element) -> Status {
    Environment& environment = table.environments.emplace_back();
    Status status = EnvironmentReader<Node>(table).read(element, environment);
    if (!status.ok()) return status;
    EnvironmentKey key{environment.principal, environment.action.type, environment.action.id, environment.resource};
    if (!table.index.emplace(key, &environment).second) {
      return Error{"another environment has the same principal, action and resource"};
    }
    return Unit{};
  });
}

template <class Node>
Status read_table(const Node& json, Table::State& state) {
  if (Status status = read_header(json); !status.ok()) return status;
  if (Status keys = expect_keys(json, {"format", "version", "policies", "actions", "environments"}); !keys.ok()) return keys;
  for (auto* read : {read_policies<Node>, read_actions<Node>, read_environments<Node>}) {
    if (Status status = read(json, state); !status.ok()) return status;
  }
  state.uids.shrink_to_fit();
  return Unit{};
}

}  // namespace

Table::Table(std::unique_ptr<State> state) : state_(std::move(state)) {}
Table::Table(Table&&) noexcept = default;
Table& Table::operator=(Table&&) noexcept = default;
Table::~Table() = default;

const std::vector<PolicyInfo>& Table::policies() const { return state_->policies; }
const std::vector<Entity>& Table::actions() const { return state_->actions; }

// By simdjson. What it refuses, for whatever reason, is read again by the other parser, which says whether it is wrong
// and why; so this must refuse all that the other refuses.
bool read_table_fast(std::string_view text, Table::State& state) {
  // simdjson lets through half of a pair of surrogates.
  if (text.find("\\ud") != std::string_view::npos || text.find("\\uD") != std::string_view::npos) return false;
  simdjson::dom::parser parser;
  // The two do not count nesting quite alike.
  if (parser.allocate(std::max<std::size_t>(text.size(), 64), kMaxTableDepth - 8) != simdjson::SUCCESS) return false;
  simdjson::dom::element root;
  if (parser.parse(text.data(), text.size()).get(root) != simdjson::SUCCESS) return false;
  return read_table(TapeNode(root), state).ok();
}

Status read_table_strict(std::string_view text, Table::State& state) {
  Result<Json> parsed = parse_json(text, kMaxTableDepth, JsonNull::accept);
  if (!parsed.ok()) return Error{"the decision table is not valid JSON: " + parsed.error().message};
  Status status = read_table(JsonNode(*parsed), state);
  if (!status.ok()) return Error{"the decision table is not valid: " + status.error().message};
  return Unit{};
}

Result<Table> Table::read(std::string_view text) {
  auto state = std::make_unique<State>();
  if (read_table_fast(text, *state)) return Table(std::move(state));
  state = std::make_unique<State>();
  if (Status status = read_table_strict(text, *state); !status.ok()) return status.error();
  return Table(std::move(state));
}

}  // namespace kerf::gateway
