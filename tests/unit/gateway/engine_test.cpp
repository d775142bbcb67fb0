// The engine gives the answers of Table::decide: on tables with groups large enough for every kind of index, with atoms
// that err, values of the wrong kind, entities that are not stored, and contexts that lack attributes.
#include "runtime/gateway/engine.h"

#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "tests/unit/gateway/allocations.h"
#include "tests/unit/gateway/random_table.h"

using namespace kerf;
using namespace kerf::gateway;
using namespace kerf::gateway::random;

namespace {

// The table of a seed against the plain evaluator, until the counts say that it was worth it.
void agree(std::uint64_t seeds, const std::function<std::string(Random&, std::uint64_t)>& table, bool any_whole = false) {
  std::size_t requests = 0, allow = 0, with_errors = 0, determined = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Random r(seed);
    const std::string text = table(r, seed);
    const unsigned whole[] = {93, 100, 99};
    const Entities entities = random_entities(r, whole[any_whole ? seed % 3 : 0]);
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
  CHECK(determined * 3 > requests);
}

}  // namespace

TEST_CASE("random tables: the engine and the plain evaluator agree") {
  agree(60, [](Random& r, std::uint64_t seed) {
    const std::size_t sizes[] = {5, 40, 150, 700};
    return random_table(r, sizes[seed % 4], seed % 3 == 0);
  });
}

TEST_CASE("random tables of more rules than are intersected at once: the engine and the plain evaluator agree") {
  agree(6, [](Random& r, std::uint64_t) {
    const std::vector<std::string> atoms = random_atoms(false, true);
    std::vector<std::pair<std::string, RandomPolicy>> list;
    for (std::size_t p = 0; p < 2000; ++p) {
      list.emplace_back("p" + number(p), random_policy(r, atoms.size()));
      list.back().second.forbid = r.chance(1);   // or hardly a request would be allowed
    }
    return table_text(list, atoms);
  });
}

// Rule p asks for department p / kDocs of the principal and p % kDocs of the resource, so that each request has one bit, and the
// principal's map has bits in one word of 64 rules alone: 16 words that are intersected eight at a time, and half of another.
TEST_CASE("rules over stored attributes are intersected in words: each bit of each word counts") {
  constexpr std::size_t kUsers = 33, kDocs = 32;
  std::vector<std::string> atoms;
  for (std::size_t u = 0; u < kUsers; ++u) atoms.push_back(op("==", dot(kPrincipal, "dept"), text("d" + number(u))));
  for (std::size_t d = 0; d < kDocs; ++d) atoms.push_back(op("==", dot(kResource, "dept"), text("d" + number(d))));
  std::vector<std::pair<std::string, RandomPolicy>> list;
  for (std::size_t p = 0; p < kUsers * kDocs; ++p) {
    RandomPolicy& policy = list.emplace_back("p" + number(p), RandomPolicy{}).second;
    policy.rows = R"({"policy":@,"when":[[)" + number(p / kDocs) + R"(,"true"],[)" + number(kUsers + p % kDocs) + R"(,"true"]],"then":"true"})";
  }
  std::vector<Entity> entities;
  auto add = [&](const char* type, std::size_t i) { entities.push_back({{type, number(i)}, {{"dept", string("d" + number(i))}}, {}, {}}); };
  for (std::size_t u = 0; u <= kUsers; ++u) add("User", u);   // the last ones have departments that no rule asks for
  for (std::size_t d = 0; d <= kUsers; ++d) add("Doc", d);
  const Engine engine = engine_of(table_text(list, atoms), *Entities::build(std::move(entities)));
  Query query(engine);
  Answer answer;
  for (std::size_t u = 0; u <= kUsers; ++u) {
    for (std::size_t d = 0; d <= kUsers; ++d) {
      const ValueRecord context;
      REQUIRE(engine.set(query, {"User", number(u)}, {"Action", "read"}, {"Doc", number(d)}, context));
      const bool allow = u < kUsers && d < kDocs;
      engine.decide(query, answer);
      INFO("user " << u << " doc " << d << " word " << u * kDocs / 64);
      REQUIRE(show(answer) == (allow ? "allow " + number(u * kDocs + d) + ";" : "deny;"));
      REQUIRE(engine.allows(query) == allow);
    }
  }
}

TEST_CASE("random small tables over stored entities: the engine and the plain evaluator agree") {
  agree(1200, [](Random& r, std::uint64_t seed) {
    std::vector<std::string> atoms = stored_atoms(r, seed % 4 != 0);
    atoms.push_back(dot(dot(kResource, "r"), "none"));   // errs always
    std::vector<std::pair<std::string, RandomPolicy>> list;
    auto row = [](const std::string& needs) { return R"({"policy":@,"when":[)" + needs + R"(],"then":"true"})"; };
    auto holds = [](std::size_t atom) { return "[" + number(atom) + R"(,"true"])"; };
    std::size_t last = 0;
    auto any = [&] { return holds(last = r.below(atoms.size() - 1)); };
    for (std::size_t p = 0; p < 2 + seed % 13; ++p) {
      RandomPolicy policy = random_policy(r, atoms.size(), 0);
      if (seed % 4 == 1) {   // one test alone permits, mostly
        policy.forbid = r.chance(8);
        if (r.chance(95)) policy.group = 0;
        // It errs where another test does not keep it from that.
        if (r.chance(20)) {
          policy.forbid = r.chance(50);
          const std::string same = holds(last);   // as the policy before it
          policy.rows = row(same + "," + holds(atoms.size() - 1)) + "," + row(any());
        } else if (r.chance(95)) {
          policy.rows = row(any());
        }
      }
      list.emplace_back("p" + number(p), policy);
    }
    return table_text(list, atoms);
  }, true);
}

// A set's entities that have a column (store.h) are words of bits; each folder is such a one, in one of three words. Every third user
// has attributes that others have not, and some documents an entity of another type, so not all are like the example of their type.
TEST_CASE("members of stored sets: each column counts, whatever else an entity has") {
  constexpr std::size_t kFolders = 150;
  const std::vector<std::string> atoms = {op("in", kResource, dot(kPrincipal, "folders")), op("in", kResource, dot(kPrincipal, "home")),
                                          op("in", kPrincipal, dot(kResource, "team"))};
  std::vector<std::pair<std::string, RandomPolicy>> list;
  for (std::size_t p = 0; p < atoms.size(); ++p) {
    list.emplace_back("p" + number(p), RandomPolicy{}).second.rows = R"({"policy":@,"when":[[)" + number(p) + R"(,"true"]],"then":"true"})";
  }
  auto folder = [](std::size_t i) { return Value(EntityUid{"Folder", number(i % kFolders)}); };
  std::vector<Entity> entities;
  for (std::size_t i = 0; i < kFolders; ++i) {
    ValueRecord user = {{"folders", Value::set({folder(i), folder(i + 1), Value(EntityUid{"Doc", number((i + 5) % kFolders)})})}, {"home", folder(i + 3)}};
    if (i % 3 == 1) user.emplace("level", Value(std::int64_t{1}));
    if (i % 3 == 2) user.emplace("dept", string("d"));
    entities.push_back({{"User", number(i)}, user, {}, {{"Team", number(i)}}});
    const EntityUid team = i % 7 == 3 ? EntityUid{"User", number(i)} : EntityUid{"Team", number((i + 9) % kFolders)};
    entities.push_back({{"Doc", number(i)}, {{"team", Value(team)}}, {}, {{"Folder", number(i)}}});
  }
  // The table names the attributes, or they would have no cells.
  std::vector<std::string> named = atoms;
  named.push_back(op("<", dot(kPrincipal, "level"), long_(0)));
  named.push_back(op("==", dot(kPrincipal, "dept"), text("e")));
  const Engine engine = engine_of(table_text(list, named), *Entities::build(std::move(entities)));
  Query query(engine);
  Answer answer;
  for (std::size_t u = 0; u < kFolders; ++u) {
    for (std::size_t d = 0; d < kFolders; ++d) {
      const ValueRecord context;
      REQUIRE(engine.set(query, {"User", number(u)}, {"Action", "read"}, {"Doc", number(d)}, context));
      const std::size_t apart = (d + kFolders - u) % kFolders;
      std::string permits;
      if (apart == 0 || apart == 1 || apart == 5) permits += " 0";
      if (apart == 3) permits += " 1";
      if (d % 7 == 3 ? apart == 0 : apart == kFolders - 9) permits += " 2";
      engine.decide(query, answer);
      INFO("user " << u << " doc " << d);
      REQUIRE(show(answer) == (permits.empty() ? "deny;" : "allow" + permits + ";"));
      REQUIRE(engine.allows(query) == !permits.empty());
    }
  }
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
