// Limits of schemas and policies: at the bound, one past it, and what would grow without one.
#include <fmt/format.h>

#include <ctime>

#include "tests/unit/sema/policy_fixture.h"
#include "tests/unit/sema/schema_support.h"

using namespace kerf;
using test::Codes;
using test::Loaded;

namespace {

constexpr const char* kUse = "entity U { x: T0 }; action view appliesTo { principal: U, resource: U };\n";

std::string repeat(std::string_view piece, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += piece;
  return out;
}

// T0 = {a: T1}, …: `levels` records in one another, the innermost of a Long.
std::string nested_types(std::size_t levels) {
  std::string text = kUse;
  for (std::size_t i = 0; i < levels; ++i) text += fmt::format("type T{} = {{a: T{}}};\n", i, i + 1);
  return text + fmt::format("type T{} = Long;\n", levels);
}

// Each type holds the next one twice: written out, 2^levels leaves.
std::string doubled_types(char name, const char* leaf, std::size_t levels) {
  std::string text;
  for (std::size_t i = 0; i < levels; ++i) text += fmt::format("type {0}{1} = {{a: {0}{2}, b: {0}{2}}};\n", name, i, i + 1);
  return text + fmt::format("type {}{} = {};\n", name, levels, leaf);
}

Codes policy_codes(const std::string& schema, const std::string& condition, ValidationMode mode = ValidationMode::strict) {
  test::Checked out = test::lower(schema, {"permit(principal, action, resource) when { " + condition + " };"});
  if (!out.diagnostics.has_errors()) typecheck(out.module, out.diagnostics, {mode, std::nullopt, false});
  return test::codes(out.diagnostics);
}

double seconds(auto work) {
  std::clock_t start = std::clock();
  work();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

}  // namespace

TEST_CASE("types nest to the bound and no further, however long the chain of names") {
  // The entity's own record is a level, and so is the Long.
  CHECK(test::codes(Loaded(nested_types(kMaxTypeDepth - 2)).diagnostics) == Codes{});
  CHECK(test::codes(Loaded(nested_types(kMaxTypeDepth - 1)).diagnostics) == Codes{"K8001"});
  CHECK(test::codes(Loaded(nested_types(100'000)).diagnostics) == Codes{"K8001"});
  std::string names = kUse;   // names for one type do not nest
  for (int i = 0; i < 100'000; ++i) names += fmt::format("type T{} = T{};\n", i, i + 1);
  CHECK(test::codes(Loaded(names + "type T100000 = Long;").diagnostics) == Codes{});
}

TEST_CASE("types that hold others twice cost what is written, not what they stand for") {
  const std::string schema = doubled_types('T', "Long", 60) + doubled_types('S', "String", 60) +
                             "entity U { x: T0, y: S0 }; action view appliesTo { principal: U, resource: U };";
  CHECK_LT(seconds([&] {
    CHECK(policy_codes(schema, "principal.x == resource.x") == Codes{});
    CHECK(policy_codes(schema, "principal.x == 1") == Codes{"K3106"});
    CHECK(policy_codes(schema, "principal.x == principal.y") == Codes{"K3106"});
    CHECK(policy_codes(schema, "principal.x == principal.y", ValidationMode::permissive) == Codes{});
    CHECK(policy_codes(schema, "[principal.x, principal.y].isEmpty()") == Codes{"K3106"});
    CHECK(policy_codes(schema, "[principal.x, principal.y].isEmpty()", ValidationMode::permissive) == Codes{});
    CHECK(policy_codes(schema, "principal.x.a.b") == Codes{"K3105"});
  }), 5.0);
}

TEST_CASE("request environments: a million, and not one more") {
  auto schema = [](std::size_t principals, std::size_t resources) {
    std::string all, first, second;
    for (std::size_t i = 0; i < std::max(principals, resources); ++i) {
      std::string name = fmt::format("{}E{}", i == 0 ? "" : ", ", i);
      all += name;
      if (i < principals) first += name;
      if (i < resources) second += name;
    }
    return fmt::format("entity {}; action view appliesTo {{ principal: [{}], resource: [{}] }};", all, first, second);
  };
  CHECK(test::codes(Loaded(schema(1000, 1000)).diagnostics) == Codes{});
  CHECK(test::codes(Loaded(schema(1000, 1001)).diagnostics) == Codes{"K8011"});
}

TEST_CASE("pairs of member and ancestor: a million, and not one more") {
  // 1,000 actions, each in 1,000 groups.
  std::string groups, list;
  for (int i = 0; i < 1000; ++i) groups += fmt::format("{}g{}", i == 0 ? "" : ", ", i);
  for (int i = 0; i < 1000; ++i) list += fmt::format("{}a{}", i == 0 ? "" : ", ", i);
  std::string text = fmt::format("action {}; action {} in [{}];", groups, list, groups);
  CHECK(test::codes(Loaded(text).diagnostics) == Codes{});
  CHECK(test::codes(Loaded(text + " action b in [g0];").diagnostics) == Codes{"K8010"});
  std::string types = fmt::format("entity {}; entity {} in [{}];", groups, list, groups);
  CHECK(test::codes(Loaded(types).diagnostics) == Codes{});
  CHECK(test::codes(Loaded(types + " entity b in [g0];").diagnostics) == Codes{"K8010"});
}

TEST_CASE("an expression nests to the bound when it is written out, and no further") {
  const std::string schema = "entity U { n: Long }; action view appliesTo { principal: U, resource: U };";
  // Above the condition stand the scopes' three joints and one of conditions; `==` is a level.
  auto sums = [](std::size_t n) { return "1" + repeat(" + 1", n) + " == 2"; };
  std::size_t most = 0;
  for (std::size_t n = kMaxExprDepth - 8; n < kMaxExprDepth && policy_codes(schema, sums(n)) == Codes{}; ++n) most = n;
  CHECK_GT(most, kMaxExprDepth - 8);
  CHECK(policy_codes(schema, sums(most + 1)) == Codes{"K8001"});
  CHECK(policy_codes(schema, sums(100'000)) == Codes{"K8001"});
}

TEST_CASE("nodes of a policy: up to the bound, and not one more") {
  const std::string schema = "entity U { r?: R }; type R = { a?: R1 }; type R1 = { b?: Bool }; action view appliesTo { principal: U, resource: U };";
  // `e has r.a.b` is written out with e three times: so many nodes in a few words. A list adds one for each number.
  auto policy = [](int doublings, std::size_t numbers) {
    return "permit(principal, action, resource) when { " + repeat("(if ", static_cast<std::size_t>(doublings)) + "principal has r.a" +
           repeat(" then principal else resource) has r.a.b", static_cast<std::size_t>(doublings)) + " || [1" + repeat(", 1", numbers) + "].isEmpty() };";
  };
  auto nodes = [&](int doublings, std::size_t numbers) {
    test::Checked out = test::lower(schema, {policy(doublings, numbers)});
    return out.module.policies.empty() || out.diagnostics.has_errors() ? 0 : out.module.policies[0].body.size();
  };
  int doublings = 1;
  while (nodes(doublings + 1, 0) != 0) ++doublings;
  const std::size_t room = kMaxPolicyNodes - nodes(doublings, 0);
  CHECK(nodes(doublings, room) == kMaxPolicyNodes);
  CHECK(test::codes(test::lower(schema, {policy(doublings, room + 1)}).diagnostics) == Codes{"K8020"});
}

TEST_CASE("long chains and large sets are no nesting") {
  const std::string schema = "entity U { n: Long }; action view appliesTo { principal: U, resource: U };";
  CHECK(policy_codes(schema, "principal.n == 0" + repeat(" || principal.n == 1", 20'000)) == Codes{});
  CHECK(policy_codes(schema, "principal.n == 0" + repeat(" && principal.n == 1", 20'000)) == Codes{});
  CHECK(policy_codes(schema, "[1" + repeat(", 1", 100'000) + "].contains(principal.n)") == Codes{});
}

TEST_CASE("many unknown names and many enumerated ids take time near linear") {
  auto unknown = [](std::size_t n) {
    std::string text;
    for (std::size_t i = 0; i < n; ++i) text += fmt::format("entity E{0} in [X{0}] {{ a: Y{0} }};\n", i);
    return text;
  };
  CHECK_LT(seconds([&] { CHECK(Loaded(unknown(20'000)).diagnostics.error_count() == 40'000); }), 10.0);
  std::string ids;
  for (int i = 0; i < 100'000; ++i) ids += fmt::format("{}\"{}\"", i == 0 ? "" : ", ", i);
  CHECK_LT(seconds([&] { CHECK(test::codes(Loaded("entity U enum [" + ids + "];").diagnostics) == Codes{}); }), 10.0);
}
