// Hostile and large input: documented limits, no deep recursion, time near linear.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <ctime>
#include <iostream>

#include "frontend/parse/parse.h"

namespace {

using namespace kerf;

std::string repeat(std::string_view piece, std::size_t times) {
  std::string out;
  out.reserve(piece.size() * times);
  for (std::size_t i = 0; i < times; ++i) out += piece;
  return out;
}

std::string when(const std::string& condition) {
  return "permit(principal, action, resource) when { " + condition + " };";
}

std::vector<Code> codes(const Diagnostics& diagnostics) {
  std::vector<Code> out;
  for (const Diagnostic& d : diagnostics.all()) out.push_back(d.code);
  return out;
}

std::vector<Code> policy_codes(std::string text) {
  Sources sources;
  Diagnostics diagnostics;
  SourceId source = sources.add("p", std::move(text));
  parse_policies(sources, source, diagnostics);
  return codes(diagnostics);
}

std::vector<Code> schema_codes(std::string text) {
  Sources sources;
  Diagnostics diagnostics;
  SourceId source = sources.add("s", std::move(text));
  parse_schema(sources, source, diagnostics);
  return codes(diagnostics);
}

const std::vector<Code> kTooDeep = {Code::K8001};
const std::vector<Code> kGood = {};

}  // namespace

TEST_CASE("nesting: the limit passes, one more does not, thousands give one clean error") {
  auto brackets = [](std::size_t n) { return when(repeat("(", n) + "true" + repeat(")", n)); };
  CHECK(policy_codes(brackets(kMaxNesting - 1)) == kGood);  // the clause's brace is a level
  CHECK(policy_codes(brackets(kMaxNesting)) == kTooDeep);
  CHECK(policy_codes(brackets(5'000)) == kTooDeep);
  CHECK(policy_codes(brackets(200'000)) == kTooDeep);
  auto ifs = [](std::size_t n) { return when(repeat("if true then true else ", n) + "true"); };
  CHECK(policy_codes(ifs(kMaxNesting - 1)) == kGood);
  CHECK(policy_codes(ifs(kMaxNesting)) == kTooDeep);
  auto tests = [](std::size_t n) { return when(repeat("if ", n) + "true" + repeat(" then true else true", n)); };
  CHECK(policy_codes(tests(kMaxNesting - 1)) == kGood);
  CHECK(policy_codes(tests(5'000)) == kTooDeep);
  for (std::string_view open : {"[", "{a: ", "!(", "ip(", "principal["}) {
    INFO(open);
    CHECK(policy_codes(when(repeat(open, 5'000))) == kTooDeep);
  }
  CHECK(policy_codes("permit(principal == " + repeat("(", 5'000)) == kTooDeep);
}

TEST_CASE("nesting: `if` beside each other do not add up") {
  CHECK(policy_codes(when("[" + repeat("if true then 1 else 2, ", 1'000) + "3] == []")) == kGood);
  CHECK(policy_codes(when(repeat("(if true then 1 else 2) + ", 1'000) + "3 == 1")) == kGood);
}

TEST_CASE("nesting in schemas and expressions") {
  CHECK(schema_codes("type T = " + repeat("Set<", 200) + "Long" + repeat(">", 200) + ";") == kGood);
  CHECK(schema_codes("type T = " + repeat("Set<", 5'000) + "Long" + repeat(">", 5'000) + ";") == kTooDeep);
  CHECK(schema_codes("type T = " + repeat("{a: ", 5'000)) == kTooDeep);
  Sources sources;
  Diagnostics diagnostics;
  parse_expression(sources, sources.add("e", repeat("(", 5'000)), diagnostics);
  CHECK(codes(diagnostics) == kTooDeep);
}

TEST_CASE("a policy that nests too deep does not spoil its neighbours") {
  std::string good = "permit(principal, action, resource);";
  Sources sources;
  Diagnostics diagnostics;
  SourceId source = sources.add("p", good + when(repeat("(", 300) + "true" + repeat(")", 300)) + good);
  CHECK_EQ(parse_policies(sources, source, diagnostics).policies.size(), 2);
  CHECK(codes(diagnostics) == kTooDeep);
}

TEST_CASE("chains of any length parse and print") {
  for (std::string_view link : {" && principal.a", " || principal.a", ".a", "[\"a\"]"}) {
    INFO(link);
    std::string text = "principal.a" + repeat(link, 50'000);
    Sources sources;
    Diagnostics diagnostics;
    ParsedExpr parsed = parse_expression(sources, sources.add("e", text), diagnostics);
    REQUIRE(parsed.expr);
    CHECK_EQ(ast::print(parsed.file, *parsed.expr), text);
  }
  std::string sum = "1" + repeat(" - 1 + 1", 30'000);
  Sources sources;
  Diagnostics diagnostics;
  ParsedExpr parsed = parse_expression(sources, sources.add("e", sum), diagnostics);
  REQUIRE(parsed.expr);
  CHECK_EQ(ast::print(parsed.file, *parsed.expr), sum);
}

TEST_CASE("a policy of more than a million tokens is refused, its neighbours are read") {
  Sources sources;
  Diagnostics diagnostics;
  std::string list = when("[" + repeat("1,", kMaxTokens / 2) + "1].contains(1)");
  SourceId source = sources.add("p", list + "permit(principal, action, resource);");
  CHECK_EQ(parse_policies(sources, source, diagnostics).policies.size(), 1);
  CHECK(codes(diagnostics) == std::vector<Code>{Code::K8003});
}

TEST_CASE("tokens of a policy: the limit passes, one more does not") {
  auto policy = [](std::size_t tokens) {
    std::string head = "permit(principal, action, resource) when { [", tail = "] };";
    std::size_t fixed = 14, rest = tokens - fixed;   // 11 before the list, 3 after it
    bool even = rest % 2 == 0;                       // `1` and `,1` are odd in number, `-1` makes them even
    std::size_t more = (rest - (even ? 2 : 1)) / 2;
    return head + (even ? "-1" : "1") + repeat(",1", more) + tail;
  };
  CHECK(policy_codes(policy(kMaxTokens)) == kGood);
  CHECK(policy_codes(policy(kMaxTokens + 1)) == std::vector<Code>{Code::K8003});
}

TEST_CASE("empty files parse to nothing") {
  for (const char* text : {"", " \n\t", "// only a comment", "\xe2\x80\x83"}) {
    CHECK(policy_codes(text) == kGood);
    CHECK(schema_codes(text) == kGood);
  }
  Sources sources;
  Diagnostics diagnostics;
  CHECK_FALSE(parse_expression(sources, sources.add("e", ""), diagnostics).expr);
  CHECK(codes(diagnostics) == std::vector<Code>{Code::K1002});
}

TEST_CASE("time is near linear in the number of policies") {
  auto policies = [](std::size_t n) {
    std::string text;
    for (std::size_t i = 0; i < n; ++i) {
      text += fmt::format(
          "@id(\"p{0}\")\npermit(principal in Group::\"g{0}\", action == Action::\"connect\", resource is Endpoint)\n"
          "when {{ resource.ip.isInRange(ip(\"10.{1}.0.0/16\")) && resource.port == {2} }}\n"
          "unless {{ context has depth && context.depth > 3 }};\n", i, i % 256, i % 65536);
    }
    return text;
  };
  auto seconds = [&](std::size_t n) {
    Sources sources;
    Diagnostics diagnostics;
    SourceId source = sources.add("p", policies(n));
    std::clock_t start = std::clock();  // processor time: other work must not count
    CHECK_EQ(parse_policies(sources, source, diagnostics).policies.size(), n);
    CHECK_FALSE(diagnostics.has_errors());
    return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  };
  seconds(100);  // ANTLR's tables
  double small = seconds(1'000), large = seconds(10'000);
  std::cout << fmt::format("1,000 policies {:.0f} ms, 10,000 policies {:.0f} ms\n", small * 1e3, large * 1e3);
  CHECK_LT(large, small * 30 + 1);
}
