// Verdicts of entities and requests against data made with the official engine.
#include <doctest/doctest.h>

#include "schema_support.h"

using namespace kerf;
using namespace kerf::test;
using nlohmann::json;

namespace {

bool entities_are_good(Loaded& t, const std::string& text) {
  t.diagnostics = {};
  read_entities(t.sources, t.sources.add("entities.json", text), t.schema, t.diagnostics);
  return !t.diagnostics.has_errors();
}

// Upstream judges each entity alone; so do we.
void judge_entities(Loaded& t, const std::string& text, const json& per_entity) {
  const json entities = json::parse(text);
  for (const json& entity : entities) {
    const json& uid = entity["uid"].contains("__entity") ? entity["uid"]["__entity"] : entity["uid"];
    const std::string name = uid["type"].get<std::string>() + "::" + uid["id"].get<std::string>();
    if (!per_entity.contains(name)) continue;
    INFO(name);
    const bool want = per_entity[name].empty();
    CHECK_MESSAGE(entities_are_good(t, json::array({entity}).dump()) == want, messages(t.diagnostics));
  }
}

std::string literal(const json& uid);

void judge_requests(Loaded& t, const json& requests, const json& verdicts) {
  REQUIRE(requests.size() == verdicts.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const json& request = requests[i];
    INFO(request.dump());
    RequestText text{literal(request["principal"]), literal(request["action"]), literal(request["resource"]), {}};
    text.context = t.sources.add("context.json", request["context"].dump());
    t.diagnostics = {};
    const bool good = read_request(t.sources, text, t.schema, true, t.diagnostics).has_value();
    CHECK_MESSAGE(good == verdicts[i]["strict"].get<bool>(), messages(t.diagnostics));
  }
}

std::string literal(const json& uid) { return to_text(EntityUid{uid.at("type"), uid.at("id")}); }

}  // namespace

TEST_CASE("corpus: edge entities") {
  auto data = corpus_json("derived/edge/entities.json");
  if (!data) return;
  Loaded t((*data)["schema"]);
  REQUIRE(!t.diagnostics.has_errors());
  int seen = 0;
  for (const json& c : (*data)["cases"]) {
    const std::string text = c["entities"].dump();
    INFO(text);
    CHECK_MESSAGE(entities_are_good(t, text) == c["with_schema"]["ok"].get<bool>(), messages(t.diagnostics));
    ++seen;
  }
  CHECK(seen == 39);
}

TEST_CASE("corpus: edge requests") {
  auto data = corpus_json("derived/edge/requests.json");
  if (!data) return;
  Loaded t((*data)["schema"]);
  for (const json& c : (*data)["cases"]) {
    const json& request = c["request"];
    INFO(request.dump());
    RequestText text{literal(request["principal"]), literal(request["action"]), literal(request["resource"]), {}};
    text.context = t.sources.add("context.json", request["context"].dump());
    t.diagnostics = {};
    CHECK(read_request(t.sources, text, t.schema, true, t.diagnostics).has_value() == c["validated"]["ok"].get<bool>());
    CHECK(read_request(t.sources, text, t.schema, false, t.diagnostics).has_value() ==
          c["schema_no_request_validation"]["ok"].get<bool>());
  }
}

TEST_CASE("corpus: entity parsing cases") {
  const std::filesystem::path folder = std::filesystem::path(KERF_CORPUS_DIR) / "cedar-go/entity-parsing-cases";
  if (!std::filesystem::exists(folder)) {
    MESSAGE("SKIPPED: no corpus folder cedar-go/entity-parsing-cases");
    return;
  }
  int seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string path = entry.path().string();
    if (!path.ends_with(".parsing.json")) continue;
    const std::string stem = path.substr(0, path.size() - std::string(".parsing.json").size());
    const json verdict = json::parse(read_text(path)), inputs = json::parse(read_text(stem + ".json"));
    INFO(stem);
    Loaded t(read_text(folder / inputs["schema"].get<std::string>()));
    REQUIRE(!t.diagnostics.has_errors());
    const bool good = entities_are_good(t, read_text(folder / inputs["entities"].get<std::string>()));
    CHECK_MESSAGE(good == verdict["allEntities"]["success"].get<bool>(), messages(t.diagnostics));
    ++seen;
  }
  CHECK(seen == 22);
}

TEST_CASE("corpus: entities and requests of upstream's validator cases") {
  const std::filesystem::path folder = std::filesystem::path(KERF_CORPUS_DIR) / "cedar-go/validate-cases";
  if (!std::filesystem::exists(folder)) {
    MESSAGE("SKIPPED: no corpus folder cedar-go/validate-cases");
    return;
  }
  int seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string path = entry.path().string();
    if (!path.ends_with(".validation.json")) continue;
    const std::string stem = path.substr(0, path.size() - std::string(".validation.json").size());
    const json verdict = json::parse(read_text(path)), inputs = json::parse(read_text(stem + ".json"));
    INFO(stem);
    Loaded t(read_text(stem + ".cedarschema"));
    CHECK_MESSAGE(!t.diagnostics.has_errors(), messages(t.diagnostics));
    judge_entities(t, read_text(stem + ".entities.json"), verdict["entityValidation"]["perEntity"]);
    judge_requests(t, inputs.value("requests", json::array()), verdict["requestValidation"]);
    ++seen;
  }
  CHECK(seen == 83);
}
