// Tables: scopes found by key, rows, formulas, decisions and errors.
#include "runtime/gateway/table.h"

#include <doctest/doctest.h>

using namespace kerf;
using namespace kerf::gateway;

namespace {

std::string policy(const std::string& id, const std::string& effect) {
  return R"({"id":")" + id + R"(","effect":")" + effect +
         R"(","annotations":{"why":"test"},"source":{"file":"p.cedar","begin":1,"end":2,"line":3,"column":4}})";
}

std::string table(const std::string& policies, const std::string& atoms, const std::string& groups) {
  return R"({"format":"kerf-table","version":1,"policies":[)" + policies + R"(],"actions":[)"
         R"({"uid":{"type":"Action","id":"read"},"parents":[{"type":"Action","id":"any"}]},)"
         R"({"uid":{"type":"Action","id":"any"},"parents":[]}],"environments":[)"
         R"({"principal":"User","action":{"type":"Action","id":"read"},"resource":"Doc","atoms":[)" +
         atoms + R"(],"groups":[)" + groups + "]}]}";
}

std::string group(const std::string& principal, const std::string& resource, const std::string& rows,
                  const std::string& exprs = "") {
  return R"({"principal":)" + principal + R"(,"resource":)" + resource + R"(,"rows":[)" + rows + R"(],"exprs":[)" +
         exprs + "]}";
}

std::string always(int policy) { return R"({"policy":)" + std::to_string(policy) + R"(,"when":[],"then":"true"})"; }

Table read(const std::string& text) {
  Result<Table> table = Table::read(text);
  if (!table.ok()) FAIL(table.error().message << "\n" << text);
  return *std::move(table);
}

Request request(std::string principal, std::string resource, ValueRecord context = {}) {
  return {{"User", std::move(principal)}, {"Action", "read"}, {"Doc", std::move(resource)}, std::move(context)};
}

// "allow 0 2; errors 1", with positions of policies.
std::string decide(const Table& table, const Request& request, const Entities& entities = {}) {
  Result<Decision> decision = table.decide(request, entities);
  if (!decision.ok()) return decision.error().message;
  std::string text = decision->allow ? "allow" : "deny";
  for (std::uint32_t policy : decision->determining) text += " " + std::to_string(policy);
  if (!decision->errors.empty()) text += "; errors";
  for (const auto& failure : decision->errors) text += " " + std::to_string(failure.policy);
  return text;
}

const std::string kTwoPermits = policy("a", "permit") + "," + policy("b", "permit");

}  // namespace

TEST_CASE("an empty table denies, and only requests of its environments are valid") {
  Table empty = read(table("", "", ""));
  CHECK(decide(empty, request("alice", "d")) == "deny");
  Request other = request("alice", "d");
  other.principal.type = "Robot";
  CHECK(decide(empty, other).find("`Robot`") != std::string::npos);
}

TEST_CASE("policies keep their origin") {
  Table t = read(table(policy("a", "forbid"), "", ""));
  REQUIRE(t.policies().size() == 1);
  const PolicyInfo& info = t.policies()[0];
  CHECK(info.id == "a");
  CHECK(info.forbid);
  CHECK(info.annotations.at("why") == "test");
  CHECK(info.file == "p.cedar");
  CHECK(info.begin == 1);
  CHECK(info.end == 2);
  CHECK(info.line == 3);
  CHECK(info.column == 4);
  REQUIRE(t.actions().size() == 2);
}

TEST_CASE("scopes: any, equal, in itself, in an ancestor that is not stored") {
  const std::string alice = R"({"==":{"type":"User","id":"alice"}})";
  const std::string in_alice = R"({"in":{"type":"User","id":"alice"}})";
  const std::string in_all = R"({"in":{"type":"Team","id":"all"}})";
  const std::string in_folder = R"({"in":{"type":"Folder","id":"f"}})";
  std::string policies = policy("p0", "permit");
  for (int i = 1; i < 6; ++i) policies += "," + policy("p" + std::to_string(i), "permit");
  Table t = read(table(policies, "",
                       group("null", "null", always(0)) + "," + group(alice, "null", always(1)) + "," +
                           group(in_alice, "null", always(2)) + "," + group(in_all, "null", always(3)) + "," +
                           group("null", in_folder, always(4)) + "," + group(in_all, in_folder, always(5))));
  Entities entities = *Entities::build({{{"User", "alice"}, {}, {}, {{"Team", "a"}}},
                                        {{"User", "carol"}, {}, {}, {{"User", "alice"}}},
                                        {{"Team", "a"}, {}, {}, {{"Team", "all"}}},
                                        {{"Doc", "d"}, {}, {}, {{"Folder", "f"}}}});
  CHECK(decide(t, request("alice", "d"), entities) == "allow 0 1 2 3 4 5");
  CHECK(decide(t, request("carol", "d"), entities) == "allow 0 2 3 4 5");
  CHECK(decide(t, request("alice", "other"), entities) == "allow 0 1 2 3");
  CHECK(decide(t, request("bob", "d"), entities) == "allow 0 4");
  CHECK(decide(t, request("alice", "d")) == "allow 0 1 2");
}

TEST_CASE("forbids override, and are the determining policies") {
  Table t = read(table(kTwoPermits + "," + policy("c", "forbid"), R"({"==":[{".":[{"Var":"context"},"n"]},{"Long":"1"}]})",
                       group("null", "null", always(0) + "," + always(1) + R"(,{"policy":2,"when":[[0,"true"]],"then":"true"})")));
  CHECK(decide(t, request("a", "d", {{"n", Value(std::int64_t{1})}})) == "deny 2");
  CHECK(decide(t, request("a", "d", {{"n", Value(std::int64_t{2})}})) == "allow 0 1");
  // The atom fails: no row asks for that, but the way to the row's end passes it.
  CHECK(decide(t, request("a", "d")) == "allow 0 1; errors 2");
}

TEST_CASE("rows: several for one policy, explicit errors, and the error's message") {
  const std::string atoms = R"({".":[{"Var":"context"},"x"]},{".":[{"Var":"context"},"y"]})";
  Table t = read(table(kTwoPermits, atoms,
                       group("null", "null",
                             R"({"policy":0,"when":[[0,"true"],[1,"false"]],"then":"true"},)"
                             R"({"policy":0,"when":[[0,"false"],[1,"true"]],"then":"true"},)"
                             R"({"policy":1,"when":[[0,"error"]],"then":"error"})")));
  auto with = [&](bool x, bool y) { return decide(t, request("a", "d", {{"x", Value(x)}, {"y", Value(y)}})); };
  CHECK(with(true, false) == "allow 0");
  CHECK(with(false, true) == "allow 0");
  CHECK(with(true, true) == "deny");
  CHECK(with(false, false) == "deny");
  CHECK(decide(t, request("a", "d", {{"x", Value(true)}})) == "deny; errors 0");
  CHECK(decide(t, request("a", "d")) == "deny; errors 0 1");
  Result<Decision> not_bool = t.decide(request("a", "d", {{"x", Value(std::int64_t{1})}}), {});
  REQUIRE(not_bool.ok());
  REQUIRE(not_bool->errors.size() == 2);
  CHECK(not_bool->errors[1].error.kind == EvalErrorKind::type_error);
  CHECK(not_bool->errors[1].error.message == type_error("bool", Value(std::int64_t{1})).message);
}

TEST_CASE("formulas follow Cedar's order") {
  const std::string atoms = R"({".":[{"Var":"context"},"a"]},{".":[{"Var":"context"},"b"]},{".":[{"Var":"context"},"c"]})";
  auto build = [&](const std::string& formula) {
    return read(table(policy("p", "permit"), atoms, group("null", "null", "", R"({"policy":0,"formula":)" + formula + "}")));
  };
  struct Case { const char* formula; const char* outcomes; };
  // Of (a, b, c) = outcomes in base three: t, f, e for each of the 27 combinations, a most significant (f < t < e).
  const char digits[] = {'f', 't', 'e'};
  auto expected = [&](auto function) {
    std::string text;
    for (int a = 0; a < 3; ++a)
      for (int b = 0; b < 3; ++b)
        for (int c = 0; c < 3; ++c) text += digits[function(a, b, c)];
    return text;
  };
  auto conj = [](int x, int y) { return x == 1 ? y : x; };
  auto disj = [](int x, int y) { return x == 0 ? y : x; };
  auto flip = [](int x) { return x == 2 ? 2 : 1 - x; };
  const std::pair<std::string, std::string> cases[] = {
      {R"({"&&":[{"atom":0},{"atom":1},{"atom":2}]})", expected([&](int a, int b, int c) { return conj(conj(a, b), c); })},
      {R"({"||":[{"atom":0},{"atom":1},{"atom":2}]})", expected([&](int a, int b, int c) { return disj(disj(a, b), c); })},
      {R"({"&&":[{"||":[{"atom":0},{"atom":1}]},{"!":[{"atom":2}]}]})",
       expected([&](int a, int b, int c) { return conj(disj(a, b), flip(c)); })},
      {R"({"if":[{"atom":0},{"!":[{"atom":1}]},{"&&":[{"atom":2},{"const":"true"}]}]})",
       expected([&](int a, int b, int c) { return a == 2 ? 2 : a == 1 ? flip(b) : c; })},
      {R"({"||":[{"if":[{"atom":0},{"atom":1},{"const":"false"}]},{"!":[{"&&":[{"atom":2},{"atom":0}]}]}]})",
       expected([&](int a, int b, int c) { return disj(a == 2 ? 2 : a == 1 ? b : 0, flip(conj(c, a))); })},
      {R"({"!":[{"if":[{"||":[{"atom":0},{"atom":1}]},{"const":"false"},{"if":[{"atom":2},{"atom":0},{"atom":1}]}]}]})",
       expected([&](int a, int b, int c) {
         int test = disj(a, b);
         return flip(test == 2 ? 2 : test == 1 ? 0 : c == 2 ? 2 : c == 1 ? a : b);
       })},
  };
  for (const auto& [formula, wanted] : cases) {
    Table t = build(formula);
    std::string got;
    for (int a = 0; a < 3; ++a)
      for (int b = 0; b < 3; ++b)
        for (int c = 0; c < 3; ++c) {
          ValueRecord context;
          auto put = [&](const char* name, int outcome) {
            if (outcome != 2) context.emplace(name, Value(outcome == 1));
          };
          put("a", a), put("b", b), put("c", c);
          std::string decision = decide(t, request("u", "d", context));
          got += decision == "allow 0" ? 't' : decision == "deny" ? 'f' : 'e';
        }
    CHECK_MESSAGE(got == wanted, formula);
  }
}

TEST_CASE("the table's actions answer for `action in`, whatever the caller stores") {
  const std::string in_any = R"({"in":[{"Var":"action"},{"Entity":{"type":"Action","id":"any"}}]})";
  Table t = read(table(policy("p", "permit"), in_any, group("null", "null", R"({"policy":0,"when":[[0,"true"]],"then":"true"})")));
  CHECK(decide(t, request("a", "d")) == "allow 0");
  Entities callers = *Entities::build({{{"Action", "read"}, {}, {}, {}}});
  CHECK(decide(t, request("a", "d"), callers) == "allow 0");
}

TEST_CASE("an entity with many ancestors, a table with many groups") {
  const int count = 20000;
  std::string policies, groups;
  for (int i = 0; i < count; ++i) {
    policies += (i ? "," : "") + policy("p" + std::to_string(i), "permit");
    groups += (i ? "," : "") + group(R"({"in":{"type":"Team","id":")" + std::to_string(i) + "\"}}", "null", always(i));
  }
  Table t = read(table(policies, "", groups));
  std::vector<EntityUid> parents;
  for (int i = 0; i < 1000; ++i) parents.push_back({"Team", "x" + std::to_string(i)});
  parents.push_back({"Team", "77"});
  Entities entities = *Entities::build({{{"User", "alice"}, {}, {}, parents}});
  CHECK(decide(t, request("alice", "d"), entities) == "allow 77");
}
