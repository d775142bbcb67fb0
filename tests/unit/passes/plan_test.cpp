#include <doctest/doctest.h>

#include <chrono>

#include "ir/passes/address_set.h"
#include "ir/passes/origin.h"
#include "ir/passes/plan.h"
#include "tests/unit/passes/fixture.h"

using namespace kerf;
using namespace kerf::test;

namespace {

template <class Condition>
KernelPlan plan_one(Module& module, Diagnostics& diagnostics, Condition condition) {
  module.policies.push_back(small_policy("p", Effect::permit, condition));
  REQUIRE(!verify(module));
  return plan_kernel(module, diagnostics);
}

// The codes of the errors for one policy.
template <class Condition>
std::vector<std::string> refused(Condition condition) {
  Module module = small_module();
  Diagnostics diagnostics;
  plan_one(module, diagnostics, condition);
  std::vector<std::string> codes;
  for (const Diagnostic& d : diagnostics.all()) codes.emplace_back(catalogue_row(d.code).name);
  return codes;
}

using Codes = std::vector<std::string>;

}  // namespace

TEST_CASE("pairs of address and port need one row each") {
  Module module = small_module();
  Diagnostics diagnostics;
  auto pairs = [](Build& b) {
    NodeId any = b.no();
    for (int i = 0; i < 300; ++i) {
      std::string address = "10.0." + std::to_string(i / 200) + "." + std::to_string(i % 200);
      NodeId pair = b.op(Op::and_, {b.op(Op::eq, {attr(b, Var::resource, "ip"), b.lit(ip(address.c_str()))}),
                                    b.op(Op::eq, {attr(b, Var::resource, "port"), b.num(1000 + i)})});
      any = b.op(Op::or_, {any, pair});
    }
    return any;
  };
  KernelPlan plan = plan_one(module, diagnostics, pairs);
  REQUIRE(!diagnostics.has_errors());
  CHECK(plan.envs.at(0).rows.size() == 300);
}

TEST_CASE("a plan prints predicates, slots, code and rows") {
  Module module = small_module();
  Diagnostics diagnostics;
  auto condition = [](Build& b) {
    NodeId near = in_range(b, attr(b, Var::resource, "ip"), "10.0.0.0/8");
    NodeId port = b.op(Op::eq, {attr(b, Var::resource, "port"), b.num(443)});
    NodeId team = b.op(Op::in, {b.var(Var::principal), b.uid("Team::\"red\"")});
    NodeId low = b.op(Op::less, {attr(b, Var::context, "uid"), attr(b, Var::principal, "level")});
    return b.op(Op::and_, {team, b.op(Op::and_, {near, b.op(Op::and_, {port, low})})});
  };
  KernelPlan plan = plan_one(module, diagnostics, condition);
  REQUIRE(!diagnostics.has_errors());
  CHECK(print_plan(module, plan) ==
        "environment Agent, Action::\"connect\", Dest: net.connect, refused with ECONNREFUSED\n"
        "  predicate 0 at bind: principal in Team::\"red\"\n"
        "  slot 0 at bind: principal.level\n"
        "  code 0: context.uid < principal.level; slot 0 is principal.level\n"
        "  row p true: address 10.0.0.0/8; port 443; predicate 0 true; code 0 true\n");
}

TEST_CASE("what userspace evaluates names neither the action nor the resource") {
  Module module = small_module();
  Diagnostics diagnostics;
  auto condition = [](Build& b) {
    NodeId chosen = b.op(Op::if_, {b.named(Op::is, "Dest", {b.var(Var::resource)}), attr(b, Var::principal, "level"),
                                   attr(b, Var::context, "ticket")});
    NodeId action = b.op(Op::set, {b.var(Var::action)});
    NodeId mine = b.op(Op::contains, {action, b.op(Op::if_, {attr(b, Var::principal, "admin"), b.var(Var::action),
                                                             b.uid("Action::\"call\"")})});
    return b.op(Op::and_, {mine, b.op(Op::eq, {chosen, b.num(3)})});
  };
  KernelPlan plan = plan_one(module, diagnostics, condition);
  REQUIRE(!diagnostics.has_errors());
  REQUIRE(!plan.envs.at(0).predicates.empty());
  for (const Predicate& p : plan.envs[0].predicates) {
    std::string text = userspace_expr(module, plan.envs[0], p.policy, p.node).dump();
    CHECK(text.find("\"resource\"") == std::string::npos);
    CHECK(text.find("\"Var\":\"action\"") == std::string::npos);
    CHECK(text.find("ticket") == std::string::npos);
  }
}

TEST_CASE("equal conditions of different policies are one predicate") {
  Module module = small_module();
  for (int i = 0; i < 3; ++i) {
    module.policies.push_back(small_policy("p" + std::to_string(i), Effect::permit,
                                           [](Build& b) { return attr(b, Var::principal, "admin"); }));
  }
  Diagnostics diagnostics;
  KernelPlan plan = plan_kernel(module, diagnostics);
  CHECK(plan.envs.at(0).predicates.size() == 1);
  CHECK(plan.envs.at(0).rows.size() == 3);
}

TEST_CASE("a group of endpoints is a list, its negation all but the list") {
  Module module = small_module();
  auto in_zone = [](Build& b) { return b.op(Op::in, {b.var(Var::resource), b.uid("Zone::\"outer\"")}); };
  module.policies.push_back(small_policy("in", Effect::permit, in_zone));
  module.policies.push_back(small_policy("out", Effect::forbid, [&](Build& b) { return b.op(Op::not_, {in_zone(b)}); }));
  Diagnostics diagnostics;
  KernelPlan plan = plan_kernel(module, diagnostics);
  REQUIRE(plan.envs.at(0).rows.size() == 2);
  const EndpointSet& inside = *plan.envs[0].rows[0].endpoint;
  const EndpointSet& outside = *plan.envs[0].rows[1].endpoint;
  CHECK(inside.listed.size() == 2);
  CHECK(!inside.others);
  CHECK(outside.listed == inside.listed);
  CHECK(outside.others);
  for (const EndpointKey& key : inside.listed) {
    CHECK(inside.holds(key));
    CHECK(!outside.holds(key));
  }
  CHECK(outside.holds({false, {9, 9, 9, 9}, 1}));
}

TEST_CASE("the kernel refuses what only the gateway knows") {
  auto ticket = [](Build& b) { return b.op(Op::eq, {attr(b, Var::context, "ticket"), b.num(1)}); };
  CHECK(refused(ticket) == Codes{"K5001"});
  // … unless evaluation cannot reach it.
  CHECK(refused([&](Build& b) { return b.op(Op::and_, {b.no(), ticket(b)}); }).empty());
  CHECK(refused([](Build& b) { return b.op(Op::eq, {b.var(Var::context), b.body.add_record({}, {}, {})}); }) ==
        Codes{"K5002"});
}

TEST_CASE("a name must not take away what an address without one has") {
  auto named = [](Build& b) { return has(b, Var::resource, "host"); };
  auto in_host = [](Build& b) { return b.op(Op::in, {b.var(Var::resource), b.uid("Host::\"example.com\"")}); };
  CHECK(refused(named).empty());
  CHECK(refused(in_host).empty());
  CHECK(refused([&](Build& b) { return b.op(Op::not_, {named(b)}); }) == Codes{"K5003"});
  CHECK(refused([&](Build& b) { return b.op(Op::not_, {in_host(b)}); }) == Codes{"K5003"});
  CHECK(refused([&](Build& b) { return b.op(Op::and_, {in_host(b), b.op(Op::not_, {named(b)})}); }).empty());   // never without one
}

TEST_CASE("a forbid that holds for every name does not hold where asking fails without one") {
  auto codes = [](bool second) {
    Module module = small_module();
    module.policies.push_back(small_policy("p", Effect::forbid, [&](Build& b) {
      auto same = [&] { return b.op(Op::eq, {attr(b, Var::resource, "host"), attr(b, Var::context, "depth")}); };
      return second ? b.op(Op::or_, {same(), b.op(Op::not_, {same()})}) : b.op(Op::or_, {attr(b, Var::principal, "admin"), b.op(Op::and_, {b.no(), same()})});
    }));
    Diagnostics diagnostics;
    plan_kernel(module, diagnostics);
    Codes found;
    for (const Diagnostic& d : diagnostics.all()) found.emplace_back(catalogue_row(d.code).name);
    return found;
  };
  CHECK(codes(true) == Codes{"K5003", "K5003"});   // both places
  CHECK(codes(false).empty());   // never asked
}

TEST_CASE("what a condition is without a name is asked for whoever can be bound") {
  auto codes = [](Effect effect, bool bindable, auto condition) {
    Module module = small_module();
    if (!bindable) module.entities = *Entities::build(module.schema.action_entities());
    module.policies.push_back(small_policy("p", effect, condition));
    Diagnostics diagnostics;
    plan_kernel(module, diagnostics);
    Codes found;
    for (const Diagnostic& d : diagnostics.all()) found.emplace_back(catalogue_row(d.code).name);
    return found;
  };
  auto number = [](Build& b) { return b.op(Op::if_, {has(b, Var::resource, "host"), b.num(1), b.num(2)}); };
  auto two = [&](Build& b) { return b.op(Op::eq, {number(b), b.num(2)}); };
  CHECK(codes(Effect::forbid, true, two).empty());   // holds for all without a name
  CHECK(codes(Effect::permit, true, two) == Codes{"K5003"});
  auto published = [&](Build& b) { return b.op(Op::and_, {has(b, Var::context, "depth"), b.op(Op::eq, {number(b), attr(b, Var::context, "depth")})}); };
  CHECK(codes(Effect::permit, true, published) == Codes{"K5003"});   // for one number of them
  auto never = [](Build& b) {
    NodeId in_host = b.op(Op::in, {b.var(Var::resource), b.uid("Host::\"example.com\"")});
    return b.op(Op::and_, {in_host, b.op(Op::not_, {has(b, Var::resource, "host")})});
  };
  CHECK(codes(Effect::permit, true, never).empty());
  CHECK(codes(Effect::permit, false, never).empty());
}

TEST_CASE("no code asks whether there is a name") {
  auto nested = [](int depth) {
    return refused([depth](Build& b) {
      NodeId value = b.op(Op::if_, {has(b, Var::resource, "host"), attr(b, Var::context, "uid"), b.num(0)});
      for (int i = 0; i < depth; ++i) value = b.named(Op::get_attr, "a", {b.body.add_record({"a"}, {value}, {})});
      return b.op(Op::eq, {value, b.num(3)});
    });
  };
  CHECK(nested(0).empty());
  CHECK(nested(15).empty());
  CHECK(nested(16) == Codes{"K5007"});
}

TEST_CASE("data of other endpoints is refused") {
  CHECK(refused([](Build& b) {
          NodeId port = b.named(Op::get_attr, "port", {b.uid("Dest::\"10.1.2.3:443\"")});
          return b.op(Op::eq, {port, b.num(443)});
        }) == Codes{"K5004"});
  CHECK(refused([](Build& b) {
          return b.op(Op::in, {b.uid("Dest::\"10.1.2.3:443\""), b.uid("Zone::\"z\"")});
        }) == Codes{"K5004"});
}

TEST_CASE("conditions that mix what cannot be mixed are refused") {
  CHECK(refused([](Build& b) {
          NodeId both = b.body.add_record({"who", "uid"}, {b.var(Var::resource), attr(b, Var::context, "uid")}, {});
          return b.op(Op::eq, {b.op(Op::set, {both}), b.lit(Value::set({}))});
        }) == Codes{"K5005"});
  CHECK(refused([](Build& b) {
          NodeId loop = b.named(Op::call, "isLoopback", {attr(b, Var::resource, "ip")});
          return b.op(Op::less, {attr(b, Var::resource, "port"), b.op(Op::if_, {loop, b.num(1024), b.num(512)})});
        }) == Codes{"K5007"});
  CHECK(refused([](Build& b) {
          NodeId loop = b.named(Op::call, "isLoopback", {attr(b, Var::resource, "ip")});
          NodeId who = b.op(Op::if_, {loop, b.uid("User::\"u\""), b.uid("User::\"missing\"")});
          return b.op(Op::eq, {attr(b, Var::resource, "ip"), b.named(Op::get_attr, "net", {who})});
        }) == Codes{"K5009"});
}

TEST_CASE("a part whose addresses are computed is refused wherever it is") {
  for (std::size_t where = 0; where < 6; ++where) {
    CAPTURE(where);
    CHECK(refused([where](Build& b) {
            auto of_address = [&](const char* test) { return b.named(Op::call, test, {attr(b, Var::resource, "ip")}); };
            NodeId who = b.op(Op::if_, {of_address("isLoopback"), b.uid("User::\"u\""), b.uid("User::\"missing\"")});
            NodeId computed = b.op(Op::eq, {attr(b, Var::resource, "ip"), b.named(Op::get_attr, "net", {who})});
            if (where == 0) return b.op(Op::not_, {computed});
            if (where <= 2) return b.op(Op::or_, {where == 1 ? computed : of_address("isMulticast"), where == 2 ? computed : of_address("isIpv4")});
            std::vector<NodeId> parts{of_address("isIpv4"), of_address("isMulticast"), of_address("isLoopback")};
            parts[where - 3] = computed;
            return b.op(Op::if_, parts);
          }) == Codes{"K5009"});
  }
}

TEST_CASE("an error for some endpoints stays, whatever holds for the others") {
  auto rows = [](auto condition) {
    Module module = small_module();
    Diagnostics diagnostics;
    KernelPlan plan = plan_one(module, diagnostics, [&](Build& b) { return b.op(Op::and_, {condition(b), b.op(Op::less, {attr(b, Var::context, "uid"), b.num(-1)})}); });
    REQUIRE(!diagnostics.has_errors());
    std::string text = print_plan(module, plan);
    return text.substr(text.find("  row"));
  };
  // No owner: true. An owner that is missing: an error, and nothing is false.
  auto owned = [](Build& b) {
    NodeId owner = b.named(Op::get_attr, "active", {attr(b, Var::resource, "owner")});
    return b.op(Op::or_, {b.op(Op::not_, {has(b, Var::resource, "owner")}), owner});
  };
  CHECK(rows(owned) == "  row p true: endpoint all but [2001:db8::1]:80; code 0 true\n  row p error: endpoint [2001:db8::1]:80\n");
  // … and where it is never reached: both operands of a condition that is false anyway.
  auto never = [](auto condition) {
    Module module = small_module();
    Diagnostics diagnostics;
    KernelPlan plan = plan_one(module, diagnostics, [&](Build& b) {
      NodeId no = b.op(Op::and_, {b.op(Op::less, {attr(b, Var::context, "uid"), b.num(0)}), b.no()});   // not of the endpoint
      return b.op(Op::and_, {condition(b), no});
    });
    std::vector<Outcome> results;
    for (const KernelRow& row : plan.envs.at(0).rows) results.push_back(row.result);
    return results;
  };
  CHECK(never(owned) == std::vector<Outcome>{Outcome::error});
  CHECK(never([](Build& b) { return b.op(Op::eq, {attr(b, Var::resource, "env"), b.str("prod")}); }) == std::vector<Outcome>{Outcome::error});
  // … nor of some addresses or ports.
  auto behind = [](Build& b, NodeId condition) { return b.op(Op::and_, {condition, b.named(Op::get_attr, "active", {b.uid("User::\"missing\"")})}); };
  auto loopback = [](Build& b) { return b.named(Op::call, "isLoopback", {attr(b, Var::resource, "ip")}); };
  auto low = [](Build& b) { return b.op(Op::less, {attr(b, Var::resource, "port"), b.num(1024)}); };
  CHECK(never([&](Build& b) { return behind(b, loopback(b)); }) == std::vector<Outcome>{Outcome::error});
  CHECK(never(loopback).empty());
  CHECK(never([&](Build& b) { return behind(b, low(b)); }) == std::vector<Outcome>{Outcome::error});
  CHECK(never(low).empty());
  CHECK(never([](Build& b) { return has(b, Var::resource, "env"); }).empty());
}

TEST_CASE("what is asked holds where it was asked, and no longer") {
  Module module = small_module();
  module.policies.push_back(small_policy("p", Effect::permit, [](Build& b) {   // no validator lets this pass
    auto depth = [&] { return b.op(Op::eq, {attr(b, Var::context, "depth"), b.num(1)}); };
    NodeId chosen = b.op(Op::if_, {has(b, Var::context, "depth"), depth(), depth()});
    return b.op(Op::or_, {b.op(Op::and_, {has(b, Var::context, "depth"), depth()}), b.op(Op::or_, {depth(), chosen})});
  }));
  const Body& body = module.policies[0].body;
  const Analysis analysis = analyse(module, body, module.environments.at(1));
  std::vector<bool> can_error;
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[NodeId(i)].op == Op::get_attr) can_error.push_back(analysis.can_error[i]);
  }
  CHECK(can_error == std::vector<bool>{false, true, false, true});   // `then`, `else`, behind `&&`, alone
}

TEST_CASE("what is asked later does not guard what comes before it") {
  Module module = small_module();
  module.policies.push_back(small_policy("p", Effect::permit, [](Build& b) {
    NodeId depth = b.op(Op::eq, {attr(b, Var::context, "depth"), b.num(1)});
    return b.op(Op::and_, {b.op(Op::and_, {depth, has(b, Var::context, "depth")}), attr(b, Var::principal, "admin")});
  }));
  const Body& body = module.policies[0].body;
  const Analysis analysis = analyse(module, body, module.environments.at(1));
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[NodeId(i)].op == Op::get_attr) CHECK(analysis.can_error[i] == (body.name(NodeId(i)) == "depth"));
  }
}

TEST_CASE("sixteen expressions of a condition are split, and not one more") {
  auto nested = [](int depth) {
    return refused([depth](Build& b) {
      NodeId value = attr(b, Var::context, "uid");
      for (int i = 0; i < depth; ++i) value = b.named(Op::get_attr, "a", {b.body.add_record({"a"}, {value}, {})});
      return b.op(Op::eq, {value, b.num(3)});
    });
  };
  CHECK(nested(16).empty());
  CHECK(nested(17) == Codes{"K5007"});
}

TEST_CASE("a set that a branch chooses is split by its branches, however much is asked of it") {
  std::vector<Value> many;
  for (int i = 0; i < 30000; ++i) many.push_back(num(i));
  const Value all = Value::set(many);
  CHECK(refused([&](Build& b) {
          NodeId root = b.op(Op::eq, {attr(b, Var::context, "uid"), b.num(0)});
          NodeId chosen = b.op(Op::if_, {root, b.lit(all), b.lit(Value::set({num(1)}))});
          return b.op(Op::contains_all, {chosen, b.lit(all)});
        }).empty());
}

TEST_CASE("a constant of the port's comparison may be no port") {
  auto rows = [](auto condition) {
    Module module = small_module();
    Diagnostics diagnostics;
    const std::string text = print_plan(module, plan_one(module, diagnostics, condition));
    const std::size_t at = text.find("  row");
    return at == std::string::npos ? "" : text.substr(at);
  };
  auto port = [](Build& b) { return attr(b, Var::resource, "port"); };
  for (std::int64_t none : {INT64_MIN, std::int64_t{-2}, std::int64_t{-1}, std::int64_t{65536}, std::int64_t{65537}, INT64_MAX}) {
    CAPTURE(none);
    CHECK(rows([&](Build& b) { return b.op(Op::eq, {port(b), b.num(none)}); }) == "");
    CHECK(rows([&](Build& b) { return b.op(Op::less, {port(b), b.num(none)}); }) == (none < 0 ? "" : "  row p true\n"));
    CHECK(rows([&](Build& b) { return b.op(Op::less_eq, {b.num(none), port(b)}); }) == (none < 0 ? "  row p true\n" : ""));
  }
  for (std::int64_t edge : {0, 1, 65534, 65535}) {
    CAPTURE(edge);
    CHECK(rows([&](Build& b) { return b.op(Op::eq, {port(b), b.num(edge)}); }) == "  row p true: port " + std::to_string(edge) + "\n");
  }
  CHECK(rows([&](Build& b) { return b.op(Op::less, {port(b), b.num(0)}); }) == "");
  CHECK(rows([&](Build& b) { return b.op(Op::less_eq, {port(b), b.num(65534)}); }) == "  row p true: port 0-65534\n");
}

TEST_CASE("a condition without a place is refused at its policy") {
  Module module = small_module();
  module.policies.push_back(small_policy("p", Effect::permit, [](Build& b) { return b.op(Op::eq, {attr(b, Var::context, "ticket"), b.num(1)}); }));
  Sources sources;
  module.policies[0].span = {sources.add("p.cedar", "permit(principal, action, resource);"), 0, 36};
  Diagnostics diagnostics;
  plan_kernel(module, diagnostics);
  REQUIRE(diagnostics.error_count() == 1);
  CHECK(diagnostics.all()[0].span.end == 36);
}

TEST_CASE("annotations are what they say, or errors, never ignored") {
  auto planned = [](const char* key, const char* value, KernelPlan& plan) {
    Module module = small_module();
    module.policies.push_back(small_policy("p", Effect::permit, [](Build& b) { return b.yes(); }));
    module.policies[0].annotations.emplace_back(key, value);
    Diagnostics diagnostics;
    plan = plan_kernel(module, diagnostics, {.residual = Approximation::ceiling});
    Codes codes;
    for (const Diagnostic& d : diagnostics.all()) codes.push_back(std::string(catalogue_row(d.code).name));
    return codes;
  };
  KernelPlan plan;
  CHECK(planned("on_error", "deny", plan) == Codes{"K5008"});
  CHECK(planned("residual", "roof", plan) == Codes{"K5020"});
  CHECK(planned("residual", "floor", plan) == Codes{});
  REQUIRE(!plan.envs.empty());
  for (const KernelEnv& env : plan.envs) {   // what is exact stays exact
    CHECK(env.approximated.empty());
    CHECK(env.rows.size() == 1);
  }
}

TEST_CASE("limits name the policy") {
  auto many_rows = [](Build& b) {
    NodeId any = b.no();
    for (int i = 0; i < 14; ++i) {
      NodeId bound = b.op(Op::eq, {attr(b, Var::principal, "level"), b.num(i)});
      any = b.op(Op::or_, {any, b.op(Op::and_, {bound, b.op(Op::eq, {attr(b, Var::context, "uid"), b.num(i)})})});
    }
    return any;
  };
  CHECK(refused(many_rows) == Codes{"K8050"});
  for (const char* part : {"ip", "port", "endpoint"}) {   // each value with a predicate of its own
    CAPTURE(part);
    CHECK(refused([&](Build& b) {
            NodeId any = b.no();
            for (int i = 0; i < 4200; ++i) {
              const std::string address = "10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250);
              NodeId same;
              if (std::string_view(part) == "ip") same = b.op(Op::eq, {attr(b, Var::resource, "ip"), b.lit(ip(address.c_str()))});
              else if (std::string_view(part) == "port") same = b.op(Op::eq, {attr(b, Var::resource, "port"), b.num(1000 + i)});
              else same = b.op(Op::eq, {b.var(Var::resource), b.uid(("Dest::\"" + address + ":443\"").c_str())});
              any = b.op(Op::or_, {b.op(Op::and_, {same, b.op(Op::eq, {attr(b, Var::principal, "level"), b.num(i)})}), any});
            }
            return any;
          }) == Codes{"K8050"});
  }
  auto many_slots = [](Build& b) {
    NodeId all = b.yes();
    for (int i = 0; i < 17; ++i) {
      NodeId value = b.op(Op::add, {attr(b, Var::principal, "level"), b.num(i)});
      all = b.op(Op::and_, {all, b.op(Op::less, {value, attr(b, Var::context, "uid")})});
    }
    return all;
  };
  CHECK(refused(many_slots) == Codes{"K8052"});
}

TEST_CASE("an environment has a bounded number of rows") {
  Module module = small_module();
  for (int p = 0; p < 33; ++p) {   // each the parity of twelve comparisons: 2,048 rows
    module.policies.push_back(small_policy("p" + std::to_string(p), Effect::permit, [&](Build& b) {
      NodeId parity = b.op(Op::less, {attr(b, Var::context, "uid"), b.num(0)});
      for (int i = 1; i < 12; ++i) {
        parity = b.op(Op::eq, {b.op(Op::less, {attr(b, Var::context, "uid"), b.num(i)}), parity});
      }
      return parity;
    }));
  }
  Diagnostics diagnostics;
  plan_kernel(module, diagnostics);
  REQUIRE(diagnostics.error_count() == 1);
  CHECK(diagnostics.all()[0].code == Code::K8051);
}

TEST_CASE("address sets join neighbours, keep families apart and print") {
  AddressSet set;
  auto add = [&](const char* first, const char* last) {
    add_range(set, address_key(*ip(first).as_ip()), next_address(address_key(*ip(last).as_ip())));
  };
  add("10.0.0.0", "10.0.0.127");
  add("10.0.0.128", "10.0.0.255");
  add("192.0.2.1", "192.0.2.9");
  add("255.255.255.255", "255.255.255.255");
  add("::", "::ffff");
  add("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
  CHECK(to_text(set) == "10.0.0.0/24, 192.0.2.1-192.0.2.9, 255.255.255.255, ::/112, "
                        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
  CHECK(contains(set, *ip("10.0.0.77").as_ip()));
  CHECK(contains(set, *ip("255.255.255.255").as_ip()));
  CHECK(!contains(set, *ip("192.0.2.10").as_ip()));
  CHECK(!contains(set, *ip("a00::").as_ip()));
  AddressSet all;
  add_range(all, kFirstAddress, std::nullopt);
  CHECK(to_text(all) == "0.0.0.0/0, ::/0");
}

TEST_CASE("ten thousand policies with their own address, port and principal") {
  Module module = small_module();
  for (int i = 0; i < 10000; ++i) {
    std::string range = "10." + std::to_string(i / 256) + "." + std::to_string(i % 256) + ".0/24";
    std::string agent = "Agent::\"agent" + std::to_string(i) + "\"";
    module.policies.push_back(small_policy("p" + std::to_string(i), Effect::permit, [&](Build& b) {
      NodeId near = in_range(b, attr(b, Var::resource, "ip"), range.c_str());
      NodeId port = b.op(Op::eq, {attr(b, Var::resource, "port"), b.num(i)});
      NodeId who = b.op(Op::eq, {b.var(Var::principal), b.uid(agent.c_str())});
      return b.op(Op::and_, {who, b.op(Op::and_, {near, port})});
    }));
  }
  Diagnostics diagnostics;
  auto begin = std::chrono::steady_clock::now();
  KernelPlan plan = plan_kernel(module, diagnostics);
  auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin).count();
  MESSAGE("planned 10,000 policies in " << ms << " ms");
  CHECK(!diagnostics.has_errors());
  CHECK(plan.envs.at(0).rows.size() == 10000);
  CHECK(ms < 60000);
}
