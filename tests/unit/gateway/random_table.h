// Random tables, entities and requests: groups large enough for every kind of index, atoms that err, values of the wrong
// kind, entities that are not stored, contexts that lack attributes.
#pragma once
#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "runtime/gateway/engine.h"

namespace kerf::gateway::random {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::size_t below(std::size_t n) { return engine_() % n; }
  bool chance(unsigned percent) { return below(100) < percent; }

 private:
  std::mt19937_64 engine_;
};

inline std::string number(std::size_t n) { return std::to_string(n); }
inline std::string dot(const std::string& base, const std::string& name) { return R"({".":[)" + base + ",\"" + name + "\"]}"; }
inline std::string op(const std::string& name, const std::string& a, const std::string& b) { return "{\"" + name + "\":[" + a + "," + b + "]}"; }
inline std::string text(const std::string& s) { return R"({"String":")" + s + "\"}"; }
inline std::string entity(const std::string& type, const std::string& id) { return R"({"Entity":{"type":")" + type + R"(","id":")" + id + "\"}}"; }
const std::string kPrincipal = R"({"Var":"principal"})", kResource = R"({"Var":"resource"})", kContext = R"({"Var":"context"})";

inline std::string long_(std::int64_t n) { return R"({"Long":")" + std::to_string(n) + "\"}"; }
inline std::string like(const std::string& subject, const std::string& pieces) { return R"({"like":[)" + subject + R"(,{"pieces":[)" + pieces + "]}]}"; }

// `wide`: as many values of one subject as make lists instead of maps. // `general`: with some that only the general evaluator computes.
inline std::vector<std::string> random_atoms(bool wide, bool general) {
  std::vector<std::string> atoms;
  auto add = [&](std::string atom) {
    if (std::find(atoms.begin(), atoms.end(), atom) == atoms.end()) atoms.push_back(std::move(atom));
  };
  const std::size_t many = wide ? 90 : 8;
  for (std::size_t i = 0; i < many; ++i) {
    add(op("==", dot(kPrincipal, "dept"), text("d" + number(i))));
    add(op("==", dot(kResource, "owner"), entity("User", "u" + number(i % 30))));
    if (wide || i < 3) {   // few: maps; more: lists
      add(like(dot(kContext, "path"), "\"/p" + number(i) + "/\",\"\""));
      add(like(dot(kContext, "path"), "\"\",\"/x" + number(i) + "\""));
    }
    add(op("==", dot(kContext, "n"), long_(static_cast<std::int64_t>(i))));
  }
  for (std::int64_t i = 0; i < 6; ++i) {
    add(op("<", dot(kPrincipal, "level"), long_(i)));
    add(op("<=", long_(i), dot(kPrincipal, "level")));
    add(op("<=", dot(kContext, "n"), long_(i * 2)));
    add(op("contains", dot(kResource, "tags"), text("t" + std::to_string(i))));
    add(op("contains", dot(kContext, "set"), text("t" + std::to_string(i))));
    add(op("in", kPrincipal, entity("Team", "g" + std::to_string(i))));
    add(op("==", dot(kContext, "host"), text("h" + std::to_string(i))));
    add(R"({"call":["isInRange",)" + dot(kContext, "ip") + R"(,{"ip":"10.)" + std::to_string(i) + R"(.0.0/16"}]})");
    add(R"({"call":["isInRange",)" + dot(kContext, "ip") + R"(,{"call":["ip",{"String":"10.)" + std::to_string(i) + R"(.0.0/15"}]}]})");
  }
  add(like(dot(kContext, "path"), R"("","q","")"));
  add(op("<=", dot(kPrincipal, "level"), long_(INT64_MAX)));
  add(op("<", dot(kPrincipal, "level"), long_(INT64_MIN)));
  add(R"({"call":["isInRange",)" + dot(kContext, "ip") + R"(,{"ip":"::/1"}]})");
  add(R"({"call":["isInRange",)" + dot(kContext, "ip") + R"(,{"ip":"0.0.0.0/0"}]})");
  add(dot(kContext, "flag"));
  add(dot(kPrincipal, "admin"));
  add(R"({"has":[)" + kContext + R"(,"host"]})");
  add(R"({"has":[)" + kResource + R"(,"owner"]})");
  add(op("==", dot(kResource, "owner"), kPrincipal));
  add(op("==", dot(kPrincipal, "dept"), dot(kResource, "dept")));
  add(op("==", dot(kContext, "user"), kPrincipal));
  add(op("==", kPrincipal, kResource));
  add(op("in", kPrincipal, dot(kResource, "team")));
  add(op("in", kPrincipal, dot(kResource, "teams")));
  add(op("in", kPrincipal, dot(kContext, "users")));
  add(op("in", dot(kContext, "user"), dot(kContext, "users")));
  add(op("contains", dot(kResource, "teams"), kPrincipal));
  add(op("contains", dot(kContext, "users"), kPrincipal));
  add(op("==", dot(dot(kResource, "owner"), "dept"), text("d1")));
  add(op("==", dot(dot(kContext, "r"), "s"), text("v")));
  add(op("==", dot(dot(kResource, "r"), "s"), dot(dot(kContext, "r"), "s")));
  add(op("==", dot(kContext, "r"), R"({"RecordValue":{"s":{"String":"v"}}})"));
  add(op("<", dot(kContext, "n"), dot(kPrincipal, "level")));
  if (!general) return atoms;
  add(op("<", op("*", dot(kContext, "n"), long_(INT64_MAX)), long_(5)));
  add(op("+", dot(kContext, "n"), long_(1)));   // no Bool
  return atoms;
}

// Of stored entities alone, some of many. `plain`: those that only ask where an entity stands, or whether a Bool is true.
inline std::vector<std::string> stored_atoms(Random& r, bool plain = false) {
  std::vector<std::string> atoms;
  for (const std::string& atom : random_atoms(false, false)) {
    if (!plain && atom.find("\"context\"") == std::string::npos) atoms.push_back(atom);
  }
  const std::string owner = dot(kResource, "owner");
  for (const char* name : {"team", "teams", "owner", "tags", "dept"}) {
    atoms.push_back(op("in", kPrincipal, dot(kResource, name)));
    atoms.push_back(op("in", kResource, dot(owner, name)));
    atoms.push_back(op("contains", dot(kResource, name), kPrincipal));
    atoms.push_back(op("==", kPrincipal, dot(kResource, name)));
  }
  for (const std::string& of : {kPrincipal, kResource, owner, dot(kResource, "r"), dot(kResource, "dept")}) {
    atoms.push_back(R"({"has":[)" + of + R"(,"dept"]})");
    atoms.push_back(dot(of, "admin"));
    atoms.push_back(op("in", kPrincipal, dot(of, "s")));
  }
  atoms.push_back(op("in", kResource, dot(kResource, "team")));
  atoms.push_back(op("in", kResource, dot(kPrincipal, "teams")));
  atoms.push_back(op("contains", dot(kPrincipal, "teams"), kResource));
  atoms.push_back(op("in", R"({"Var":"action"})", dot(kResource, "owner")));
  if (!plain) atoms.push_back(op("in", kPrincipal, R"({"Set":[)" + entity("Team", "g1") + "," + entity("User", "u4") + "]}"));
  std::vector<std::string> some;
  for (std::size_t i = 6 + r.below(12); i > 0; --i) {
    const std::string& atom = atoms[r.below(atoms.size())];
    if (std::find(some.begin(), some.end(), atom) == some.end()) some.push_back(atom);
  }
  return some;
}

// `@` stands for the policy's number.
inline std::string random_rows(Random& r, std::size_t atoms) {
  auto pair = [&](const char* outcome) { return "[" + number(r.below(atoms)) + ",\"" + outcome + "\"]"; };
  auto any = [&] { return pair(r.chance(75) ? "true" : "false"); };
  auto row = [&](const std::string& when, const char* then) {
    return R"({"policy":@,"when":[)" + when + R"(],"then":")" + then + "\"}";
  };
  std::string when = any();
  const std::size_t more = r.below(4);
  for (std::size_t i = 0; i < more; ++i) when += "," + any();
  std::string rows = row(when, "true");
  if (r.chance(15)) rows += "," + row(when.substr(0, when.rfind("[")) + any(), "true");   // shares a begin
  if (r.chance(8)) rows += "," + row(any(), "true");
  if (r.chance(8)) rows += "," + row(any() + "," + pair("error"), "error");
  return rows;
}

// Few that each table has, then many, each with a principal in something.
constexpr std::size_t kFewGroups = 4, kGroups = 48;

inline std::string random_scopes(std::size_t group) {
  const std::string any = "null", same = "{\"==\":", in = "{\"in\":";
  auto uid = [](const std::string& type, const std::string& id) { return R"({"type":")" + type + R"(","id":")" + id + "\"}}"; };
  const std::string few[] = {any, in + uid("Team", "g1"), same + uid("User", "u3")};
  std::string principal = few[group % 3], resource = group == 3 ? same + uid("Doc", "d1") : any;
  if (group >= kFewGroups) {
    const std::size_t at = group - kFewGroups, who = at % 11, what = at / 11;
    principal = in + (who < 8 ? uid("Team", "g" + number(who == 0 ? 0 : who + 1)) : uid("User", "u" + number(who)));
    resource = what == 0 ? any : what == 1 ? in + uid("Team", "g2") : same + uid("Doc", "d" + number(what));
  }
  return R"("principal":)" + principal + R"(,"resource":)" + resource;
}

struct RandomPolicy {
  bool forbid = false;
  std::size_t group = 0;
  std::string rows, formula;   // one of them
};

inline RandomPolicy random_policy(Random& r, std::size_t atoms, unsigned formulas = 4) {
  RandomPolicy policy;
  policy.forbid = r.chance(30);
  if (r.chance(formulas)) {
    policy.formula = R"({"policy":@,"formula":{"||":[{"atom":)" + number(r.below(atoms)) + R"(},{"!":[{"atom":)" + number(r.below(atoms)) + "}]}]}}";
    return policy;
  }
  policy.group = r.chance(70) ? 0 : r.chance(50) ? r.below(kFewGroups) : r.below(kGroups);
  policy.rows = random_rows(r, atoms);
  return policy;
}

inline std::string table_text(const std::vector<std::pair<std::string, RandomPolicy>>& list, const std::vector<std::string>& atoms) {
  std::string policies, rows[kGroups], formulas[kGroups];
  for (std::size_t p = 0; p < list.size(); ++p) {
    const auto& [id, policy] = list[p];
    policies += (p ? "," : "") + std::string(R"({"id":")") + id + R"(","effect":")" + (policy.forbid ? "forbid" : "permit") +
                R"(","annotations":{},"source":{"file":"","begin":0,"end":0,"line":1,"column":1}})";
    std::string text = policy.rows + policy.formula;
    for (std::size_t at; (at = text.find('@')) != std::string::npos;) text.replace(at, 1, number(p));
    std::string& group = (policy.rows.empty() ? formulas : rows)[policy.group];
    group += (group.empty() ? "" : ",") + text;
  }
  std::string groups;
  for (std::size_t g = 0; g < kGroups; ++g) {
    if (g >= kFewGroups && rows[g].empty() && formulas[g].empty()) continue;
    groups += (g ? "," : "") + std::string("{") + random_scopes(g) + R"(,"rows":[)" + rows[g] + R"(],"exprs":[)" + formulas[g] + "]}";
  }
  std::string joined;
  for (const std::string& atom : atoms) joined += (joined.empty() ? "" : ",") + atom;
  return R"({"format":"kerf-table","version":1,"policies":[)" + policies +
         R"(],"actions":[{"uid":{"type":"Action","id":"read"},"parents":[]}],"environments":[)"
         R"({"principal":"User","action":{"type":"Action","id":"read"},"resource":"Doc","atoms":[)" + joined +
         R"(],"groups":[)" + groups + "]}]}";
}

inline std::string random_table(Random& r, std::size_t count, const std::vector<std::string>& atoms, unsigned formulas = 4) {
  std::vector<std::pair<std::string, RandomPolicy>> list;
  for (std::size_t p = 0; p < count; ++p) list.emplace_back("p" + number(p), random_policy(r, atoms.size(), formulas));
  return table_text(list, atoms);
}

inline std::string random_table(Random& r, std::size_t count, bool wide, bool general = true) {
  return random_table(r, count, random_atoms(wide, general));
}

inline Value string(const std::string& s) { return Value(s); }

inline Value random_set(Random& r, const char* prefix) {
  std::vector<Value> members;
  for (std::size_t i = r.below(4); i > 0; --i) members.push_back(string(prefix + number(r.below(8))));
  return Value::set(members);
}

inline Value users(Random& r, unsigned whole = 80) {
  std::vector<Value> members;
  for (std::size_t i = r.below(4); i > 0; --i) members.push_back(Value(EntityUid{"User", "u" + number(r.below(44))}));
  if (!r.chance(whole)) members.push_back(Value(std::int64_t{1}));
  return Value::set(members);
}

// `whole`: percent of the attributes that are there, and of the right kind.
inline Entity random_user(Random& r, const std::string& id, unsigned whole = 93) {
  ValueRecord attrs;
  auto maybe = [&](const char* name, Value value) { if (r.chance(whole)) attrs.emplace(name, std::move(value)); };
  maybe("dept", r.chance(whole) ? string("d" + number(r.below(12))) : Value(true));
  maybe("level", r.chance(whole) ? Value(static_cast<std::int64_t>(r.below(7))) : string("high"));
  maybe("admin", Value(r.chance(50)));
  std::vector<Value> teams;
  for (std::size_t i = r.below(6); i > 0; --i) {
    teams.push_back(Value(r.chance(60) ? EntityUid{"Team", "g" + number(r.below(8))} : EntityUid{"Doc", "d" + number(r.below(20))}));
  }
  if (!r.chance(whole)) teams.push_back(string("g0"));
  maybe("teams", Value::set(teams));
  return {{"User", id}, attrs, {}, {{"Team", "g" + number(r.below(8))}}};   // g6, g7: not stored
}

inline Entity random_doc(Random& r, const std::string& id, unsigned whole = 93) {
  ValueRecord attrs;
  auto maybe = [&](const char* name, Value value) { if (r.chance(whole)) attrs.emplace(name, std::move(value)); };
  maybe("dept", string("d" + number(r.below(12))));
  maybe("owner", Value(EntityUid{"User", "u" + number(r.below(whole == 100 ? 30 : 40))}));
  maybe("tags", r.chance(whole) ? random_set(r, "t") : Value(false));
  maybe("team", Value(EntityUid{r.chance(whole) ? "Team" : "User", (r.chance(whole) ? "g" : "u") + number(r.below(8))}));
  maybe("teams", users(r, whole));
  maybe("r", Value(ValueRecord{{"s", string(r.chance(50) ? "v" : "w")}}));
  Entity doc{{"Doc", id}, attrs, {}, {}};
  for (std::size_t i = r.below(3); i > 0; --i) doc.parents.push_back({"Team", "g" + number(r.below(8))});
  return doc;
}

inline Entities random_entities(Random& r, unsigned whole = 93) {
  std::vector<Entity> list;
  for (std::size_t g = 0; g < 6; ++g) {
    Entity& team = list.emplace_back(Entity{{"Team", "g" + number(g)}, {}, {}, {}});
    if (g > 0 && r.chance(50)) team.parents.push_back({"Team", "g" + number(r.below(g))});
  }
  for (std::size_t u = 0; u < 30; ++u) {
    Entity& user = list.emplace_back(random_user(r, "u" + number(u), whole));
    if (u > 0 && r.chance(30)) user.parents.push_back({"User", "u" + number(r.below(u))});
  }
  for (std::size_t d = 0; d < 20; ++d) list.push_back(random_doc(r, "d" + number(d), whole));
  return *Entities::build(std::move(list));
}

inline Request random_request(Random& r) {
  ValueRecord context;
  auto maybe = [&](const char* name, unsigned percent, Value value) { if (r.chance(percent)) context.emplace(name, std::move(value)); };
  maybe("path", 95, string("/p" + number(r.below(100)) + (r.chance(30) ? "/q" : "") + "/x" + number(r.below(100))));
  maybe("n", 95, Value(static_cast<std::int64_t>(r.below(14)) - 1));
  maybe("host", 60, string("h" + number(r.below(8))));
  maybe("flag", 95, r.chance(97) ? Value(r.chance(50)) : string("yes"));
  maybe("set", 90, random_set(r, "t"));
  maybe("users", 90, users(r));
  maybe("user", 90, Value(EntityUid{"User", "u" + number(r.below(44))}));
  maybe("ip", 95, r.chance(90) ? Value(IpAddr{false, static_cast<std::uint8_t>(r.chance(80) ? 32 : 15), {10, static_cast<std::uint8_t>(r.below(8))}})
                               : Value(IpAddr{true, 128, {}}));
  maybe("r", 95, Value(ValueRecord{{"s", string(r.chance(50) ? "v" : "w")}}));
  return {{"User", "u" + number(r.below(44))}, {"Action", "read"}, {"Doc", "d" + number(r.below(24))}, std::move(context)};
}

inline std::string show(bool allow, const std::vector<std::uint32_t>& determining, const std::vector<std::uint32_t>& errors) {
  std::string out = allow ? "allow" : "deny";
  for (std::uint32_t p : determining) out += " " + number(p);
  out += ";";
  for (std::uint32_t p : errors) out += " " + number(p);
  return out;
}
inline std::string show(const Decision& decision) {
  std::vector<std::uint32_t> errors;
  for (const auto& failure : decision.errors) errors.push_back(failure.policy);
  return show(decision.allow, decision.determining, errors);
}
inline std::string show(const Answer& answer) {
  std::vector<std::uint32_t> errors;
  for (const auto& failure : answer.errors) errors.push_back(failure.policy);
  return show(answer.allow, answer.determining, errors);
}

inline Engine engine_of(const std::string& text, const Entities& entities) {
  Result<Table> table = Table::read(text);
  if (!table.ok()) FAIL(table.error().message);
  Result<Engine> engine = Engine::build(std::make_shared<const Table>(*std::move(table)), entities);
  if (!engine.ok()) FAIL(engine.error().message);
  return *std::move(engine);
}

}  // namespace kerf::gateway::random
