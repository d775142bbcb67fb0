// Comparisons of a number with constants: tables answer them, as the reference evaluator does, at every edge.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <limits>

#include "backends/bpf/layout.h"
#include "backends/bpf/numbers.h"
#include "rig.h"

using namespace kerf;
using namespace kerf::test;

namespace {

constexpr std::int64_t kEdges[] = {std::numeric_limits<std::int64_t>::min(), -2, -1, 0, 1, 2, 999, 1000, 1001, 0xfffffffe, 0xffffffff, 0x100000000,
                                   0x100000001, std::numeric_limits<std::int64_t>::max()};

std::int64_t any_edge(std::mt19937_64& random) { return kEdges[random() % std::size(kEdges)]; }

// `name` compared with a constant, either first; or a set that is asked for it.
NodeId comparison(Body& body, const std::string& name, std::mt19937_64& random) {
  const NodeId observed = context_attr(body, name), constant = number(body, any_edge(random));
  const bool first = random() % 2;
  switch (random() % 4) {
    case 0: return body.add(Op::eq, {first ? observed : constant, first ? constant : observed}, {});
    case 1: return body.add(Op::less, {first ? observed : constant, first ? constant : observed}, {});
    case 2: return body.add(Op::less_eq, {first ? observed : constant, first ? constant : observed}, {});
    default: {
      std::vector<Value> members;
      for (std::size_t i = random() % 5; i > 0; --i) members.push_back(Value(any_edge(random)));
      return body.add(Op::contains, {body.add_literal(Value::set(std::move(members)), {}), observed}, {});
    }
  }
}

// Rows with one or two comparisons, of either outcome.
Program random_program(const std::vector<std::string>& names, std::size_t rows, std::mt19937_64& random) {
  Program program = make_program();
  for (std::size_t i = 0; i < rows; ++i) {
    KernelRow& row = add_row(program, random() % 3 ? Effect::permit : Effect::forbid);
    KernelEnv& env = env_of(program);
    Body& body = program.module.policies[row.policy.index].body;
    for (std::size_t tests = 1 + random() % 2; tests > 0; --tests) {
      const NodeId node = comparison(body, names[random() % names.size()], random);
      row.code.push_back({static_cast<std::uint32_t>(env.code.size()), random() % 2 ? Outcome::true_ : Outcome::false_});
      env.code.push_back({row.policy, node, {}, {}});
    }
  }
  return program;
}

std::size_t conditions_of(const Program& program) {
  Result<bpf::Layout> layout = bpf::lay_out(program.module, program.plan, digest());
  REQUIRE(layout.ok());
  return layout->request.conditions.size();
}

kerf_seen seen(std::uint32_t uid, std::uint32_t gid, std::uint32_t pid, std::uint32_t protocol) {
  kerf_seen event{};
  event.uid = uid;
  event.gid = gid;
  event.pid = pid;
  event.net.address_low = 1;
  event.net.port = 443;
  event.net.protocol = protocol;
  return event;
}

void check(const Program& program, std::mt19937_64& random) {
  Result<BpfObject> object = emit(program);
  if (!object) FAIL(object.error().message);
  auto loaded = Loaded::load(program, std::move(*object), false);
  if (!loaded) FAIL(loaded.error().message);
  Binding binding;
  REQUIRE((*loaded)->bind(1, binding) == 0);
  std::vector<kerf_seen> events;
  auto edge = [&] { return static_cast<__u32>(any_edge(random)); };
  for (int i = 0; i < 300; ++i) events.push_back(seen(edge(), edge(), edge(), edge()));
  const std::vector<kerf_decision> decisions = (*loaded)->decide(1, events);
  REQUIRE(decisions.size() == events.size());
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const std::string found = difference(expected(program, binding, events[i]), decisions[i]);
    if (!found.empty() && wrong++ < 3) MESSAGE(describe(events[i]) << ": " << found);
  }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("comparisons of one number need no instructions, of more all but one do") {
  std::mt19937_64 random(7);
  for (const char* name : {"uid", "gid", "pid", "protocol"}) CHECK(conditions_of(random_program({name}, 60, random)) == 0);
  CHECK(conditions_of(random_program({"uid", "gid"}, 60, random)) > 0);
}

TEST_CASE("a Bool that shares its field with others is no number") {
  Program program = make_program();
  add_row(program, Effect::permit).code.push_back({0, Outcome::true_});
  auto plan_of = [&](bpf::CodeObservable observable) {
    bpf::CodeExpr expr(3);
    expr[0].op = bpf::CodeOp::observe;
    expr[0].observable = observable;
    expr[1].low = 1;
    expr[2].op = bpf::CodeOp::eq;
    expr[2].args = {0, 1};
    return bpf::plan_numbers(env_of(program), {expr});
  };
  const bpf::NumberPlan number = plan_of(bpf::CodeObservable::signal_number), flag = plan_of(bpf::CodeObservable::ptrace_attach);
  CHECK((number.ranges[0] && number.code[0].empty()));
  CHECK((!flag.ranges[0] && flag.code[0].size() == 1));
}

TEST_CASE("comparisons of numbers agree with the reference at every edge") {
  if (!kernel_takes_bpf()) return;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    static const std::vector<std::string> names[] = {{"uid"}, {"gid"}, {"protocol"}, {"uid", "gid", "pid", "protocol"}};
    check(random_program(names[seed - 1], 80, random), random);
  }
}

TEST_CASE("10,000 policies about a number need no instructions") {
  if (!kernel_takes_bpf()) return;
  Program program = make_program();
  for (std::int64_t i = 0; i < 10000; ++i) {
    KernelRow& row = add_row(program, Effect::permit);
    Body& body = program.module.policies[row.policy.index].body;
    row.code = {{static_cast<std::uint32_t>(env_of(program).code.size()), Outcome::true_}};
    env_of(program).code.push_back({row.policy, body.add(Op::eq, {context_attr(body, "uid"), number(body, i * 3)}, {}), {}, {}});
  }
  CHECK(conditions_of(program) == 0);
  Result<BpfObject> object = emit(program);
  if (!object) FAIL(object.error().message);
  auto loaded = Loaded::load(program, std::move(*object), false);
  if (!loaded) FAIL(loaded.error().message);
  REQUIRE((*loaded)->bind(1, {}) == 0);
  std::vector<kerf_seen> events;
  for (std::uint32_t i = 0; i < 1024; ++i) events.push_back(seen(i * 29, 0, 0, 6));
  const std::vector<kerf_decision> decisions = (*loaded)->decide(1, events);
  REQUIRE(decisions.size() == events.size());
  std::size_t wrong = 0;
  for (const kerf_seen& event : events) {
    const kerf_decision& decision = decisions[&event - events.data()];
    const bool permitted = event.uid % 3 == 0 && event.uid < 30000;
    wrong += (decision.verdict == KERF_VERDICT_ALLOW) != permitted || (permitted && decision.determining[0] != event.uid / 3);
  }
  CHECK(wrong == 0);
}
