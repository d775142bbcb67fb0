// Bounds of an object's tables and conditions: at each of them, and one past it. Layout only: no code is generated.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "backends/bpf/automaton.h"
#include "backends/bpf/layout.h"
#include "rig.h"
#include "tests/unit/bpf/paths.h"

using namespace kerf;
using namespace kerf::test;

namespace {

// Empty: the program can be laid out.
std::string refusal(const Program& program) {
  auto layout = bpf::lay_out(program.module, program.plan, digest());
  return layout ? "" : layout.error().message;
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// A row that asks for `context.uid < bound`, as code of its own.
void add_condition(Program& program, std::int64_t bound) {
  PolicyId policy = add_policy(program, Effect::permit);
  Body& body = program.module.policies[policy.index].body;
  NodeId node = body.add(Op::less, {context_attr(body, "uid"), number(body, bound)}, {});
  KernelEnv& env = env_of(program);
  env.code.push_back({policy, node, {}, {}});
  add_row(program, Effect::permit).code = {{static_cast<std::uint32_t>(env.code.size() - 1), Outcome::true_}};
}

std::string refusal_of_sum(int additions) {
  Program program = make_program();
  PolicyId policy = add_policy(program, Effect::permit);
  Body& body = program.module.policies[policy.index].body;
  NodeId sum = context_attr(body, "uid");
  for (int i = 0; i < additions; ++i) sum = body.add(Op::add, {sum, context_attr(body, "gid")}, {});
  NodeId node = body.add(Op::less, {sum, number(body, 7)}, {});
  env_of(program).code.push_back({policy, node, {}, {}});
  add_row(program, Effect::permit).code = {{0, Outcome::true_}};
  return refusal(program);
}

// One row for `holes` single addresses: two boundaries each.
std::string refusal_of_addresses(std::uint32_t holes, bool to_the_end) {
  Program program = make_program();
  AddressSet set;
  for (std::uint32_t i = 0; i < holes; ++i) set.v4.push_back({address4(i * 4 + 4), address4(i * 4 + 4)});
  if (to_the_end) set.v4.push_back({address4(0xfffffff0u), address4(~0u)});
  add_row(program, Effect::permit).address = std::move(set);
  return refusal(program);
}

// Trees in trees, each a test of its own: `depth` of them hold together at the bottom of a chain.
void add_chain(std::vector<PathTest>& tests, std::string_view top, int depth) {
  std::string path(top);
  for (int i = 0; i < depth; ++i) tests.push_back(files({}, {path += "/d"}));
}

std::string refusal_of(const std::vector<PathTest>& tests) {
  std::vector<bpf::NumberedTest> numbered;
  for (std::uint32_t i = 0; i < tests.size(); ++i) numbered.push_back({i, &tests[i]});
  auto automaton = bpf::build_literals(numbered);
  return automaton ? "" : automaton.error().message;
}

}  // namespace

TEST_CASE("conditions: 16,384, and not one more") {
  Program program = make_program();
  for (std::size_t i = 0; i < bpf::kMaxConditions; ++i) add_condition(program, static_cast<std::int64_t>(i));
  CHECK(refusal(program) == "");
  add_condition(program, 5);   // an equal one is the same
  CHECK(refusal(program) == "");
  add_condition(program, -1);
  CHECK(has(refusal(program), "16385 different conditions"));
}

TEST_CASE("operations of a condition: up to the bound, and not one more") {
  // uid, then gid and + for each addition, the number and the comparison
  const int most = static_cast<int>(bpf::kMaxExprNodes - 3) / 2;
  CHECK(refusal_of_sum(most) == "");
  CHECK(has(refusal_of_sum(most + 1), "which is too large"));
}

TEST_CASE("ranges of addresses: 262,144, and not one more") {
  constexpr std::uint32_t boundaries = (1u << KERF_ADDRESS_DEPTH) - 1;
  CHECK(refusal_of_addresses(boundaries / 2, true) == "");
  CHECK(has(refusal_of_addresses(boundaries / 2 + 1, false), "IPv4 addresses"));
}

TEST_CASE("path tests that hold together: 16,777,216 in all, and not one more") {
  // n trees in one another make sets of 1, 2, … n tests.
  std::vector<PathTest> tests;
  for (char way : std::string_view("abcdefgh")) add_chain(tests, std::string("/") + way, 2047);
  add_chain(tests, "/i", 127);
  add_chain(tests, "/j", 10);
  add_chain(tests, "/k", 3);
  add_chain(tests, "/l", 2);
  static_assert(8 * (2047 * 2048 / 2) + 127 * 128 / 2 + 10 * 11 / 2 + 3 * 4 / 2 + 2 * 3 / 2 == bpf::kMaxMatchMembers);
  CHECK(refusal_of(tests) == "");
  add_chain(tests, "/m", 1);
  CHECK(has(refusal_of(tests), "16777216"));
}
