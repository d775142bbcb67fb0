// tests/vectors: the table evaluator gives the answers of the official engine, and refuses what must be refused.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "runtime/gateway/engine.h"

using namespace kerf;
using namespace kerf::gateway;

namespace {

Json read_file(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  Result<Json> json = parse_json(text.str(), kMaxTableDepth, JsonNull::accept);
  if (!json.ok()) FAIL(path.string() << ": " << json.error().message);
  return *std::move(json);
}

Table read_table(const std::string& text) {
  Result<Table> table = Table::read(text);
  if (!table.ok()) FAIL(table.error().message);
  return *std::move(table);
}

std::vector<std::string> ids(const Json& list) {
  auto sorted = list.get<std::vector<std::string>>();
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

Request request_of(const Json& json) {
  return {*uid_from_json(json["principal"]), *uid_from_json(json["action"]), *uid_from_json(json["resource"]),
          *value_from_json(json["context"])->as_record()};
}

template <class Decided>
void check_answer(const Table& table, const Decided& decision, const Json& response) {
  std::vector<std::string> determining, errors;
  for (std::uint32_t policy : decision.determining) determining.push_back(table.policies()[policy].id);
  for (const auto& failure : decision.errors) errors.push_back(table.policies()[failure.policy].id);
  std::sort(determining.begin(), determining.end());
  std::sort(errors.begin(), errors.end());
  CHECK((decision.allow ? "allow" : "deny") == response["decision"].template get<std::string>());
  CHECK(determining == ids(response["determining"]));
  CHECK(errors == ids(response["errors"]));
}

void check_case(const Engine& engine, Query& query, const Entities& entities, const Json& vector) {
  INFO(vector.dump());
  const Request request = request_of(vector["request"]);
  Result<Decision> decision = engine.table().decide(request, entities);
  REQUIRE(decision.ok());
  check_answer(engine.table(), *decision, vector["response"]);
  Answer answer;
  REQUIRE(engine.set(query, request.principal, request.action, request.resource, request.context));
  engine.decide(query, answer);
  check_answer(engine.table(), answer, vector["response"]);
  CHECK(engine.allows(query) == answer.allow);
  for (std::size_t i = 0; i < answer.errors.size(); ++i) {
    CHECK(engine.explain(query, answer.errors[i]).message == decision->errors[i].error.message);
  }
}

}  // namespace

TEST_CASE("test vectors") {
  std::size_t cases = 0, errors = 0, allow = 0, formulas = 0;
  for (const auto& entry : std::filesystem::directory_iterator(KERF_SOURCE_DIR "/tests/vectors")) {
    if (entry.path().filename() == "refused.json") continue;
    INFO(entry.path().string());
    const Json file = read_file(entry.path());
    const Entities entities = *Entities::build(*entities_from_json(file["entities"]));
    Result<Engine> engine = Engine::build(std::make_shared<const Table>(read_table(file["table"].dump())), entities);
    REQUIRE(engine.ok());
    Query query(*engine);
    for (const Json& vector : file["cases"]) {
      check_case(*engine, query, entities, vector);
      ++cases;
      errors += vector["response"]["errors"].empty() ? 0 : 1;
      allow += vector["response"]["decision"] == "allow" ? 1 : 0;
    }
    for (const Json& environment : file["table"]["environments"]) {
      for (const Json& group : environment["groups"]) formulas += group["exprs"].size();
    }
  }
  CHECK(cases >= 200);
  CHECK(errors >= 50);
  CHECK(allow >= 100);
  CHECK(cases - allow >= 80);
  CHECK(formulas >= 1);
}

TEST_CASE("tables that every reader refuses") {
  const Json list = read_file(KERF_SOURCE_DIR "/tests/vectors/refused.json");
  CHECK(list.size() >= 25);
  for (const Json& wrong : list) {
    INFO(wrong["why"].get<std::string>());
    CHECK_FALSE(Table::read(wrong["text"].get<std::string>()).ok());
  }
}
