// table.json -> Table. Everything that a decision relies on is checked here: keys, types, indices, one place for each
// policy, one group for each pair of scopes. Decisions then need no checks.
#include "runtime/gateway/table.h"

#include <optional>
#include <tuple>
#include <unordered_set>

#include "runtime/gateway/formula_read.h"
#include "runtime/gateway/strict_json.h"
#include "runtime/gateway/table_state.h"

namespace kerf::gateway {
namespace {

constexpr std::string_view kJsonSpace = " \n\t\r";
constexpr std::size_t kAnyNumber = std::numeric_limits<std::uint32_t>::max();

template <class Node>
Result<PolicyInfo> read_policy(const Node& json) {
  const auto fields = read_fields<4>(json, {"id", "effect", "annotations", "source"});
  if (!fields.ok()) return fields.error();
  const auto& [id_node, effect, annotations, source] = *fields;
  PolicyInfo info;
  Result<std::string> id = read_string(id_node, "id");
  if (!id.ok()) return id.error();
  info.id = *std::move(id);
  if (!effect.is_text("permit") && !effect.is_text("forbid")) return Error{"`effect` is \"permit\" or \"forbid\""};
  info.forbid = effect.is_text("forbid");
  if (!annotations.is_object()) return Error{"`annotations` must be an object"};
  const auto members = annotations.members();
  if (repeats(members)) return Error{"an annotation is there twice"};
  for (const auto& [name, value] : members) {
    if (!value.is_string()) return Error{"the annotation " + quote(std::string(name)) + " must be a string"};
    info.annotations.emplace_hint(info.annotations.end(), name, value.text());
  }
  const auto place_fields = read_fields<5>(source, {"file", "begin", "end", "line", "column"});
  if (!place_fields.ok()) return place_fields.error();
  const auto& [file_node, begin, end, line, column] = *place_fields;
  Result<std::string> file = read_string(file_node, "file");
  if (!file.ok()) return file.error();
  info.file = *std::move(file);
  const std::tuple<const char*, const Node*, std::uint32_t*> places[] = {
      {"begin", &begin, &info.begin}, {"end", &end, &info.end}, {"line", &line, &info.line}, {"column", &column, &info.column}};
  for (const auto& [key, node, place] : places) {
    Result<std::uint32_t> number = read_index(*node, key, kAnyNumber);
    if (!number.ok()) return number.error();
    *place = *number;
  }
  return info;
}

template <class Node>
Result<Entity> read_action(const Node& json) {
  const auto fields = read_fields<2>(json, {"uid", "parents"});
  if (!fields.ok()) return fields.error();
  Entity action;
  Result<EntityUid> uid = read_plain_uid((*fields)[0]);
  if (!uid.ok()) return uid.error();
  action.uid = *std::move(uid);
  Status parents = read_each((*fields)[1], "parents", [&](const Node& element) -> Status {
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

  template <class Node>
  Status read(const Node& json, Environment& environment) {
    environment_ = &environment;
    RuleWriter writer(environment);
    writer_ = &writer;
    const auto fields = read_fields<5>(json, {"principal", "action", "resource", "atoms", "groups"});
    if (!fields.ok()) return fields.error();
    const auto& [principal_node, action_node, resource_node, atoms_node, groups_node] = *fields;
    Result<std::string> principal = read_string(principal_node.whole(), "principal");
    if (!principal.ok()) return principal.error();
    Result<std::string> resource = read_string(resource_node.whole(), "resource");
    if (!resource.ok()) return resource.error();
    Result<EntityUid> action = read_plain_uid(action_node.whole());
    if (!action.ok()) return action.error();
    environment.principal = *std::move(principal);
    environment.resource = *std::move(resource);
    environment.action = *std::move(action);
    if (table_.actions.find(environment.action) == nullptr) {
      return Error{"the action " + to_text(environment.action) + " is not among `actions`"};
    }
    Status atoms = read_each(atoms_node, "atoms", [&](const auto& atom) -> Status {
      Result<Expr> expr = Expr::from_node(atom);
      if (!expr.ok()) return expr.error();
      environment.atoms.push_back(*std::move(expr));
      return Unit{};
    });
    if (!atoms.ok()) return atoms;
    Status groups = read_each_part(groups_node, "groups", [&](const auto& group) { return read_group(group); });
    writer.finish();
    return groups;
  }

 private:
  template <class Node>
  Status read_group(const Node& json) {
    const auto fields = read_fields<4>(json, {"principal", "resource", "rows", "exprs"});
    if (!fields.ok()) return fields.error();
    Result<ScopeKey> principal = read_scope((*fields)[0].whole());
    if (!principal.ok()) return principal.error();
    Result<ScopeKey> resource = read_scope((*fields)[1].whole());
    if (!resource.ok()) return resource.error();
    const std::uint64_t scopes = static_cast<std::uint64_t>(*principal) << 32 | *resource;
    if (scopes_.find(scopes) != FlatMap::kNone) return Error{"another group has the same scopes"};
    scopes_.insert(scopes, 0);
    writer_->begin_group(*principal, *resource);
    last_.reset();
    Status rules = read_each((*fields)[2], "rows", [&](const auto& row) { return read_row(row); });
    if (rules.ok()) rules = read_each((*fields)[3], "exprs", [&](const auto& rule) { return read_formula_rule(rule); });
    writer_->end_group();
    return rules;
  }

  template <class Node>
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

  template <class Node>
  Result<std::uint32_t> read_policy_index(const Node& json) { return read_index(json, "policy", table_.policies.size()); }

  template <class Node>
  Status read_row(const Node& json) {
    const auto fields = read_fields<3>(json, {"policy", "when", "then"});
    if (!fields.ok()) return fields.error();
    const auto& [policy_node, when_node, then] = *fields;
    Result<std::uint32_t> policy = read_policy_index(policy_node);
    if (!policy.ok()) return policy.error();
    if (last_ != *policy) {
      if (placed_[*policy]) return Error{"the rows of a policy must lie together, in one group and without an expression"};
      placed_[*policy] = true;
      last_ = *policy;
      writer_->begin_rule(*policy, table_.policies[*policy].forbid, false);
    }
    if (!then.is_text("true") && !then.is_text("error")) return Error{"`then` is \"true\" or \"error\""};
    writer_->begin_row(then.is_text("true") ? Outcome::true_ : Outcome::error);
    bool ends_in_error = false;
    Status when = read_each(when_node, "when", [&](const Node& pair) -> Status {
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

  template <class Node>
  Result<Requirement> read_requirement(const Node& json) {
    if (!json.is_array() || json.size() != 2) return Error{"an array of an atom and an outcome is expected"};
    const auto pair = parts_of<2>(json);
    Result<std::uint32_t> atom = read_index(pair[0], "atom", environment_->atoms.size());
    if (!atom.ok()) return atom.error();
    for (const auto& [text, outcome] : {std::pair{"true", Outcome::true_}, {"false", Outcome::false_}, {"error", Outcome::error}}) {
      if (pair[1].is_text(text)) return Requirement{*atom, outcome};
    }
    return Error{"an outcome is \"true\", \"false\" or \"error\""};
  }

  template <class Node>
  Status read_formula_rule(const Node& json) {
    const auto fields = read_fields<2>(json, {"policy", "formula"});
    if (!fields.ok()) return fields.error();
    Result<std::uint32_t> policy = read_policy_index((*fields)[0]);
    if (!policy.ok()) return policy.error();
    if (placed_[*policy]) return Error{"the policy has rows or another expression already"};
    placed_[*policy] = true;
    writer_->begin_rule(*policy, table_.policies[*policy].forbid, true);
    return read_formula((*fields)[1], environment_->atoms.size(), environment_->steps);
  }

  Table::State& table_;
  FlatMap scopes_;                       // of the groups so far, as one number
  std::vector<bool> placed_;             // policies that have rows or an expression already
  std::optional<std::uint32_t> last_;    // the group's policy whose rows are being read
  Environment* environment_ = nullptr;
  RuleWriter* writer_ = nullptr;
};

template <class Node>
Status read_header(const Node& json) {
  const auto format = json.is_object() ? json.find("format") : std::nullopt;
  if (!format || !format->is_text("kerf-table")) return Error{"not a decision table: `format` must be \"kerf-table\""};
  const auto version = json.find("version");
  if (!version || !version->is_integer()) return Error{"`version` must be a number"};
  if (version->natural() == kTableVersion) return Unit{};
  return Error{"the table has format version " + version->number() + ", this evaluator reads version " +
               std::to_string(kTableVersion) + ": compile the policies again, or use a matching evaluator"};
}

template <class Node>
Status read_policies(const Node& json, Table::State& table) {
  Status each = read_each(json, "policies", [&](const auto& element) -> Status {
    Result<PolicyInfo> info = read_policy(element);
    if (!info.ok()) return info.error();
    table.policies.push_back(*std::move(info));
    return Unit{};
  });
  if (!each.ok()) return each;
  table.policies.shrink_to_fit();
  std::unordered_set<std::string_view> ids;
  for (std::size_t i = 0; i < table.policies.size(); ++i) {
    const std::string& id = table.policies[i].id;
    if (!ids.insert(id).second) return Error{at_position("policies", i) + "another policy has the id " + quote(id)};
  }
  return Unit{};
}

template <class Node>
Status read_actions(const Node& json, Table::State& table) {
  std::vector<Entity> actions;
  Status each = read_each(json, "actions", [&](const auto& element) -> Status {
    Result<Entity> action = read_action(element);
    if (!action.ok()) return action.error();
    actions.push_back(*std::move(action));
    return Unit{};
  });
  if (!each.ok()) return each;
  Result<Entities> entities = Entities::build(std::move(actions));
  if (!entities.ok()) return Error{"actions: " + entities.error().message};
  table.actions = *std::move(entities);
  return Unit{};
}

template <class Node>
Status read_environments(const Node& json, Table::State& table) {
  return read_each_part(json, "environments", [&](const auto& element) -> Status {
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

template <class Node>
Status read_table(const Node& json, Table::State& state) {
  if (Status status = read_header(json); !status.ok()) return status;
  const auto fields = read_fields<5>(json, {"format", "version", "policies", "actions", "environments"});
  if (!fields.ok()) return fields.error();
  if (Status status = read_policies((*fields)[2], state); !status.ok()) return status;
  if (Status status = read_actions((*fields)[3], state); !status.ok()) return status;
  if (Status status = read_environments((*fields)[4], state); !status.ok()) return status;
  state.uids.shrink_to_fit();
  return Unit{};
}

}  // namespace

Table::Table(std::unique_ptr<State> state) : state_(std::move(state)) {}
Table::Table(Table&&) noexcept = default;
Table& Table::operator=(Table&&) noexcept = default;
Table::~Table() = default;

const std::vector<PolicyInfo>& Table::policies() const { return state_->policies; }
const std::vector<Entity>& Table::actions() const { return state_->actions.all(); }

// By simdjson. What it refuses, for whatever reason, is read again by the other parser, which says whether it is wrong
// and why; so this must refuse all that the other refuses.
bool read_table_fast(std::string_view text, Table::State& state, std::size_t piece) {
  // simdjson lets through half of a pair of surrogates.
  if (text.find("\\ud") != std::string_view::npos || text.find("\\uD") != std::string_view::npos) return false;
  TextNode::Memory memory;
  memory.longest = piece;
  // The two do not count nesting quite alike, and a piece lies a few levels deep.
  if (memory.parser.allocate(1 << 16, kMaxTableDepth - 16) != simdjson::SUCCESS) return false;
  const std::size_t begin = text.find_first_not_of(kJsonSpace), end = text.find_last_not_of(kJsonSpace);
  if (begin == std::string_view::npos) return false;
  return read_table(TextNode(text.substr(begin, end + 1 - begin), memory), state).ok() && !memory.wrong;
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
