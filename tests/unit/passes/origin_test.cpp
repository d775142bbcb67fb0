// What the analysis says of single expressions: their types, where their values come from, and whether they can fail.
#include "ir/passes/origin.h"

#include <doctest/doctest.h>

#include "tests/unit/passes/fixture.h"

using namespace kerf;
using namespace kerf::test;

namespace {

struct Answer {
  StaticType type;
  Origins origins = 0;
  bool can_error = false;
};

// Agents know hosts, regions of hosts, zones and endpoints.
Module world() {
  Module module = small_module();
  Types& t = module.schema.types;
  const TypeId none = t.record({});
  module.schema.entity_types["Region"] = entity_type("Region", none);
  EntityType& host = module.schema.entity_types["Host"];
  host.parents = host.ancestors = {"Region"};
  EntityType& dest = module.schema.entity_types["Dest"];
  dest.ancestors.insert("Region");
  auto one = [&](const char* type) { return AttrType{t.entity(type), true}; };
  module.schema.entity_types["Agent"].attrs =
      t.record({{"home", one("Host")}, {"homes", {t.set(t.entity("Host")), true}}, {"region", one("Region")}, {"zone", one("Zone")},
                {"dest", one("Dest")}, {"level", {t.simple(TypeKind::long_), true}}, {"quota", {t.simple(TypeKind::long_), false}}});
  std::vector<Entity> entities = module.entities.all();
  entities.push_back({{"Host", "h"}, {}, {}, {{"Region", "r"}}});
  entities.push_back({{"Region", "r"}, {}, {}, {}});
  auto built = Entities::build(std::move(entities));
  REQUIRE(built.ok());
  module.entities = *built;
  return module;
}

template <class Make>
Answer of(const Module& module, Make make) {
  Build b;
  b.body.root = make(b);
  const Analysis analysis = analyse(module, b.body, module.environments.at(1));   // of `connect`
  return {analysis.types[b.body.root.index], analysis.origins[b.body.root.index], analysis.can_error[b.body.root.index]};
}

}  // namespace

TEST_CASE("what functions give, and which of them can fail") {
  const Module module = world();
  struct Case { const char* name; TypeKind kind; bool fails; };
  for (const Case& c : {Case{"ip", TypeKind::ip, true}, Case{"decimal", TypeKind::decimal, true}, Case{"datetime", TypeKind::datetime, true},
                        Case{"offset", TypeKind::datetime, true}, Case{"toDate", TypeKind::datetime, true}, Case{"duration", TypeKind::duration, true},
                        Case{"durationSince", TypeKind::duration, true}, Case{"toTime", TypeKind::duration, false},
                        Case{"toMilliseconds", TypeKind::long_, false}, Case{"toDays", TypeKind::long_, false},
                        Case{"isLoopback", TypeKind::boolean, false}, Case{"lessThan", TypeKind::boolean, false}}) {
    CAPTURE(std::string(c.name));
    const Answer answer = of(module, [&](Build& b) { return b.named(Op::call, c.name, {attr(b, Var::principal, "level")}); });
    CHECK(answer.type.kind == c.kind);
    CHECK(answer.can_error == c.fails);
  }
}

TEST_CASE("a value has the type of its kind") {
  const Module module = world();
  struct Case { Value value; TypeKind kind; };
  for (const Case& c : {Case{Value(true), TypeKind::boolean}, Case{num(1), TypeKind::long_}, Case{text("a"), TypeKind::string},
                        Case{uid("Zone::\"z\""), TypeKind::entity}, Case{Value::set({num(1)}), TypeKind::set}, Case{Value(ValueRecord{}), TypeKind::record},
                        Case{Value(*parse_decimal("1.5")), TypeKind::decimal}, Case{ip("::1"), TypeKind::ip},
                        Case{Value(*parse_datetime("2024-01-01")), TypeKind::datetime}, Case{Value(*parse_duration("1h")), TypeKind::duration}}) {
    CAPTURE(to_text(c.value));
    const Answer answer = of(module, [&](Build& b) { return b.lit(c.value); });
    CHECK(answer.type.kind == c.kind);
    CHECK(answer.origins == 0);
    CHECK_FALSE(answer.can_error);
  }
  CHECK(of(module, [](Build& b) { return b.uid("Zone::\"z\""); }).type.entity == "Zone");
}

TEST_CASE("a set's elements have the type of the entities in it") {
  const Module module = world();
  auto entity = [&](const char* first, const char* second) {
    return std::string(of(module, [&](Build& b) { return b.op(Op::set, {attr(b, Var::principal, first), attr(b, Var::principal, second)}); }).type.entity);
  };
  CHECK(entity("zone", "level") == "Zone");
  CHECK(entity("level", "zone") == "Zone");
  CHECK(entity("level", "level") == "");
}

TEST_CASE("tags have a type where their entities have tags") {
  const Module module = world();
  auto kind = [&](const char* name) { return of(module, [&](Build& b) { return b.op(Op::get_tag, {attr(b, Var::principal, name), b.str("tier")}); }).type.kind; };
  CHECK(kind("dest") == TypeKind::string);
  CHECK(kind("zone") == TypeKind::never);
  CHECK(kind("level") == TypeKind::never);
}

TEST_CASE("an endpoint is in what is stored, and in hosts where the group may have some") {
  const Module module = world();
  auto in_attr = [&](const char* name) { return of(module, [&](Build& b) { return b.op(Op::in, {b.var(Var::resource), attr(b, Var::principal, name)}); }).origins; };
  auto in_set = [&](const char* name) {
    return of(module, [&](Build& b) { return b.op(Op::in, {b.var(Var::resource), b.op(Op::set, {attr(b, Var::principal, name)})}); }).origins;
  };
  auto in_value = [&](Value group) { return of(module, [&](Build& b) { return b.op(Op::in, {b.var(Var::resource), b.lit(group)}); }).origins; };
  constexpr Origins stored = kFromPrincipal | kFromEndpoint;
  CHECK(in_attr("zone") == stored);
  CHECK(in_set("zone") == stored);
  CHECK(in_attr("home") == (stored | kFromHost));
  CHECK(in_attr("homes") == (stored | kFromHost));
  CHECK(in_set("home") == (stored | kFromHost));
  CHECK(in_attr("region") == (stored | kFromHost));
  CHECK(in_attr("level") == (stored | kFromHost));   // of no known type
  CHECK(in_value(uid("Zone::\"z\"")) == kFromEndpoint);
  CHECK(in_value(uid("Host::\"h\"")) == kFromHost);
  CHECK(in_value(uid("Region::\"r\"")) == kFromHost);   // has a host, and no endpoint
  CHECK(in_value(Value::set({uid("Zone::\"z\""), uid("Zone::\"none\"")})) == kFromEndpoint);
  CHECK(in_value(Value::set({uid("Host::\"h\""), uid("Zone::\"none\"")})) == kFromHost);
  CHECK(in_value(Value::set({uid("Host::\"h\""), uid("Zone::\"z\"")})) == (kFromEndpoint | kFromHost));
}

TEST_CASE("data is the principal's, the endpoint's, the gateway's, or another entity's that the kernel binds") {
  const Module module = world();
  auto origins = [&](auto make) { return of(module, make).origins; };
  CHECK(origins([](Build& b) { return attr(b, Var::principal, "level"); }) == kFromPrincipal);
  CHECK(origins([](Build& b) { return attr(b, Var::resource, "env"); }) == kFromEndpoint);
  CHECK(origins([](Build& b) { return attr(b, Var::context, "ticket"); }) == kFromGateway);
  CHECK(origins([](Build& b) { return b.var(Var::context); }) == kFromContext);
  CHECK(origins([](Build& b) { return b.var(Var::action); }) == 0);
  CHECK(origins([](Build& b) { return b.named(Op::get_attr, "active", {attr(b, Var::principal, "zone")}); }) == kFromPrincipal);
  CHECK(origins([](Build& b) { return b.named(Op::get_attr, "env", {attr(b, Var::principal, "dest")}); }) == (kFromPrincipal | kThroughOther));
  CHECK(origins([](Build& b) { return b.op(Op::get_tag, {attr(b, Var::principal, "dest"), b.str("tier")}); }) == (kFromPrincipal | kThroughOther));
  CHECK(origins([](Build& b) { return b.op(Op::has_tag, {b.var(Var::resource), b.str("tier")}); }) == kFromEndpoint);
  CHECK(origins([](Build& b) { return b.op(Op::in, {attr(b, Var::principal, "home"), b.uid("Region::\"r\"")}); }) == (kFromPrincipal | kThroughOther));
}

TEST_CASE("an attribute can fail where it is optional, or its entity may not be stored") {
  const Module module = world();
  auto fails = [&](auto make) { return of(module, make).can_error; };
  CHECK_FALSE(fails([](Build& b) { return attr(b, Var::principal, "level"); }));
  CHECK(fails([](Build& b) { return attr(b, Var::principal, "quota"); }));
  CHECK(fails([](Build& b) { return attr(b, Var::principal, "nothing"); }));
  CHECK_FALSE(fails([](Build& b) { return attr(b, Var::resource, "port"); }));   // observed, and always there
  CHECK(fails([](Build& b) { return attr(b, Var::resource, "cost"); }));
  CHECK_FALSE(fails([](Build& b) { return attr(b, Var::context, "ticket"); }));
  CHECK(fails([](Build& b) { return attr(b, Var::context, "depth"); }));
  CHECK(fails([](Build& b) { return b.named(Op::get_attr, "active", {attr(b, Var::principal, "home")}); }));
}
