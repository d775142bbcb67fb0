// Entities and requests, with and without a schema.
#include <fmt/core.h>

#include "frontend/json/schema.h"
#include "frontend/parse/parse.h"
#include "frontend/sema/data.h"
#include "frontend/sema/schema.h"
#include "tests/conformance/suite.h"

namespace kerf::conformance {
namespace {

struct WithSchema : Read {
  Schema schema;
  explicit WithSchema(const std::string& text) { schema = resolve_schema(parse_schema(sources, add(text), diagnostics), diagnostics); }

  bool entities(const std::string& text) {
    diagnostics = {};
    read_entities(sources, add(text), schema, diagnostics);
    return good();
  }
  bool request(const Json& request, bool validate) {
    diagnostics = {};
    auto literal = [&](const char* key) { return to_text(EntityUid{request[key].at("type"), request[key].at("id")}); };
    RequestText text{literal("principal"), literal("action"), literal("resource"), add(request.value("context", Json::object()).dump())};
    return read_request(sources, text, schema, validate, diagnostics).has_value();
  }
};

bool untyped(const std::string& text, std::string& reason) {
  Read read;
  bool good = read_untyped_entities(read.sources, read.add(text), read.diagnostics).has_value();
  reason = read.first();
  return good;
}

void run_edge(Corpus& corpus, Report& report) {
  if (std::optional<Json> data = corpus.json("derived/edge/entities.json")) {
    WithSchema with((*data)["schema"]);
    std::size_t index = 0;
    for (const Json& c : (*data)["cases"]) {
      std::string name = fmt::format("derived/edge/entities.json#{}", index++), text = c["entities"].dump(), reason;
      report.check("entities.edge", name, with.entities(text) == c["with_schema"]["ok"].get<bool>(), with.first());
      if (c.contains("without_schema")) {
        report.check("entities.edge.without_schema", name, untyped(text, reason) == c["without_schema"]["ok"].get<bool>(), reason);
      }
    }
  }
  if (std::optional<Json> data = corpus.json("derived/edge/requests.json")) {
    WithSchema with((*data)["schema"]);
    std::size_t index = 0;
    for (const Json& c : (*data)["cases"]) {
      std::string name = fmt::format("derived/edge/requests.json#{}", index++);
      report.check("requests.edge", name, with.request(c["request"], true) == c["validated"]["ok"].get<bool>(), with.first());
      report.check("requests.edge.not_validated", name,
                   with.request(c["request"], false) == c["schema_no_request_validation"]["ok"].get<bool>(), with.first());
    }
  }
}

void run_mined(Corpus& corpus, Report& report) {
  std::size_t index = 0;
  for (const Json& r : corpus.json("derived/json_entities.json").value_or(Json::array())) {
    std::string name = fmt::format("derived/json_entities.json#{}", index++), reason;
    if (r.at("json").dump().find("\"fn\":\"unknown\"") != std::string::npos) continue;   // of partial evaluation only
    bool good = untyped(r.at("json").dump(), reason);
    report.check("entities.mined", name, good == r.at("ok").get<bool>(), good ? "accepted" : reason);
  }
}

void run_go(Corpus& corpus, Report& report) {
  for (const fs::path& path : corpus.files("cedar-go/entity-parsing-cases", ".parsing.json")) {
    std::string stem = path.string().substr(0, path.string().size() - std::string(".parsing.json").size());
    Json verdict = Json::parse(read_text(path)), inputs = Json::parse(read_text(stem + ".json"));
    WithSchema with(read_text(path.parent_path() / inputs["schema"].get<std::string>()));
    bool good = with.entities(read_text(path.parent_path() / inputs["entities"].get<std::string>()));
    report.check("entities.go", path.filename().string(), good == verdict["allEntities"]["success"].get<bool>(), with.first());
  }
  for (const fs::path& path : corpus.files("cedar-go/validate-cases", ".validation.json")) {
    std::string stem = path.string().substr(0, path.string().size() - std::string(".validation.json").size());
    std::string name = path.filename().string();
    Json verdict = Json::parse(read_text(path)), inputs = Json::parse(read_text(stem + ".json"));
    WithSchema with(read_text(stem + ".cedarschema"));
    const Json& per_entity = verdict["entityValidation"]["perEntity"];
    for (const Json& entity : Json::parse(read_text(stem + ".entities.json"))) {
      const Json& uid = entity["uid"].contains("__entity") ? entity["uid"]["__entity"] : entity["uid"];
      std::string key = uid["type"].get<std::string>() + "::" + uid["id"].get<std::string>();
      if (!per_entity.contains(key)) continue;
      report.check("entities.go.validate", name + " " + key, with.entities(Json::array({entity}).dump()) == per_entity[key].empty(), with.first());
    }
    Json requests = inputs.value("requests", Json::array());
    for (std::size_t i = 0; i < requests.size(); ++i) {
      bool wanted = verdict["requestValidation"].at(i)["strict"];
      report.check("requests.go", fmt::format("{}#{}", name, i), with.request(requests[i], true) == wanted, with.first());
    }
  }
}

}  // namespace

void run_data(Corpus& corpus, Report& report) {
  run_edge(corpus, report);
  run_mined(corpus, report);
  run_go(corpus, report);
}

}  // namespace kerf::conformance
