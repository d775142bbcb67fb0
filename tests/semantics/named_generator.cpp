// Policies list kinds of sockets, put them in groups, and compare the numbers that a hook saw.
#include "tests/semantics/named_generator.h"

#include <fmt/format.h>

#include <set>

#include "ir/canonical.h"

namespace kerf::test {

namespace {

const char* const kSchema = R"(
entity Class;
@kernel("process") entity Agent in [Class] { level: Long, own: Long, list: Set<Long>, best?: Socket };
entity Kinds in [Kinds] { weight: Long };
@kernel("socket") entity Socket in [Kinds] {
  @kernel("socket.family") family?: Long,
  @kernel("socket.type") type?: Long,
  @kernel("socket.protocol") protocol?: Long,
  note?: String,
};
@kernel("net.socket") action make appliesTo { principal: [Agent], resource: [Socket], context: {
  @kernel("process.uid") uid: Long, @kernel("process.gid") gid: Long,
  @kernel("clock.now") now: datetime, @kernel("fact.depth") depth?: Long } };
)";

struct Kind {
  std::int64_t family, type;
};
// Known ones, one without a name for its family, one without a name for its type.
const std::vector<Kind> kKinds = {{2, 1}, {2, 2}, {2, 3}, {10, 1}, {10, 2}, {1, 1}, {1, 5}, {17, 3}, {16, 3}, {40, 1}, {77, 1}, {2, 9}};
const std::vector<std::string> kAgents = {"a0", "a1", "a2"}, kGroups = {"plain", "odd", "none"}, kClasses = {"c0", "c1"};
const std::vector<std::int64_t> kNumbers = {0, 1, 2, 3, 5, 6, 10, 16, 17, 40, 77, 132, 4294967295};

std::string id_of(const Kind& kind) { return socket_id(static_cast<std::uint32_t>(kind.family), static_cast<std::uint32_t>(kind.type)); }
Json uid(const char* type, const std::string& id) { return {{"type", type}, {"id", id}}; }

// Stored kinds have none of the numbers, so that policies ask for them.
std::string asked(const std::string& condition) {
  std::string text;
  for (const char* name : {"family", "type", "protocol"}) {
    if (condition.find(std::string("resource.") + name) != std::string::npos) text += fmt::format("resource has {} && ", name);
  }
  return "(" + text + condition + ")";
}

}  // namespace

std::string NamedGenerator::resource() { return fmt::format("Socket::\"{}\"", id_of(one_of(kKinds))); }

std::string NamedGenerator::attribute() {
  static const std::vector<std::string> all = {"resource.family", "resource.type", "resource.protocol", "context.uid", "context.gid"};
  return one_of(all);
}

std::string NamedGenerator::identity_atom() {
  switch (pick(6)) {
    case 0: return fmt::format("resource == {}", resource());
    case 1: return fmt::format("[{}, {}].contains(resource)", resource(), resource());
    case 2: return fmt::format("resource in Kinds::\"{}\"", one_of(kGroups));
    case 3: return fmt::format("resource in [Kinds::\"{}\", Kinds::\"{}\"]", one_of(kGroups), one_of(kGroups));
    case 4: return "resource has note && resource.note == \"x\"";
    default: return "principal has best && principal.best == resource";
  }
}

std::string NamedGenerator::number_atom() { return asked(comparison()); }

std::string NamedGenerator::comparison() {
  switch (pick(7)) {
    case 6: return fmt::format("context.now.toTime().toHours() < {}", pick(24));
    case 0: return fmt::format("{} == {}", attribute(), one_of(kNumbers));
    case 1: return fmt::format("{} < {}", attribute(), one_of(kNumbers));
    case 2: return fmt::format("[{}, {}].contains({})", one_of(kNumbers), one_of(kNumbers), attribute());
    case 3: return fmt::format("{} == {}", attribute(), attribute());
    case 4: return fmt::format("{} <= principal.own", attribute());
    default: return fmt::format("{} + {} == principal.level", attribute(), pick(3));
  }
}

std::string NamedGenerator::bind_atom() {
  switch (pick(3)) {
    case 0: return fmt::format("principal in Class::\"{}\"", one_of(kClasses));
    case 1: return "context has depth && context.depth <= 2";
    default: return fmt::format("principal.list.contains({})", pick(4));
  }
}

std::string NamedGenerator::error_prone() {
  switch (pick(3)) {
    case 0: return asked(fmt::format("{} * 9223372036854775807 > principal.own", attribute()));
    case 1: return asked(fmt::format("({} + 9223372036854775800 > 9) == ({})", attribute(), identity_atom()));
    default: return fmt::format("if {} then principal.level + 9223372036854775807 > 3 else {}", identity_atom(), number_atom());
  }
}

std::string NamedGenerator::combine(int depth) {
  if (depth == 0) {
    const std::size_t which = pick(10);
    return which < 4 ? identity_atom() : which < 8 ? number_atom() : which < 9 ? bind_atom() : error_prone();
  }
  switch (pick(4)) {
    case 0: return fmt::format("({}) && ({})", combine(depth - 1), combine(depth - 1));
    case 1: return fmt::format("({}) || ({})", combine(depth - 1), combine(depth - 1));
    case 2: return fmt::format("!({})", combine(depth - 1));
    default: return fmt::format("if {} then {} else {}", combine(depth - 1), combine(0), combine(0));
  }
}

std::string NamedGenerator::policy() {
  static const std::vector<std::string> scopes = {"resource", "resource in Kinds::\"plain\"", "resource is Socket"};
  std::string scope = chance(20) ? "resource == " + resource() : one_of(scopes);
  return fmt::format("{} (principal, action, {}) when {{ {} }};\n", chance(60) ? "permit" : "forbid", scope, combine(static_cast<int>(pick(3))));
}

std::string NamedGenerator::entities_json() {
  Json list = Json::array();
  auto add = [&](const char* type, const std::string& id, Json attrs, Json parents) {
    list.push_back({{"uid", uid(type, id)}, {"attrs", std::move(attrs)}, {"parents", std::move(parents)}});
  };
  for (const std::string& id : kAgents) {
    Json attrs = {{"level", pick(20)}, {"own", one_of(kNumbers)}, {"list", {pick(4), pick(4)}}};
    if (chance(70)) attrs["best"] = uid("Socket", id_of(one_of(kKinds)));
    add("Agent", id, attrs, chance(50) ? Json::array({uid("Class", one_of(kClasses))}) : Json::array());
  }
  add("Kinds", "plain", {{"weight", 1}}, chance(50) ? Json::array({uid("Kinds", "odd")}) : Json::array());
  add("Kinds", "odd", {{"weight", 2}}, Json::array());
  std::set<std::string> stored;
  for (const Kind& kind : kKinds) {
    if (chance(40) || !stored.insert(id_of(kind)).second) continue;
    Json parents = Json::array();
    for (const char* group : {"plain", "odd"}) if (chance(50)) parents.push_back(uid("Kinds", group));
    add("Socket", id_of(kind), chance(50) ? Json{{"note", chance(50) ? "x" : "y"}} : Json::object(), parents);
  }
  return list.dump(1);
}

KernelEventData NamedGenerator::event() {
  const Kind kind = one_of(kKinds);
  KernelEventData data{KernelEventId::net_socket, {"Agent", one_of(kAgents)}, {}, {}, false};
  data.observed = {{"socket.family", Value(kind.family)}, {"socket.type", Value(kind.type)}, {"socket.protocol", Value(one_of(kNumbers))},
                   {"process.uid", Value(one_of(kNumbers))}, {"process.gid", Value(one_of(kNumbers))}, {"process.pid", Value(std::int64_t{7})},
                   {"clock.now", Value(Datetime{static_cast<std::int64_t>(1'704'067'200'000 + pick(48) * 3'600'000 - pick(2))})}};
  if (chance(60)) data.facts.emplace("depth", Value(static_cast<std::int64_t>(pick(5))));
  return data;
}

GeneratedProgram NamedGenerator::program(std::size_t events) {
  GeneratedProgram program;
  program.schema = kSchema;
  program.entities = entities_json();
  const std::size_t policies = 2 + pick(4);
  for (std::size_t i = 0; i < policies; ++i) program.policies += policy();
  program.policies += fmt::format("{} (principal, action, resource) when {{ {} }};\n", chance(70) ? "permit" : "forbid", error_prone());
  if (chance(35)) program.policies += "permit (principal, action, resource);\n";
  for (std::size_t i = 0; i < events; ++i) program.events.push_back(event());
  return program;
}

}  // namespace kerf::test
