// manifest.json -> Manifest. After it every size is bounded and every index is in range. The one decision: one cursor
// that remembers the first fault and its place, so that each row reads as a plain list of its fields.
#include "runtime/loader/manifest.h"

#include <fmt/format.h>
#include <string.h>
#include <xxhash.h>

#include <algorithm>
#include <optional>
#include <set>

#include "runtime/abi/policy_abi.h"
#include "runtime/loader/digest.h"
#include "runtime/loader/failure.h"
#include "runtime/loader/features.h"
#include "runtime/loader/files.h"

namespace kerf::loader {
namespace {

constexpr std::uint32_t kMaxRowWords = 2048;          // 65,536 rows, and room between those that ask for different things
constexpr std::uint32_t kMaxSegmentWords = 1u << 20;
constexpr std::uint64_t kMaxSlackBytes = 64u << 10;
constexpr std::size_t kMaxListed = 1u << 20;
constexpr std::size_t kMaxName = 4096;
constexpr int kManifestVersion = 2;
constexpr std::uint32_t kWordsPerValue = sizeof(kerf_value) / 8;

class Reader {
 public:
  bool ok() const { return !fault_; }
  const std::string& fault() const { return *fault_; }
  void refuse(const std::string& where, const std::string& what) {
    if (!fault_) fault_ = where + ": " + what;
  }

  // Exactly these keys; `optional` ones may be missing.
  void keys(const Json& json, const std::string& where, std::initializer_list<std::string_view> names,
            std::initializer_list<std::string_view> optional = {}) {
    if (!json.is_object()) return refuse(where, "is no object");
    std::size_t found = 0;
    for (std::string_view name : names) {
      if (json.contains(name)) ++found;
      else refuse(where, fmt::format("has no `{}`", name));
    }
    for (std::string_view name : optional) found += json.contains(name);
    if (ok() && found != json.size()) refuse(where, "has a key that this version does not know");
  }
  const Json& at(const Json& json, const char* key) const {
    static const Json nothing;
    auto it = ok() && json.is_object() ? json.find(key) : json.end();
    return ok() && json.is_object() && it != json.end() ? *it : nothing;
  }
  std::string text(const Json& json, const char* key, const std::string& where) {
    const Json& value = at(json, key);
    if (value.is_string() && value.get_ref<const std::string&>().size() <= kMaxName) return value.get<std::string>();
    refuse(where, fmt::format("`{}` is no text of at most {} bytes", key, kMaxName));
    return {};
  }
  std::uint64_t number(const Json& json, const char* key, const std::string& where, std::uint64_t most) {
    const Json& value = at(json, key);
    if (value.is_number_integer() && (value.is_number_unsigned() || value.get<std::int64_t>() >= 0) &&
        value.get<std::uint64_t>() <= most) {
      return value.get<std::uint64_t>();
    }
    refuse(where, fmt::format("`{}` is no integer from 0 to {}", key, most));
    return 0;
  }
  std::uint32_t number32(const Json& json, const char* key, const std::string& where, std::uint32_t most) {
    return static_cast<std::uint32_t>(number(json, key, where, most));
  }
  bool boolean(const Json& json, const char* key, const std::string& where) {
    const Json& value = at(json, key);
    if (value.is_boolean()) return value.get<bool>();
    refuse(where, fmt::format("`{}` is neither true nor false", key));
    return false;
  }
  // One of these words; its index.
  std::size_t word(const Json& json, const char* key, const std::string& where,
                   std::initializer_list<std::string_view> words) {
    std::string value = text(json, key, where);
    auto it = std::find(words.begin(), words.end(), value);
    if (it == words.end()) refuse(where, fmt::format("`{}` has the unknown value \"{}\"", key, value));
    return it == words.end() ? 0 : static_cast<std::size_t>(it - words.begin());
  }
  template <class Row, class Read>
  std::vector<Row> list(const Json& json, const char* key, const std::string& where, Read read) {
    std::vector<Row> rows;
    const Json& value = at(json, key);
    if (!value.is_array() || value.size() > kMaxListed) {
      refuse(where, fmt::format("`{}` is no list of at most {} rows", key, kMaxListed));
      return rows;
    }
    for (std::size_t i = 0; i < value.size() && ok(); ++i) {
      std::optional<Row> row = read(value[i], fmt::format("{}{}[{}]", where.empty() ? "" : where + ".", key, i));
      if (row && ok()) rows.push_back(std::move(*row));
    }
    return rows;
  }
  std::vector<std::string> names(const Json& json, const char* key, const std::string& where) {
    auto rows = list<std::string>(json, key, where, [&](const Json& name, const std::string& at) {
      if (!name.is_string() || name.get_ref<const std::string&>().size() > kMaxName) refuse(at, "is no name");
      return ok() ? std::optional(name.get<std::string>()) : std::nullopt;
    });
    std::set<std::string> distinct(rows.begin(), rows.end());
    if (distinct.size() != rows.size()) refuse(where + key, "has a name twice");
    return rows;
  }

 private:
  std::optional<std::string> fault_;
};

bool is_hash(const std::string& text) {
  return text.size() == 32 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// The variable of an expression that is not known in `stage`; empty if there is none. Iterative: nesting is the reader's
// to bound, not the stack's.
std::string_view unknown_variable(const Json& expr, UserStage stage) {
  std::vector<const Json*> open{&expr};
  while (!open.empty()) {
    const Json& at = *open.back();
    open.pop_back();
    if (at.is_object() && at.size() == 1 && at.contains("Var") && at["Var"].is_string()) {
      std::string_view name = at["Var"].get_ref<const std::string&>();
      bool known = name == "principal" || (name == "context" && stage != UserStage::bind) || (name == "resource" && stage == UserStage::learn);
      if (!known) return name;
      continue;
    }
    if (at.is_structured()) {
      for (const Json& below : at) open.push_back(&below);
    }
  }
  return {};
}

// A predicate or a slot that asks for what only an event can tell: no compiler of ours makes it.
std::optional<Failure> check_stages(const Json& json, const Manifest& manifest) {
  const Json& environments = json["environments"];
  for (std::size_t e = 0; e < manifest.environments.size(); ++e) {
    auto check_rows = [&](const char* key, const auto& rows) -> std::optional<Failure> {
      for (std::size_t i = 0; i < rows.size(); ++i) {
        std::string_view variable = unknown_variable(environments[e][key][i]["expr"], rows[i].stage);
        if (variable.empty()) continue;
        return fail(Code::K7307, escape_bytes(manifest.policies.at(rows[i].policy).id), fmt::format("`{}` is not observed here", variable));
      }
      return std::nullopt;
    };
    if (auto failure = check_rows("predicates", manifest.environments[e].predicates)) return failure;
    if (auto failure = check_rows("slots", manifest.environments[e].slots)) return failure;
  }
  return std::nullopt;
}

std::optional<gateway::Expr> read_expr(Reader& in, const Json& row, const std::string& where) {
  if (!in.ok()) return std::nullopt;
  auto expr = gateway::Expr::from_json(in.at(row, "expr"));
  if (expr) return std::move(*expr);
  in.refuse(where, "`expr`: " + expr.error().message);
  return std::nullopt;
}

UserStage read_stage(Reader& in, const Json& row, const std::string& where) {
  return static_cast<UserStage>(in.word(row, "stage", where, {"bind", "publish", "learn"}));
}

std::uint32_t read_policy_index(Reader& in, const Json& row, const std::string& where, std::uint32_t policies) {
  if (policies == 0) in.refuse(where, "names a policy, and there is none");
  return in.number32(row, "policy", where, policies ? policies - 1 : 0);
}

std::optional<PredicateRow> read_predicate(Reader& in, const Json& row, const std::string& where, std::uint32_t policies) {
  in.keys(row, where, {"expr", "stage", "policy"});
  UserStage stage = read_stage(in, row, where);
  std::uint32_t policy = read_policy_index(in, row, where, policies);
  auto expr = read_expr(in, row, where);
  if (!expr) return std::nullopt;
  return PredicateRow{std::move(*expr), stage, policy};
}

std::optional<SlotRow> read_slot(Reader& in, const Json& row, const std::string& where, std::uint32_t policies) {
  in.keys(row, where, {"expr", "stage", "type", "policy"});
  UserStage stage = read_stage(in, row, where);
  auto type = static_cast<SlotType>(in.word(row, "type", where, {"Long", "ipaddr", "Bool", "datetime", "duration"}));
  std::uint32_t policy = read_policy_index(in, row, where, policies);
  auto expr = read_expr(in, row, where);
  if (!expr) return std::nullopt;
  return SlotRow{std::move(*expr), stage, type, policy};
}

std::optional<PredicateOutcome> read_requirement(Reader& in, const Json& pair, const std::string& where,
                                                 std::size_t predicates) {
  if (!pair.is_array() || pair.size() != 2) {
    in.refuse(where, "is no pair of a predicate and an outcome");
    return std::nullopt;
  }
  Json row = {{"predicate", pair[0]}, {"outcome", pair[1]}};
  if (predicates == 0) in.refuse(where, "names a predicate, and there is none");
  std::uint32_t predicate = in.number32(row, "predicate", where, predicates ? static_cast<std::uint32_t>(predicates - 1) : 0);
  auto outcome = static_cast<gateway::Outcome>(in.word(row, "outcome", where, {"false", "true", "error"}));
  return PredicateOutcome{predicate, outcome};
}

std::optional<ActiveRow> read_active(Reader& in, const Json& json, const std::string& where, const Environment& env) {
  in.keys(json, where, {"row", "when"});
  if (env.rows == 0) in.refuse(where, "is a row of an environment without rows");
  ActiveRow row;
  row.row = in.number32(json, "row", where, env.rows ? env.rows - 1 : 0);
  row.when = in.list<PredicateOutcome>(json, "when", where, [&](const Json& pair, const std::string& at) {
    return read_requirement(in, pair, at, env.predicates.size());
  });
  return row;
}

std::optional<FactRow> read_fact(Reader& in, const Json& json, const std::string& where) {
  in.keys(json, where, {"name", "attribute", "type"}, {"ids"});
  FactRow row{in.text(json, "name", where), in.text(json, "attribute", where), in.text(json, "type", where), {}};
  if (json.contains("ids")) row.ids = in.names(json, "ids", where);
  return row;
}

std::optional<ObservedRow> read_observed(Reader& in, const Json& json, const std::string& where) {
  in.keys(json, where, {"observable", "attribute", "of"});
  ObservedRow row{in.text(json, "observable", where), in.text(json, "attribute", where), false};
  row.context = in.word(json, "of", where, {"resource", "context"}) == 1;
  return row;
}

void read_layout(Reader& in, const Json& json, const std::string& where, std::uint32_t segment_words, Environment& env) {
  env.row_words = in.number32(json, "row_words", where, kMaxRowWords);
  env.rows = in.number32(json, "rows", where, env.row_words * 64);
  env.summary_words = in.number32(json, "summary_words", where, kMaxRowWords);
  env.forbid_words = in.number32(json, "forbid_words", where, env.row_words);
  env.permit_words = in.number32(json, "permit_words", where, env.row_words - env.forbid_words);
  env.active_offset = in.number32(json, "active_offset", where, segment_words);
  env.values_offset = in.number32(json, "values_offset", where, segment_words);
  std::uint32_t values = in.number32(json, "value_count", where, KERF_VALUE_SLOTS);
  if (!in.ok()) return;
  if (env.summary_words != (env.row_words + 63) / 64) in.refuse(where, "`summary_words` does not fit `row_words`");
  std::uint32_t active_end = env.active_offset + env.summary_words + env.row_words;
  std::uint32_t values_end = env.values_offset + values * kWordsPerValue;
  if (active_end > segment_words || values_end > segment_words) in.refuse(where, "reaches past the segment");
  bool apart = active_end <= env.values_offset || values_end <= env.active_offset || values == 0 || env.row_words == 0;
  if (!apart) in.refuse(where, "values and rows overlap");
}

int read_errno(Reader& in, const Json& json, const std::string& where) {
  std::string name = in.text(json, "errno", where);
  for (int number = 1; number < 134; ++number) {
    const char* known = ::strerrorname_np(number);
    if (known != nullptr && name == known) return number;
  }
  in.refuse(where, fmt::format("`errno` has the unknown value \"{}\"", name));
  return 0;
}

std::uint32_t read_event_kind(Reader& in, const Json& name, const std::string& where) {
  auto kind = name.is_string() ? find_event_kind(name.get_ref<const std::string&>()) : std::nullopt;
  if (!kind) in.refuse(where, "is no event");
  return kind.value_or(0);
}

// What was assumed is for people and `kerf verify`; here it matters which policies are not exact.
std::optional<std::uint32_t> read_approximated(Reader& in, const Json& row, const std::string& where, std::uint32_t policies) {
  in.keys(row, where, {"policy", "kind", "holds", "unknowns"});
  in.word(row, "kind", where, {"floor", "ceiling"});
  in.word(row, "holds", where, {"certain", "possible"});
  if (in.ok() && !row["unknowns"].is_array()) in.refuse(where, "`unknowns` is no list");
  return read_policy_index(in, row, where, policies);
}

std::uint64_t events_about(ResourceKind kind) {
  switch (kind) {
    case ResourceKind::endpoint: return KERF_ENDPOINT_EVENTS;
    case ResourceKind::file:
    case ResourceKind::directory: return KERF_FILE_EVENTS;
    case ResourceKind::socket: return KERF_BIT(KERF_EVENT_NET_SOCKET);
    case ResourceKind::system: return KERF_SYSTEM_EVENTS;
  }
  return 0;
}

std::optional<Environment> read_environment(Reader& in, const Json& json, const std::string& where,
                                            std::uint32_t segment_words, std::uint32_t policies) {
  in.keys(json, where, {"principal", "action", "resource", "resource_kind", "event", "errno", "row_words", "summary_words", "forbid_words",
                        "permit_words", "active_offset", "values_offset", "value_count", "rows", "facts", "observed",
                        "predicates", "slots", "active"}, {"approximated"});
  Environment env;
  env.principal = in.text(json, "principal", where);
  env.resource = in.text(json, "resource", where);
  if (!in.ok()) return std::nullopt;
  auto action = uid_from_json(in.at(json, "action"));
  if (!action) in.refuse(where, "`action`: " + action.error().message);
  else env.action = *action;
  env.kind = static_cast<ResourceKind>(in.word(json, "resource_kind", where, {"endpoint", "file", "directory", "socket", "system"}));
  env.event = read_event_kind(in, in.at(json, "event"), where + ".event");
  if (in.ok() && !(events_about(env.kind) >> env.event & 1)) {
    in.refuse(where, "`resource_kind` does not fit `event`");
  }
  env.refusal_errno = read_errno(in, json, where);
  read_layout(in, json, where, segment_words, env);
  env.facts = in.list<FactRow>(json, "facts", where, [&](const Json& row, const std::string& at) { return read_fact(in, row, at); });
  env.observed = in.list<ObservedRow>(json, "observed", where, [&](const Json& row, const std::string& at) { return read_observed(in, row, at); });
  env.predicates = in.list<PredicateRow>(json, "predicates", where, [&](const Json& row, const std::string& at) { return read_predicate(in, row, at, policies); });
  env.slots = in.list<SlotRow>(json, "slots", where, [&](const Json& row, const std::string& at) { return read_slot(in, row, at, policies); });
  env.active = in.list<ActiveRow>(json, "active", where, [&](const Json& row, const std::string& at) { return read_active(in, row, at, env); });
  if (json.contains("approximated")) {
    env.approximated = in.list<std::uint32_t>(json, "approximated", where, [&](const Json& row, const std::string& at) { return read_approximated(in, row, at, policies); });
  }
  if (in.ok() && env.slots.size() != in.number(json, "value_count", where, KERF_VALUE_SLOTS)) {
    in.refuse(where, "`slots` and `value_count` differ");
  }
  std::set<std::uint32_t> rows;
  for (const ActiveRow& row : env.active) {
    if (!rows.insert(row.row).second) in.refuse(where, fmt::format("row {} is listed twice", row.row));
  }
  return env;
}

std::optional<FileRow> read_file_row(Reader& in, const Json& json, const std::string& where, bool input) {
  if (input) in.keys(json, where, {"name", "kind", "xxh3_128", "size"});
  else in.keys(json, where, {"name", "xxh3_128", "size"});
  FileRow row{in.text(json, "name", where), in.text(json, "xxh3_128", where), in.number(json, "size", where, ~0ull >> 1)};
  if (in.ok() && !is_hash(row.xxh3_128)) in.refuse(where, "`xxh3_128` is no hash");
  return row;
}

std::optional<Feature> read_feature(Reader& in, const Json& json, const std::string& where) {
  in.keys(json, where, {"name", "what", "programs"});
  return Feature{in.text(json, "name", where), in.text(json, "what", where), in.names(json, "programs", where)};
}

std::optional<PolicyRow> read_policy(Reader& in, const Json& json, const std::string& where) {
  in.keys(json, where, {"id", "effect", "source"});
  PolicyRow row{in.text(json, "id", where), in.word(json, "effect", where, {"permit", "forbid"}) == 1};
  const Json& source = in.at(json, "source");
  in.keys(source, where + ".source", {"file", "begin", "end", "line", "column"});
  in.text(source, "file", where + ".source");
  for (const char* key : {"begin", "end", "line", "column"}) in.number(source, key, where + ".source", 0xffffffffu);
  return row;
}

std::optional<std::string> read_principal_type(Reader& in, const Json& json, const std::string& where) {
  in.keys(json, where, {"type"});
  return in.text(json, "type", where);
}

std::optional<PathRow> read_path(Reader& in, const Json& json, const std::string& where, std::uint32_t policies) {
  in.keys(json, where, {"path", "kind", "policies"});
  PathRow row;
  row.path = in.text(json, "path", where);
  row.kind = static_cast<PathKind>(in.word(json, "kind", where, {"file", "tree", "prefix"}));
  if (in.ok() && !row.path.starts_with('/')) in.refuse(where, "`path` is not absolute");
  if (in.ok() && row.path.find('\0') != std::string::npos) in.refuse(where, "`path` has a zero byte");
  row.policies = in.list<std::uint32_t>(json, "policies", where, [&](const Json& index, const std::string& at) -> std::optional<std::uint32_t> {
    bool known = index.is_number_integer() && index.get<std::int64_t>() >= 0 && index.get<std::int64_t>() < policies;
    if (!known) in.refuse(at, "is no policy");
    return known ? std::optional(index.get<std::uint32_t>()) : std::nullopt;
  });
  return row;
}

std::uint64_t read_governed(Reader& in, const Json& json) {
  std::uint64_t mask = 0;
  for (const std::string& name : in.names(json, "governed", "")) {
    mask |= name == "process.exe" ? KERF_READS_EXE : KERF_BIT(read_event_kind(in, name, "governed"));
  }
  if (in.ok() && (mask & KERF_ALL_EVENTS) == 0) in.refuse("governed", "is empty");
  return mask;
}

void check_environments(Reader& in, const Manifest& manifest) {
  std::set<std::tuple<std::string, std::uint32_t, ResourceKind>> seen;
  for (const Environment& env : manifest.environments) {
    if (!seen.emplace(env.principal, env.event, env.kind).second) {
      in.refuse("environments", fmt::format("the event {} has two actions for {}", event_name(env.event), env.principal));
    }
    if (!(manifest.governed >> env.event & 1)) in.refuse("environments", fmt::format("the event {} is not governed", event_name(env.event)));
  }
}

// Exactly the programs that the governed events bring in.
void check_programs(Reader& in, const Manifest& manifest) {
  std::set<std::string_view> promised(manifest.programs.begin(), manifest.programs.end());
  for (const KnownProgram& row : known_programs()) {
    bool wanted = is_in_object(row, manifest.governed);
    if (wanted != (promised.erase(row.name) != 0)) {
      in.refuse("programs", fmt::format("`{}` {}", row.name, wanted ? "is missing" : "serves no governed event"));
    }
  }
  if (!promised.empty()) in.refuse("programs", fmt::format("`{}` is no program of this ABI", escape_bytes(*promised.begin())));
}

// Room for all segments; the compiler may add slack that bounds its hooks' reads.
void check_binding_size(Reader& in, const Manifest& manifest) {
  std::uint64_t needed = sizeof(kerf_binding) + manifest.segment_words * 8ull * (KERF_SEGMENTS + 1);
  if (manifest.binding_bytes < needed || manifest.binding_bytes > 2 * needed + kMaxSlackBytes) {
    in.refuse("layout", "`binding_bytes` does not fit `segment_words`");
  }
}

Manifest read_fields(Reader& in, const Json& json) {
  in.keys(json, "manifest", {"format", "version", "abi", "compiler", "digest", "inputs_digest", "inputs", "outputs", "programs",
                             "maps", "governed", "features", "waived", "principal_types", "policies", "layout",
                             "environments", "paths"}, {"directory_type", "host_type"});
  Manifest m;
  m.compiler = in.text(json, "compiler", "");
  m.digest = in.text(json, "digest", "");
  m.inputs_digest = in.text(json, "inputs_digest", "");
  if (in.ok() && !is_hash(m.inputs_digest)) in.refuse("inputs_digest", "is no hash");
  in.list<FileRow>(json, "inputs", "", [&](const Json& row, const std::string& at) { return read_file_row(in, row, at, true); });
  m.outputs = in.list<FileRow>(json, "outputs", "", [&](const Json& row, const std::string& at) { return read_file_row(in, row, at, false); });
  m.programs = in.names(json, "programs", "");
  m.maps = in.names(json, "maps", "");
  m.governed = read_governed(in, json);
  m.features = in.list<Feature>(json, "features", "", [&](const Json& row, const std::string& at) { return read_feature(in, row, at); });
  m.waived = in.names(json, "waived", "");
  m.principal_types = in.list<std::string>(json, "principal_types", "", [&](const Json& row, const std::string& at) { return read_principal_type(in, row, at); });
  if (json.contains("directory_type")) m.directory_type = in.text(json, "directory_type", "");
  if (json.contains("host_type")) m.host_type = in.text(json, "host_type", "");
  m.policies = in.list<PolicyRow>(json, "policies", "", [&](const Json& row, const std::string& at) { return read_policy(in, row, at); });
  const Json& layout = in.at(json, "layout");
  in.keys(layout, "layout", {"segment_words", "binding_bytes"});
  m.segment_words = in.number32(layout, "segment_words", "layout", kMaxSegmentWords);
  m.binding_bytes = in.number32(layout, "binding_bytes", "layout", ~0u);
  if (in.ok()) check_binding_size(in, m);
  auto policies = static_cast<std::uint32_t>(m.policies.size());
  m.environments = in.list<Environment>(json, "environments", "", [&](const Json& row, const std::string& at) {
    return read_environment(in, row, at, m.segment_words, policies);
  });
  m.paths = in.list<PathRow>(json, "paths", "", [&](const Json& row, const std::string& at) { return read_path(in, row, at, policies); });
  check_environments(in, m);
  check_programs(in, m);
  return m;
}

// What says which reader is needed comes first: a bundle of another version is no damaged one.
std::optional<Failure> check_version(const Json& json) {
  if (!json.is_object() || json.value("format", Json()) != "kerf-bundle") {
    return fail(Code::K7104, std::string("`format` is not \"kerf-bundle\""));
  }
  for (auto [key, ours] : {std::pair{"version", kManifestVersion}, std::pair{"abi", KERF_ABI_VERSION}}) {
    Json theirs = json.value(key, Json());
    if (!theirs.is_number_integer()) return fail(Code::K7104, fmt::format("`{}` is no integer", key));
    if (theirs != ours) return fail(Code::K7105, std::string(key), theirs.dump(), ours);
  }
  return std::nullopt;
}

}  // namespace

bool is_waived(const Manifest& manifest, std::string_view feature) {
  return std::find(manifest.waived.begin(), manifest.waived.end(), feature) != manifest.waived.end();
}

LoaderResult<Manifest> read_manifest(std::string_view text) {
  auto json = parse_json(text);
  if (!json) return fail(Code::K7104, json.error().message);
  if (auto failure = check_version(*json)) return *failure;
  Json digest = json->value("digest", Json());
  (*json)["digest"] = "";
  if (digest != xxh3_128(json->dump())) return fail(Code::K7107, std::string("manifest.json"));
  (*json)["digest"] = digest;
  Reader in;
  Manifest manifest = read_fields(in, *json);
  if (!in.ok()) return fail(Code::K7104, in.fault());
  if (auto failure = check_stages(*json, manifest)) return *failure;
  return manifest;
}

}  // namespace kerf::loader
