// The official engine's answers as data: integration corpus (single policies), random policy sets, expressions.
// Needs the shared corpus; says so and passes without it.
#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "frontend/sema/data.h"
#include "ir/expr_json.h"
#include "tests/unit/table/program.h"

using namespace kerf;
using namespace kerf::test;
namespace fs = std::filesystem;

namespace {

const std::string kCorpus = KERF_CORPUS_DIR;

bool have(const std::string& file) {
  if (fs::exists(kCorpus + "/" + file)) return true;
  fmt::print("SKIPPED: {} is not there (the shared corpus is not part of the repository)\n", file);
  return false;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::vector<char> buffer(1 << 16);
  for (std::size_t n; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) text.append(buffer.data(), n);
  REQUIRE(::pclose(pipe) == 0);
  return text;
}

// The regular files of a gzipped ustar archive by name.
std::map<std::string, std::string> archive(const std::string& path) {
  const std::string tar = output_of("gzip -dc '" + path + "'");
  std::map<std::string, std::string> files;
  for (std::size_t at = 0; at + 512 <= tar.size() && tar[at] != '\0';) {
    const std::string name(tar.c_str() + at);
    const std::size_t size = std::stoull(tar.substr(at + 124, 11), nullptr, 8);
    if (tar[at + 156] == '0') files[name.substr(0, 100)] = tar.substr(at + 512, size);
    at += 512 + (size + 511) / 512 * 512;
  }
  return files;
}

EntityUid uid(const Json& json) { return {json.at("type").get<std::string>(), json.at("id").get<std::string>()}; }

std::vector<std::string> sorted(const Json& array) {
  std::vector<std::string> names = array.get<std::vector<std::string>>();
  std::sort(names.begin(), names.end());
  return names;
}

struct Counts {
  std::size_t requests = 0, agree = 0, invalid = 0, refused_cases = 0, errors = 0, same_message = 0;
};

struct Official {
  std::string decision;
  std::vector<std::string> reasons;              // sorted
  std::map<std::string, std::string> errors;     // policy -> message, empty if not recorded
};

void compare(const gateway::Table& table, const gateway::Decision& decision, const Official& official, Counts& counts) {
  std::vector<std::string> determining;
  for (std::uint32_t policy : decision.determining) determining.push_back(table.policies()[policy].id);
  std::sort(determining.begin(), determining.end());
  bool agree = (decision.allow ? "allow" : "deny") == official.decision && determining == official.reasons &&
               decision.errors.size() == official.errors.size();
  for (const auto& failure : decision.errors) {
    auto expected = official.errors.find(table.policies()[failure.policy].id);
    agree = agree && expected != official.errors.end();
    if (!agree || expected->second.empty()) continue;
    ++counts.errors;
    counts.same_message += failure.error.message == expected->second;
    CHECK(failure.error.message == expected->second);
  }
  ++counts.requests;
  counts.agree += agree;
  CHECK(agree);
}

void run_case(const std::map<std::string, std::string>& files, const Json& test, const Json* golden, Counts& counts) {
  Program program;
  lower(program, files.at(test.at("schema")), {files.at(test.at("policies"))});
  SourceId entity_source = program.sources.add("entities.json", files.at(test.at("entities")));
  Entities entities = read_entities(program.sources, entity_source, program.module.schema, program.diagnostics);
  INFO(program.problems());
  if (program.diagnostics.has_errors()) {
    ++counts.refused_cases;
    if (counts.refused_cases <= 5) fmt::print("  refused: {}", program.problems());
    return;
  }
  gateway::Table table = table_of(program);
  std::size_t position = 0;
  for (const Json& item : test.at("requests")) {
    const Json* answer = golden ? &golden->at("requests").at(position) : nullptr;
    ++position;
    Diagnostics diagnostics;
    SourceId context = program.sources.add("context.json", item.at("context").dump());
    RequestText text{to_text(uid(item.at("principal"))), to_text(uid(item.at("action"))), to_text(uid(item.at("resource"))),
                     context};
    std::optional<Request> request = read_request(program.sources, text, program.module.schema, false, diagnostics);
    Result<gateway::Decision> decision =
        request ? table.decide(*request, entities) : Result<gateway::Decision>(Error{"no request"});
    if (!decision.ok()) {
      ++counts.invalid;
      continue;
    }
    INFO("request " << item.dump());
    Official official{item.at("decision"), sorted(item.at("reason")), {}};
    const bool told = answer && answer->contains("error");
    for (const std::string& policy : sorted(item.at("errors"))) {
      official.errors[policy] = told ? answer->at("error").at("message").get<std::string>() : "";
    }
    compare(table, *decision, official, counts);
  }
}

}  // namespace

TEST_CASE("integration corpus") {
  const std::string cases = "integration/corpus-tests.tar.gz", goldens = "golden/corpus-tests-oracle-4.12.0.tar.gz";
  if (!have(cases) || !have(goldens)) return;
  const std::map<std::string, std::string> files = archive(kCorpus + "/" + cases);
  std::map<std::string, std::string> answers;
  for (const auto& [name, text] : archive(kCorpus + "/" + goldens)) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      const std::string start = "{\"case\":\"";
      if (line.starts_with(start)) answers[line.substr(start.size(), line.find('"', start.size()) - start.size())] = line;
    }
  }
  std::vector<std::string> names;
  for (const auto& [name, text] : files) {
    if (name.ends_with(".json") && !name.ends_with(".entities.json")) names.push_back(name);
  }
  REQUIRE(names.size() > 3000);
  Counts counts;
  for (const std::string& name : names) {
    INFO("case " << name);
    const std::string key = fs::path(name).stem().string();
    const Json golden = answers.contains(key) ? Json::parse(answers.at(key)) : Json();
    run_case(files, Json::parse(files.at(name)), golden.is_object() ? &golden : nullptr, counts);
  }
  fmt::print("corpus: {} cases, {} requests, {} agree; {} requests outside all environments, {} cases refused; "
             "{} error messages, {} as the official engine's\n",
             names.size(), counts.requests, counts.agree, counts.invalid, counts.refused_cases, counts.errors,
             counts.same_message);
  CHECK(counts.agree == counts.requests);
  CHECK(counts.requests > names.size() * 4);
}

namespace {

// The edge cases have no schema: this one has their request's environment. Nothing is type checked.
const char* kEdgeSchema = R"(
  entity U; entity R; entity G;
  namespace N::M { entity T; }
  action read;
  action view in [read] appliesTo { principal: [U], resource: [R], context: {} };
)";

struct Edge {
  Json json;
  Request request;
  Entities entities;
};

Edge read_edge(const std::string& file) {
  Edge edge;
  Result<Json> json = parse_json(read_file(kCorpus + "/" + file), kMaxJsonDepth, JsonNull::accept);
  REQUIRE(json.ok());
  edge.json = *std::move(json);
  Result<std::vector<Entity>> entities = entities_from_json(edge.json.at("entities"));
  REQUIRE(entities.ok());
  edge.entities = *Entities::build(*std::move(entities));
  const Json& request = edge.json.at("request");
  Result<Value> context = value_from_json(request.at("context"));
  REQUIRE(context.ok());
  edge.request = {uid(request.at("principal")), uid(request.at("action")), uid(request.at("resource")), *context->as_record()};
  return edge;
}

// Policies of a set as files, each with its id; links are written out.
std::vector<std::string> policy_texts(const Json& policies) {
  std::vector<std::string> texts;
  for (const auto& [id, text] : policies.at("staticPolicies").items()) {
    texts.push_back("@id(" + quote(id) + ") " + text.get<std::string>());
  }
  if (!policies.contains("templateLinks")) return texts;
  for (const Json& link : policies.at("templateLinks")) {
    std::string text = policies.at("templates").at(link.at("templateId").get<std::string>());
    for (const auto& [slot, value] : link.at("values").items()) {
      const std::size_t at = text.find(slot);
      REQUIRE(at != std::string::npos);
      text.replace(at, slot.size(), to_text(uid(value)));
    }
    texts.push_back("@id(" + quote(link.at("newId").get<std::string>()) + ") " + text);
  }
  return texts;
}

}  // namespace

TEST_CASE("policy sets of the edge corpus") {
  const std::string file = "derived/edge/policysets.json";
  if (!have(file)) return;
  const Edge edge = read_edge(file);
  Counts counts;
  for (const Json& test : edge.json.at("cases")) {
    Program program;
    lower(program, kEdgeSchema, policy_texts(test.at("policies")));
    INFO(test.dump() << program.problems());
    CHECK_MESSAGE(!program.diagnostics.has_errors(), program.problems());
    if (program.diagnostics.has_errors()) {
      ++counts.refused_cases;
      continue;
    }
    gateway::Table table = table_of(program);
    Result<gateway::Decision> decision = table.decide(edge.request, edge.entities);
    REQUIRE(decision.ok());
    Official official{test.at("decision"), sorted(test.at("reasons")), {}};
    for (const Json& error : test.at("errors")) official.errors[error.at(0)] = error.at(1);
    compare(table, *decision, official, counts);
  }
  fmt::print("policy sets: {} decided, {} agree, {} refused\n", counts.requests, counts.agree, counts.refused_cases);
  CHECK(counts.requests > 700);
}

TEST_CASE("expressions of the edge corpus") {
  const std::string file = "derived/edge/expressions.json";
  if (!have(file)) return;
  const Edge edge = read_edge(file);
  const gateway::RequestParts parts{&edge.request.principal, &edge.request.action, &edge.request.resource, &edge.request.context};
  std::size_t values = 0, errors = 0, refused = 0;
  for (const Json& test : edge.json.at("cases")) {
    if (test.contains("parse_error")) continue;
    Program program;
    const std::string text = test.at("expr");
    lower(program, kEdgeSchema, {"permit(principal, action, resource) when { " + text + " };"});
    INFO(text << "\n" << program.problems());
    CHECK(!program.diagnostics.has_errors());
    if (program.diagnostics.has_errors()) {
      ++refused;
      continue;
    }
    // principal && (action && (resource && condition))
    const Body& body = program.module.policies.at(0).body;
    NodeId node = body.root;
    for (int i = 0; i < 3; ++i) node = body.arg(node, 1);
    Result<gateway::Expr> expr = gateway::Expr::from_json(expr_to_json(body, node));
    REQUIRE(expr.ok());
    EvalResult result = expr->evaluate(parts, edge.entities);
    // The table has the answers of conditions, which must be Bool.
    if (result.ok() && result->as_bool() == nullptr) result = type_error("bool", *result);
    if (test.contains("error")) {
      ++errors;
      REQUIRE_FALSE(result.ok());
      CHECK(result.error().message == test.at("error").get<std::string>());
    } else {
      ++values;
      if (!result.ok()) FAIL(result.error().message);
      Result<Value> expected = value_from_json(test.at("value"));
      REQUIRE(expected.ok());
      CHECK(to_text(*result) == to_text(*expected));
    }
  }
  fmt::print("expressions: {} values, {} errors, {} refused\n", values, errors, refused);
  CHECK(values + errors > 200);
}
