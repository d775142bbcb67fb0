// Code conditions: hook code and the reference evaluator give the same outcome, errors included.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "rig.h"

using namespace kerf;
using namespace kerf::test;

namespace {

constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min(), kMax = std::numeric_limits<std::int64_t>::max();

// Three permits per expression: its outcome is true, false, error. Exactly one of them holds.
struct Checker {
  explicit Checker(Program made = make_program()) : program(std::move(made)) {}
  Program program;
  std::vector<std::string> slot_names;

  std::uint32_t slot(PolicyId policy, NodeId node, const std::string& name, TypeKind type) {
    for (std::size_t i = 0; i < slot_names.size(); ++i) {
      if (slot_names[i] == name) return static_cast<std::uint32_t>(i);
    }
    slot_names.push_back(name);
    env_of(program).slots.push_back({policy, node, Stage::bind, type});
    return static_cast<std::uint32_t>(slot_names.size() - 1);
  }

  void finish(PolicyId policy, NodeId root) {
    KernelEnv& env = env_of(program);
    CodePredicate predicate{policy, root, {}, {}};
    const Body& body = program.module.policies[policy.index].body;
    for (std::size_t i = 0; i < body.size(); ++i) {
      NodeId node(i);
      if (body[node].op != Op::get_attr || body.variable(body.arg(node, 0)) != Var::principal) continue;
      std::string name = body.name(node);
      TypeKind type = name[0] == 'n' ? TypeKind::long_ : name[0] == 'b' ? TypeKind::boolean : TypeKind::ip;
      predicate.slots[node] = slot(policy, node, name, type);
    }
    auto number = static_cast<std::uint32_t>(env.code.size());
    env.code.push_back(std::move(predicate));
    for (Outcome outcome : {Outcome::true_, Outcome::false_, Outcome::error}) {
      KernelRow& row = add_row(program, Effect::permit);
      row.code = {{number, outcome}};
    }
  }
  Body& body(PolicyId& policy) {
    policy = add_policy(program, Effect::permit);
    return program.module.policies[policy.index].body;
  }
};

class RandomExpr {
 public:
  RandomExpr(Body& body, std::mt19937_64& random) : body_(body), random_(random) {}
  NodeId boolean(int depth) {
    switch (random_() % (depth > 0 ? 11 : 3)) {
      case 0: return body_.add(Op::less, {number(depth - 1), number(depth - 1)}, {});
      case 1: return body_.add(Op::less_eq, {number(depth - 1), number(depth - 1)}, {});
      case 2: return body_.add(Op::eq, {number(depth - 1), number(depth - 1)}, {});
      case 3: return body_.add(Op::and_, {boolean(depth - 1), boolean(depth - 1)}, {});
      case 4: return body_.add(Op::or_, {boolean(depth - 1), boolean(depth - 1)}, {});
      case 5: return body_.add(Op::not_, {boolean(depth - 1)}, {});
      case 6: return body_.add(Op::if_, {boolean(depth - 1), boolean(depth - 1), boolean(depth - 1)}, {});
      case 7: return body_.add(Op::contains, {longs(), number(depth - 1)}, {});
      case 8: return body_.add(Op::eq, {resource_attr(body_, "ip"), principal_attr(body_, random_() % 2 ? "i1" : "i2")}, {});
      case 9: return body_.add_named(Op::call, "isInRange", {resource_attr(body_, "ip"), principal_attr(body_, random_() % 2 ? "i1" : "i2")}, {});
      default: return principal_attr(body_, random_() % 2 ? "b1" : "b2");
    }
  }
  NodeId number(int depth) {
    static const std::int64_t constants[] = {0, 1, -1, 2, 3, 443, 1000, 4294967295, 4294967296, 3037000500, -3037000500, kMin, kMax, kMin / 2, kMax / 3};
    switch (random_() % (depth > 0 ? 9 : 3)) {
      case 0: return body_.add_literal(Value(constants[random_() % std::size(constants)]), {});
      case 1: {
        static const char* const names[] = {"uid", "gid", "pid", "protocol"};
        if (random_() % 3 == 0) return resource_attr(body_, "port");
        return context_attr(body_, names[random_() % 4]);
      }
      case 2: return principal_attr(body_, random_() % 2 ? "n1" : "n2");
      case 3: return body_.add(Op::add, {number(depth - 1), number(depth - 1)}, {});
      case 4: return body_.add(Op::sub, {number(depth - 1), number(depth - 1)}, {});
      case 5: case 6: return body_.add(Op::mul, {number(depth - 1), number(depth - 1)}, {});
      case 7: return body_.add(Op::neg, {number(depth - 1)}, {});
      default: return body_.add(Op::if_, {boolean(depth - 1), number(depth - 1), number(depth - 1)}, {});
    }
  }

 private:
  NodeId longs() {
    return body_.add_literal(Value::set({Value(std::int64_t{443}), Value(std::int64_t{-1}), Value(std::int64_t{998}), Value(kMax), Value(kMin)}), {});
  }
  Body& body_;
  std::mt19937_64& random_;
};

// Conditions over what a hook sees of a file.
class RandomFileExpr {
 public:
  RandomFileExpr(Body& body, std::mt19937_64& random) : body_(body), random_(random) {}
  NodeId boolean(int depth) {
    switch (random_() % (depth > 0 ? 12 : 6)) {
      case 0: return resource_attr(body_, "setuid");
      case 1: return body_.add_named(Op::has_attr, attribute(), {body_.add_variable(Var::resource, {})}, {});
      case 2: return body_.add(Op::less, {number(), number()}, {});
      case 3: return body_.add(Op::eq, {number(), number()}, {});
      case 4: return random_() % 2 ? body_.add(Op::eq, {resource_attr(body_, "fs_type"), name()}, {})
                                   : body_.add(Op::eq, {name(), resource_attr(body_, "fs_type")}, {});
      case 5: return body_.add(Op::contains, {names(), resource_attr(body_, "fs_type")}, {});
      case 6: return body_.add(Op::and_, {boolean(depth - 1), boolean(depth - 1)}, {});
      case 7: return body_.add(Op::or_, {boolean(depth - 1), boolean(depth - 1)}, {});
      case 8: return body_.add(Op::not_, {boolean(depth - 1)}, {});
      case 9: return body_.add(Op::if_, {boolean(depth - 1), boolean(depth - 1), boolean(depth - 1)}, {});
      case 10: return body_.add(Op::eq, {resource_attr(body_, "setuid"), boolean(depth - 1)}, {});
      default: return body_.add(Op::contains, {longs(), number()}, {});
    }
  }

 private:
  std::string attribute() {
    static const char* const names[] = {"owner", "mode", "setuid", "nlink", "fs_type"};
    return names[random_() % std::size(names)];
  }
  NodeId number() {
    static const char* const names[] = {"owner", "mode", "nlink"};
    static const std::int64_t constants[] = {0, 1, 2, 999, 04755, 0644, 07777, 4294967295, -1};
    switch (random_() % 4) {
      case 0: case 1: return resource_attr(body_, names[random_() % std::size(names)]);
      case 2: return random_() % 2 ? context_attr(body_, "uid") : principal_attr(body_, "n1");
      default: return body_.add_literal(Value(constants[random_() % std::size(constants)]), {});
    }
  }
  Value name_value() {
    static const char* const names[] = {"ext4", "tmpfs", "overlay", "ext", "", "0123456789012345678901234567890", "012345678901234567890123456789"};
    return Value(std::string(names[random_() % std::size(names)]));
  }
  NodeId name() { return body_.add_literal(name_value(), {}); }
  NodeId names() {
    std::vector<Value> values;
    for (std::size_t n = random_() % 4; n-- > 0;) values.push_back(name_value());
    return body_.add_literal(Value::set(std::move(values)), {});
  }
  NodeId longs() { return body_.add_literal(Value::set({Value(std::int64_t{999}), Value(std::int64_t{1}), Value(std::int64_t{0644}), Value(kMax)}), {}); }

  Body& body_;
  std::mt19937_64& random_;
};

kerf_value random_slot(const std::string& name, std::mt19937_64& random) {
  static const std::int64_t longs[] = {0, 1, -1, 6, 999, kMin, kMax, kMin + 1, 3037000500, -3037000500, 4294967295};
  kerf_value value{};
  if (random() % 6 == 0) return value;   // an error
  switch (name[0]) {
    case 'n': value.kind = KERF_VALUE_LONG; value.low = static_cast<std::uint64_t>(longs[random() % std::size(longs)]); break;
    case 'b': value.kind = KERF_VALUE_BOOL; value.low = random() % 2; break;
    default:
      value.kind = random() % 2 ? KERF_VALUE_IP4 : KERF_VALUE_IP6;
      value.prefix = static_cast<std::uint32_t>(random() % (value.kind == KERF_VALUE_IP4 ? 33 : 129));
      if (random() % 3 == 0) value.prefix = value.kind == KERF_VALUE_IP4 ? 32 : 128;
      value.low = random() & 0x0f000003;
      value.high = value.kind == KERF_VALUE_IP4 ? 0 : random() & 3;
  }
  return value;
}

std::vector<kerf_seen> random_events(std::size_t count, std::mt19937_64& random) {
  std::vector<kerf_seen> events;
  for (std::size_t i = 0; i < count; ++i) {
    kerf_seen event{};
    event.net.v6 = random() % 2;
    event.net.address_high = event.net.v6 ? random() & 3 : 0;
    event.net.address_low = random() & 0x0f000003;
    event.net.port = random() % 2 ? 443 : static_cast<std::uint32_t>(random() & 0xffff);
    event.net.protocol = random() % 2 ? 6 : 17;
    event.uid = random() % 3 == 0 ? 0xffffffffu : static_cast<std::uint32_t>(random() % 2000);
    event.gid = static_cast<std::uint32_t>(random() % 3);
    event.pid = static_cast<std::uint32_t>(random());
    events.push_back(event);
  }
  return events;
}

void compare(Checker& checker, std::uint64_t seed, std::size_t count) {
  std::mt19937_64 random(seed);
  Result<BpfObject> object = emit(checker.program);
  if (!object) FAIL(object.error().message);
  auto loaded = Loaded::load(checker.program, std::move(*object));
  if (!loaded) FAIL(loaded.error().message);
  for (int turn = 0; turn < 6; ++turn) {
    Binding binding;
    for (const std::string& name : checker.slot_names) binding.segments[0].slots.push_back(random_slot(name, random));
    REQUIRE((*loaded)->bind(1, binding) == 0);
    std::vector<kerf_seen> events = random_events(count, random);
    std::vector<kerf_decision> decisions = (*loaded)->decide(1, events);
    REQUIRE(decisions.size() == events.size());
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < events.size(); ++i) {
      std::string found = difference(expected(checker.program, binding, events[i]), decisions[i]);
      if (!found.empty() && wrong++ < 3) MESSAGE(describe(events[i]) << ": " << found);
      CHECK(decisions[i].determining_count == env_of(checker.program).code.size());
    }
    CHECK(wrong == 0);
  }
}

}  // namespace

TEST_CASE("random conditions over observables, slots and constants") {
  if (!kernel_takes_bpf()) return;
  for (std::uint64_t seed : {1, 2, 3, 4}) {
    std::mt19937_64 random(seed);
    Checker checker;
    for (int i = 0; i < 60; ++i) {
      PolicyId policy;
      Body& body = checker.body(policy);
      NodeId root = RandomExpr(body, random).boolean(4);
      checker.finish(policy, root);
    }
    compare(checker, seed, 100);
  }
}

TEST_CASE("random conditions over what hooks see of files") {
  if (!kernel_takes_bpf()) return;
  for (std::uint64_t seed : {1, 2, 3, 4}) {
    std::mt19937_64 random(seed);
    Checker checker(make_file_program());
    for (int i = 0; i < 60; ++i) {
      PolicyId policy;
      Body& body = checker.body(policy);
      NodeId root = RandomFileExpr(body, random).boolean(4);
      checker.finish(policy, root);
    }
    Result<BpfObject> object = emit(checker.program);
    if (!object) FAIL(object.error().message);
    auto loaded = Loaded::load(checker.program, std::move(*object));
    if (!loaded) FAIL(loaded.error().message);
    for (int turn = 0; turn < 6; ++turn) {
      Binding binding;
      for (const std::string& name : checker.slot_names) binding.segments[0].slots.push_back(random_slot(name, random));
      REQUIRE((*loaded)->bind(1, binding) == 0);
      std::vector<std::string> paths(200, "/a");
      std::vector<kerf_seen> events = file_events(paths, random);
      std::vector<kerf_decision> decisions = (*loaded)->decide(1, events, paths);
      REQUIRE(decisions.size() == events.size());
      std::size_t wrong = 0;
      for (std::size_t i = 0; i < events.size(); ++i) {
        std::string found = difference(expected_file(checker.program, binding, events[i], paths[i]), decisions[i]);
        if (!found.empty() && wrong++ < 3) MESSAGE(describe(events[i], paths[i]) << ": " << found);
        CHECK(decisions[i].determining_count == env_of(checker.program).code.size());
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("enough conditions for several functions") {
  if (!kernel_takes_bpf()) return;
  Checker checker;
  for (std::int64_t i = 0; i < 1200; ++i) {
    PolicyId policy;
    Body& body = checker.body(policy);
    NodeId sum = body.add(Op::add, {context_attr(body, "uid"), number(body, i)}, {});
    checker.finish(policy, body.add(Op::less, {sum, body.add(Op::mul, {context_attr(body, "gid"), number(body, 1000 + i)}, {})}, {}));
  }
  compare(checker, 9, 20);
}

TEST_CASE("a slot of the wrong kind refuses") {
  if (!kernel_takes_bpf()) return;
  Checker checker;
  PolicyId policy;
  Body& body = checker.body(policy);
  checker.finish(policy, body.add(Op::less, {context_attr(body, "uid"), principal_attr(body, "n1")}, {}));
  Result<BpfObject> object = emit(checker.program);
  REQUIRE(object.ok());
  auto loaded = Loaded::load(checker.program, std::move(*object));
  REQUIRE(loaded.ok());
  Binding binding;
  binding.segments[0].slots = {kerf_value{0, 1, KERF_VALUE_BOOL, 0}};
  REQUIRE((*loaded)->bind(1, binding) == 0);
  kerf_decision decision = (*loaded)->decide(1, random_events(1, *std::make_unique<std::mt19937_64>(1))).at(0);
  CHECK(decision.verdict == KERF_VERDICT_DENY);
  CHECK(decision.reason == KERF_REASON_INTERNAL);
}

TEST_CASE("a slot with a prefix longer than its address refuses") {
  if (!kernel_takes_bpf()) return;
  Checker checker;
  PolicyId policy;
  Body& body = checker.body(policy);
  checker.finish(policy, body.add_named(Op::call, "isInRange", {resource_attr(body, "ip"), principal_attr(body, "i1")}, {}));
  Result<BpfObject> object = emit(checker.program);
  REQUIRE(object.ok());
  auto loaded = Loaded::load(checker.program, std::move(*object));
  REQUIRE(loaded.ok());
  for (bool v6 : {false, true}) {
    kerf_seen event{};
    event.net.v6 = v6;
    for (__u32 more : {0, 1}) {
      Binding binding;
      binding.segments[0].slots = {kerf_value{0, 0, v6 ? KERF_VALUE_IP6 : KERF_VALUE_IP4, (v6 ? 128u : 32u) + more}};
      REQUIRE((*loaded)->bind(1, binding) == 0);
      const kerf_decision decision = (*loaded)->decide(1, {event}).at(0);
      CHECK(decision.verdict == (more ? KERF_VERDICT_DENY : KERF_VERDICT_ALLOW));
      if (more) CHECK(decision.reason == KERF_REASON_INTERNAL);
    }
  }
}

TEST_CASE("no name of a task begins with more bytes than it has room for") {
  if (!kernel_takes_bpf()) return;
  Checker checker;
  checker.program.module.schema.actions.begin()->second.bindings["comm"] = {AttrBinding::Kind::observable, "process.comm", {}};
  for (const char* text : {"fifteen-bytes-x", "sixteen-bytes-xy", "not the same"}) {
    PolicyId policy;
    Body& body = checker.body(policy);
    checker.finish(policy, body.add_like(context_attr(body, "comm"), Pattern{{text, ""}}, {}));
  }
  Result<BpfObject> object = emit(checker.program);
  if (!object) FAIL(object.error().message);
  auto loaded = Loaded::load(checker.program, std::move(*object));
  REQUIRE(loaded.ok());
  REQUIRE((*loaded)->bind(1, {}) == 0);
  kerf_seen event{};
  event.task_told = 1;
  std::strcpy(event.comm, "fifteen-bytes-x");
  const kerf_decision decision = (*loaded)->decide(1, {event}).at(0);
  REQUIRE(decision.determining_count == 3);
  const std::vector<KernelRow>& rows = env_of(checker.program).rows;   // true, false, error of each
  for (std::size_t row : {0, 4, 7}) CHECK(std::ranges::count(decision.determining, rows[row].policy.index) == 1);
}

TEST_CASE("what hooks cannot compute is an error, not code") {
  Checker checker;
  PolicyId policy;
  Body& body = checker.body(policy);
  checker.finish(policy, body.add_like(context_attr(body, "uid"), Pattern{{"5"}}, {}));
  Result<BpfObject> object = emit(checker.program);
  REQUIRE_FALSE(object.ok());
  CHECK(object.error().message.find("matches no name") != std::string::npos);
}

TEST_CASE("only a name that is observed is compared with a pattern") {
  Checker checker(make_file_program());
  PolicyId policy;
  Body& body = checker.body(policy);
  checker.finish(policy, body.add_like(body.add_literal(Value(std::string("ext4")), {}), Pattern{{"ext", ""}}, {}));
  Result<BpfObject> object = emit(checker.program);
  REQUIRE_FALSE(object.ok());
  CHECK(object.error().message.find("matches no name") != std::string::npos);
}

TEST_CASE("names of file systems meet constants only, and only what events carry is read") {
  auto refused = [](auto make) {
    Checker checker(make_file_program());
    PolicyId policy;
    Body& body = checker.body(policy);
    checker.finish(policy, make(body));
    Result<BpfObject> object = emit(checker.program);
    return !object.ok();
  };
  auto text = [](Body& body, std::string value) { return body.add_literal(Value(std::move(value)), {}); };
  auto type = [](Body& body) { return resource_attr(body, "fs_type"); };
  CHECK_FALSE(refused([&](Body& b) { return b.add(Op::eq, {type(b), text(b, "ext4")}, {}); }));
  CHECK(refused([&](Body& b) { return b.add(Op::eq, {type(b), type(b)}, {}); }));
  CHECK_FALSE(refused([&](Body& b) { return b.add_like(type(b), Pattern{{"ext", ""}}, {}); }));
  CHECK(refused([&](Body& b) { return b.add(Op::eq, {type(b), text(b, std::string(32, 'x'))}, {}); }));
  CHECK(refused([&](Body& b) { return b.add(Op::eq, {type(b), text(b, std::string("ext4\0", 5))}, {}); }));
  CHECK(refused([&](Body& b) { return b.add(Op::less, {type(b), text(b, "ext4")}, {}); }));
  CHECK(refused([&](Body& b) { return b.add(Op::eq, {type(b), number(b, 4)}, {}); }));
  CHECK(refused([&](Body& b) { return b.add(Op::contains, {b.add_literal(Value::set({Value(std::int64_t{1})}), {}), type(b)}, {}); }));
  CHECK(refused([&](Body& b) { return b.add(Op::eq, {resource_attr(b, "path"), text(b, "/a")}, {}); }));
  CHECK(refused([&](Body& b) { return b.add(Op::less, {context_attr(b, "protocol"), number(b, 4)}, {}); }));
  CHECK(refused([&](Body& b) { return b.add_named(Op::has_attr, "port", {b.add_variable(Var::resource, {})}, {}); }));
}
