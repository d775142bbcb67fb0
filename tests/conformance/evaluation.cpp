// The evaluator and the authorizer: values, decisions, determining policies and the texts of errors.
#include <fmt/core.h>

#include <algorithm>
#include <fstream>

#include "frontend/json/policies.h"
#include "frontend/parse/parse.h"
#include "frontend/sema/data.h"
#include "frontend/sema/policies.h"
#include "frontend/sema/schema.h"
#include "ir/eval.h"
#include "ir/values/operations.h"
#include "tests/conformance/suite.h"

namespace kerf::conformance {
namespace {

Request request_of(const Json& json) {
  Request request{*uid_from_json(json.at("principal")), *uid_from_json(json.at("action")), *uid_from_json(json.at("resource")), {}};
  Result<Value> context = value_from_json(json.value("context", Json::object()));
  if (context && context->as_record()) request.context = *context->as_record();
  return request;
}

std::optional<Entities> entities_of(const Json& json) {
  Result<std::vector<Entity>> list = entities_from_json(json);
  Result<Entities> built = list ? Entities::build(std::move(*list)) : Result<Entities>(list.error());
  if (!built) return std::nullopt;
  return *built;
}

struct Policies : Read {
  Module module;
  std::vector<ast::PolicyFile> files;

  void add_text(const std::string& text, std::optional<std::string> id = std::nullopt) {
    files.push_back(parse_policies(sources, add(text), diagnostics));
    if (!id) return;
    for (ast::Policy& policy : files.back().policies) policy.id = id;
  }
  bool lower() {
    if (good()) lower_policies(files, module, diagnostics);
    return good();
  }
  std::vector<std::string> ids(const std::vector<PolicyId>& policies) const {
    std::vector<std::string> out;
    for (PolicyId p : policies) out.push_back(module.policies[p.index].id);
    std::sort(out.begin(), out.end());
    return out;
  }
};

std::vector<std::string> sorted(const Json& list) {
  std::vector<std::string> out;
  for (const Json& one : list) {
    out.push_back(one.is_string() ? one.get<std::string>() : one.is_array() ? one.at(0).get<std::string>() : one.value("policyId", ""));
  }
  std::sort(out.begin(), out.end());
  return out;
}

void run_expressions(Corpus& corpus, Report& report) {
  std::optional<Json> data = corpus.json("derived/edge/expressions.json");
  if (!data) return;
  Request request = request_of(data->at("request"));
  std::optional<Entities> entities = entities_of(data->at("entities"));
  if (!entities) return report.check("evaluate.expressions", "entities", false);
  std::size_t index = 0;
  for (const Json& row : data->at("cases")) {
    std::string name = fmt::format("derived/edge/expressions.json#{} {}", index++, row["expr"].get<std::string>());
    Policies ours;
    ours.add_text("permit(principal, action, resource) when { " + row["expr"].get<std::string>() + " };");
    bool refused = row.contains("parse_error");
    if (!ours.lower() || refused) {
      report.check("evaluate.expressions", name, ours.good() != refused, ours.first());
      continue;
    }
    Decision decision = authorize(ours.module, request, *entities);
    bool same = decision.allow == row.value("value", false) && decision.errors.empty() != row.contains("error");
    std::string reason;
    if (!decision.errors.empty()) reason = decision.errors[0].error.message;
    if (same && row.contains("error")) same = reason == row["error"];
    report.check("evaluate.expressions", name, same, reason);
  }
}

void run_extensions(Corpus& corpus, Report& report) {
  std::optional<Json> data = corpus.json("derived/edge/extensions.json");
  if (!data) return;
  for (const char* function : {"decimal", "ip", "datetime", "duration"}) {
    for (const Json& row : data->value(function, Json::array())) {
      std::string input = row["input"];
      EvalResult value = op_call(function, {Value(input)});
      bool same = value.ok() == row["ok"].get<bool>();
      if (same && value && row.contains("scaled_1e4")) same = value->as_decimal()->ten_thousandths == row["scaled_1e4"];
      if (same && value && row.contains("ms")) same = value->as_duration()->ms == row["ms"];
      if (same && value && row.contains("epoch_ms")) same = value->as_datetime()->ms == row["epoch_ms"];
      for (const char* test : {"isIpv4", "isIpv6", "isLoopback", "isMulticast"}) {
        if (same && value && row.contains(test)) same = *op_call(test, {*value})->as_bool() == row[test];
      }
      if (same && !value && row.contains("error")) same = value.error().message == row["error"];
      report.check("evaluate.extensions", fmt::format("{} {}", function, input), same, value ? "accepted" : value.error().message);
    }
  }
  for (const Json& row : data->value("ip_pairs", Json::array())) {
    EvalResult a = op_call("ip", {Value(row["a"].get<std::string>())}), b = op_call("ip", {Value(row["b"].get<std::string>())});
    bool same = a && b;
    if (same && row.contains("inRange")) same = *op_call("isInRange", {*a, *b})->as_bool() == row["inRange"];
    if (same && row.contains("eq")) same = (*a == *b) == row["eq"].get<bool>();
    report.check("evaluate.ip_pairs", row["a"].get<std::string>() + " " + row["b"].get<std::string>(), same);
  }
}

// Sets as the wasm interface takes them: texts by id, and links in JSON.
void run_policy_sets(Corpus& corpus, Report& report) {
  std::optional<Json> data = corpus.json("derived/edge/policysets.json");
  if (!data) return;
  Request request = request_of(data->at("request"));
  std::optional<Entities> entities = entities_of(data->at("entities"));
  if (!entities) return report.check("evaluate.policy_sets", "entities", false);
  std::size_t index = 0;
  for (const Json& row : data->at("cases")) {
    std::string name = fmt::format("derived/edge/policysets.json#{}", index++);
    Policies ours;
    const Json& set = row.at("policies");
    for (const char* kind : {"staticPolicies", "templates"}) {
      if (!set.contains(kind)) continue;
      for (const auto& [id, text] : set[kind].items()) ours.add_text(text, id);
    }
    if (set.contains("templateLinks")) {
      Json links = {{"templateLinks", set["templateLinks"]}};
      ours.files.push_back(read_policies_json(ours.sources, ours.add(links.dump()), ours.diagnostics));
    }
    if (!ours.lower()) {
      report.check("evaluate.policy_sets", name, row.contains("failure"), ours.first());
      continue;
    }
    Decision decision = authorize(ours.module, request, *entities);
    std::vector<PolicyId> erring;
    for (const PolicyError& e : decision.errors) erring.push_back(e.policy);
    bool same = decision.allow == (row.at("decision") == "allow") && ours.ids(decision.determining) == sorted(row.at("reasons")) &&
                ours.ids(erring) == sorted(row.at("errors"));
    for (const Json& e : row.at("errors")) {   // [policy, message]
      same = same && std::any_of(decision.errors.begin(), decision.errors.end(), [&](const PolicyError& one) {
        return ours.module.policies[one.policy.index].id == e.at(0) && one.error.message == e.at(1);
      });
    }
    report.check("evaluate.policy_sets", name, same);
  }
}

// One case of the official format: files, and what was said to each request.
void judge(const std::string& suite, const std::string& name, const Json& expected, const std::string& policies, const std::string& schema,
           const std::string& entities_text, Report& report) {
  Policies ours;
  ours.module.schema = resolve_schema(parse_schema(ours.sources, ours.add(schema), ours.diagnostics), ours.diagnostics);
  ours.module.environments = ours.module.schema.environments();
  ours.add_text(policies);
  if (!ours.lower()) return report.check(suite, name, false, ours.first());
  // Officially policies are named by position here, whatever their annotations say.
  for (std::size_t i = 0; i < ours.module.policies.size(); ++i) ours.module.policies[i].id = fmt::format("policy{}", i);
  Diagnostics said;
  Entities entities = read_entities(ours.sources, ours.add(entities_text), ours.module.schema, said);
  std::size_t index = 0;
  for (const Json& row : expected.at("requests")) {
    std::string one = fmt::format("{}#{}", name, index++);
    RequestText text;
    auto literal = [&](const char* key) { return to_text(EntityUid{row[key].at("type"), row[key].at("id")}); };
    text.principal = literal("principal"), text.action = literal("action"), text.resource = literal("resource");
    text.context = ours.add(row.value("context", Json::object()).dump());
    Diagnostics reading;
    bool validate = row.value("validateRequest", true);
    std::optional<Request> request = read_request(ours.sources, text, ours.module.schema, validate, reading);
    if (!request || said.has_errors()) {
      const Diagnostics& why = said.has_errors() ? said : reading;
      report.check(suite, one, false, why.all().empty() ? "" : why.all().front().message);
      continue;
    }
    Decision decision = authorize(ours.module, *request, entities);
    std::vector<PolicyId> erring;
    for (const PolicyError& e : decision.errors) erring.push_back(e.policy);
    bool same = decision.allow == (row.at("decision") == "allow") && ours.ids(decision.determining) == sorted(row.at("reason")) &&
                ours.ids(erring) == sorted(row.at("errors"));
    report.check(suite, one, same);
  }
}

void run_integration(Corpus& corpus, Report& report) {
  fs::path base = corpus.root() / "integration";
  for (const fs::path& path : corpus.files("integration/tests", ".json")) {
    Json expected = Json::parse(read_text(path), nullptr, false);
    if (expected.is_discarded() || !expected.contains("requests")) continue;
    auto text = [&](const char* key) { return read_text(base / expected.at(key).get<std::string>()); };
    judge("evaluate.integration", fs::relative(path, base).string(), expected, text("policies"), text("schema"), text("entities"), report);
  }
  std::optional<fs::path> cases = corpus.archive("integration/corpus-tests.tar.gz");
  if (!cases) return;
  std::vector<fs::path> stems;
  for (const auto& entry : fs::directory_iterator(*cases / "corpus-tests")) {
    if (entry.path().extension() == ".cedar") stems.push_back(entry.path().parent_path() / entry.path().stem());
  }
  std::sort(stems.begin(), stems.end());
  for (const fs::path& stem : stems) {
    Json expected = Json::parse(read_text(stem.string() + ".json"));
    judge("evaluate.corpus", stem.filename().string(), expected, read_text(stem.string() + ".cedar"),
          read_text(stem.string() + ".cedarschema"), read_text(stem.string() + ".entities.json"), report);
  }
}

// Published examples: requests lie in folders named by their decision. Those with templates come without the links that
// they need; the entities of some do not fit their schema and are read without it.
void run_example(Corpus& corpus, const fs::path& policies, Report& report) {
  fs::path folder = policies.parent_path();
  std::string text = read_text(policies), schema, entities;
  if (text.find("?principal") != std::string::npos || text.find("?resource") != std::string::npos) return;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".cedarschema") schema = read_text(entry.path());
    if (entry.path().filename().string().ends_with("entities.json")) entities = read_text(entry.path());
  }
  Policies ours;
  ours.module.schema = resolve_schema(parse_schema(ours.sources, ours.add(schema), ours.diagnostics), ours.diagnostics);
  ours.module.environments = ours.module.schema.environments();
  ours.add_text(text);
  bool lowered = ours.lower();
  Diagnostics unfit;
  std::optional<Entities> read = read_entities(ours.sources, ours.add(entities), ours.module.schema, unfit);
  if (unfit.has_errors()) read = entities_of(Json::parse(entities));
  for (const char* decision : {"ALLOW", "DENY"}) {
    for (const fs::path& path : corpus.files(fs::relative(folder / decision, corpus.root()).string(), ".json")) {
      Json row = Json::parse(read_text(path), nullptr, false);
      if (!row.is_object() || !row.contains("principal")) continue;
      RequestText asked{row["principal"], row["action"], row["resource"], ours.add(row.value("context", Json::object()).dump())};
      std::optional<Request> request = read_request(ours.sources, asked, ours.module.schema, true, ours.diagnostics);
      bool same = lowered && read && request && authorize(ours.module, *request, *read).allow == (std::string_view(decision) == "ALLOW");
      report.check("evaluate.examples", fs::relative(path, corpus.root()).string(), same, ours.first());
    }
  }
}

void run_examples(Corpus& corpus, Report& report) {
  for (const fs::path& policies : corpus.files("cedar-examples", ".cedar")) {
    fs::path folder = policies.parent_path();
    if (fs::exists(folder / "ALLOW") || fs::exists(folder / "DENY")) run_example(corpus, policies, report);
  }
}

}  // namespace

void run_evaluation(Corpus& corpus, Report& report) {
  run_expressions(corpus, report);
  run_extensions(corpus, report);
  run_policy_sets(corpus, report);
  run_integration(corpus, report);
  run_examples(corpus, report);
}

}  // namespace kerf::conformance
