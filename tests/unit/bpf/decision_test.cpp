// The object decides what the rows mean: random programs and events, in this machine's kernel.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <time.h>

#include <algorithm>

#include "rig.h"
#include "tests/support/put_record.h"

using namespace kerf;
using namespace kerf::test;

namespace {

Outcome random_outcome(std::mt19937_64& random) { return static_cast<Outcome>(random() % 3); }

// Sorted, disjoint.
template <class Range, class Next>
std::vector<Range> tidy(std::vector<Range> ranges, Next next) {
  std::sort(ranges.begin(), ranges.end());
  std::vector<Range> result;
  for (Range range : ranges) {
    if (!result.empty() && range.first <= next(result.back().last)) result.back().last = std::max(result.back().last, range.last);
    else result.push_back(range);
  }
  return result;
}

AddressSet random_addresses(std::mt19937_64& random) {
  AddressSet set;
  for (std::size_t i = random() % 3; i-- > 0;) set.v4.push_back(prefix4(static_cast<std::uint32_t>(random() & 0x0f0f0f0f), static_cast<unsigned>(random() % 33)));
  for (std::size_t i = random() % 3; i-- > 0;) set.v6.push_back(prefix6(random() & 0x0f0000000000000f, random() & 0x0f0000000000000f, static_cast<unsigned>(random() % 129)));
  auto same = [](const Address& a) { return a; };
  set.v4 = tidy(set.v4, same);
  set.v6 = tidy(set.v6, same);
  return set;
}

PortSet random_ports(std::mt19937_64& random) {
  PortSet ports;
  for (std::size_t i = random() % 4; i-- > 0;) {
    auto a = static_cast<std::uint16_t>(random()), b = random() % 2 ? a : static_cast<std::uint16_t>(random());
    ports.push_back({std::min(a, b), std::max(a, b)});
  }
  return tidy(ports, [](std::uint16_t p) { return p; });
}

EndpointSet random_endpoints(std::mt19937_64& random) {
  EndpointSet set;
  set.others = random() % 2;
  for (std::size_t i = random() % 6; i-- > 0;) {
    bool v6 = random() % 2;
    set.listed.push_back({v6, v6 ? address6(random() & 3, random() & 3) : address4(static_cast<std::uint32_t>(random() & 0x03000003)),
                          static_cast<std::uint16_t>(random() % 3)});
  }
  std::sort(set.listed.begin(), set.listed.end());
  set.listed.erase(std::unique(set.listed.begin(), set.listed.end()), set.listed.end());
  return set;
}

Program random_program(std::mt19937_64& random, std::size_t rows, std::size_t predicates) {
  Program program = make_program();
  for (std::size_t i = 0; i < predicates; ++i) env_of(program).predicates.push_back({PolicyId(0), NodeId(0), Stage::bind});
  std::uint64_t forbids = 2 + random() % 20;   // few forbids in some programs, many in others
  for (std::size_t i = 0; i < rows; ++i) {
    KernelRow& row = add_row(program, random() % forbids ? Effect::permit : Effect::forbid, random() % 4 ? Outcome::true_ : Outcome::error);
    if (random() % 2) row.address = random_addresses(random);
    if (random() % 2) row.port = random_ports(random);
    if (random() % 3 == 0) row.endpoint = random_endpoints(random);
    if (predicates && random() % 2) row.bind.push_back({static_cast<std::uint32_t>(random() % predicates), random_outcome(random)});
  }
  return program;
}

Binding random_binding(const Program& program, std::mt19937_64& random) {
  Binding binding;
  for (std::size_t i = 0; i < program.plan.envs[0].predicates.size(); ++i) binding.segments[0].predicates.push_back(random_outcome(random));
  return binding;
}

// The number of events whose decision differs; the first ones are printed.
std::size_t differences(const Program& program, Loaded& loaded, std::uint32_t id, const Binding& binding,
                        const std::vector<kerf_seen>& events, std::size_t segment = 0) {
  std::vector<kerf_decision> decisions = loaded.decide(id, events);
  REQUIRE(decisions.size() == events.size());
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < events.size(); ++i) {
    std::string difference = test::difference(expected(program, binding, events[i], segment), decisions[i]);
    if (!difference.empty() && wrong++ < 3) MESSAGE(describe(events[i]) << ": " << difference);
  }
  return wrong;
}

std::unique_ptr<Loaded> load(const Program& program, bool hooks = false) {
  Result<BpfObject> object = emit(program);
  if (!object) FAIL(object.error().message);
  auto loaded = Loaded::load(program, std::move(*object), hooks);
  if (!loaded) FAIL(loaded.error().message);
  return std::move(*loaded);
}

kerf_seen event4(std::uint32_t address, std::uint32_t port) {
  kerf_seen event{};
  event.net = {0, address, 0, port, 6, 0, 0, 0};
  return event;
}

}  // namespace

TEST_CASE("random rows, bindings and events") {
  if (!kernel_takes_bpf()) return;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    Program program = random_program(random, 1 + random() % (seed % 3 == 0 ? 6000 : 200), 1 + random() % 6);
    auto loaded = load(program);
    std::vector<kerf_seen> events = interesting_events(program, 1500, random);
    for (std::uint32_t id = 1; id <= 2; ++id) {
      Binding binding = random_binding(program, random);
      REQUIRE(loaded->bind(id, binding) == 0);
      CHECK(differences(program, *loaded, id, binding, events) == 0);
    }
  }
}

TEST_CASE("no rows, one row, and rows without conditions") {
  if (!kernel_takes_bpf()) return;
  std::mt19937_64 random(5);
  Program none = make_program(), one = make_program(), plain = make_program();
  add_row(one, Effect::permit).port = PortSet{{443, 443}};
  add_row(plain, Effect::permit);
  for (Program* program : {&none, &one, &plain}) {
    auto loaded = load(*program, true);
    Binding binding;
    REQUIRE(loaded->bind(1, binding) == 0);
    CHECK(differences(*program, *loaded, 1, binding, interesting_events(*program, 500, random)) == 0);
  }
}

TEST_CASE("several environments in one object") {
  if (!kernel_takes_bpf()) return;
  std::mt19937_64 random(77);
  Program program = random_program(random, 150, 3);
  for (std::size_t rows : {0, 700, 5000}) {
    Program other = random_program(random, rows, 2);
    KernelEnv env = env_of(other);
    env.refusal_errno = "EACCES";
    for (KernelRow& row : env.rows) {
      Effect effect = other.module.policies[row.policy.index].effect;
      row.policy = add_policy(program, effect);
    }
    program.plan.envs.push_back(std::move(env));
  }
  auto loaded = load(program, true);
  std::vector<kerf_seen> events = interesting_events(program, 1500, random);
  for (std::uint32_t env = 0; env < program.plan.envs.size(); ++env) {
    Binding binding;
    binding.env = env;
    for (std::size_t i = 0; i < program.plan.envs[env].predicates.size(); ++i) binding.segments[0].predicates.push_back(random_outcome(random));
    REQUIRE(loaded->bind(env + 1, binding) == 0);
    CHECK(differences(program, *loaded, env + 1, binding, events) == 0);
  }
}

TEST_CASE("records: missing, of another generation, without an environment, quarantined") {
  if (!kernel_takes_bpf()) return;
  Program program = make_program();
  add_row(program, Effect::permit);
  auto loaded = load(program);
  auto reason = [&](std::uint32_t id) { return loaded->decide(id, {event4(1, 2)}).at(0).reason; };
  auto verdict = [&](std::uint32_t id) { return loaded->decide(id, {event4(1, 2)}).at(0).verdict; };
  CHECK(reason(1) == KERF_REASON_NO_RECORD);
  Binding good, foreign, inapplicable, quarantined, odd;
  foreign.generation = 8;
  inapplicable.applicable = false;
  quarantined.mode = KERF_MODE_QUARANTINE;
  odd.mode = 3;
  REQUIRE(loaded->bind(1, good) == 0);
  REQUIRE(loaded->bind(2, foreign) == 0);
  REQUIRE(loaded->bind(3, inapplicable) == 0);
  REQUIRE(loaded->bind(4, quarantined) == 0);
  REQUIRE(loaded->bind(5, odd) == 0);
  CHECK(verdict(1) == KERF_VERDICT_ALLOW);
  CHECK(reason(2) == KERF_REASON_NO_RECORD);
  CHECK(reason(3) == KERF_REASON_NO_APPLICABLE_ACTION);
  CHECK(reason(4) == KERF_REASON_QUARANTINE);
  CHECK(reason(5) == KERF_REASON_INTERNAL);
  for (std::uint32_t id : {2u, 3u, 4u, 5u, 6u}) CHECK(verdict(id) == KERF_VERDICT_DENY);
  loaded->set_generation(8);
  CHECK(reason(1) == KERF_REASON_NO_RECORD);
  CHECK(verdict(2) == KERF_VERDICT_ALLOW);
  loaded->set_generation(0);
  CHECK(reason(2) == KERF_REASON_NO_RECORD);
}

TEST_CASE("records: bindings share slots one after the other, and none has another's record") {
  if (!kernel_takes_bpf()) return;
  Program program = make_program();
  add_row(program, Effect::permit);
  auto loaded = load(program);
  auto reason = [&](std::uint32_t id) { return loaded->decide(id, {event4(1, 2)}).at(0).reason; };
  constexpr std::uint32_t kFirst = 5, kLater = kFirst + KERF_MAX_BINDINGS, kLast = kFirst - KERF_MAX_BINDINGS;
  REQUIRE(loaded->bind(kFirst, {}) == 0);
  CHECK(reason(kFirst) == KERF_REASON_PERMIT);
  for (std::uint32_t other : {kLater, kLast}) CHECK(reason(other) == KERF_REASON_NO_RECORD);
  REQUIRE(loaded->bind(kLater, {}) == 0);
  CHECK(reason(kLater) == KERF_REASON_PERMIT);
  for (std::uint32_t other : {kFirst, kLast}) CHECK(reason(other) == KERF_REASON_NO_RECORD);
  remove_record(loaded->map("kerf_bindings"), kLater);
  for (std::uint32_t none : {kFirst, kLater, kLast}) CHECK(reason(none) == KERF_REASON_NO_RECORD);
  REQUIRE(loaded->bind(KERF_MAX_BINDINGS, {}) == 0);
  CHECK(reason(KERF_MAX_BINDINGS) == KERF_REASON_PERMIT);
  CHECK(reason(0) == KERF_REASON_NO_RECORD);   // no binding
}

TEST_CASE("segments: the one in force by boot time") {
  if (!kernel_takes_bpf()) return;
  Program program = make_program();
  env_of(program).predicates.push_back({PolicyId(0), NodeId(0), Stage::publish});
  add_row(program, Effect::permit).bind = {{0, Outcome::true_}};
  auto loaded = load(program);
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  std::uint64_t ns = static_cast<std::uint64_t>(now.tv_sec) * 1000000000u + static_cast<std::uint64_t>(now.tv_nsec);
  const std::uint64_t hour = 3600ull * 1000000000u;
  for (std::size_t count = 1; count <= KERF_SEGMENTS + 1; ++count) {
    for (std::size_t in_force = 0; in_force < count; ++in_force) {
      Binding binding;
      binding.segments.resize(count);
      for (std::size_t i = 0; i < count; ++i) {
        binding.segments[i].predicates = {i == in_force ? Outcome::true_ : Outcome::false_};
        // Past deadlines may be as old as boot; the order ascends.
        if (i + 1 < count) binding.segments[i].until_ns = i < in_force ? i + 1 : ns + hour + i;
      }
      REQUIRE(loaded->bind(1, binding) == 0);
      CHECK(loaded->decide(1, {event4(1, 2)}).at(0).verdict == KERF_VERDICT_ALLOW);
      if (count > 1) {
        binding.segments[in_force].predicates = {Outcome::false_};
        REQUIRE(loaded->bind(1, binding) == 0);
        CHECK(loaded->decide(1, {event4(1, 2)}).at(0).verdict == KERF_VERDICT_DENY);
      }
    }
  }
}

TEST_CASE("hits count satisfied policies, also those that a forbid overrides") {
  if (!kernel_takes_bpf()) return;
  Program program = make_program();
  add_row(program, Effect::permit);
  add_row(program, Effect::forbid).port = PortSet{{22, 22}};
  add_row(program, Effect::permit, Outcome::error);
  auto loaded = load(program);
  REQUIRE(loaded->bind(1, {}) == 0);
  loaded->decide(1, {event4(1, 22), event4(1, 80), event4(1, 443)});
  CHECK(loaded->hits(0) == 3);
  CHECK(loaded->hits(1) == 1);
  CHECK(loaded->hits(2) == 0);
}

TEST_CASE("more determining policies than an event names: the count is complete") {
  if (!kernel_takes_bpf()) return;
  Program program = make_program();
  for (int i = 0; i < 1000; ++i) add_row(program, Effect::permit, i % 3 ? Outcome::true_ : Outcome::error);
  auto loaded = load(program);
  Binding binding;
  REQUIRE(loaded->bind(1, binding) == 0);
  kerf_decision decision = loaded->decide(1, {event4(1, 22)}).at(0);
  CHECK(difference(expected(program, binding, event4(1, 22)), decision) == "");
  CHECK(decision.determining_count == 666);
}

TEST_CASE("the same plan gives the same bytes") {
  std::mt19937_64 random(3);
  Program program = random_program(random, 300, 2);
  Result<BpfObject> first = emit(program), second = emit(program);
  REQUIRE(first.ok());
  REQUIRE(second.ok());
  CHECK(first->elf == second->elf);
}
