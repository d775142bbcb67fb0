// Bounds of an object's tables and conditions: at each of them, and one past it. Layout only: no code is generated.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <random>

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

// A row that asks for `context.uid + context.gid < bound`, which no table answers.
void add_condition(Program& program, std::int64_t bound) {
  PolicyId policy = add_policy(program, Effect::permit);
  Body& body = program.module.policies[policy.index].body;
  NodeId sum = body.add(Op::add, {context_attr(body, "uid"), context_attr(body, "gid")}, {});
  NodeId node = body.add(Op::less, {sum, number(body, bound)}, {});
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

// The same of IPv6, where every range begins in one high half, ends in another, and goes on beside a bound of low halves.
std::string refusal_of_halves(std::uint32_t holes, bool to_the_end) {
  Program program = make_program();
  AddressSet set;
  for (std::uint64_t i = 0; i < holes; ++i) set.v6.push_back({address6(i * 4 + 4, 1), address6(i * 4 + 6, 0)});
  if (to_the_end) set.v6.push_back({address6(~std::uint64_t{0} - 1, 1), address6(~std::uint64_t{0}, ~std::uint64_t{0})});
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

TEST_CASE("weight of a condition: 6,000, and not one more") {
  auto refusal_of_members = [](std::int64_t count) {
    Program program = make_program();
    PolicyId policy = add_policy(program, Effect::permit);
    Body& body = program.module.policies[policy.index].body;
    std::vector<Value> members;
    for (std::int64_t i = 0; i < count; ++i) members.emplace_back(i * 3);
    NodeId sum = body.add(Op::add, {context_attr(body, "uid"), context_attr(body, "gid")}, {});
    NodeId node = body.add(Op::contains, {body.add_literal(Value::set(std::move(members)), {}), sum}, {});
    env_of(program).code.push_back({policy, node, {}, {}});
    add_row(program, Effect::permit).code = {{0, Outcome::true_}};
    auto object = emit(program);
    return object ? "" : object.error().message;
  };
  CHECK(refusal_of_members(6000 - 5) == "");   // beside the members: the test, and four nodes
  CHECK(has(refusal_of_members(6000 - 4), "a condition of 6001 operations"));
}

TEST_CASE("ranges of addresses: 262,144, and not one more") {
  constexpr std::uint32_t boundaries = (1u << KERF_ADDRESS_DEPTH) - 1;
  CHECK(refusal_of_addresses(boundaries / 2, true) == "");
  CHECK(has(refusal_of_addresses(boundaries / 2 + 1, false), "IPv4 addresses into 262145 ranges, the kernel tables hold 262144"));
  CHECK(refusal_of_halves(boundaries / 2, true) == "");
  CHECK(has(refusal_of_halves(boundaries / 2 + 1, false), "IPv6 addresses into 262145 ranges, the kernel tables hold 262144"));
}

TEST_CASE("path tests that hold together: 16,777,216 in all, and not one more") {
  // n trees in one another make sets of 1, 2, … n tests.
  std::vector<PathTest> tests;
  for (char way : std::string_view("abcdefgh")) add_chain(tests, std::string("/") + way, 2040);
  add_chain(tests, "/i", 494);
  add_chain(tests, "/j", 27);
  add_chain(tests, "/k", 4);
  add_chain(tests, "/l", 2);
  static_assert(8 * (2040 * 2041 / 2) + 494 * 495 / 2 + 27 * 28 / 2 + 4 * 5 / 2 + 2 * 3 / 2 == bpf::kMaxMatchMembers);
  CHECK(refusal_of(tests) == "");
  add_chain(tests, "/m", 1);
  CHECK(has(refusal_of(tests), "16777216"));
}

TEST_CASE("states of the automaton of literals: 8,388,608, and no more") {
  // Files that share a few bytes at their beginnings and none at their ends. The last one is counted when the next comes.
  auto many = [](std::size_t count) {
    std::vector<PathTest> tests(1, files({}));
    for (std::size_t i = 0; i < count; ++i) tests[0].files.push_back(fmt::format("/{0:07}{1}{0:07}", i, std::string(4000, 'f')));
    return refusal_of(tests);
  };
  CHECK(many(bpf::kMaxPathStates / 4015) == "");
  CHECK(has(many(bpf::kMaxPathStates / 4000 + 2), "8388608 states"));
}

TEST_CASE("tables: up to 60 MiB") {
  // At each of `steps` addresses one row of every 64 begins or ends: each range has a bitmap of 4,096 rows of its own.
  auto refusal_with = [](std::uint32_t steps) {
    constexpr std::uint32_t rows = 4096;
    std::mt19937_64 random(3);
    std::vector<std::vector<std::uint32_t>> turns(rows);
    for (std::uint32_t step = 1; step <= steps; ++step) {
      for (std::uint32_t word = 0; word < rows / 64; ++word) turns[word * 64 + random() % 64].push_back(step * 8);
    }
    Program program = make_program();
    for (std::uint32_t row = 0; row < rows; ++row) {
      AddressSet set;
      for (std::size_t i = 0; i + 1 < turns[row].size(); i += 2) set.v4.push_back({address4(turns[row][i]), address4(turns[row][i + 1] - 1)});
      add_row(program, Effect::permit).address = std::move(set);
    }
    return refusal(program);
  };
  CHECK(refusal_with(50'000) == "");
  CHECK(has(refusal_with(130'000), "60 MiB"));
}
