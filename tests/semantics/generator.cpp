#include "tests/semantics/generator.h"

#include <fmt/core.h>

#include <algorithm>

#include "ir/canonical.h"
#include "ir/values/extension.h"
#include "tests/semantics/number_expressions.h"

namespace kerf::test {
namespace {

const char* const kSchema = R"(entity Class in [Class];
entity Tier enum ["gold", "silver"];
@kernel("process")
entity Agent in [Class] {
  level: Long, name: String, admin: Bool, flags: Set<String>, home: ipaddr, rate: decimal,
  quota?: Long, limits: { max_port: Long, since: datetime }, boss?: Agent,
  ports: Set<Long>, nets: Set<ipaddr>, zone: String, group: DestSet, best?: Endpoint, site: Host, domain: String,
} tags Long;
entity DestSet in [DestSet];
entity HostSet in [HostSet, DestSet];
@kernel("host") entity Host in [HostSet];
@kernel("endpoint")
entity Endpoint in [Host, DestSet, Tier] {
  @kernel("endpoint.ip") ip: ipaddr,
  @kernel("endpoint.port") port: Long,
  @kernel("endpoint.host") host?: String,
  zone?: String, weight?: Long, expires?: datetime,
} tags Long;
entity ToolSet;
entity Tool in [ToolSet] { cost: Long, label?: String, owner: Agent };

@kernel("net.connect, net.bind, net.listen")
action connect appliesTo { principal: [Agent], resource: [Endpoint], context: {
  @kernel("process.uid") uid: Long,
  @kernel("net.protocol") protocol: Long,
  @kernel("clock.now") now: datetime,
  @kernel("fact.until") until?: datetime,
  @kernel("fact.depth") depth?: Long,
  @kernel("fact.trusted") trusted?: Bool,
  @kernel("fact.region") region?: String,
  @kernel("fact.tier") tier?: Tier,
} };
action anything;
action invoke, list in [anything] appliesTo { principal: [Agent], resource: [Tool], context: {
  n: Long, s: String, at: datetime, opt?: Long, from: ipaddr, r: { a: Long, b?: String },
} };
)";

const std::vector<std::string> kAgents = {"a0", "a1", "a2", "a3", "a4"};
const std::vector<std::string> kClasses = {"analyst", "finance", "all", "nobody"};
const std::vector<std::string> kSets = {"approved", "internal", "partners", "empty"};
const std::vector<std::string> kZones = {"eu", "us", "eu-west"};
const std::vector<std::string> kHosts = {"www.example.com", "api.example.com", "example.org", "cdn.test"};
const std::vector<std::string> kFlags = {"x", "y", "z"};

}  // namespace

std::string Generator::small_long() {
  static const std::vector<std::string> values = {"0", "1", "2", "3", "5", "80", "443", "1000", "-1", "65535",
                                                  "9223372036854775807", "-9223372036854775808"};
  return chance(80) ? values[pick(10)] : one_of(values);
}

std::string Generator::any_cidr() { return one_of(cidrs_); }
std::string Generator::any_endpoint() { return one_of(endpoints_); }

std::string Generator::bind_atom() {
  switch (pick(19)) {
    case 15: return fmt::format("-(principal.level) < {}", pick(4));
    case 16: return fmt::format("principal.flags.containsAll([\"{}\"])", one_of(kFlags));
    case 17: return "principal.flags.isEmpty()";
    case 18: return fmt::format("{{n: principal.level, s: [principal.name, \"a1\"]}}.s.contains(\"a{}\")", pick(3));
    case 0: return fmt::format("principal.level < {}", small_long());
    case 1: return fmt::format("principal in Class::\"{}\"", one_of(kClasses));
    case 2: return fmt::format("principal.name like \"{}\"", one_of(std::vector<std::string>{"a*", "*1", "*a*", "a0", "*"}));
    case 3: return fmt::format("principal.flags.contains(\"{}\")", one_of(kFlags));
    case 4: return fmt::format("principal has quota && principal.quota >= {}", small_long());
    case 5: return fmt::format("principal.level * {} > {}", small_long(), small_long());
    case 6: return fmt::format("principal.limits.max_port == {}", one_of(ports_));
    case 7: return fmt::format("principal.rate.lessThan(decimal(\"{}.5\"))", pick(4));
    case 8: return fmt::format("principal == Agent::\"{}\"", one_of(kAgents));
    case 9: return "principal.admin";
    case 10: return fmt::format("principal.hasTag(\"t{0}\") && principal.getTag(\"t{0}\") == {1}", pick(2), pick(3));
    case 11: return fmt::format("principal.limits.since < datetime(\"2024-0{}-01\")", 1 + pick(6));
    case 12: return fmt::format("principal.flags.containsAny([\"{}\", \"q\"])", one_of(kFlags));
    case 13: return fmt::format("principal has boss && principal.boss.level == {}", small_long());
    default: return fmt::format("principal.home.isInRange(ip(\"{}\"))", any_cidr());
  }
}

std::string Generator::publish_atom() {
  switch (pick(9)) {
    case 6: return fmt::format("context has region && context.region like \"{}*\"", chance(50) ? "eu" : "u");
    case 7: return fmt::format("context has tier && context.tier == Tier::\"{}\"", chance(50) ? "gold" : "silver");
    case 8: return "context has region && [principal.zone, \"us\"].contains(context.region)";
    case 0: return fmt::format("context has depth && context.depth <= {}", pick(4));
    case 1: return "context has trusted && context.trusted";
    case 2: return fmt::format("context has depth && context.depth + {} > 0", small_long());
    case 3: return "context has depth && context.depth < principal.level";
    case 4: return "context has depth";
    default: return "if context has trusted then context.trusted == principal.admin else true";
  }
}

std::string Generator::address_atom() {
  switch (pick(6)) {
    case 0: return fmt::format("resource.ip == ip(\"{}\")", any_cidr());
    case 1: return "resource.ip.isLoopback()";
    case 2: return chance(50) ? "resource.ip.isIpv4()" : "resource.ip.isMulticast()";
    case 3: return fmt::format("[ip(\"{}\"), ip(\"{}\")].contains(resource.ip)", any_cidr(), any_cidr());
    default: return fmt::format("resource.ip.isInRange(ip(\"{}\"))", any_cidr());
  }
}

std::string Generator::port_atom() {
  switch (pick(6)) {
    case 0: return fmt::format("resource.port == {}", one_of(ports_));
    case 1: return fmt::format("resource.port < {}", one_of(ports_));
    case 2: return fmt::format("resource.port >= {}", one_of(ports_));
    case 3: return fmt::format("[{}, {}].contains(resource.port)", one_of(ports_), one_of(ports_));
    case 4: return fmt::format("resource.port * {} != {}", small_long(), small_long());
    default: return fmt::format("resource.port - {} <= {}", one_of(ports_), small_long());
  }
}

std::string Generator::endpoint_atom() {
  switch (pick(5)) {
    case 0: return fmt::format("resource == Endpoint::\"{}\"", any_endpoint());
    case 1: return fmt::format("resource has zone && resource.zone == \"{}\"", one_of(kZones));
    case 2: return fmt::format("resource has zone && resource.zone like \"eu*\"");
    case 3: return fmt::format("resource has weight && resource.weight * {} > {}", small_long(), small_long());
    default: return fmt::format("resource in DestSet::\"{}\"", one_of(kSets));
  }
}

// Around the days of `limits.since`, stored expiries and facts.
std::string Generator::clock_atom() {
  const std::string date = fmt::format("datetime(\"2024-0{}-15{}\")", 1 + pick(6), chance(50) ? "" : "T09:00:00Z");
  switch (pick(14)) {
    case 0: return "context.now < " + date;
    case 1: return "context.now >= principal.limits.since";
    case 2: return "context has until && context.now <= context.until";
    case 3: return fmt::format("context.now.toTime() < duration(\"{}h\")", pick(24));
    case 4: return fmt::format("context.now.toTime().toHours() >= {}", pick(24));
    case 5: return "context.now.toDate() == " + date;
    case 6: return fmt::format("context.now.durationSince({}).toDays() < {}", date, pick(60));
    case 7: return fmt::format("context.now.offset(duration(\"-{}d\")) > {}", pick(30), date);
    case 8: return fmt::format("principal.limits.since.offset(duration(\"{}d\")) > context.now", pick(60));
    case 9: return fmt::format("context.now.durationSince(principal.limits.since).to{}() < {}", one_of(std::vector<std::string>{"Milliseconds", "Seconds", "Minutes"}), small_long());
    case 10: return fmt::format("context.now.offset(duration(\"{}ms\")).toDate() < {}", chance(50) ? "9223372036854775807" : "-9223372036854775807", date);
    case 11: return fmt::format("[{}, datetime(\"2024-03-01\")].contains(context.now.toDate())", date);
    case 12: return "resource has expires && context.now < resource.expires";
    default: return fmt::format("(if context.uid == 0 then context.now else {}).durationSince(datetime(\"1970-01-01\")) < duration(\"{}d\")", date, 19700 + pick(200));
  }
}

// What names must not take away is refused: a forbid asks that there is none, or for another one.
std::string Generator::host_atom(bool forbid) {
  const std::string name = one_of(kHosts);
  std::string atom;
  switch (pick(10)) {
    case 8: atom = "resource has host && context has region && context.region != resource.host"; break;
    case 0: atom = fmt::format("resource in Host::\"{}\"", name); break;
    case 1: atom = fmt::format("resource in HostSet::\"{}\"", chance(50) ? "cdn" : "web"); break;
    case 2: atom = fmt::format("resource in [Host::\"{}\", Host::\"{}\"]", name, one_of(kHosts)); break;
    case 3: atom = fmt::format("resource has host && resource.host == \"{}\"", name); break;
    case 4: atom = "resource has host && resource.host like \"*.example.com\""; break;
    case 5: atom = "resource in principal.site"; break;
    case 6: atom = "resource has host && resource.host == principal.domain"; break;
    case 7: atom = "resource in DestSet::\"hosted\""; break;
    default: atom = fmt::format("resource has host && [principal.domain, \"{}\"].contains(resource.host)", name); break;
  }
  return forbid ? "!(" + atom + ")" : atom;
}

std::string Generator::code_atom() {
  if (chance(30)) return clock_atom();
  if (chance(30)) return number_atom();
  switch (pick(13)) {
    case 11:
      return fmt::format("(if context.uid < {} && !(resource.port == {} || context.uid == 0) then resource.port else context.uid + {}) < {}",
                         small_long(), one_of(ports_), small_long(), small_long());
    case 12:
      return fmt::format("(if (if context.protocol == 6 then resource.port < {} else true) then -(context.uid) else principal.level) == {}",
                         one_of(ports_), small_long());
    case 9: return fmt::format("-(context.uid) < {}", small_long());
    case 10: return fmt::format("context.uid - resource.port <= {}", small_long());
    case 0: return fmt::format("context.uid == {}", small_long());
    case 1: return fmt::format("context.uid + {} > {}", small_long(), small_long());
    case 2: return "context.uid < resource.port";
    case 3: return "resource.port <= principal.limits.max_port";
    case 4: return "resource.ip.isInRange(principal.home)";
    case 5: return "context has depth && resource.port == context.depth * 80";
    case 6: return fmt::format("context.protocol == {}", chance(50) ? 6 : 17);
    case 7: return fmt::format("resource.port * principal.level < {}", small_long());
    default: return fmt::format("[0, 1000, {}].contains(context.uid)", small_long());
  }
}

std::string Generator::number_atom() {
  static const std::vector<std::string> numbers = {
      "context.uid", "context.uid", "resource.port", "resource.port", "context.protocol", "principal.level", "principal.limits.max_port",
      "(if context has depth then context.depth else 1)", "(if principal has quota then principal.quota else 3)",
      "(if resource has weight then resource.weight else context.uid)", "(if principal has boss then principal.boss.level else 0)",
      "context.now.toTime().toHours()"};
  static const std::vector<std::string> conditions = {
      "principal.admin", "context has trusted && context.trusted", "context has depth", "resource.port == 80", "context.uid == 0", "context.protocol == 6",
      "principal.level < 2", "principal has quota && principal.quota < 2", "principal in Class::\"all\"", "context has depth && context.depth < principal.level",
      "context.now < principal.limits.since", "resource.ip.isInRange(principal.home)", "resource.ip == principal.home"};
  NumberExpressions expressions(random_, numbers, conditions);
  return chance(70) ? expressions.comparison(2 + static_cast<int>(pick(2))) : expressions.condition(3);
}

// Few different ones, so that a policy asks the same again; many that overflow for some values.
std::string Generator::unknown_atom() {
  switch (pick(14)) {
    case 10: return "context.n + 9223372036854775807 > 0";
    case 11: return "context.n * 9223372036854775807 != 1";
    case 12: return "0 - context.n - 9223372036854775807 < context.uid";
    case 0: return fmt::format("context.n < {}", pick(3));
    case 1: return fmt::format("context.n + {} > 0", small_long());
    case 2: return fmt::format("context has opt && context.opt == {}", pick(2));
    case 3: return "context has opt";
    case 4: return fmt::format("context.s == \"{}\"", pick(2) ? "a" : "b");
    case 5: return "context.n == context.uid";
    case 6: return "context.n < principal.level";
    case 7: return "principal.flags.contains(context.s)";
    case 8: return fmt::format("[resource.port, context.uid].contains({})", one_of(ports_));
    case 9: return "resource has weight && resource.weight < context.uid";
    default: return "resource.ip == (if resource.ip.isLoopback() then Agent::\"a0\" else Agent::\"a1\").home";
  }
}

// Observed, stored, bound and published values that meet in one operator.
std::string Generator::mixed_atom() {
  switch (pick(36)) {
    case 29:
      return fmt::format("(if principal.admin && {} then resource.port == {} else context.uid < {})", chance(50), one_of(ports_), small_long());
    case 30: return fmt::format("[resource] == [Endpoint::\"{}\"]", any_endpoint());
    case 25: return "principal.ports.containsAny([resource.port, context.uid + 9223372036854775807])";
    case 26: return fmt::format("[resource.port, context.uid].containsAll([principal.level, {}])", one_of(ports_));
    case 27: return fmt::format("{{n: {}, u: context.uid + {}}} == {{u: principal.level, n: resource.port}}", one_of(ports_), small_long());
    case 28: return fmt::format("principal.ports.containsAll([resource.port, {}])", one_of(ports_));
    case 31: return fmt::format("[resource.port, context.uid] == [{}, {}]", one_of(ports_), small_long());
    case 32: return "[context.uid, principal.level] == principal.ports";
    case 18: return fmt::format("{{n: resource.port, u: context.uid}} == {{n: {}, u: {}}}", one_of(ports_), small_long());
    case 19: return fmt::format("{{n: resource.port, u: context.uid + {}}}.n < principal.level", small_long());
    case 20: return fmt::format("[context.uid, resource.port].containsAny([principal.level, {}])", small_long());
    case 21: return "[resource.port, context.uid].isEmpty()";
    case 33: return fmt::format("principal.hasTag(\"t0\") && principal.getTag(\"t0\") {} resource.port", chance(50) ? "<" : "==");
    case 34: return "context has region && resource has zone && [context.region, \"us\"].contains(resource.zone)";
    case 35: return "principal.home.isInRange(resource.ip)";
    case 22: return "resource.hasTag(principal.zone) && resource.getTag(principal.zone) < context.uid";
    case 23: return "resource has zone && principal.name like \"a*\" && [resource.zone, principal.zone].contains(\"eu\")";
    case 0: return "principal.ports.contains(resource.port)";
    case 1: return "resource has zone && resource.zone == principal.zone";
    case 2: return "resource has zone && [principal.zone, \"eu\"].contains(resource.zone)";
    case 3: return "resource in principal.group";
    case 4: return "principal has best && principal.best == resource";
    case 5: return "resource has weight && resource.weight < principal.level";
    case 6: return "resource has weight && resource.weight * 1000 < resource.port";
    case 7: return fmt::format("resource has weight && resource.weight + {} <= context.uid", small_long());
    case 8: return "context has region && resource has zone && resource.zone == context.region";
    case 9: return fmt::format("![context.uid, resource.port].isEmpty() && [context.uid, resource.port].contains({})", one_of(ports_));
    case 10: return "[principal.level, 80].containsAny([resource.port, context.uid]) || [context.uid + 1, resource.port].isEmpty()";
    case 11: return fmt::format("[context.uid, resource.port, {}].containsAll([{}])", one_of(ports_), one_of(ports_));
    case 12: return fmt::format("(if context.uid == 0 then resource.ip else principal.home) == ip(\"{}\")", any_cidr());
    case 13: return "principal.nets.contains(resource.ip)";
    case 14: return fmt::format("(if resource has weight then resource.weight else context.uid) < {}", small_long());
    case 15: return "context has tier && resource in context.tier";
    case 16: return fmt::format("resource in [principal.group, DestSet::\"{}\"]", one_of(kSets));
    case 17: return fmt::format("[context.uid + {}, principal.level].contains(resource.port)", small_long());
    default: return fmt::format("{{n: resource.port, u: context.uid}}.n == {}", one_of(ports_));
  }
}

std::string Generator::kernel_atom() {
  if (unknowns_ && chance(30)) return unknown_atom();
  switch (pick(10)) {
    case 8: case 9: return mixed_atom();
    case 0: case 1: return bind_atom();
    case 2: return publish_atom();
    case 3: case 4: return address_atom();
    case 5: return port_atom();
    case 6: return endpoint_atom();
    default: return code_atom();
  }
}

std::string Generator::gateway_atom() {
  switch (pick(15)) {
    case 12: return "[principal.level, 2, context.n - 1].contains(resource.cost)";
    case 13: return "{a: context.n, b: context.s}.a == resource.cost";
    case 0: return fmt::format("context.n + {} <= {}", small_long(), small_long());
    case 1: return fmt::format("context has opt && context.opt == {}", small_long());
    case 2: return "context.s like \"*a*\"";
    case 3: return fmt::format("context.at < datetime(\"2024-0{}-01\")", 1 + pick(6));
    case 4: return fmt::format("context.from.isInRange(ip(\"{}\"))", any_cidr());
    case 5: return "context.r has b && context.r.b == context.s";
    case 6: return fmt::format("resource.cost * {} > context.n", small_long());
    case 7: return "resource has label && resource.label == context.s";
    case 8: return "resource.owner == principal";
    case 9: return fmt::format("resource.owner.level > {}", small_long());
    case 10: return fmt::format("resource in ToolSet::\"{}\"", one_of(kSets));
    case 11: return fmt::format("context.r.a == {}", pick(3));
    default: return bind_atom();
  }
}

// Overflows, or reaches for an entity that is gone, for many requests.
std::string Generator::error_prone(bool kernel) {
  static const std::vector<std::string> everywhere = {"principal.level * 9223372036854775807 != 7",
                                                      "principal.level - 9223372036854775807 < 0 - principal.level"};
  static const std::vector<std::string> at_hook = {"resource.port * 9223372036854775807 != 1", "context.uid + 9223372036854775807 > 0",
                                                   "0 - resource.port * 9000000000000000000 < context.uid",
                                                   "[80, context.uid + 9223372036854775807].contains(resource.port)",
                                                   "principal.admin || 3 * -9223372036854775808 * context.uid < 5"};
  static const std::vector<std::string> at_gateway = {"context.n * 9223372036854775807 != 1", "resource.owner.level < 100",
                                                      "context.n + 9223372036854775806 > 0"};
  return chance(25) ? one_of(everywhere) : one_of(kernel ? at_hook : at_gateway);
}

std::string Generator::combine(int depth, bool kernel) {
  if (depth == 0 || chance(30)) return "(" + (kernel ? kernel_atom() : gateway_atom()) + ")";
  std::string a = combine(depth - 1, kernel);
  switch (pick(6)) {
    case 0: case 1: return fmt::format("({} && {})", a, combine(depth - 1, kernel));
    case 2: case 3: return fmt::format("({} || {})", a, combine(depth - 1, kernel));
    case 4: return fmt::format("!{}", a);
    default: return fmt::format("(if {} then {} else {})", a, combine(depth - 1, kernel), combine(depth - 1, kernel));
  }
}

// A template for one policy or two that differ in their scopes.
void Generator::add_links(GeneratedProgram& program, std::size_t count) {
  const bool kernel = chance(75), exactly = chance(40), resources = chance(60);
  const std::string id = fmt::format("t{}", program.templates.size());
  std::string text = fmt::format("@id(\"{}\") {} (principal {} ?principal, action == Action::\"{}\", resource", id, chance(70) ? "permit" : "forbid",
                                 exactly ? "==" : "in", kernel ? "connect" : "invoke");
  const bool one = kernel && chance(30);
  if (resources) text += one ? " == ?resource" : " in ?resource";
  text += fmt::format(") when {{ {} }};\n", chance(25) ? error_prone(kernel) : combine(1 + static_cast<int>(pick(2)), kernel));
  program.templates.push_back({id, text});
  for (std::size_t i = 0; i < count; ++i) {
    TemplateLink link{id, fmt::format("{}-l{}", id, i), {}};
    link.values["?principal"] = exactly ? EntityUid{"Agent", one_of(kAgents)} : EntityUid{"Class", one_of(kClasses)};
    if (resources) link.values["?resource"] = one ? EntityUid{"Endpoint", any_endpoint()} : EntityUid{kernel ? "DestSet" : "ToolSet", one_of(kSets)};
    program.links.push_back(std::move(link));
  }
}

std::string Generator::policy(bool kernel) {
  std::string principal = "principal", action = "action", resource = "resource";
  switch (pick(5)) {
    case 0: principal += fmt::format(" == Agent::\"{}\"", one_of(kAgents)); break;
    case 1: principal += fmt::format(" in Class::\"{}\"", one_of(kClasses)); break;
    case 2: principal += fmt::format(" is Agent in Class::\"{}\"", one_of(kClasses)); break;
    default: break;
  }
  if (kernel) {
    action += " == Action::\"connect\"";
    if (chance(20)) resource += fmt::format(" in DestSet::\"{}\"", one_of(kSets));
    if (chance(10)) resource = fmt::format("resource == Endpoint::\"{}\"", any_endpoint());
  } else {
    action += chance(40) ? " in Action::\"anything\"" : chance(50) ? " == Action::\"invoke\"" : " in [Action::\"invoke\", Action::\"list\"]";
    if (chance(20)) resource += fmt::format(" in ToolSet::\"{}\"", one_of(kSets));
  }
  std::string text = fmt::format("{} ({}, {}, {})", chance(75) ? "permit" : "forbid", principal, action, resource);
  const bool forbids = text.starts_with("forbid");
  if (kernel && chance(25)) text += fmt::format("\nwhen {{ {} }}", host_atom(forbids));
  if (chance(18)) text += "\nwhen { " + error_prone(kernel) + " }";
  if (chance(70)) text += fmt::format("\n{} {{ {} }}", chance(75) ? "when" : "unless", combine(static_cast<int>(pick(4)), kernel));
  if (chance(25)) text += fmt::format("\nwhen {{ {} }}", combine(1, kernel));
  return text + ";\n";
}

std::string Generator::entities_json() {
  Json list = Json::array();
  auto uid = [](const char* type, const std::string& id) { return Json{{"type", type}, {"id", id}}; };
  auto add = [&](const char* type, const std::string& id, Json attrs, Json parents) -> Json& {
    list.push_back({{"uid", uid(type, id)}, {"attrs", std::move(attrs)}, {"parents", std::move(parents)}});
    return list.back();
  };
  add("Class", "analyst", Json::object(), Json::array({uid("Class", "all")}));
  add("Class", "finance", Json::object(), Json::array({uid("Class", "all")}));
  for (const std::string& id : kAgents) {
    Json flags = Json::array();
    for (const std::string& flag : kFlags) if (chance(40)) flags.push_back(flag);
    Json attrs = {{"level", static_cast<int>(pick(6)) - 1}, {"name", id}, {"admin", chance(50)}, {"flags", flags},
                  {"home", any_cidr()}, {"rate", fmt::format("{}.25", pick(4))},
                  {"limits", {{"max_port", one_of(ports_)}, {"since", fmt::format("2024-0{}-15", 1 + pick(6))}}}};
    if (chance(50)) attrs["quota"] = pick(5);
    attrs["zone"] = one_of(kZones);
    attrs["group"] = uid("DestSet", one_of(kSets));
    attrs["site"] = uid("Host", one_of(kHosts));
    attrs["domain"] = one_of(kHosts);
    attrs["nets"] = Json::array({any_cidr(), any_cidr()});
    attrs["ports"] = Json::array();
    for (std::size_t i = pick(3); i > 0; --i) attrs["ports"].push_back(one_of(ports_));
    if (chance(50)) attrs["best"] = uid("Endpoint", any_endpoint());
    if (chance(30)) attrs["boss"] = uid("Agent", chance(70) ? one_of(kAgents) : "gone");
    Json parents = Json::array();
    for (const std::string& c : kClasses) if (chance(35)) parents.push_back(uid("Class", c));
    Json& agent = add("Agent", id, std::move(attrs), std::move(parents));
    agent["tags"] = Json::object();
    if (chance(50)) agent["tags"]["t0"] = pick(3);
  }
  add("DestSet", "approved", Json::object(), Json::array({uid("DestSet", "internal")}));
  add("DestSet", "partners", Json::object(), Json::array());
  add("HostSet", "cdn", Json::object(), chance(50) ? Json::array({uid("DestSet", "hosted")}) : Json::array());
  add("HostSet", "web", Json::object(), Json::array({uid("HostSet", "cdn")}));
  for (const std::string& host : kHosts) {
    if (chance(70)) add("Host", host, Json::object(), Json::array({uid("HostSet", chance(50) ? "web" : "cdn")}));
  }
  for (const std::string& id : endpoints_) {
    if (chance(30)) continue;
    auto parsed = parse_endpoint_id(id);
    Json attrs = {{"ip", to_text(parsed->first)}, {"port", parsed->second}};
    if (chance(60)) attrs["zone"] = one_of(kZones);
    if (chance(50)) attrs["weight"] = pick(5);
    if (chance(30)) attrs["expires"] = fmt::format("2024-0{}-15", 1 + pick(6));
    Json parents = Json::array();
    for (const std::string& s : kSets) if (s != "empty" && chance(40)) parents.push_back(uid("DestSet", s));
    if (chance(30)) parents.push_back(uid("Tier", "gold"));
    if (chance(15)) parents.push_back(uid("Host", one_of(kHosts)));
    if (chance(20)) parents.push_back(uid("DestSet", "hosted"));
    Json& endpoint = add("Endpoint", id, std::move(attrs), std::move(parents));
    endpoint["tags"] = Json::object();
    if (chance(50)) endpoint["tags"][one_of(kZones)] = pick(90);
  }
  for (const char* id : {"t0", "t1", "t2"}) {
    Json attrs = {{"cost", pick(5)}, {"owner", uid("Agent", chance(80) ? one_of(kAgents) : "gone")}};
    if (chance(50)) attrs["label"] = "abc";
    Json parents = Json::array();
    for (const std::string& s : kSets) if (chance(30)) parents.push_back(uid("ToolSet", s));
    add("Tool", id, std::move(attrs), std::move(parents));
  }
  return list.dump(1);
}

// In the first half of 2024, often at the start of a day or of an hour, or beside it.
Datetime Generator::any_time() {
  constexpr std::int64_t day = 86'400'000, hour = 3'600'000, begin = 1'704'067'200'000;
  std::int64_t ms = begin + static_cast<std::int64_t>(pick(190)) * day;
  if (chance(30)) ms = begin + static_cast<std::int64_t>(14 + 30 * pick(6) + pick(4)) * day;
  if (chance(60)) ms += static_cast<std::int64_t>(pick(24)) * hour;
  if (chance(30)) ms += static_cast<std::int64_t>(pick(3)) - 1;
  if (chance(20)) ms += static_cast<std::int64_t>(pick(86'400'000));
  return {chance(2) ? static_cast<std::int64_t>(pick(3)) : ms};
}

KernelEventData Generator::event() {
  IpAddr address;
  std::int64_t port = one_of(ports_) + static_cast<std::int64_t>(pick(3)) - 1;
  if (chance(40)) {
    auto parsed = parse_endpoint_id(any_endpoint());
    address = parsed->first;
    if (chance(70)) port = parsed->second;
  } else {
    address = *parse_ip(any_cidr());
    address.prefix = address.v6 ? 128 : 32;
    std::size_t last = address.v6 ? 15 : 3;
    if (chance(40)) address.bytes[last] = static_cast<std::uint8_t>(address.bytes[last] + (chance(50) ? 1 : 255));
    if (chance(20)) address.bytes[pick(last + 1)] = static_cast<std::uint8_t>(pick(256));
  }
  port = std::min<std::int64_t>(std::max<std::int64_t>(port, 0), 65535);
  KernelEventData data;
  // by the port, so that no random number is drawn for it
  static const KernelEventId kinds[] = {KernelEventId::net_connect, KernelEventId::net_bind, KernelEventId::net_listen};
  data.event = kinds[port % 3];
  address = data.event == KernelEventId::net_connect ? normalise_address(address) : unmap_address(address);
  data.principal = {"Agent", one_of(kAgents)};
  static const std::vector<std::int64_t> uids = {0, 1, 80, 1000, 65534, 4294967295};
  data.observed = {{"endpoint.ip", Value(address)}, {"endpoint.port", Value(port)},
                   {"process.uid", Value(one_of(uids))}, {"process.gid", Value(std::int64_t{100})},
                   {"process.pid", Value(std::int64_t{4242})}, {"clock.now", Value(any_time())}, {"net.protocol", Value(std::int64_t{chance(60) ? 6 : 17})}};
  for (std::size_t i = chance(60) ? 1 + pick(5) / 4 : 0; i > 0; --i) data.hosts.push_back(one_of(kHosts));
  if (chance(60)) data.facts.emplace("depth", Value(static_cast<std::int64_t>(pick(5))));
  if (chance(40)) data.facts.emplace("until", Value(any_time()));
  if (chance(50)) data.facts.emplace("trusted", Value(chance(50)));
  if (chance(50)) data.facts.emplace("region", Value(chance(70) ? one_of(kZones) : std::string("asia")));
  if (chance(50)) data.facts.emplace("tier", Value(EntityUid{"Tier", chance(50) ? "gold" : "silver"}));
  return data;
}

Request Generator::request() {
  Request request;
  request.principal = {"Agent", one_of(kAgents)};
  request.action = {"Action", chance(60) ? "invoke" : "list"};
  request.resource = {"Tool", fmt::format("t{}", pick(4))};   // t3 is not stored
  request.context = {{"n", Value(static_cast<std::int64_t>(pick(7)) - 2)}, {"s", Value(std::string(chance(50) ? "abc" : "xyz"))},
                     {"at", Value(*parse_datetime(fmt::format("2024-0{}-01", 1 + pick(6))))},
                     {"from", Value(*parse_ip(any_cidr()))}};
  if (chance(50)) request.context.emplace("opt", Value(static_cast<std::int64_t>(pick(4))));
  ValueRecord r = {{"a", Value(static_cast<std::int64_t>(pick(3)))}};
  if (chance(50)) r.emplace("b", Value(std::string("abc")));
  request.context.emplace("r", Value(std::move(r)));
  return request;
}

ProgramText program_text(const GeneratedProgram& generated) {
  ProgramText text{{{"policies.cedar", generated.policies}}, InputFile{"schema.cedarschema", generated.schema}, InputFile{"entities.json", generated.entities},
                   std::nullopt};
  if (generated.templates.empty()) return text;
  std::string templates;
  for (const TemplateText& one : generated.templates) templates += one.text;
  Json links = Json::array();
  for (const TemplateLink& link : generated.links) {
    Json args = Json::object();
    for (const auto& [slot, uid] : link.values) args[slot] = to_text(uid);
    links.push_back({{"template_id", link.template_id}, {"link_id", link.id}, {"args", std::move(args)}});
  }
  text.policies.push_back({"templates.cedar", templates});
  text.links = InputFile{"links.json", links.dump()};
  return text;
}

GeneratedProgram Generator::program(std::size_t events, std::size_t requests) {
  cidrs_ = {"10.0.0.0/8", "127.0.0.1", "0.0.0.0/0", "::/0", "::1"};
  endpoints_ = {"127.0.0.1:80", "[::1]:443"};
  ports_ = {0, 80, 443, 8080, 65535};
  for (int i = 0; i < 4; ++i) {
    cidrs_.push_back(fmt::format("{}.{}.{}.{}/{}", 1 + pick(223), pick(256), pick(256), pick(256), pick(33)));
    cidrs_.push_back(fmt::format("2001:db8:{:x}::{:x}/{}", pick(65536), 1 + pick(65535), pick(129)));
    auto v4 = *parse_ip(fmt::format("{}.{}.{}.{}", 1 + pick(223), pick(256), pick(256), pick(256)));
    auto v6 = *parse_ip(fmt::format("2001:db8::{:x}:{:x}", pick(65536), pick(65536)));
    ports_.push_back(static_cast<std::int64_t>(pick(65536)));
    endpoints_.push_back(endpoint_id(v4, static_cast<std::uint16_t>(one_of(ports_))));
    endpoints_.push_back(endpoint_id(v6, static_cast<std::uint16_t>(one_of(ports_))));
  }
  GeneratedProgram program;
  program.schema = kSchema;
  if (unknowns_) {
    const std::string last = "@kernel(\"fact.trusted\") trusted?: Bool,\n";
    program.schema.insert(program.schema.find(last) + last.size(), "  n: Long, s: String, opt?: Long,\n");
  }
  program.entities = entities_json();
  std::size_t policies = 2 + pick(4);   // with the three below at most KERF_EVENT_POLICIES, so that events name them all
  const std::size_t links = chance(40) ? 1 + pick(2) : 0;
  if (links != 0) add_links(program, links);
  for (std::size_t i = std::min(links, policies - 1); i < policies; ++i) program.policies += policy(chance(60));
  if (chance(35)) program.policies += "permit (principal, action, resource);\n";
  if (chance(30)) program.policies += fmt::format("{} (principal, action == Action::\"connect\", resource) when {{ {} }};\n",
                                                  chance(70) ? "permit" : "forbid", error_prone(true));
  if (chance(40)) program.policies += fmt::format("{} (principal, action in Action::\"anything\", resource) when {{ {} }};\n",
                                                  chance(70) ? "permit" : "forbid", error_prone(false));
  for (std::size_t i = 0; i < events; ++i) program.events.push_back(event());
  for (std::size_t i = 0; i < requests; ++i) program.requests.push_back(request());
  return program;
}

}  // namespace kerf::test
