#include <doctest/doctest.h>

#include "ir/passes/atoms.h"
#include "ir/passes/materialise.h"
#include "ir/passes/split.h"
#include "tests/unit/passes/fixture.h"

using namespace kerf;
using namespace kerf::test;

namespace {

Module mixed_module() {
  Module module = small_module();
  module.policies.push_back(small_policy("web", Effect::permit, [](Build& b) {
    NodeId team = b.op(Op::in, {b.var(Var::principal), b.uid("Team::\"red\"")});
    NodeId port = b.op(Op::less, {attr(b, Var::resource, "port"), attr(b, Var::principal, "level")});
    NodeId depth = has(b, Var::context, "depth");
    return b.op(Op::and_, {team, b.op(Op::and_, {port, depth})});
  }));
  Policy everywhere{};
  everywhere.id = "everywhere";
  everywhere.effect = Effect::forbid;
  everywhere.body.root = everywhere.body.add_literal(Value(true), {});
  module.policies.push_back(std::move(everywhere));
  return module;
}

}  // namespace

TEST_CASE("stages name what decides") {
  Module module = mixed_module();
  const Body& body = module.policies[0].body;
  auto env = std::find_if(module.environments.begin(), module.environments.end(),
                          [](const RequestEnv& e) { return e.action.id == "connect"; });
  std::vector<NodeStage> staged = stages(module, module.policies[0], *env);
  auto stage_of = [&](std::string_view text) {
    for (std::size_t i = 0; i < body.size(); ++i) {
      if (print_expr(body, NodeId(i)) == text) return staged[i];
    }
    FAIL("no such expression");
    return NodeStage{};
  };
  CHECK(stage_of("action == Action::\"connect\"").stage == Stage::compile);
  CHECK(stage_of("principal in Team::\"red\"").stage == Stage::bind);
  CHECK(stage_of("context has depth").stage == Stage::publish);
  CHECK(stage_of("context has depth").reason == "the fact `delegation_depth` is published");
  CHECK(stage_of("resource.port < principal.level").stage == Stage::hook);
  CHECK(stage_of("resource.port < principal.level").reason == "the hook observes `endpoint.port`");
  CHECK(stage_of("resource.port < principal.level").because.valid());
  CHECK(staged[body.root.index].stage == Stage::hook);
}

TEST_CASE("a reason is told where it arises, and followed from there") {
  Module module = small_module();
  module.policies.push_back(small_policy("hosts", Effect::permit, [](Build& b) {
    NodeId among = b.op(Op::in, {b.var(Var::resource), b.uid("Host::\"example.com\"")});
    return b.op(Op::not_, {among});
  }));
  const Body& body = module.policies[0].body;
  auto env = std::find_if(module.environments.begin(), module.environments.end(),
                          [](const RequestEnv& e) { return e.action.id == "connect"; });
  std::vector<NodeStage> staged = stages(module, module.policies[0], *env);
  int asked = 0;
  for (std::size_t i = 0; i < body.size(); ++i) {
    const bool among = body[NodeId(i)].op == Op::in && staged[i].stage == Stage::learn, negated = body[NodeId(i)].op == Op::not_;
    if (!among && !negated) continue;
    ++asked;
    CHECK(staged[i].stage == Stage::learn);
    CHECK(staged[i].reason == "depends on the host names of the address");
    CHECK(staged[i].because.valid() == negated);   // `in` says it of itself
  }
  CHECK(asked == 2);
}

TEST_CASE("what hangs on another entity is told of the operand that reads it") {
  Module module = small_module();
  module.policies.push_back(small_policy("other", Effect::permit, [](Build& b) {
    return b.op(Op::eq, {b.named(Op::get_attr, "port", {b.uid("Dest::\"10.1.2.3:443\"")}), b.num(443)});
  }));
  const Body& body = module.policies[0].body;
  auto env = std::find_if(module.environments.begin(), module.environments.end(),
                          [](const RequestEnv& e) { return e.action.id == "connect"; });
  std::vector<NodeStage> staged = stages(module, module.policies[0], *env);
  int asked = 0;
  for (std::size_t i = 0; i < body.size(); ++i) {
    const bool compares = body[NodeId(i)].op == Op::eq && staged[i].stage == Stage::gateway, reads = body[NodeId(i)].op == Op::get_attr;
    if (!compares && !reads) continue;
    ++asked;
    CHECK(staged[i].reason == "reads data of a kernel-bound entity that is not reached through `resource`");
    CHECK(staged[i].because.valid() == compares);
  }
  CHECK(asked == 2);
}

TEST_CASE("the split tells layer, stage and expression, as JSON, table and picture") {
  Module module = mixed_module();
  Diagnostics diagnostics;
  KernelPlan plan = plan_kernel(module, diagnostics);
  REQUIRE(!diagnostics.has_errors());
  Split report = split(module, plan);
  REQUIRE(report.entries.size() == 4);   // two policies, two environments; `call` sorts before `connect`
  CHECK(report.entries[0].layer == Layer::none);
  CHECK(report.entries[1].layer == Layer::kernel);
  CHECK(report.entries[2].layer == Layer::gateway);
  CHECK(report.entries[3].layer == Layer::kernel);
  Sources sources;
  Json json = split_to_json(module, sources, report);
  CHECK(json["version"] == 3);
  CHECK(json["entries"][1]["events"] == Json({"net.connect"}));
  CHECK(json["entries"][1]["exact"] == true);
  std::vector<std::string> shown;
  for (const Json& e : json["entries"][1]["exprs"]) {
    shown.push_back(e["stage"].get<std::string>() + " " + e["text"].get<std::string>());
  }
  CHECK(shown == std::vector<std::string>{"compile action == Action::\"connect\"", "bind principal in Team::\"red\"",
                                          "hook resource.port < principal.level", "bind principal.level",
                                          "publish context has depth"});
  std::string picture = split_to_picture(module, sources, report, false);
  std::size_t begin = 0;
  for (std::size_t end; (end = picture.find('\n', begin)) != std::string::npos; begin = end + 1) {
    std::size_t width = 0;
    for (std::size_t i = begin; i < end; ++i) width += (static_cast<unsigned char>(picture[i]) & 0xc0) != 0x80;
    CHECK(width == 100);
  }
  CHECK(picture.find("permit web") != std::string::npos);
  CHECK(split_to_picture(module, sources, report, true).find("\x1b[") != std::string::npos);
  CHECK(split_to_table(module, sources, report).find("kernel net.connect exact") != std::string::npos);
}

TEST_CASE("atoms are shared, and what the environment decides is folded") {
  Module module = mixed_module();
  EnvironmentAtoms call = cut_atoms(module, 0), connect = cut_atoms(module, 1);
  CHECK(call.policies.size() == 1);      // `web` is false by its action alone
  CHECK(call.policies[0].policy == PolicyId(1));
  REQUIRE(connect.policies.size() == 2);
  CHECK(connect.atoms.size() == 3);
  CHECK(!connect.atoms[0].can_error);
  CHECK(connect.atoms[1].can_error);
  CHECK(connect.policies[0].formula.evaluate({Outcome::true_, Outcome::true_, Outcome::true_}) == Outcome::true_);
  CHECK(connect.policies[0].formula.evaluate({Outcome::true_, Outcome::error, Outcome::false_}) == Outcome::error);
}

TEST_CASE("an atom that is no Bool can fail") {
  Module module = small_module();
  module.policies.push_back(small_policy("number", Effect::permit, [](Build& b) { return b.num(1); }));
  const EnvironmentAtoms connect = cut_atoms(module, 1);
  REQUIRE(connect.atoms.size() == 1);
  CHECK(connect.atoms[0].can_error);
}

TEST_CASE("tables do not fold what entities decide") {
  Module module = small_module();
  module.policies.push_back(small_policy("p", Effect::permit, [](Build& b) {
    return b.named(Op::get_attr, "active", {b.uid("User::\"u\"")});
  }));
  CHECK(cut_atoms(module, 1).atoms.size() == 1);
}

TEST_CASE("events are read strictly and normalised") {
  Module module = small_module();
  auto event = [&](const char* text) { return event_from_json(module.schema, *parse_json(text)); };
  auto good = event(R"({"event":"net.connect","principal":"Agent::\"a\"",
                        "observed":{"endpoint.ip":"::ffff:a01:203","endpoint.port":443,"process.uid":0},
                        "facts":{"delegation_depth":2}})");
  REQUIRE(good.ok());
  CHECK(to_text(*good->observed.at("endpoint.ip").as_ip()) == "10.1.2.3");
  for (const char* bad : {
           R"({"event":"net.connect","principal":"Agent::\"a\"","observed":{"endpoint.ip":"10.0.0.1"}})",
           R"({"event":"net.connect","principal":"a","observed":{"endpoint.ip":"10.0.0.1","endpoint.port":1}})",
           R"({"event":"net.x","principal":"Agent::\"a\"","observed":{"endpoint.ip":"10.0.0.1","endpoint.port":1}})",
           R"({"event":"net.connect","principal":"Agent::\"a\"","observed":{"endpoint.ip":"10.0.0.0/8","endpoint.port":1}})",
           R"({"event":"net.connect","principal":"Agent::\"a\"","observed":{"endpoint.ip":"10.0.0.1","endpoint.port":65536}})",
           R"({"event":"net.connect","principal":"Agent::\"a\"","observed":{"endpoint.ip":"10.0.0.1","endpoint.port":"1"}})",
           R"({"event":"net.connect","principal":"Agent::\"a\"","observed":{"endpoint.ip":"10.0.0.1","endpoint.port":1,"x":1}})",
           R"({"event":"net.connect","principal":"Agent::\"a\"","observed":{"endpoint.ip":"10.0.0.1","endpoint.port":1},"facts":{"x":1}})",
           R"({"event":"net.connect","principal":"Agent::\"a\"","observed":{"endpoint.ip":"10.0.0.1","endpoint.port":1},"facts":{"frozen":1}})",
           R"({"event":"net.connect","principal":"Agent::\"a\"","observed":{"endpoint.ip":"10.0.0.1","endpoint.port":1},"more":1})",
       }) {
    CAPTURE(bad);
    CHECK(!event(bad).ok());
  }
}

TEST_CASE("materialisation merges what is observed over what is stored") {
  Module module = small_module();
  KernelEventData event{KernelEventId::net_connect, *parse_uid("Agent::\"a\""), {}, {}};
  event.observed = {{"endpoint.ip", ip("10.1.2.3")}, {"endpoint.port", num(443)}, {"process.uid", num(5)}};
  event.facts = {{"delegation_depth", num(2)}};
  auto made = materialise(module, event);
  REQUIRE(made.ok());
  CHECK(to_text(made->request.resource) == "Dest::\"10.1.2.3:443\"");
  CHECK(made->request.context.at("depth") == num(2));
  CHECK(made->request.context.at("uid") == num(5));
  CHECK(!made->request.context.contains("frozen"));
  CHECK(made->open == std::vector<std::string>{"protocol", "ticket"});
  const Entity* stored = made->entities.find(made->request.resource);
  REQUIRE(stored);
  CHECK(stored->attrs.at("env") == text("prod"));
  event.observed.insert_or_assign("endpoint.ip", ip("0.0.0.0"));
  auto other = materialise(module, event);
  REQUIRE(other.ok());
  CHECK(to_text(other->request.resource) == "Dest::\"127.0.0.1:443\"");
  const Entity* observed = other->entities.find(other->request.resource);
  REQUIRE(observed);
  CHECK(observed->attrs.at("port") == num(443));
  CHECK(!observed->attrs.contains("env"));
  event.principal = *parse_uid("Agent::\"nobody\"");
  CHECK(!materialise(module, event).ok());
  event.principal = *parse_uid("User::\"u\"");
  CHECK(!materialise(module, event).ok());
}

TEST_CASE("the hosts of an address are above the endpoint, where the schema lets endpoints be in hosts") {
  Module module = small_module();
  KernelEventData event{KernelEventId::net_connect, *parse_uid("Agent::\"a\""), {}, {}};
  event.observed = {{"endpoint.ip", ip("10.9.9.9")}, {"endpoint.port", num(443)}, {"process.uid", num(5)}};
  event.hosts = {"b.example.com", "a.example.com"};
  auto parents = [&] {
    auto made = materialise(module, event);
    REQUIRE(made.ok());
    return made->entities.find(made->request.resource)->parents;
  };
  CHECK(parents() == std::vector<EntityUid>{{"Host", "a.example.com"}, {"Host", "b.example.com"}});
  module.schema.entity_types.at("Dest").ancestors.erase("Host");
  CHECK(parents().empty());
}
