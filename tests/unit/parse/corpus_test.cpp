// The parser against verdicts and trees of the official engine.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "est.h"
#include "frontend/parse/parse.h"

namespace {

using namespace kerf;
using nlohmann::json;
namespace fs = std::filesystem;

const fs::path kCorpus = KERF_CORPUS_DIR;

bool have_corpus() {
  if (fs::exists(kCorpus)) return true;
  std::cout << "SKIPPED: no corpus at " << kCorpus.filename() << "\n";
  return false;
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

json read_json(const std::string& name) { return json::parse(read_file(kCorpus / "derived" / name)); }

std::string first_error(const Diagnostics& diagnostics) {
  if (diagnostics.all().empty()) return "none";
  const Diagnostic& d = diagnostics.all().front();
  return fmt::format("{} {} at {}", catalogue_row(d.code).name, d.message, d.span.begin);
}

struct Parsed {
  Sources sources;
  Diagnostics diagnostics;
  ast::PolicyFile file;
};

Parsed parse(std::string text) {
  Parsed parsed;
  SourceId source = parsed.sources.add("p.cedar", std::move(text));
  parsed.file = parse_policies(parsed.sources, source, parsed.diagnostics);
  return parsed;
}

// The official result lists static policies and templates apart.
void check_trees(const Parsed& parsed, const json& record) {
  std::size_t statics = 0, templates = 0;
  for (const ast::Policy& policy : parsed.file.policies) {
    bool is_template = policy.is_template();
    std::size_t& next = is_template ? templates : statics;
    const json& expected = record.at(is_template ? "templates" : "static").at(next++).at("est");
    CHECK_EQ(test::to_est(parsed.file, policy), expected);
  }
  CHECK_EQ(statics, record.at("static").size());
  CHECK_EQ(templates, record.at("templates").size());
}

void check_round_trip(const Parsed& parsed) {
  std::string text = ast::print(parsed.file);
  Parsed again = parse(text);
  INFO("printed: ", text);
  REQUIRE_MESSAGE(!again.diagnostics.has_errors(), first_error(again.diagnostics));
  CHECK_EQ(test::dump(parsed.file), test::dump(again.file));
  CHECK_EQ(ast::print(again.file), text);
}

// `unknown(..)` is a function of the official engine's partial evaluation only; kerf refuses it.
bool uses_unknown(const std::string& text) { return text.find("unknown(") != std::string::npos; }

// Runs of wildcards are one in our tree.
json merge_wildcards(const json& value) {
  if (value.is_object()) {
    json out = json::object();
    for (const auto& [key, item] : value.items()) out[key] = merge_wildcards(item);
    return out;
  }
  if (!value.is_array()) return value;
  json out = json::array();
  for (const json& item : value) {
    bool repeated = item == "Wildcard" && !out.empty() && out.back() == "Wildcard";
    json merged = merge_wildcards(item);
    bool literal = merged.is_object() && merged.size() == 1 && merged.contains("Literal");
    if (literal && !out.empty() && out.back().is_object() && out.back().contains("Literal")) {
      out.back()["Literal"] = out.back()["Literal"].get<std::string>() + merged["Literal"].get<std::string>();
    } else if (!repeated) {
      out.push_back(std::move(merged));
    }
  }
  return out;
}

void check_policies(const std::string& name, const char* key, std::size_t at_least) {
  std::size_t good = 0, bad = 0;
  for (const json& record : read_json(name)) {
    if (record.contains("long")) continue;
    std::string text = record.at(key);
    if (key == std::string("expr")) text = "permit(principal,action,resource) when { " + text + " };";
    INFO(name, ": ", text);
    Parsed parsed = parse(text);
    bool panicked = !record.at("ok") && record.at("errors")[0].at("message").get<std::string>().starts_with("PANIC");
    if (panicked || uses_unknown(text)) continue;
    CHECK_MESSAGE(record.at("ok").get<bool>() == !parsed.diagnostics.has_errors(), first_error(parsed.diagnostics));
    if (!record.at("ok") || parsed.diagnostics.has_errors()) {
      ++bad;
      continue;
    }
    ++good;
    if (record.at("static").is_array()) check_trees(parsed, merge_wildcards(record));
    check_round_trip(parsed);
  }
  std::cout << name << ": " << good << " good, " << bad << " refused\n";
  CHECK_GE(good + bad, at_least);
}

}  // namespace

TEST_CASE("policies of the corpus: verdicts, trees, printing") {
  if (!have_corpus()) return;
  check_policies("policies.json", "text", 2000);
}

TEST_CASE("expressions of the corpus: verdicts, trees, printing") {
  if (!have_corpus()) return;
  check_policies("exprs.json", "expr", 1000);
}

TEST_CASE("edge policies: verdicts, trees") {
  if (!have_corpus()) return;
  check_policies("edge/policies.json", "text", 40);
}

TEST_CASE("edge expressions: verdicts, and an expression alone reads as in a policy") {
  if (!have_corpus()) return;
  std::size_t good = 0;
  json cases = read_json("edge/expressions.json").at("cases");
  for (const json& record : cases) {
    std::string text = record.at("expr");
    INFO(text);
    Parsed policy = parse("permit(principal,action,resource) when { " + text + " };");
    Sources sources;
    Diagnostics diagnostics;
    ParsedExpr alone = parse_expression(sources, sources.add("e", text), diagnostics);
    CHECK_EQ(record.contains("parse_error"), diagnostics.has_errors());
    CHECK_EQ(alone.expr.has_value(), !diagnostics.has_errors());
    CHECK_EQ(alone.expr.has_value(), !policy.diagnostics.has_errors());
    if (!alone.expr) continue;
    ++good;
    CHECK_EQ(test::dump(alone.file, *alone.expr), test::dump(policy.file, policy.file.policies[0].conditions[0].expr));
  }
  CHECK_GE(good, 200);
  CHECK_GE(cases.size(), 250);
}

// The files that the official engine refuses too.
bool is_wrong(const fs::path& path) {
  for (const char* wrong : {"notfound/policy.cedar", "triple/entities.cedar", "context/commonTypes.cedar",
                            "test-resources/malformed_policy_set.cedar", "parser/policies.cedar",
                            "reserved/__cedar.cedarschema"}) {
    if (path.generic_string().ends_with(wrong)) return true;
  }
  return false;
}

TEST_CASE("every policy file and schema of the corpus") {
  if (!have_corpus()) return;
  std::size_t policies = 0, schemas = 0;
  for (const auto& entry : fs::recursive_directory_iterator(kCorpus)) {
    std::string path = entry.path().string();
    if (entry.path().extension() == ".cedar") {
      INFO(path);
      Parsed parsed = parse(read_file(entry.path()));
      CHECK_MESSAGE(parsed.diagnostics.has_errors() == is_wrong(entry.path()), first_error(parsed.diagnostics));
      check_round_trip(parsed);
      ++policies;
    }
    if (entry.path().extension() == ".cedarschema") {
      INFO(path);
      Sources sources;
      Diagnostics diagnostics;
      parse_schema(sources, sources.add("s", read_file(entry.path())), diagnostics);
      CHECK_MESSAGE(diagnostics.has_errors() == is_wrong(entry.path()), first_error(diagnostics));
      ++schemas;
    }
  }
  std::cout << policies << " policy files, " << schemas << " schemas\n";
  CHECK_GE(policies, 300);
  CHECK_GE(schemas, 200);
}

namespace {

// Errors of the official engine that are about names and not about syntax; kerf finds them after parsing.
bool is_syntax_error(const std::string& message) {
  if (message.find("error parsing schema") == std::string::npos) return false;
  for (const char* later : {"is declared twice", "duplicate namespace id", "uses a reserved schema keyword"}) {
    if (message.find(later) != std::string::npos) return false;
  }
  return true;
}

void check_schemas(const std::string& name, const char* errors_key, std::size_t at_least) {
  std::size_t good = 0, bad = 0;
  for (const json& record : read_json(name)) {
    std::string text = record.at("text");
    INFO(name, ": ", text);
    bool refused = false, refused_later = false;
    for (const char* key : {errors_key, "errors"}) {
      if (!record.contains(key)) continue;
      for (const json& error : record.at(key)) {
        (is_syntax_error(error.at("message")) ? refused : refused_later) = true;
      }
    }
    Sources sources;
    Diagnostics diagnostics;
    ast::SchemaFile file = parse_schema(sources, sources.add("s", text), diagnostics);
    // Of several errors the official engine reports the first.
    bool agrees = refused == diagnostics.has_errors() || (refused_later && diagnostics.has_errors());
    CHECK_MESSAGE(agrees, first_error(diagnostics));
    if (refused || diagnostics.has_errors()) {
      ++bad;
      continue;
    }
    ++good;
    std::string printed = ast::print(file);
    INFO("printed: ", printed);
    Diagnostics again;
    ast::SchemaFile second = parse_schema(sources, sources.add("s", printed), again);
    CHECK_MESSAGE(!again.has_errors(), first_error(again));
    CHECK_EQ(test::dump(file), test::dump(second));
  }
  std::cout << name << ": " << good << " good, " << bad << " refused\n";
  CHECK_GE(good + bad, at_least);
}

}  // namespace

TEST_CASE("schemas of the corpus: verdicts, printing") {
  if (!have_corpus()) return;
  check_schemas("schemas.json", "text_errors", 800);
}

TEST_CASE("edge schemas: verdicts, printing") {
  if (!have_corpus()) return;
  check_schemas("edge/schemas.json", "errors", 60);
}
