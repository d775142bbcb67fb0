// A small world for the tests of the passes: agents, endpoints, one governed action and one that is not.
#pragma once
#include <random>

#include "ir/module.h"
#include "ir/values/extension.h"
#include "tests/unit/ir/build.h"

namespace kerf::test {

inline Value ip(const char* text) { return Value(*parse_ip(text)); }
inline Value uid(const char* text) { return Value(*parse_uid(text)); }
inline Value text(const char* s) { return Value(std::string(s)); }
inline Value num(std::int64_t n) { return Value(n); }

inline AttrBinding observed(const char* name) { return {AttrBinding::Kind::observable, name, {}}; }
inline AttrBinding fact(const char* name) { return {AttrBinding::Kind::fact, name, {}}; }

inline EntityType entity_type(std::string name, TypeId attrs, std::set<std::string> parents = {}) {
  EntityType type{};
  type.name = std::move(name);
  type.parents = parents;
  type.ancestors = parents;
  type.attrs = attrs;
  return type;
}

inline Schema small_schema() {
  Schema schema;
  Types& t = schema.types;
  auto simple = [&](TypeKind kind, bool required = true) { return AttrType{t.simple(kind), required}; };
  TypeId none = t.record({});
  for (const char* group : {"Team", "Zone"}) schema.entity_types[group] = entity_type(group, none);
  schema.entity_types["User"] =
      entity_type("User", t.record({{"active", simple(TypeKind::boolean)}, {"net", simple(TypeKind::ip)}}));
  AttrType user{t.entity("User"), false}, ports{t.set(t.simple(TypeKind::long_)), true};
  EntityType agent = entity_type("Agent",
                                 t.record({{"level", simple(TypeKind::long_)}, {"net", simple(TypeKind::ip)},
                                           {"admin", simple(TypeKind::boolean)}, {"quota", simple(TypeKind::long_, false)},
                                           {"owner", user}, {"ports", ports}}),
                                 {"Team"});
  agent.kernel = KernelKind::process;
  schema.entity_types["Agent"] = agent;
  schema.entity_types["Host"] = entity_type("Host", none);
  schema.entity_types["Host"].kernel = KernelKind::host;
  EntityType dest = entity_type("Dest",
                                t.record({{"ip", simple(TypeKind::ip)}, {"port", simple(TypeKind::long_)},
                                          {"host", simple(TypeKind::string, false)},
                                          {"env", simple(TypeKind::string, false)},
                                          {"cost", simple(TypeKind::long_, false)}, {"owner", user}}),
                                {"Zone", "Host"});
  dest.kernel = KernelKind::endpoint;
  dest.tags = t.simple(TypeKind::string);
  dest.bindings = {{"ip", observed("endpoint.ip")}, {"port", observed("endpoint.port")}, {"host", observed("endpoint.host")}};
  schema.entity_types["Dest"] = dest;
  Action connect{};
  connect.uid = {"Action", "connect"};
  connect.principals = {"Agent"};
  connect.resources = {"Dest"};
  connect.events = {KernelEventId::net_connect};
  connect.context = t.record({{"uid", simple(TypeKind::long_)}, {"protocol", simple(TypeKind::long_)},
                              {"depth", simple(TypeKind::long_, false)}, {"frozen", simple(TypeKind::boolean, false)},
                              {"peer", simple(TypeKind::ip, false)}, {"ticket", simple(TypeKind::long_)}});
  connect.bindings = {{"uid", observed("process.uid")}, {"protocol", observed("net.protocol")},
                      {"depth", fact("delegation_depth")}, {"frozen", fact("frozen")}, {"peer", fact("peer")}};
  Action call{};
  call.uid = {"Action", "call"};
  call.principals = {"Agent"};
  call.resources = {"Dest"};
  call.context = t.record({{"uid", simple(TypeKind::long_)}});
  schema.actions[connect.uid] = connect;
  schema.actions[call.uid] = call;
  return schema;
}

inline Module small_module() {
  Module module;
  module.schema = small_schema();
  module.environments = module.schema.environments();
  std::vector<Entity> entities = module.schema.action_entities();
  auto add = [&](const char* who, ValueRecord attrs, std::vector<EntityUid> parents, ValueRecord tags = {}) {
    entities.push_back({*parse_uid(who), std::move(attrs), std::move(tags), std::move(parents)});
  };
  add("Agent::\"a\"", {{"level", num(3)}, {"net", ip("10.1.0.0/16")}, {"admin", Value(true)}, {"quota", num(443)},
                       {"owner", uid("User::\"u\"")}, {"ports", Value::set({num(80)})}}, {{"Team", "red"}});
  add("Agent::\"b\"", {{"level", num(INT64_MAX)}, {"net", ip("192.0.2.1")}, {"admin", Value(false)},
                       {"owner", uid("User::\"missing\"")}, {"ports", Value::set({})}}, {{"Team", "blue"}});
  add("User::\"u\"", {{"active", Value(true)}, {"net", ip("10.1.2.0/24")}}, {});
  add("Zone::\"z\"", {}, {{"Zone", "outer"}});
  add("Dest::\"10.1.2.3:443\"", {{"ip", ip("10.1.2.3")}, {"port", num(443)}, {"env", text("prod")}, {"cost", num(7)},
                                 {"owner", uid("User::\"u\"")}}, {{"Zone", "z"}}, {{"tier", text("one")}});
  add("Dest::\"[2001:db8::1]:80\"", {{"ip", ip("2001:db8::1")}, {"port", num(80)}, {"env", text("test")},
                                     {"owner", uid("User::\"missing\"")}}, {{"Zone", "outer"}});
  auto built = Entities::build(std::move(entities));
  check(built.ok(), "the small world is consistent");
  module.entities = *built;
  return module;
}

// A policy whose scope fixes the action `connect`; `condition` builds the rest.
template <class Condition>
Policy small_policy(std::string id, Effect effect, Condition condition) {
  Policy policy{};
  policy.id = std::move(id);
  policy.effect = effect;
  Build b;
  NodeId action = b.op(Op::eq, {b.var(Var::action), b.uid("Action::\"connect\"")});
  NodeId inner = b.op(Op::and_, {b.yes(), condition(b)});
  b.body.root = b.op(Op::and_, {b.yes(), b.op(Op::and_, {action, inner})});
  policy.body = std::move(b.body);
  return policy;
}

inline NodeId attr(Build& b, Var var, const char* name) { return b.named(Op::get_attr, name, {b.var(var)}); }
inline NodeId has(Build& b, Var var, const char* name) { return b.named(Op::has_attr, name, {b.var(var)}); }
inline NodeId in_range(Build& b, NodeId address, const char* range) {
  return b.named(Op::call, "isInRange", {address, b.lit(ip(range))});
}

}  // namespace kerf::test
