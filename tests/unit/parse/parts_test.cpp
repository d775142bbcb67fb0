// Trees that serve several policies, and files that are read in parts: the result is that of reading one policy after
// the other.
#include "frontend/parse/prediction.h"   // before doctest, whose short macros the generated names would meet

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "frontend/parse/parse.h"

using namespace kerf;

namespace {

struct Parsed {
  std::string text;                    // canonical, with the places of everything
  std::vector<std::string> messages;
  friend bool operator==(const Parsed&, const Parsed&) = default;
};

// Places are told relative to `from`, and only of what begins there or later.
Parsed parse(const std::string& source, std::size_t jobs = 1, std::size_t from = 0) {
  Sources sources;
  Diagnostics diagnostics;
  ast::PolicyFile file = parse_policies(sources, sources.add("p.cedar", source), diagnostics, jobs);
  auto place = [&](Span span) { return fmt::format("{}..{}", span.begin - from, span.end - from); };
  Parsed out;
  for (const ast::Policy& policy : file.policies) {
    if (policy.span.begin < from) continue;
    out.text += fmt::format("{} {} {}\n", place(policy.span), place(policy.effect_span), print(file, policy));
    for (const ast::Condition& condition : policy.conditions) out.text += fmt::format("  {} {}\n", place(condition.span), print(file, condition.expr));
  }
  for (const ast::Expr& expr : file.exprs) {
    if (expr.span.begin >= from) out.text += fmt::format("{}:{} ", expr.node.index(), place(expr.span));
  }
  for (const Diagnostic& d : diagnostics.all()) {
    if (d.span.begin >= from) out.messages.push_back(fmt::format("{} {}", place(d.span), d.message));
  }
  return out;
}

const std::vector<std::string> kPolicies = {
    R"(permit(principal, action, resource);)",
    R"(@id("a") @note forbid(principal == User::"x", action in [Action::"a", Action::"b"], resource is Doc in Folder::"f");)",
    R"(permit(principal in ?principal, action, resource == ?resource,);)",
    R"(permit(principal, action, resource) when { principal.a.b["c d"] && !(context has x.y) } unless { -1 + 2 * 3 < 4 };)",
    R"(permit(principal, action, resource) when { if [1, 2,].contains(1) then {"a": 1, "if": 2,} == {} else ip("1.2.3.4").isIpv4() };)",
    R"(permit(principal, action, resource) when { principal is A::B in C::"d" || resource.name like "a*\*" && "é".x == 1 };)",
};

// The tree fits, its words do not.
const std::vector<std::string> kRefused = {
    R"(permit(principal, action, resource) when { "\q" == "a" };)",
    R"(permit(principal, action, resource) when { principal.if == "a" };)",
    R"(permit(action, principal, resource);)",
    R"(allow(principal, action, resource);)",
    R"(permit(principal, action, resource) when { foo };)",
    R"(permit(principal, action, resource) when { principal.nope(1) };)",
    R"(permit(principal, action, resource) when { 99999999999999999999 == 1 };)",
};

std::string repeated(std::size_t count, const std::vector<std::string>& policies) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += policies[(i * 7 + i / 5) % policies.size()] + (i % 4 == 0 ? " // ; \"\n" : "\n");
  return text;
}

}  // namespace

TEST_CASE("a policy behind others of its kind reads as alone") {
  std::vector<std::string> all = kPolicies;
  all.insert(all.end(), kRefused.begin(), kRefused.end());
  const std::string before = repeated(60, kPolicies) + R"(permit(principal, action, resource) when { "\n" == "a" };)" +
                             R"(permit(principal, action, resource) when { principal.x == "a" };)" +
                             R"(permit(principal, action, resource) when { principal.contains(1) };)" +
                             R"(permit(principal, action, resource) when { 9 == 1 };)";
  for (const std::string& policy : all) {
    CAPTURE(policy);
    Parsed alone = parse(policy);
    CHECK(alone.messages.empty() == (std::find(kRefused.begin(), kRefused.end(), policy) == kRefused.end()));
    CHECK(parse(before + policy, 1, before.size()) == alone);
    CHECK(parse(before + policy + policy, 1, before.size() + policy.size()) == alone);
  }
}

TEST_CASE("parts on threads") {
  const std::string good = repeated(6000, kPolicies);
  const Parsed one = parse(good);
  REQUIRE(one.messages.empty());
  for (std::size_t jobs : {2, 3, 7}) CHECK(parse(good, jobs) == one);
}

TEST_CASE("parts on threads, with something wrong") {
  const std::string good = repeated(3000, kPolicies);
  for (std::string wrong : {"permit(principal action, resource);", "permit(principal, action, resource) when { ( } ;", "\"", "/* ; */", "#",
                            "permit(principal, action, resource) when { {a: 1; }", "permit(principal, action, resource)", "}", ";",
                            R"(permit(principal, action, resource) when { "\q" == "a" };)"}) {
    for (const std::string& text : {wrong + good + good, good + wrong + good, good + good + wrong}) {
      CAPTURE(wrong);
      const Parsed one = parse(text);
      CHECK(!one.messages.empty());
      for (std::size_t jobs : {2, 5}) CHECK(parse(text, jobs) == one);
    }
  }
}

TEST_CASE("two tokens decide as ANTLR's prediction does") {
  // The decisions that the generated parser does not make on one token.
  std::ifstream generated(KERF_BINARY_DIR "/grammar/generated/Cedar.cpp");
  std::stringstream code;
  code << generated.rdbuf();
  const std::string text = code.str();
  std::set<std::size_t> decisions;
  const std::regex call(R"(adaptivePredict\(_input, (\d+))");
  for (std::sregex_iterator at(text.begin(), text.end(), call), end; at != end; ++at) decisions.insert(std::stoul((*at)[1]));
  REQUIRE(decisions.size() == 5);

  ChunkStream stream;
  Cedar parser(nullptr);
  parser.removeErrorListeners();
  auto* antlr = parser.getInterpreter<antlr4::atn::ParserATNSimulator>();
  antlr4::atn::ParserATNSimulator reference(&parser, parser.getATN(), antlr->decisionToDFA, antlr->getSharedContextCache());
  TwoTokens quick(parser, true);
  std::size_t decided = 0;
  for (std::size_t decision : decisions) {
    for (std::size_t first = 1; first <= Tokens::WRONG; ++first) {
      for (std::size_t second = 1; second <= Tokens::WRONG; ++second) {
        std::vector<SourceToken> tokens;
        for (std::size_t type : {first, second, antlr4::Token::EOF}) tokens.emplace_back(Lexeme{type, 0, 0}, tokens.size());
        stream.read(tokens);
        std::size_t expected = 0;
        try {
          expected = reference.adaptivePredict(&stream, decision, &antlr4::ParserRuleContext::EMPTY);
        } catch (const antlr4::RecognitionException&) {
        }
        const std::size_t found = quick.decide(decision, first, second);
        if (found != 0) CHECK_MESSAGE(found == expected, decision << ": " << first << " " << second);
        decided += found != 0 ? 1 : 0;
      }
    }
  }
  CHECK(decided > 300);
}
