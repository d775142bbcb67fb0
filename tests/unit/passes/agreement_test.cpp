// Random well-typed policies over the small world: for every class of events and every setting of principal and facts,
// the rows of the plan must give the outcome that the reference evaluator gives on the materialised event.
#include <doctest/doctest.h>

#include "ir/passes/materialise.h"
#include "tests/support/plan_interpreter.h"
#include "tests/unit/passes/fixture.h"

using namespace kerf;
using namespace kerf::test;

namespace {

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  NodeId condition(Build& b, int depth) {
    int kind = depth <= 0 ? 9 : pick(10);
    if (kind <= 2) return b.op(Op::and_, {condition(b, depth - 1), condition(b, depth - 1)});
    if (kind <= 5) return b.op(Op::or_, {condition(b, depth - 1), condition(b, depth - 1)});
    if (kind == 6) return b.op(Op::not_, {condition(b, depth - 1)});
    if (kind == 7) return b.op(Op::if_, {condition(b, depth - 1), condition(b, depth - 1), condition(b, depth - 1)});
    if (kind == 8 && pick(4) == 0) return b.op(Op::eq, {condition(b, depth - 1), condition(b, depth - 1)});
    return atom(b);
  }

  int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }

 private:
  NodeId atom(Build& b) {
    switch (pick(7)) {
      case 0: return bind_atom(b);
      case 1: return fact_atom(b);
      case 2: return address_atom(b);
      case 3: return port_atom(b);
      case 4: return endpoint_atom(b);
      case 5: return code_atom(b);
      default: return constant_atom(b);
    }
  }

  NodeId bind_atom(Build& b) {
    switch (pick(7)) {
      case 0: return b.op(Op::in, {b.var(Var::principal), b.uid(pick(2) ? "Team::\"red\"" : "Team::\"blue\"")});
      case 1: return b.op(Op::eq, {b.var(Var::principal), b.uid("Agent::\"a\"")});
      case 2: return attr(b, Var::principal, "admin");
      case 3: return b.op(Op::less, {b.op(Op::add, {attr(b, Var::principal, "level"), b.num(1)}), b.num(pick(8))});
      case 4: return has(b, Var::principal, "quota");
      case 5: return b.op(Op::less, {attr(b, Var::principal, "quota"), b.num(500)});
      default: return b.named(Op::get_attr, "active", {attr(b, Var::principal, "owner")});
    }
  }

  NodeId fact_atom(Build& b) {
    switch (pick(5)) {
      case 0: return has(b, Var::context, "depth");
      case 1: return b.op(Op::less_eq, {attr(b, Var::context, "depth"), b.num(pick(5))});
      case 2:
        return b.op(Op::and_, {has(b, Var::context, "depth"),
                               b.op(Op::less_eq, {attr(b, Var::context, "depth"), attr(b, Var::principal, "level")})});
      case 3: return attr(b, Var::context, "frozen");
      default: return b.op(Op::and_, {has(b, Var::context, "frozen"), attr(b, Var::context, "frozen")});
    }
  }

  NodeId address_atom(Build& b) {
    NodeId address = attr(b, Var::resource, "ip");
    static const char* const ranges[] = {"10.0.0.0/8", "10.1.2.0/24", "2001:db8::/32", "0.0.0.0/0", "::/0", "10.1.2.3"};
    switch (pick(6)) {
      case 0: return b.named(Op::call, "isLoopback", {address});
      case 1: return b.named(Op::call, "isMulticast", {address});
      case 2: return b.named(Op::call, "isIpv4", {address});
      case 3: return b.op(Op::eq, {address, b.lit(ip(ranges[pick(6)]))});
      case 4: return b.op(Op::contains, {b.op(Op::set, {b.lit(ip("10.1.2.3")), b.lit(ip("::1"))}), address});
      default: return in_range(b, address, ranges[pick(6)]);
    }
  }

  NodeId port_atom(Build& b) {
    NodeId port = attr(b, Var::resource, "port");
    switch (pick(5)) {
      case 0: return b.op(Op::eq, {port, b.num(pick(2) ? 443 : 80)});
      case 1: return b.op(Op::less, {port, b.num(pick(2) ? 1024 : 70000)});
      case 2: return b.op(Op::less_eq, {b.num(80), port});
      case 3: return b.op(Op::contains, {b.op(Op::set, {b.num(80), b.num(443), b.num(-3)}), port});
      default: return b.op(Op::less, {b.num(0), b.op(Op::mul, {port, b.num(INT64_MAX / 400)})});   // overflows
    }
  }

  NodeId endpoint_atom(Build& b) {
    NodeId resource = b.var(Var::resource);
    switch (pick(11)) {
      case 0: return b.op(Op::eq, {resource, b.uid("Dest::\"10.1.2.3:443\"")});
      case 1: return b.op(Op::eq, {b.uid("Dest::\"127.0.0.1:80\""), resource});
      case 2: return b.op(Op::in, {resource, b.uid("Zone::\"outer\"")});
      case 3: return b.op(Op::in, {resource, b.op(Op::set, {b.uid("Zone::\"z\""), b.uid("Dest::\"[2001:db8::1]:80\"")})});
      case 4: return has(b, Var::resource, "env");
      case 5: return b.op(Op::eq, {attr(b, Var::resource, "env"), b.str("prod")});
      case 6: return b.op(Op::has_tag, {resource, b.str("tier")});
      case 7: return b.op(Op::eq, {b.op(Op::get_tag, {resource, b.str("tier")}), b.str("one")});
      case 8: return b.named(Op::get_attr, "active", {attr(b, Var::resource, "owner")});
      case 9: return b.op(Op::contains, {b.op(Op::set, {b.uid("Dest::\"127.0.0.1:80\"")}), resource});
      default: return b.op(Op::less, {attr(b, Var::resource, "cost"), b.num(9)});
    }
  }

  NodeId code_atom(Build& b) {
    NodeId uid = attr(b, Var::context, "uid"), port = attr(b, Var::resource, "port");
    NodeId address = attr(b, Var::resource, "ip");
    switch (pick(9)) {
      case 0: return b.op(Op::eq, {uid, b.num(0)});
      case 1: return b.op(Op::less, {uid, port});
      case 2: return b.op(Op::less, {port, attr(b, Var::principal, "level")});
      case 3: return b.op(Op::eq, {b.op(Op::add, {port, attr(b, Var::principal, "quota")}), b.num(886)});
      case 4: return b.named(Op::call, "isInRange", {address, attr(b, Var::principal, "net")});
      case 5: return b.op(Op::eq, {attr(b, Var::context, "peer"), address});
      case 6: return b.op(Op::contains, {b.op(Op::set, {b.num(0), b.num(1000)}), uid});
      case 7:
        return b.op(Op::less_eq, {b.op(Op::if_, {attr(b, Var::principal, "admin"), b.num(0), attr(b, Var::context, "depth")}),
                                  uid});
      default: return b.op(Op::less, {b.num(0), b.op(Op::sub, {attr(b, Var::principal, "level"), b.op(Op::neg, {uid})})});
    }
  }

  NodeId constant_atom(Build& b) {
    switch (pick(6)) {
      case 0: return b.yes();
      case 1: return b.no();
      case 2: return b.op(Op::less, {b.op(Op::add, {b.num(INT64_MAX), b.num(1)}), b.num(0)});
      case 3: return b.named(Op::get_attr, "active", {b.uid("User::\"u\"")});
      case 4: return b.named(Op::get_attr, "active", {b.uid("User::\"missing\"")});
      default: return b.named(Op::is, "Dest", {b.var(Var::resource)});
    }
  }

  std::mt19937 random_;
};

std::vector<KernelEventData> all_events() {
  std::vector<KernelEventData> events;
  for (const char* who : {"Agent::\"a\"", "Agent::\"b\""}) {
    for (const char* address : {"10.1.2.3", "10.9.0.1", "192.0.2.1", "127.0.0.1", "224.0.0.5", "::1", "2001:db8::1",
                                "2001:db8::2"}) {
      for (std::int64_t port : {80, 443, 1024, 65535}) {
        for (std::int64_t process_uid : {std::int64_t{0}, std::int64_t{443}, std::int64_t{4294967295}}) {
          for (int facts = 0; facts < 3; ++facts) {
            KernelEventData event{KernelEventId::net_connect, *parse_uid(who), {}, {}};
            event.observed = {{"endpoint.ip", ip(address)}, {"endpoint.port", num(port)},
                              {"process.uid", num(process_uid)}, {"net.protocol", num(6)}};
            if (facts > 0) event.facts = {{"delegation_depth", num(facts * 2)}};
            if (facts > 1) event.facts.insert({{"frozen", Value(true)}, {"peer", ip("10.1.2.3")}});
            events.push_back(std::move(event));
          }
        }
      }
    }
  }
  return events;
}

}  // namespace

namespace {

void check_agreement(unsigned seed) {
  Module module = small_module();
  Generator generator(seed);
  for (int i = 0; i < 120; ++i) {
    auto effect = i % 3 == 0 ? Effect::forbid : Effect::permit;
    module.policies.push_back(small_policy("p" + std::to_string(i), effect, [&](Build& b) {
      return generator.condition(b, 1 + i % 4);
    }));
  }
  REQUIRE(!verify(module));
  Diagnostics diagnostics;
  KernelPlan plan = plan_kernel(module, diagnostics);
  for (const Diagnostic& d : diagnostics.all()) MESSAGE(d.message);
  REQUIRE(!diagnostics.has_errors());
  REQUIRE(plan.envs.size() == 1);
  PlanInterpreter interpreter(module, plan.envs[0]);
  std::size_t seen[3] = {0, 0, 0};
  for (const KernelEventData& event : all_events()) {
    auto materialised = materialise(module, event);
    REQUIRE(materialised.ok());
    auto decided = interpreter.decide(event);
    REQUIRE(decided.exclusive);
    EvalContext context{&materialised->request, &materialised->entities};
    for (std::size_t p = 0; p < module.policies.size(); ++p) {
      const Body& body = module.policies[p].body;
      Outcome expected = evaluate_outcome(body, body.root, context);
      ++seen[static_cast<std::size_t>(expected)];
      if (decided.policies[p] != expected) {
        CAPTURE(print_expr(body, body.root));
        CAPTURE(to_text(materialised->request.resource));
        CAPTURE(event.facts.size());
        CAPTURE(print_plan(module, plan).size());
        REQUIRE(to_text(decided.policies[p]) == to_text(expected));
      }
    }
  }
  for (std::size_t count : seen) CHECK(count > 5000);
}

}  // namespace

TEST_CASE("rows agree with the reference evaluator on random policies") {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    check_agreement(seed);
  }
}
