// After every change the editor's engine gives the answers of an engine that is built anew, and of the plain evaluator;
// engines from before the change give theirs. The entities that should be there are kept in a map by other code.
#include "runtime/gateway/editor.h"

#include <doctest/doctest.h>

#include <map>

#include "ir/values/json.h"
#include "tests/unit/gateway/random_table.h"

using namespace kerf;
using namespace kerf::gateway;
using namespace kerf::gateway::random;

namespace {

using World = std::map<EntityUid, Entity>;

std::vector<Entity> list_of(const World& world) {
  std::vector<Entity> list;
  for (const auto& [uid, entity] : world) list.push_back(entity);
  return list;
}

EntityUid random_uid(Random& r) {
  switch (r.below(4)) {
    case 0: return {"Team", "g" + number(r.below(9))};
    case 1: return {"User", "u" + number(r.below(44))};
    case 2: return {"Doc", "d" + number(r.below(24))};
    default: return {r.chance(80) ? "User" : "Robot", "n" + number(r.below(30))};
  }
}

EntityUid random_parent(Random& r) { return r.chance(80) ? EntityUid{"Team", "g" + number(r.below(9))} : random_uid(r); }

Entity random_entity(Random& r) {
  const EntityUid uid = random_uid(r);
  Entity entity = uid.type == "Doc" ? random_doc(r, uid.id) : random_user(r, uid.id);
  entity.uid = uid;
  entity.parents.clear();
  for (std::size_t i = r.below(3); i > 0; --i) entity.parents.push_back(random_parent(r));
  if (r.chance(20)) entity.attrs["x" + number(r.below(5))] = Value(true);   // unknown to the table
  return entity;
}

// What the change should make of the world; false if it must be refused for a part that is not there.
bool apply(const EntityChange& change, World& world) {
  for (const EntityUid& uid : change.remove) {
    if (world.erase(uid) == 0) return false;
  }
  std::map<EntityUid, int> given;
  for (const Entity& entity : change.upsert) {
    if (++given[entity.uid] > 1) return false;
    world[entity.uid] = entity;
  }
  for (const auto& [uid, parents] : change.remove_parents) {
    auto found = world.find(uid);
    if (found == world.end()) return false;
    std::vector<EntityUid>& list = found->second.parents;
    for (const EntityUid& parent : parents) {
      if (std::erase(list, parent) == 0) return false;
    }
  }
  for (const auto& [uid, parents] : change.add_parents) {
    auto found = world.find(uid);
    if (found == world.end()) return false;
    found->second.parents.insert(found->second.parents.end(), parents.begin(), parents.end());
  }
  return true;
}

EntityChange random_change(Random& r, const World& world) {
  auto stored = [&]() -> const Entity& { return std::next(world.begin(), static_cast<std::ptrdiff_t>(r.below(world.size())))->second; };
  auto some = [&] { return r.chance(90) ? stored().uid : random_uid(r); };
  EntityChange change;
  for (std::size_t i = r.chance(15) ? 3 : 1; i > 0; --i) {
    switch (r.below(5)) {
      case 0: change.remove.push_back(some()); break;
      case 1:
      case 2: change.upsert.push_back(random_entity(r)); break;
      case 3: change.add_parents.push_back({some(), {random_parent(r), random_parent(r)}}); break;
      case 4: {
        const Entity& entity = stored();
        if (!entity.parents.empty()) change.remove_parents.push_back({entity.uid, {entity.parents[r.below(entity.parents.size())]}});
        break;
      }
    }
  }
  return change;
}

std::string answer_of(const Engine& engine, Query& query, const Request& request) {
  Answer answer;
  REQUIRE(engine.set(query, request.principal, request.action, request.resource, request.context));
  const bool allows = engine.allows(query);
  engine.decide(query, answer);
  REQUIRE(allows == answer.allow);
  std::string out = show(answer);
  for (const Answer::Failure& failure : answer.errors) out += "\n" + engine.explain(query, failure).message;
  return out;
}
std::string answer_of(const Engine& engine, const Request& request) {
  Query query(engine);
  return answer_of(engine, query, request);
}
std::string plain_answer(const Table& table, const Request& request, const Entities& entities) {
  const Result<Decision> decision = table.decide(request, entities);
  std::string out = show(*decision);
  for (const auto& failure : decision->errors) out += "\n" + failure.error.message;
  return out;
}

std::shared_ptr<const Table> read(const std::string& text) {
  Result<Table> table = Table::read(text);
  REQUIRE(table.ok());
  return std::make_shared<const Table>(*std::move(table));
}
std::shared_ptr<const Table> table_of(Random& r, std::size_t policies, bool wide) { return read(random_table(r, policies, wide)); }

}  // namespace

TEST_CASE("after random changes the engine is as one built anew; engines from before stay as they were") {
  std::size_t done = 0, refused = 0, cycles = 0, different = 0;
  for (std::uint64_t seed = 1; seed <= 18; ++seed) {
    Random r(seed);
    // Every other table is small and asks of stored entities alone.
    const auto table = seed % 2 == 0 ? read(random_table(r, 12, stored_atoms(r, seed % 4 == 0), 0)) : table_of(r, seed % 4 == 1 ? 40 : 200, seed % 3 == 0);
    const Entities first = random_entities(r, seed % 4 == 0 ? 100 : 93);
    World world;
    for (const Entity& entity : first.all()) world.emplace(entity.uid, entity);
    Editor editor = *Editor::build(table, first);
    Query query(editor.engine());
    for (int step = 0; step < 120; ++step) {
      INFO("seed " << seed << " step " << step);
      const Engine before = editor.engine();
      const Request asked = random_request(r);
      const std::string said_before = answer_of(before, asked);
      const EntityChange change = random_change(r, world);
      World next = world;
      const bool possible = apply(change, next);
      const Result<Entities> entities = Entities::build(list_of(next));
      const Status status = editor.change(change);
      REQUIRE(status.ok() == (possible && entities.ok()));
      REQUIRE(answer_of(before, asked) == said_before);
      if (!status.ok()) {
        ++(possible ? cycles : refused);
        REQUIRE(answer_of(editor.engine(), asked) == said_before);
        continue;
      }
      ++done;
      world = next;
      REQUIRE(entities_to_json(editor.entities()) == entities_to_json(entities->all()));
      const Engine fresh = *Engine::build(table, *entities);
      REQUIRE(query.fits(editor.engine()));
      for (int i = 0; i < 8; ++i) {
        Request request = i == 0 ? asked : random_request(r);
        if (i >= 4) request.principal.id = "n" + number(r.below(30));
        const std::string expected = plain_answer(*table, request, *entities);
        REQUIRE(answer_of(editor.engine(), query, request) == expected);
        REQUIRE(answer_of(fresh, request) == expected);
        if (expected != answer_of(before, request)) ++different;
      }
    }
  }
  CHECK(done > 500);
  CHECK(refused > 20);
  CHECK(cycles > 20);
  CHECK(different > 100);
}

TEST_CASE("an edge reaches all descendants, down a deep chain") {
  Random r(3);
  const auto table = table_of(r, 40, false);
  std::vector<Entity> chain;
  constexpr int kDeep = 2000;
  for (int i = 0; i < kDeep; ++i) {
    chain.push_back({{"Team", "c" + number(i)}, {}, {}, {}});
    if (i != 0) chain.back().parents.push_back({"Team", "c" + number(i - 1)});
  }
  chain.push_back({{"User", "u1"}, {}, {}, {{"Team", "c" + number(kDeep - 1)}}});
  Editor editor = *Editor::build(table, *Entities::build(chain));
  for (bool add : {true, false, true}) {
    EntityChange change;
    (add ? change.add_parents : change.remove_parents).push_back({{"Team", "c0"}, {{"Team", "g1"}}});
    REQUIRE(editor.change(change).ok());
    const Entities entities = *Entities::build(editor.entities());
    CHECK(entities.is_in({"User", "u1"}, {"Team", "g1"}) == add);
    for (int i = 0; i < 20; ++i) {
      Request request = random_request(r);
      request.principal = {"User", "u1"};
      REQUIRE(answer_of(editor.engine(), request) == plain_answer(*table, request, entities));
    }
  }
  EntityChange cycle;
  cycle.add_parents.push_back({{"Team", "c0"}, {{"User", "u1"}}});
  CHECK_FALSE(editor.change(cycle).ok());
}

TEST_CASE("names that come and go do not pile up") {
  Random r(4);
  const auto table = table_of(r, 40, false);
  Editor editor = *Editor::build(table, random_entities(r));
  const std::size_t first = editor.engine().nodes();
  for (std::size_t i = 0; i < 10000; ++i) {
    EntityChange change;
    change.upsert.push_back(random_user(r, "session" + number(i)));
    if (i >= 10) change.remove.push_back({"User", "session" + number(i - 10)});
    REQUIRE(editor.change(change).ok());
    REQUIRE(editor.engine().nodes() < first + 4200);
  }
  const Entities entities = *Entities::build(editor.entities());
  CHECK(entities.all().size() == 56 + 10);
  for (int i = 0; i < 50; ++i) {
    Request request = random_request(r);
    request.principal = {"User", "session" + number(9985 + r.below(20))};
    REQUIRE(answer_of(editor.engine(), request) == plain_answer(*table, request, entities));
  }
}

TEST_CASE("an action of the table is not changed") {
  Random r(5);
  Editor editor = *Editor::build(table_of(r, 5, false), {});
  EntityChange change;
  change.add_parents.push_back({{"Action", "read"}, {{"Action", "all"}}});
  CHECK(editor.change(change).error().message == "`Action::\"read\"` is an action of the table, which only the table changes");
}

TEST_CASE("a change as JSON") {
  Result<EntityChange> change = read_entity_change(R"({"remove":[{"type":"User","id":"a"}],
    "upsert":[{"uid":{"type":"User","id":"b"},"attrs":{"n":1},"parents":[{"type":"Team","id":"t"}]}],
    "removeParents":[{"uid":{"type":"User","id":"c"},"parents":[{"type":"Team","id":"t"}]}],
    "addParents":[{"uid":{"type":"User","id":"c"},"parents":[{"type":"Team","id":"u"}]}]})");
  REQUIRE(change.ok());
  CHECK(change->remove == std::vector<EntityUid>{{"User", "a"}});
  CHECK(change->upsert.at(0).parents == std::vector<EntityUid>{{"Team", "t"}});
  CHECK(change->remove_parents.at(0).uid == EntityUid{"User", "c"});
  CHECK(change->add_parents.at(0).parents == std::vector<EntityUid>{{"Team", "u"}});
  auto message = [](const char* text) { return read_entity_change(text).error().message; };
  CHECK(message("[]") == "a change of entities is a JSON object");
  CHECK(message(R"({"delete":[]})") == "unknown key \"delete\"");
  CHECK(message(R"({"addParents":[{"uid":{"type":"User","id":"c"}}]})") == "addParents[0]: the key `parents` is missing");
  CHECK(message(R"({"remove":{}})") == "`remove` must be an array");
  CHECK_FALSE(read_entity_change("{\"remove\":[{}]}").ok());
  CHECK_FALSE(read_entity_change("{\"upsert\":[{}]}").ok());
  CHECK_FALSE(read_entity_change("{").ok());
}
