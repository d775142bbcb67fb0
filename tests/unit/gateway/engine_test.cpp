// The engine gives the answers of Table::decide: on tables with groups large enough for every kind of index, with atoms
// that err, values of the wrong kind, entities that are not stored, and contexts that lack attributes.
#include "runtime/gateway/engine.h"

#include <doctest/doctest.h>

#include <atomic>
#include <random>
#include <thread>

#include "tests/unit/gateway/allocations.h"

using namespace kerf;
using namespace kerf::gateway;

namespace {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::size_t below(std::size_t n) { return engine_() % n; }
  bool chance(unsigned percent) { return below(100) < percent; }

 private:
  std::mt19937_64 engine_;
};

std::string number(std::size_t n) { return std::to_string(n); }
std::string dot(const std::string& base, const std::string& name) { return R"({".":[)" + base + ",\"" + name + "\"]}"; }
std::string op(const std::string& name, const std::string& a, const std::string& b) { return "{\"" + name + "\":[" + a + "," + b + "]}"; }
std::string text(const std::string& s) { return R"({"String":")" + s + "\"}"; }
std::string entity(const std::string& type, const std::string& id) { return R"({"Entity":{"type":")" + type + R"(","id":")" + id + "\"}}"; }
const std::string kPrincipal = R"({"Var":"principal"})", kResource = R"({"Var":"resource"})", kContext = R"({"Var":"context"})";

std::string long_(std::int64_t n) { return R"({"Long":")" + std::to_string(n) + "\"}"; }
std::string like(const std::string& subject, const std::string& pieces) { return R"({"like":[)" + subject + R"(,{"pieces":[)" + pieces + "]}]}"; }

// `wide`: as many values of one subject as make lists instead of maps. // `general`: with some that only the general evaluator computes.
std::vector<std::string> random_atoms(bool wide, bool general) {
  std::vector<std::string> atoms;
  auto add = [&](std::string atom) {
    if (std::find(atoms.begin(), atoms.end(), atom) == atoms.end()) atoms.push_back(std::move(atom));
  };
  const std::size_t many = wide ? 90 : 8;
  for (std::size_t i = 0; i < many; ++i) {
    add(op("==", dot(kPrincipal, "dept"), text("d" + number(i))));
    add(op("==", dot(kResource, "owner"), entity("User", "u" + number(i % 30))));
    add(like(dot(kContext, "path"), "\"/p" + number(i) + "/\",\"\""));
    add(like(dot(kContext, "path"), "\"\",\"/x" + number(i) + "\""));
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

std::string random_rows(Random& r, std::size_t policy, std::size_t atoms) {
  auto pair = [&](const char* outcome) { return "[" + number(r.below(atoms)) + ",\"" + outcome + "\"]"; };
  auto any = [&] { return pair(r.chance(75) ? "true" : "false"); };
  auto row = [&](const std::string& when, const char* then) {
    return R"({"policy":)" + number(policy) + R"(,"when":[)" + when + R"(],"then":")" + then + "\"}";
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

std::string random_table(Random& r, std::size_t count, bool wide, bool general = true) {
  const std::vector<std::string> atoms = random_atoms(wide, general);
  const char* scopes[] = {"null", R"({"in":{"type":"Team","id":"g1"}})", R"({"==":{"type":"User","id":"u3"}})"};
  std::string policies, rows[4], exprs;
  for (std::size_t p = 0; p < count; ++p) {
    policies += (p ? "," : "") + std::string(R"({"id":"p)") + number(p) + R"(","effect":")" + (r.chance(30) ? "forbid" : "permit") +
                R"(","annotations":{},"source":{"file":"","begin":0,"end":0,"line":1,"column":1}})";
    if (r.chance(4)) {
      exprs += (exprs.empty() ? "" : ",") + std::string(R"({"policy":)") + number(p) + R"(,"formula":{"||":[{"atom":)" +
               number(r.below(atoms.size())) + R"(},{"!":[{"atom":)" + number(r.below(atoms.size())) + "}]}]}}";
      continue;
    }
    std::string& group = rows[r.chance(85) ? 0 : r.below(4)];
    group += (group.empty() ? "" : ",") + random_rows(r, p, atoms.size());
  }
  std::string groups;
  for (std::size_t g = 0; g < 4; ++g) {
    groups += (g ? "," : "") + std::string(R"({"principal":)") + scopes[g % 3] + R"(,"resource":)" +
              (g == 3 ? R"({"==":{"type":"Doc","id":"d1"}})" : "null") + R"(,"rows":[)" + rows[g] + R"(],"exprs":[)" +
              (g == 0 ? exprs : "") + "]}";
  }
  std::string joined;
  for (const std::string& atom : atoms) joined += (joined.empty() ? "" : ",") + atom;
  return R"({"format":"kerf-table","version":1,"policies":[)" + policies +
         R"(],"actions":[{"uid":{"type":"Action","id":"read"},"parents":[]}],"environments":[)"
         R"({"principal":"User","action":{"type":"Action","id":"read"},"resource":"Doc","atoms":[)" + joined +
         R"(],"groups":[)" + groups + "]}]}";
}

Value string(const std::string& s) { return Value(s); }

Value random_set(Random& r, const char* prefix) {
  std::vector<Value> members;
  for (std::size_t i = r.below(4); i > 0; --i) members.push_back(string(prefix + number(r.below(8))));
  return Value::set(members);
}

Value users(Random& r) {
  std::vector<Value> members;
  for (std::size_t i = r.below(4); i > 0; --i) members.push_back(Value(EntityUid{"User", "u" + number(r.below(44))}));
  if (r.chance(20)) members.push_back(Value(std::int64_t{1}));
  return Value::set(members);
}

Entities random_entities(Random& r) {
  std::vector<Entity> list;
  for (int g = 0; g < 6; ++g) list.push_back({{"Team", "g" + number(g)}, {}, {}, g > 0 && r.chance(50) ? std::vector<EntityUid>{{"Team", "g" + number(r.below(g))}} : std::vector<EntityUid>{}});
  for (int u = 0; u < 30; ++u) {
    ValueRecord attrs;
    auto maybe = [&](const char* name, Value value) { if (r.chance(93)) attrs.emplace(name, std::move(value)); };
    maybe("dept", r.chance(95) ? string("d" + number(r.below(12))) : Value(true));
    maybe("level", r.chance(95) ? Value(static_cast<std::int64_t>(r.below(7))) : string("high"));
    maybe("admin", Value(r.chance(50)));
    list.push_back({{"User", "u" + number(u)}, attrs, {}, {{"Team", "g" + number(r.below(8))}}});   // g6, g7: not stored
  }
  for (int d = 0; d < 20; ++d) {
    ValueRecord attrs;
    auto maybe = [&](const char* name, Value value) { if (r.chance(93)) attrs.emplace(name, std::move(value)); };
    maybe("dept", string("d" + number(r.below(12))));
    maybe("owner", Value(EntityUid{"User", "u" + number(r.below(40))}));
    maybe("tags", r.chance(95) ? random_set(r, "t") : Value(false));
    maybe("team", Value(EntityUid{"Team", "g" + number(r.below(8))}));
    maybe("teams", users(r));
    maybe("r", Value(ValueRecord{{"s", string(r.chance(50) ? "v" : "w")}}));
    list.push_back({{"Doc", "d" + number(d)}, attrs, {}, {}});
  }
  return *Entities::build(std::move(list));
}

Request random_request(Random& r) {
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

std::string show(bool allow, const std::vector<std::uint32_t>& determining, const std::vector<std::uint32_t>& errors) {
  std::string out = allow ? "allow" : "deny";
  for (std::uint32_t p : determining) out += " " + number(p);
  out += ";";
  for (std::uint32_t p : errors) out += " " + number(p);
  return out;
}
std::string show(const Decision& decision) {
  std::vector<std::uint32_t> errors;
  for (const auto& failure : decision.errors) errors.push_back(failure.policy);
  return show(decision.allow, decision.determining, errors);
}
std::string show(const Answer& answer) {
  std::vector<std::uint32_t> errors;
  for (const auto& failure : answer.errors) errors.push_back(failure.policy);
  return show(answer.allow, answer.determining, errors);
}

Engine engine_of(const std::string& text, const Entities& entities) {
  Result<Table> table = Table::read(text);
  if (!table.ok()) FAIL(table.error().message);
  Result<Engine> engine = Engine::build(std::make_shared<const Table>(*std::move(table)), entities);
  if (!engine.ok()) FAIL(engine.error().message);
  return *std::move(engine);
}

}  // namespace

TEST_CASE("random tables: the engine and the plain evaluator agree") {
  std::size_t requests = 0, allow = 0, with_errors = 0, determined = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Random r(seed);
    const std::size_t sizes[] = {5, 40, 150, 700};
    const std::string text = random_table(r, sizes[seed % 4], seed % 3 == 0);
    const Entities entities = random_entities(r);
    const Engine engine = engine_of(text, entities);
    Query query(engine);
    Answer answer;
    for (int i = 0; i < 60; ++i) {
      const Request request = random_request(r);
      Result<Decision> expected = engine.table().decide(request, entities);
      REQUIRE(expected.ok());
      REQUIRE(engine.set(query, request.principal, request.action, request.resource, request.context));
      const bool allows = engine.allows(query);
      engine.decide(query, answer);
      INFO("seed " << seed << " request " << i);
      REQUIRE(show(answer) == show(*expected));
      REQUIRE(allows == expected->allow);
      for (std::size_t e = 0; e < answer.errors.size(); ++e) {
        REQUIRE(engine.explain(query, answer.errors[e]).message == expected->errors[e].error.message);
      }
      ++requests;
      allow += expected->allow ? 1 : 0;
      with_errors += expected->errors.empty() ? 0 : 1;
      determined += expected->determining.size();
    }
  }
  CHECK(allow * 50 > requests);
  CHECK(allow < requests);
  CHECK(with_errors * 5 > requests);
  CHECK(determined > requests);
}

TEST_CASE("a request that no environment fits is not decided") {
  Random r(1);
  const Engine engine = engine_of(random_table(r, 5, false), {});
  Query query(engine);
  const ValueRecord context;
  CHECK_FALSE(engine.set(query, {"User", "u"}, {"Action", "write"}, {"Doc", "d"}, context));
  CHECK_FALSE(engine.allows(query));
  CHECK_FALSE(engine.set(query, {"Robot", "u"}, {"Action", "read"}, {"Doc", "d"}, context));
  CHECK_FALSE(engine.set(query, Engine::kUnknown, 0, 0, context));
  CHECK(engine.find("Robot", "u") == Engine::kUnknown);
}

TEST_CASE("deciding does not allocate") {
  Random r(11);
  std::string text = random_table(r, 400, true, false);
  const Entities entities = random_entities(r);
  const Engine engine = engine_of(text, entities);
  Query query(engine);
  Answer answer;
  std::vector<Request> requests;
  for (int i = 0; i < 200; ++i) requests.push_back(random_request(r));
  auto all = [&] {
    for (const Request& request : requests) {
      engine.set(query, request.principal, request.action, request.resource, request.context);
      engine.allows(query);
      engine.decide(query, answer);
    }
  };
  all();   // buffers grow to what these requests need
  CHECK(allocations_in(all) == 0);
}

TEST_CASE("one engine, many threads") {
  Random r(5);
  const std::string text = random_table(r, 300, false);
  const Entities entities = random_entities(r);
  const Engine engine = engine_of(text, entities);
  std::vector<Request> requests;
  std::vector<std::string> expected;
  for (int i = 0; i < 100; ++i) {
    requests.push_back(random_request(r));
    expected.push_back(show(*engine.table().decide(requests.back(), entities)));
  }
  std::atomic<std::size_t> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      Query query(engine);
      Answer answer;
      for (int round = 0; round < 20; ++round) {
        for (std::size_t i = 0; i < requests.size(); ++i) {
          engine.set(query, requests[i].principal, requests[i].action, requests[i].resource, requests[i].context);
          engine.decide(query, answer);
          if (show(answer) != expected[i]) ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("pairs of entity and ancestor: up to the bound, and not one more") {
  auto table = std::make_shared<const Table>(*Table::read(R"({"format":"kerf-table","version":1,"policies":[],"actions":[],"environments":[]})"));
  // A chain of n entities has n (n - 1) / 2 pairs.
  auto chains = [&](std::initializer_list<int> lengths) {
    std::vector<Entity> entities;
    int chain = 0;
    for (int length : lengths) {
      auto uid = [&](int i) { return EntityUid{"G", number(static_cast<std::size_t>(chain)) + "." + number(static_cast<std::size_t>(i))}; };
      for (int i = 0; i < length; ++i) {
        Entity entity;
        entity.uid = uid(i);
        if (i > 0) entity.parents.push_back(uid(i - 1));
        entities.push_back(std::move(entity));
      }
      ++chain;
    }
    auto engine = Engine::build(table, *Entities::build(std::move(entities)));
    return engine.ok() ? std::string() : engine.error().message;
  };
  static_assert(5793LL * 5792 / 2 + 37 * 36 / 2 + 7 * 6 / 2 + 1 == 1 << 24);
  CHECK(chains({5793, 37, 7, 2}) == "");
  CHECK(chains({5793, 37, 7, 2, 2}) == "the hierarchy has more than 16777216 pairs of entity and ancestor");
}
