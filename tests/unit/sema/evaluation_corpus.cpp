// Parsing, lowering and the reference evaluator against data made with the official engine 4.12: values, decisions,
// determining policies and the texts of evaluation errors. Skipped where the corpus is not.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "frontend/parse/parse.h"
#include "frontend/sema/policies.h"
#include "frontend/sema/schema.h"
#include "ir/eval.h"
#include "ir/values/json.h"

using namespace kerf;
namespace fs = std::filesystem;

namespace {

const fs::path kCorpus = KERF_CORPUS_DIR;

std::optional<std::string> read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    std::cout << "skipped: no " << path.filename().string() << " in the corpus directory\n";
    return std::nullopt;
  }
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

Json json_of(std::string_view text) {
  auto json = parse_json(text);
  if (!json.ok()) FAIL(json.error().message);
  return *json;
}

Request request_of(const Json& json) {
  return {*uid_from_json(json.at("principal")), *uid_from_json(json.at("action")), *uid_from_json(json.at("resource")),
          *value_from_json(json.at("context"))->as_record()};
}

struct Program {
  Sources sources;
  Diagnostics diagnostics;
  Module module;

  void add_policies(const std::string& text) {
    SourceId source = sources.add("policies.cedar", text);
    ast::PolicyFile file = parse_policies(sources, source, diagnostics);
    if (!diagnostics.has_errors()) lower_policies({file}, module, diagnostics);
  }
};

void compare(const Decision& decision, const Json& row) {
  CHECK(decision.allow == row.value("value", false));
  CHECK(decision.errors.empty() == !row.contains("error"));
  if (!decision.errors.empty() && row.contains("error")) {
    CHECK(decision.errors[0].error.message == row.at("error").get<std::string>());
  }
}

}  // namespace

TEST_CASE("expressions have the values and errors of the official engine") {
  auto text = read(kCorpus / "derived/edge/expressions.json");
  if (!text) return;
  Json data = json_of(*text);
  Request request = request_of(data.at("request"));
  auto entities = Entities::build(*entities_from_json(data.at("entities")));
  REQUIRE(entities.ok());
  for (const Json& row : data.at("cases")) {
    std::string expr = row.at("expr");
    CAPTURE(expr);
    Program program;
    program.add_policies("permit(principal, action, resource) when { " + expr + " };");
    bool refused = row.contains("parse_error");
    CHECK(program.diagnostics.has_errors() == refused);
    if (refused || program.diagnostics.has_errors()) continue;
    CHECK(verify(program.module) == std::nullopt);
    compare(authorize(program.module, request, *entities), row);

    // What is printed means the same.
    const Body& body = program.module.policies[0].body;
    std::string printed = print_expr(body, body.root);
    CAPTURE(printed);
    Program again;
    again.add_policies("permit(principal, action, resource) when { " + printed + " };");
    if (again.diagnostics.has_errors()) FAIL(again.diagnostics.all()[0].message);
    compare(authorize(again.module, request, *entities), row);
  }
}

namespace {

// The archive's files, in a directory of their own that goes away at the end.
class Unpacked {
 public:
  explicit Unpacked(std::initializer_list<fs::path> archives) {
    std::string pattern = (fs::temp_directory_path() / "kerf-corpus-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    dir_ = pattern;
    for (const fs::path& archive : archives) {
      std::string command = "tar -xzf '" + archive.string() + "' -C '" + dir_.string() + "'";
      REQUIRE(std::system(command.c_str()) == 0);
    }
  }
  ~Unpacked() {
    std::error_code ignored;
    fs::remove_all(dir_, ignored);
  }
  Unpacked(const Unpacked&) = delete;
  Unpacked& operator=(const Unpacked&) = delete;
  const fs::path& dir() const { return dir_; }

 private:
  fs::path dir_;
};

// One case of the corpus: a policy, its schema and entities, and what the official engine said to each request.
void judge(const fs::path& dir, const Json& golden, std::size_t& decisions) {
  std::string name = golden.at("case");
  CAPTURE(name);
  Json expected = json_of(*read(dir / (name + ".json")));
  Program program;
  SourceId schema = program.sources.add("schema.cedarschema", *read(dir / (name + ".cedarschema")));
  program.module.schema = resolve_schema(parse_schema(program.sources, schema, program.diagnostics), program.diagnostics);
  program.module.environments = program.module.schema.environments();
  program.add_policies(*read(dir / (name + ".cedar")));
  if (program.diagnostics.has_errors()) FAIL(program.diagnostics.all()[0].message);
  CHECK(verify(program.module) == std::nullopt);
  std::vector<Entity> stored = *entities_from_json(json_of(*read(dir / (name + ".entities.json"))));
  // Stored actions list all their ancestors as parents; the schema's own are the same hierarchy.
  std::erase_if(stored, [&](const Entity& entity) { return program.module.schema.find_action(entity.uid) != nullptr; });
  for (Entity& action : program.module.schema.action_entities()) stored.push_back(std::move(action));
  auto entities = Entities::build(std::move(stored));
  if (!entities.ok()) FAIL(entities.error().message);

  for (std::size_t i = 0; i < expected.at("requests").size(); ++i, ++decisions) {
    CAPTURE(i);
    const Json& row = expected.at("requests")[i];
    Decision decision = authorize(program.module, request_of(row), *entities);
    CHECK(decision.allow == (row.at("decision") == "allow"));
    CHECK(decision.determining.size() == row.at("reason").size());
    CHECK(decision.errors.size() == row.at("errors").size());
    const Json& said = golden.at("requests")[i];
    if (said.contains("error") && decision.errors.size() == 1) {
      CHECK(decision.errors[0].error.message == said.at("error").at("message").get<std::string>());
    }
  }
}

}  // namespace

TEST_CASE("decisions and errors agree with the official engine on its own corpus") {
  fs::path cases = kCorpus / "integration/corpus-tests.tar.gz";
  fs::path goldens = kCorpus / "golden/corpus-tests-oracle-4.12.0.tar.gz";
  if (!fs::exists(cases) || !fs::exists(goldens)) {
    std::cout << "skipped: no integration tests in the corpus directory\n";
    return;
  }
  Unpacked unpacked({cases, goldens});
  std::ifstream lines(unpacked.dir() / "corpus-golden-4.12.0.jsonl");
  std::size_t decisions = 0;
  for (std::string line; std::getline(lines, line);) judge(unpacked.dir() / "corpus-tests", json_of(line), decisions);
  CHECK(decisions > 30'000);
  std::cout << "judged " << decisions << " decisions of the official corpus\n";
}
