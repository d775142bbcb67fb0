// Policies `principal in …, resource in …` over deep hierarchies: more principal scopes than a word has bits, several groups of
// one resource, entities under many of them, under none, not stored. Those for any principal or one have a condition.
#include <doctest/doctest.h>

#include "tests/unit/gateway/random_table.h"

using namespace kerf;
using namespace kerf::gateway;
using namespace kerf::gateway::random;

namespace {

constexpr std::size_t kUsers = 60, kDocs = 60;

struct Size {
  std::size_t teams, folders, policies;
};
constexpr Size kSizes[] = {{150, 40, 60}, {150, 40, 700}, {150, 40, 3000}, {600, 2, 2000}};

std::string scope(Random& r, const char* member, std::size_t members, const char* parent, std::size_t parents) {
  auto uid = [](const char* type, const char* prefix, std::size_t n) {
    return std::string(R"({"type":")") + type + R"(","id":")" + prefix + number(n) + "\"}}";
  };
  if (r.chance(1)) return "null";
  if (r.chance(1)) return R"({"==":)" + uid(member, "", r.below(members));
  if (r.chance(4)) return R"({"in":)" + uid(member, "", r.below(members));   // nothing has it as its parent
  return R"({"in":)" + uid(parent, "", r.below(parents));
}

// `links`: those with a principal `in` something only permit.
std::string table_of_scopes(Random& r, const Size& size, bool links) {
  std::string policies, groups;
  std::vector<std::string> seen;
  for (std::size_t p = 0; p < size.policies; ++p) {
    const std::string scopes = R"("principal":)" + scope(r, "User", kUsers, "Team", size.teams) + R"(,"resource":)" + scope(r, "Doc", kDocs, "Folder", size.folders);
    const bool member = scopes.find(R"("principal":{"in")") != std::string::npos;
    const bool forbid = links ? !member && r.chance(40) : r.chance(20);
    policies += (p ? "," : "") + std::string(R"({"id":"p)") + number(p) + R"(","effect":")" + (forbid ? "forbid" : "permit") +
                R"(","annotations":{},"source":{"file":"","begin":0,"end":0,"line":1,"column":1}})";
    if (std::find(seen.begin(), seen.end(), scopes) != seen.end()) continue;   // a group for each pair; this policy has none
    seen.push_back(scopes);
    groups += (groups.empty() ? "" : ",") + std::string("{") + scopes + R"(,"rows":[{"policy":)" + number(p) + R"(,"when":[)" +
              (member ? "" : R"([0,"true"])") + R"(],"then":"true"}],"exprs":[]})";
  }
  return R"({"format":"kerf-table","version":1,"policies":[)" + policies +
         R"(],"actions":[{"uid":{"type":"Action","id":"read"},"parents":[]}],"environments":[)"
         R"({"principal":"User","action":{"type":"Action","id":"read"},"resource":"Doc","atoms":[)" + op("in", kPrincipal, dot(kResource, "team")) + R"(],"groups":[)" + groups + "]}]}";
}

// Each has up to two parents among those before it, so that some have many ancestors.
void add(Random& r, std::vector<Entity>& list, const char* type, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    Entity& entity = list.emplace_back(Entity{{type, number(i)}, {}, {}, {}});
    for (std::size_t n = r.below(3); n > 0 && i > 0; --n) entity.parents.push_back({type, number(r.below(i))});
  }
}
void add_members(Random& r, std::vector<Entity>& list, const char* type, std::size_t count, const char* parent, std::size_t parents) {
  for (std::size_t i = 0; i < count; ++i) {
    Entity& entity = list.emplace_back(Entity{{type, number(i)}, {}, {}, {}});
    for (std::size_t n = r.below(4); n > 0; --n) entity.parents.push_back({parent, number(r.below(parents))});
  }
}

}  // namespace

TEST_CASE("many scopes over deep hierarchies: the engine and the plain evaluator agree") {
  std::size_t several = 0, none = 0, errors = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Random r(seed);
    std::vector<Entity> list;
    const Size& size = kSizes[seed % 4];
    add(r, list, "Team", size.teams);
    add(r, list, "Folder", size.folders);
    add_members(r, list, "User", kUsers, "Team", size.teams);
    add_members(r, list, "Doc", kDocs, "Folder", size.folders);
    for (Entity& entity : list) {   // without a team the condition errs
      if (entity.uid.type == "Doc" && r.chance(80)) entity.attrs.emplace("team", Value(EntityUid{"Team", number(r.below(size.teams / 10))}));
    }
    const Entities entities = *Entities::build(std::move(list));
    const Engine engine = engine_of(table_of_scopes(r, size, seed / 4 % 2 == 0), entities);
    Query query(engine);
    Answer answer;
    for (int i = 0; i < 200; ++i) {
      const Request request{{"User", number(r.below(kUsers + 3))}, {"Action", "read"}, {"Doc", number(r.below(kDocs + 3))}, {}};
      Result<Decision> expected = engine.table().decide(request, entities);
      REQUIRE(expected.ok());
      REQUIRE(engine.set(query, request.principal, request.action, request.resource, request.context));
      engine.decide(query, answer);
      INFO("seed " << seed << " request " << i);
      REQUIRE(show(answer) == show(*expected));
      REQUIRE(engine.allows(query) == expected->allow);
      several += expected->determining.size() > 4;
      none += expected->determining.empty();
      errors += !expected->errors.empty();
    }
  }
  CHECK(several > 500);
  CHECK(none > 1000);
  CHECK(errors > 500);
}
