// Links, and `resource in` attributes of the principal, which the engine joins to one set for each principal (reach.h): few and many
// links, `in` and `==`, of entities that others are in and of others, of any resource; before and after changes of entities.
#include <doctest/doctest.h>

#include "runtime/gateway/editor.h"
#include "tests/unit/gateway/random_table.h"

using namespace kerf;
using namespace kerf::gateway;
using namespace kerf::gateway::random;

namespace {

struct Size {
  std::size_t users, teams, folders, docs;
};

EntityUid any_of(Random& r, const char* type, std::size_t count) { return {type, number(r.below(count))}; }

std::string scope(const char* kind, const EntityUid& uid) {
  return std::string("{\"") + kind + R"(":{"type":")" + uid.type + R"(","id":")" + uid.id + "\"}}";
}

std::string link(Random& r, const Size& size, unsigned any) {
  const EntityUid principal = r.chance(20) ? any_of(r, "User", size.users) : any_of(r, "Team", size.teams);
  const EntityUid resource = r.chance(40) ? any_of(r, "Doc", size.docs) : any_of(r, "Folder", size.folders);
  return R"("principal":)" + scope("in", principal) + R"(,"resource":)" +
         (r.chance(any) ? "null" : scope(r.chance(30) ? "==" : "in", resource));
}

const std::vector<std::string> kTests = {op("in", kResource, dot(kPrincipal, "docs")), op("in", kResource, dot(kPrincipal, "folders")),
                                         op("in", kResource, dot(kPrincipal, "home")), dot(kResource, "public"),
                                         op("in", kPrincipal, dot(kResource, "team")), dot(kResource, "locked"),
                                         op("in", kResource, dot(dot(kPrincipal, "friend"), "home"))};

// So many links, and a policy for some of the tests, which permits but for `locked`.
std::string table_of(Random& r, const Size& size, std::size_t links, unsigned any) {
  std::string policies, rows, joined;
  std::size_t count = 0;
  auto policy = [&](bool forbid) {
    policies += (count ? "," : "") + std::string(R"({"id":"p)") + number(count) + R"(","effect":")" + (forbid ? "forbid" : "permit") +
                R"(","annotations":{},"source":{"file":"","begin":0,"end":0,"line":1,"column":1}})";
    return number(count++);
  };
  for (std::size_t t = 0; t < kTests.size(); ++t) {
    joined += (t ? "," : "") + kTests[t];
    if (!r.chance(t < 3 ? 70 : 35)) continue;
    rows += (rows.empty() ? "" : ",") + std::string(R"({"policy":)") + policy(t == 5) + R"(,"when":[[)" + number(t) + R"(,"true"]],"then":"true"})";
  }
  std::string groups = R"({"principal":null,"resource":null,"rows":[)" + rows + R"(],"exprs":[]})";
  std::vector<std::string> seen;
  for (std::size_t i = 0; i < links; ++i) {
    const std::string scopes = link(r, size, any);
    if (std::find(seen.begin(), seen.end(), scopes) != seen.end()) continue;
    seen.push_back(scopes);
    groups += ",{" + scopes + R"(,"rows":[{"policy":)" + policy(false) + R"(,"when":[],"then":"true"}],"exprs":[]})";
  }
  return R"({"format":"kerf-table","version":1,"policies":[)" + policies +
         R"(],"actions":[{"uid":{"type":"Action","id":"read"},"parents":[]}],"environments":[)"
         R"({"principal":"User","action":{"type":"Action","id":"read"},"resource":"Doc","atoms":[)" + joined + R"(],"groups":[)" + groups + "]}]}";
}

Value some(Random& r, const char* type, std::size_t count, std::size_t most) {
  std::vector<Value> members;
  for (std::size_t n = r.below(most + 1); n > 0; --n) members.push_back(Value(any_of(r, type, count)));
  return Value::set(members);
}

// Parents are among those before it, so that there is no cycle; folders and documents that nothing is in have no column.
Entity random_entity(Random& r, const Size& size, const EntityUid& uid) {
  Entity entity{uid, {}, {}, {}};
  const std::size_t place = std::stoul(uid.id);
  auto parents = [&](const char* type, std::size_t count, std::size_t most) {
    for (std::size_t n = r.below(most + 1); n > 0 && count != 0; --n) entity.parents.push_back(any_of(r, type, count));
  };
  if (uid.type == "Team" || uid.type == "Folder") parents(uid.type.c_str(), place, 1);
  if (uid.type == "User") {
    parents("Team", size.teams, 3);
    entity.attrs = {{"docs", some(r, "Doc", size.docs, 6)}, {"folders", some(r, "Folder", size.folders, 5)}, {"home", Value(any_of(r, "Folder", size.folders))},
                    {"friend", Value(any_of(r, "User", size.users))}};
  }
  if (uid.type == "Doc") {
    parents("Folder", size.folders, 3);
    if (r.chance(20)) parents("Doc", place, 1);
    entity.attrs = {{"public", Value(r.chance(10))}, {"locked", Value(r.chance(20))}, {"team", Value(any_of(r, "Team", size.teams))}};
  }
  return entity;
}

constexpr const char* kTypes[] = {"Team", "Folder", "User", "Doc"};

Entities random_entities(Random& r, const Size& size) {
  std::vector<Entity> list;
  const std::size_t counts[] = {size.teams, size.folders, size.users, size.docs};
  for (std::size_t t = 0; t < 4; ++t) {
    for (std::size_t i = 0; i < counts[t]; ++i) list.push_back(random_entity(r, size, {kTypes[t], number(i)}));
  }
  return *Entities::build(std::move(list));
}

// How many are allowed.
std::size_t agree(Random& r, const Engine& engine, const Entities& entities, const Size& size, int requests) {
  std::size_t allowed = 0;
  Query query(engine);
  Answer answer;
  for (int i = 0; i < requests; ++i) {
    const Request request{any_of(r, "User", size.users + 2), {"Action", "read"}, any_of(r, "Doc", size.docs + 2), {}};
    const Result<Decision> expected = engine.table().decide(request, entities);
    REQUIRE(expected.ok());
    REQUIRE(engine.set(query, request.principal, request.action, request.resource, request.context));
    INFO("request " << request.principal.id << " " << request.resource.id);
    REQUIRE(engine.allows(query) == expected->allow);
    engine.decide(query, answer);
    REQUIRE(show(answer) == show(*expected));
    allowed += expected->allow;
  }
  return allowed;
}

}  // namespace

TEST_CASE("links and sets of a principal: the engine and the plain evaluator agree, after changes too") {
  constexpr Size kSizes[] = {{8, 5, 6, 8}, {30, 20, 20, 40}, {30, 40, 150, 60}, {20, 300, 300, 40}};
  constexpr std::size_t kLinks[] = {0, 1, 3, 20, 200};
  std::size_t allowed = 0, asked = 0;
  for (std::uint64_t seed = 1; seed <= 1200; ++seed) {
    INFO("seed " << seed);
    Random r(seed);
    const Size& size = kSizes[seed % 4 == 3 && seed % 5 != 0 ? 1 : seed % 4];
    const Entities entities = random_entities(r, size);
    Result<Table> table = Table::read(table_of(r, size, kLinks[seed % 5], seed % 3 == 0 ? 3 : 0));
    REQUIRE(table.ok());
    Editor editor = *Editor::build(std::make_shared<const Table>(*std::move(table)), entities);
    allowed += agree(r, editor.engine(), entities, size, 40);
    asked += 40;
    if (seed % 4 != 0) continue;
    for (int step = 0; step < 8; ++step) {
      INFO("step " << step);
      EntityChange change;
      const char* const type = kTypes[r.below(4)];
      const std::size_t count = type[0] == 'T' ? size.teams : type[0] == 'F' ? size.folders : type[0] == 'U' ? size.users : size.docs;
      const EntityUid uid = any_of(r, type, count + 1);   // one more than there are
      const std::vector<Entity> before = editor.entities();
      const bool stored = std::any_of(before.begin(), before.end(), [&](const Entity& entity) { return entity.uid == uid; });
      if (stored && r.chance(25)) change.remove.push_back(uid);
      else change.upsert.push_back(random_entity(r, size, uid));
      REQUIRE(editor.change(change).ok());
      allowed += agree(r, editor.engine(), *Entities::build(editor.entities()), size, 20);
      asked += 20;
    }
  }
  CHECK(allowed * 10 > asked);
  CHECK(allowed * 10 < asked * 9);
}

// More principals than sets are made for, and resources than they may have.
TEST_CASE("many principals, and links of many resources") {
  for (const Size& size : {Size{4300, 10, 10, 10}, Size{300, 3, 120, 20}}) {
    Random r(size.users);
    const Entities entities = random_entities(r, size);
    for (std::size_t links : {3, 300}) {
      const Engine engine = engine_of(table_of(r, size, links, 0), entities);
      CHECK(agree(r, engine, entities, size, 300) > 50);
    }
  }
}
