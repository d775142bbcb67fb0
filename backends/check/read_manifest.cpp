// Bytes -> the parts of the manifest that decide. Integrity (hashes, names of files and programs) is the loader's to check.
#include "backends/check/read_manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "backends/check/read_expr.h"

namespace kerf::proof {

namespace {

class ManifestReader {
 public:
  Result<DecodedManifest> run(const Json& json) {
    const Json* policies = part(json, "policies", Json::value_t::array);
    const Json* environments = part(json, "environments", Json::value_t::array);
    const Json* layout = part(json, "layout", Json::value_t::object);
    if (!policies || !environments || !layout || !number(*layout, "segment_words", made_.segment_words)) return error();
    for (const Json& policy : *policies) {
      std::string id, effect;
      if (!text(policy, "id", id) || !text(policy, "effect", effect)) return error();
      if (effect != "permit" && effect != "forbid") return Error{"an effect is neither permit nor forbid"};
      made_.policies.emplace_back(id, effect == "permit" ? Effect::permit : Effect::forbid);
    }
    for (const Json& env : *environments) {
      if (!environment(env, made_.environments.emplace_back())) return error();
    }
    return std::move(made_);
  }

 private:
  Error error() const { return {error_.empty() ? "it is malformed" : error_}; }
  bool fail(std::string why) {
    if (error_.empty()) error_ = std::move(why);
    return false;
  }
  const Json* part(const Json& json, const char* key, Json::value_t type) {
    if (json.is_object() && json.contains(key) && json[key].type() == type) return &json[key];
    fail(fmt::format("`{}` is missing or of another kind", key));
    return nullptr;
  }
  bool text(const Json& json, const char* key, std::string& to) {
    const Json* found = part(json, key, Json::value_t::string);
    if (found) to = found->get<std::string>();
    return found != nullptr;
  }
  bool as_number(const Json& json, std::uint32_t& to) {
    if (!json.is_number_integer() || json < 0 || json > 0xffffffffu) return fail("a number is out of range");
    to = json.get<std::uint32_t>();
    return true;
  }
  bool number(const Json& json, const char* key, std::uint32_t& to) {
    return json.is_object() && json.contains(key) ? as_number(json[key], to) : fail(fmt::format("`{}` is missing", key));
  }

  bool environment(const Json& json, ManifestEnvironment& env) {
    const Json* action = part(json, "action", Json::value_t::object);
    if (!action || !text(json, "principal", env.request.principal) || !text(json, "resource", env.request.resource) ||
        !text(json, "resource_kind", env.resource_kind) || !text(json, "event", env.event) || !text(json, "errno", env.refusal_errno)) {
      return false;
    }
    Result<EntityUid> uid = read_uid(*action);
    if (!uid) return fail(uid.error().message);
    env.request.action = std::move(*uid);
    const bool numbers = number(json, "rows", env.rows) && number(json, "row_words", env.row_words) &&
                         number(json, "summary_words", env.summary_words) && number(json, "forbid_words", env.forbid_words) &&
                         number(json, "permit_words", env.permit_words) && number(json, "active_offset", env.active_offset) &&
                         number(json, "values_offset", env.values_offset) && number(json, "value_count", env.value_count);
    env.body = std::make_unique<Body>();
    return numbers && facts(json, env) && exprs(json, "predicates", env, env.predicates) && exprs(json, "slots", env, env.slots) &&
           rows(json, env) && approximated(json, env);
  }

  bool approximated(const Json& json, ManifestEnvironment& env) {
    if (!json.contains("approximated")) return true;
    const Json* list = part(json, "approximated", Json::value_t::array);
    return list && std::all_of(list->begin(), list->end(), [&](const Json& j) {
      std::string kind;
      std::uint32_t policy = 0;
      if (!number(j, "policy", policy) || !text(j, "kind", kind)) return false;
      const auto known = find_approximation(kind);
      if (!known || policy >= made_.policies.size()) return fail("an approximation is of no kind, or of no policy");
      return env.approximated.emplace(policy, *known).second || fail("a policy is approximated twice");
    });
  }

  bool facts(const Json& json, ManifestEnvironment& env) {
    const Json* list = part(json, "facts", Json::value_t::array);
    return list && std::all_of(list->begin(), list->end(), [&](const Json& j) {
      ManifestFact& fact = env.facts.emplace_back();
      if (!text(j, "name", fact.name) || !text(j, "attribute", fact.attribute) || !text(j, "type", fact.type)) return false;
      if (!j.contains("ids")) return true;
      const Json* ids = part(j, "ids", Json::value_t::array);
      return ids && std::all_of(ids->begin(), ids->end(), [&](const Json& id) {
        if (!id.is_string()) return fail("an id of a fact's type is no text");
        fact.ids.push_back(id.get<std::string>());
        return true;
      });
    });
  }

  bool exprs(const Json& json, const char* key, ManifestEnvironment& env, std::vector<ManifestExpr>& to) {
    const Json* list = part(json, key, Json::value_t::array);
    return list && std::all_of(list->begin(), list->end(), [&](const Json& j) {
      ManifestExpr& made = to.emplace_back();
      if (!text(j, "stage", made.stage) || !j.contains("expr")) return fail("a predicate has no expression");
      if (std::string_view(key) == "slots" && !text(j, "type", made.type)) return false;
      Result<NodeId> node = read_expr(j["expr"], *env.body);
      if (!node) return fail(node.error().message);
      made.node = env.body->root = *node;
      return true;
    });
  }

  bool rows(const Json& json, ManifestEnvironment& env) {
    const Json* list = part(json, "active", Json::value_t::array);
    return list && std::all_of(list->begin(), list->end(), [&](const Json& j) {
      ManifestRow& row = env.active.emplace_back();
      const Json* when = number(j, "row", row.row) ? part(j, "when", Json::value_t::array) : nullptr;
      return when && std::all_of(when->begin(), when->end(), [&](const Json& pair) { return requirement(pair, env, row); });
    });
  }

  bool requirement(const Json& pair, const ManifestEnvironment& env, ManifestRow& row) {
    if (!pair.is_array() || pair.size() != 2 || !pair[1].is_string()) return fail("a requirement is no pair");
    auto& [predicate, wanted] = row.when.emplace_back();
    if (!as_number(pair[0], predicate) || predicate >= env.predicates.size()) return fail("a predicate's number is out of range");
    for (Outcome outcome : {Outcome::false_, Outcome::true_, Outcome::error}) {
      if (pair[1].get_ref<const std::string&>() != to_text(outcome)) continue;
      wanted = outcome;
      return true;
    }
    return fail("an outcome is none of true, false, error");
  }

  DecodedManifest made_;
  std::string error_;
};

}  // namespace

Result<DecodedManifest> read_manifest(std::string_view bytes) {
  Result<Json> json = parse_json(bytes, kMaxArtefactJsonDepth, JsonNull::accept);
  if (!json) return json.error();
  return ManifestReader().run(*json);
}

}  // namespace kerf::proof
