#include <doctest/doctest.h>

#include "backends/check/check.h"
#include "backends/table/emit.h"
#include "driver/pipeline.h"

using namespace kerf;

namespace {

const char* const kSchema = R"(entity User { age: Long, name: String };
entity Doc { owner: User };
action view appliesTo { principal: User, resource: Doc, context: { a: Long, b: Long, c: Long } };)";

Program compiled(const std::string& policies) {
  return check_program({{{"p.cedar", policies}}, InputFile{"s.cedarschema", kSchema}, std::nullopt, std::nullopt});
}

std::vector<Code> codes(const Program& program, const std::string& table, std::size_t max_nodes = proof::kMaxDiagramNodes) {
  Diagnostics diagnostics;
  proof::check_table(program.module, table, diagnostics, {max_nodes});
  std::vector<Code> all;
  for (const Diagnostic& d : diagnostics.all()) all.push_back(d.code);
  return all;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("a comparison past the limit is an error") {
  const Program program = compiled("permit (principal, action, resource) when { context.a == 1 && context.b == 2 && context.c == 3 };");
  const std::string table = emit_table(program.module, program.sources);
  CHECK(codes(program, table).empty());
  CHECK(codes(program, table, 1) == std::vector{Code::K7704});
}

TEST_CASE("edits of a table are found") {
  const Program program = compiled(R"(permit (principal == User::"u", action, resource) when { principal.age > 17 && !(context.a == 1) };
forbid (principal, action, resource in Doc::"d") unless { resource.owner == principal || context.b < 5 };)");
  const std::string table = emit_table(program.module, program.sources);
  REQUIRE(codes(program, table).empty());
  const std::vector<std::pair<std::string, std::string>> edits = {
      {"\"permit\"", "\"forbid\""},       {"\"17\"", "\"18\""},       {"\"<\"", "\"<=\""},      {"\"id\":\"u\"", "\"id\":\"v\""},
      {"\"in\":{\"id\":\"d\"", "\"==\":{\"id\":\"d\""}, {"\"owner\"", "\"boss\""}, {"\"b\"", "\"c\""}, {"\"policy\":1", "\"policy\":0"}};
  for (const auto& [from, to] : edits) {
    CAPTURE(from);
    CHECK_FALSE(codes(program, replaced(table, from, to)).empty());
  }
  CHECK(codes(program, replaced(table, "\"atoms\"", "\"atom\"")) == std::vector{Code::K7703});
}

TEST_CASE("a condition of too many combinations is compared as it is written") {
  std::string condition = "context.a == 0";
  unsigned random = 1;
  auto atom = [&] {
    random = random * 1103515245 + 12345;
    const unsigned r = random >> 16;
    return std::string(r & 1 ? "!" : "") + "(context." + std::string(1, "abc"[r / 2 % 3]) + " == " + std::to_string(r / 8 % 24) + ")";
  };
  for (int i = 0; i < 400; ++i) condition += " && (" + atom() + " || " + atom() + " || " + atom() + ")";
  const Program program = compiled("permit (principal, action, resource in Doc::\"d\") when { " + condition + " };");
  REQUIRE_FALSE(program.diagnostics.has_errors());
  const std::string table = emit_table(program.module, program.sources);
  CHECK(codes(program, table, 1000).empty());
  CHECK(codes(program, replaced(table, "{\"atom\":7}", "{\"atom\":8}"), 1000) == std::vector{Code::K7704});
}
