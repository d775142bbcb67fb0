// The shape of emitted tables, and random policies against the reference evaluator.
#include <chrono>
#include <random>

#include "tests/unit/table/program.h"

using namespace kerf;
using namespace kerf::test;

namespace {

const char* kSchema = R"(
  entity Team in [Team];
  entity User in [Team];
  entity Folder in [Folder];
  entity Doc in [Folder];
  action any;
  action read in [any] appliesTo { principal: [User], resource: [Doc], context: {} };
)";

std::string emitted(const std::string& policies) {
  Program program;
  lower(program, kSchema, {policies});
  INFO(program.problems());
  REQUIRE(!program.diagnostics.has_errors());
  return emit_table(program.module, program.sources);
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

Request request(ValueRecord context = {}) { return {{"User", "alice"}, {"Action", "read"}, {"Doc", "d"}, std::move(context)}; }

}  // namespace

TEST_CASE("an empty policy set") {
  CHECK(emitted("") == R"({
  "format": "kerf-table",
  "version": 1,
  "policies": [],
  "actions": [
    {"uid":{"id":"any","type":"Action"},"parents":[]},
    {"uid":{"id":"read","type":"Action"},"parents":[{"id":"any","type":"Action"}]}
  ],
  "environments": [
    {
      "principal": "User", "action": {"id":"read","type":"Action"}, "resource": "Doc",
      "atoms": [],
      "groups": []
    }
  ]
}
)");
}

TEST_CASE("one policy, whole") {
  CHECK(has(emitted("@id(\"x\") permit(principal in Team::\"t\", action == Action::\"read\", resource)\n"
                    "when { resource.kind == \"k\" && context.n < 3 };"),
            R"(      "atoms": [
        {"==":[{".":[{"Var":"resource"},"kind"]},{"String":"k"}]},
        {"<":[{".":[{"Var":"context"},"n"]},{"Long":"3"}]}
      ],
      "groups": [
        {
          "principal": {"in":{"id":"t","type":"Team"}}, "resource": null,
          "rows": [
            {"policy":0,"when":[[0,"true"],[1,"true"]],"then":"true"}
          ],
          "exprs": []
        }
      ]
)"));
}

TEST_CASE("scopes become groups, `is` and actions vanish") {
  std::string text = emitted(
      "permit(principal == User::\"a\", action, resource in Folder::\"f\");"
      "permit(principal == User::\"a\", action in Action::\"any\", resource is Doc in Folder::\"f\");"
      "permit(principal is Team, action, resource);"
      "permit(principal, action == Action::\"any\", resource);");
  CHECK(has(text, R"("principal": {"==":{"id":"a","type":"User"}}, "resource": {"in":{"id":"f","type":"Folder"}},)"));
  CHECK(has(text, R"({"policy":0,"when":[],"then":"true"})"));
  CHECK(has(text, R"({"policy":1,"when":[],"then":"true"})"));
  CHECK_FALSE(has(text, R"("policy":2)"));
  CHECK_FALSE(has(text, R"("policy":3)"));
  CHECK(has(text, "\"atoms\": []"));
}

TEST_CASE("a condition's leading comparison is a scope, one behind a fallible part is not") {
  CHECK(has(emitted("permit(principal, action, resource) when { principal in Team::\"t\" && context.x };"),
            R"("principal": {"in":{"id":"t","type":"Team"}})"));
  CHECK(has(emitted("permit(principal, action, resource) when { Doc::\"d\" == resource } unless { context.x };"),
            R"("resource": {"==":{"id":"d","type":"Doc"}})"));
  CHECK(has(emitted("permit(principal, action, resource) when { context.x && principal in Team::\"t\" };"),
            "\"principal\": null"));
  CHECK(has(emitted("permit(principal, action, resource) when { principal in [Team::\"t\"] };"), "\"principal\": null"));
  // A second scope on the same variable stays an atom.
  CHECK(has(emitted("permit(principal in Team::\"t\", action, resource) when { principal in Team::\"u\" };"),
            R"("when":[[0,"true"]])"));
}

TEST_CASE("error rows only where nothing else leads to the error") {
  std::string text = emitted("permit(principal, action, resource) when { context.a && (context.b || context.c) };");
  CHECK_FALSE(has(text, "\"error\""));
  // Never satisfied, but can err.
  CHECK(has(emitted("permit(principal, action, resource) when { context.a && false };"),
            R"({"policy":0,"when":[[0,"error"]],"then":"error"})"));
}

TEST_CASE("too many rows stay a formula, without nesting") {
  std::string condition = "context.a0";
  for (int i = 1; i < 200; ++i) condition += " || context.a" + std::to_string(i);
  std::string text = emitted("permit(principal, action, resource) when { " + condition + " };");
  CHECK(has(text, R"({"policy":0,"formula":{"||":[{"atom":0},{"atom":1},{"atom":2})"));
  CHECK(has(text, R"({"atom":199}]}})"));
  CHECK(has(text, "\"rows\": []"));
}

TEST_CASE("equal atoms of different policies are one") {
  std::string text = emitted("permit(principal, action, resource) when { context.a };"
                             "forbid(principal, action, resource) when { !context.a };");
  CHECK(has(text, R"({"policy":0,"when":[[0,"true"]],"then":"true"})"));
  CHECK(has(text, R"({"policy":1,"when":[[0,"false"]],"then":"true"})"));
}

TEST_CASE("the same program gives the same bytes") {
  const char* policies = "permit(principal, action, resource) when { context.b == {z: 1, a: [2, 3]} };"
                         "forbid(principal in Team::\"b\", action, resource); forbid(principal in Team::\"a\", action, resource);";
  CHECK(emitted(policies) == emitted(policies));
}

TEST_CASE("an error that does not hang on the request keeps its message") {
  Program program;
  lower(program, kSchema,
        {"permit(principal, action, resource) when { 9223372036854775807 + 1 == 0 };"
         "permit(principal, action, resource) when { context.a && 1 };"
         "permit(principal, action, resource) when { true };"
         "forbid(principal, action, resource) when { !(context.a && (if 1 then true else false)) };"});
  INFO(program.problems());
  REQUIRE(!program.diagnostics.has_errors());
  gateway::Table table = table_of(program);
  for (bool a : {false, true}) {
    Request r = request({{"a", Value(a)}});
    const std::string wanted = decide_by_reference(program.module, r, program.module.entities);
    CHECK(decide_by_table(table, r, program.module.entities) == wanted);
    CHECK(has(wanted, "overflow"));
  }
}

namespace {

// Random conditions over a few attributes that may be missing or of the wrong type.
class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}
  std::size_t pick(std::size_t n) { return random_() % n; }

  std::string condition(int depth) {
    if (depth == 0 || pick(5) == 0) return leaf();
    switch (pick(7)) {
      case 0: return "(" + condition(depth - 1) + " && " + condition(depth - 1) + ")";
      case 1: return "(" + condition(depth - 1) + " || " + condition(depth - 1) + ")";
      case 2: return "(" + condition(depth - 1) + " && " + condition(depth - 1) + " && " + condition(depth - 1) + ")";
      case 3: return "!" + ("(" + condition(depth - 1) + ")");
      case 4:
        return "(if " + condition(depth - 1) + " then " + condition(depth - 1) + " else " + condition(depth - 1) + ")";
      case 5: return "((" + condition(depth - 1) + ") == " + condition(0) + ")";
      default: return "(" + condition(depth - 1) + " || " + condition(depth - 1) + " || " + condition(depth - 1) + ")";
    }
  }

  std::string leaf() {
    static const char* const leaves[] = {
        "context.a", "context.b", "context.c", "context has a", "context has b", "principal in Team::\"t\"",
        "principal == User::\"alice\"", "resource in Folder::\"f\"", "resource == Doc::\"d\"", "principal.flag", "true", "false",
        "1", "action in Action::\"any\"", "principal is User", "resource is Folder", "principal in [Team::\"t\", Team::\"u\"]",
        "(9223372036854775807 + 1 == 0)", "Team::\"t\" in Team::\"all\"", "resource like \"x*\""};
    return "(" + std::string(leaves[pick(std::size(leaves))]) + ")";
  }

  std::string policy() {
    static const char* const principals[] = {"principal", "principal", "principal == User::\"alice\"", "principal in Team::\"t\"",
                                             "principal in Team::\"all\"", "principal is User in Team::\"u\""};
    static const char* const resources[] = {"resource", "resource", "resource == Doc::\"d\"", "resource in Folder::\"f\"",
                                            "resource is Doc", "resource in Doc::\"d\""};
    std::string text = pick(2) ? "permit(" : "forbid(";
    text += std::string(principals[pick(std::size(principals))]) + ", action, " + resources[pick(std::size(resources))] + ")";
    for (std::size_t n = pick(3); n > 0; --n) {
      text += (pick(3) ? " when { " : " unless { ") + condition(static_cast<int>(1 + pick(4))) + " }";
    }
    return text + ";";
  }

  Value value() { return pick(8) == 0 ? Value(std::int64_t{1}) : Value(pick(2) == 0); }

 private:
  std::mt19937 random_;
};

}  // namespace

TEST_CASE("random policies: table and reference agree on decision, policies and errors") {
  std::size_t decisions = 0, allows = 0, with_errors = 0;
  for (unsigned seed = 0; seed < 120; ++seed) {
    Generator generator(seed);
    std::string policies;
    for (std::size_t n = 1 + generator.pick(12); n > 0; --n) policies += generator.policy() + "\n";
    Program program;
    lower(program, kSchema, {policies});
    INFO("seed " << seed << "\n" << policies << program.problems());
    REQUIRE(!program.diagnostics.has_errors());
    gateway::Table table = table_of(program);
    for (int round = 0; round < 40; ++round) {
      std::vector<Entity> entities = program.module.schema.action_entities();
      auto maybe = [&](std::size_t n) { return generator.pick(n) != 0; };
      Entity alice{{"User", "alice"}, {}, {}, {}}, doc{{"Doc", "d"}, {}, {}, {}};
      if (maybe(3)) alice.attrs.emplace("flag", generator.value());
      for (const char* team : {"t", "u"}) {
        if (!maybe(2)) alice.parents.push_back({"Team", team});
      }
      if (maybe(2)) doc.parents.push_back({"Folder", "f"});
      if (maybe(4)) entities.push_back(alice);
      if (maybe(4)) entities.push_back(doc);
      if (maybe(2)) entities.push_back({{"Team", "t"}, {}, {}, {{"Team", "all"}}});
      Entities store = *Entities::build(entities);
      ValueRecord context;
      for (const char* name : {"a", "b", "c"}) {
        if (maybe(4)) context.emplace(name, generator.value());
      }
      Request r = request(context);
      const std::string wanted = decide_by_reference(program.module, r, store);
      CHECK(decide_by_table(table, r, store) == wanted);
      ++decisions;
      allows += wanted.starts_with("allow");
      with_errors += has(wanted, " error ");
    }
  }
  MESSAGE(decisions << " decisions, " << allows << " allow, " << with_errors << " with errors");
  CHECK(allows * 10 > decisions);
  CHECK(with_errors * 10 > decisions);
}

TEST_CASE("10,000 policies: emitted, read and decided in near linear time") {
  using Clock = std::chrono::steady_clock;
  auto ms_since = [](Clock::time_point start) {
    return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start).count() / 1000.0;
  };
  std::string policies;
  for (int i = 0; i < 10000; ++i) {
    const std::string n = std::to_string(i);
    policies += i % 10 == 0 ? "forbid" : "permit";
    policies += i % 3 == 0 ? "(principal == User::\"u" + n + "\"" : "(principal in Team::\"t" + n + "\"";
    policies += ", action == Action::\"read\", resource in Folder::\"f" + std::to_string(i % 100) + "\")";
    policies += " when { resource.owner == principal || (context.n > " + n + " && context has mfa) };\n";
  }
  Program program;
  lower(program, kSchema, {policies});
  REQUIRE(!program.diagnostics.has_errors());
  auto start = Clock::now();
  const std::string text = emit_table(program.module, program.sources);
  const double emit_ms = ms_since(start);
  start = Clock::now();
  Result<gateway::Table> table = gateway::Table::read(text);
  const double read_ms = ms_since(start);
  REQUIRE(table.ok());

  std::vector<Entity> entities = program.module.schema.action_entities();
  entities.push_back({{"User", "u42"}, {}, {}, {{"Team", "t43"}, {"Team", "t1043"}}});
  entities.push_back({{"Doc", "d"}, {{"owner", Value(EntityUid{"User", "u42"})}}, {}, {{"Folder", "f43"}}});
  Entities store = *Entities::build(entities);
  Request r{{"User", "u42"}, {"Action", "read"}, {"Doc", "d"}, {{"n", Value(std::int64_t{5})}}};
  const int rounds = 1000;
  start = Clock::now();
  for (int i = 0; i < rounds; ++i) REQUIRE(table->decide(r, store).ok());
  const double decide_us = ms_since(start) * 1000 / rounds;
  const std::string decision = decide_by_table(*table, r, store);
  CHECK(decision == "allow [ policy43 policy1043 ]");
  CHECK(decision == decide_by_reference(program.module, r, store));
  const std::size_t size_kib = text.size() / 1024;
  MESSAGE(size_kib << " KiB, emit " << emit_ms << " ms, read " << read_ms << " ms, decide " << decide_us << " us");
  CHECK(emit_ms < 10000);
  CHECK(read_ms < 10000);
}

TEST_CASE("conditions with exponentially many ways cost no more than their size") {
  std::string policies;
  for (int i = 0; i < 1000; ++i) {
    std::string condition;
    for (int j = 0; j < 12; ++j) {
      condition += j ? " && (" : "(";
      for (int k = 0; k < 5; ++k) condition += (k ? " || context.a" : "context.a") + std::to_string((i + j * 5 + k) % 200);
      condition += ")";
    }
    policies += "permit(principal, action, resource) when { " + condition + " };\n";
  }
  Program program;
  lower(program, kSchema, {policies});
  REQUIRE(!program.diagnostics.has_errors());
  const auto start = std::chrono::steady_clock::now();
  gateway::Table table = table_of(program);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count();
  MESSAGE("emit and read " << ms << " ms");
  CHECK(ms < 20000);
  ValueRecord context;
  for (int i = 0; i < 200; ++i) context.emplace("a" + std::to_string(i), Value(i % 5 == 0));
  context.erase("a7");
  CHECK(decide_by_table(table, request(context), program.module.entities) ==
        decide_by_reference(program.module, request(context), program.module.entities));
}
