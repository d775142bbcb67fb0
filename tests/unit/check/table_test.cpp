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
