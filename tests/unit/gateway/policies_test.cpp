// After every change of policies, and of entities between them, the editor's engine answers as the policies do that should
// be there, each asked alone of the plain evaluator. Added policies have texts, attributes and entities that the first table
// does not mention, and share atoms with it.
#include <doctest/doctest.h>

#include <map>

#include "runtime/gateway/editor.h"
#include "tests/unit/gateway/random_table.h"

using namespace kerf;
using namespace kerf::gateway;
using namespace kerf::gateway::random;

namespace {

struct Kept {
  RandomPolicy policy;
  std::shared_ptr<const Table> alone;
};
using Policies = std::map<std::string, Kept>;
using Named = std::vector<std::pair<std::string, RandomPolicy>>;

std::shared_ptr<const Table> read(const std::string& text) {
  Result<Table> table = Table::read(text);
  REQUIRE(table.ok());
  return std::make_shared<const Table>(*std::move(table));
}

// Those of the first table, and others that only later policies have.
std::vector<std::string> later_atoms() {
  std::vector<std::string> atoms = random_atoms(false, true);
  atoms.push_back(op("==", dot(kPrincipal, "dept"), text("d11")));
  atoms.push_back(op("==", dot(kContext, "host"), text("h7")));
  atoms.push_back(op("==", dot(kContext, "user"), entity("User", "u43")));
  atoms.push_back(op("==", kPrincipal, entity("User", "u42")));
  atoms.push_back(op("==", kPrincipal, entity("User", "u5")));
  atoms.push_back(op("in", kPrincipal, entity("Team", "g7")));
  atoms.push_back(op("in", kPrincipal, R"({"Set":[)" + entity("Team", "g7") + "," + entity("User", "u41") + "]}"));
  atoms.push_back(op("contains", dot(kResource, "tags"), text("t7")));
  atoms.push_back(op("contains", R"({"Set":[{"String":"h7"},{"String":"h1"}]})", dot(kContext, "host")));
  atoms.push_back(op("==", dot(kPrincipal, "title"), text("x")));
  atoms.push_back(R"({"has":[)" + kPrincipal + R"(,"title"]})");
  atoms.push_back(R"({"has":[)" + kContext + R"(,"extra"]})");
  atoms.push_back(op("==", dot(kContext, "extra"), text("x")));
  return atoms;
}

std::string expected_of(const Policies& policies, const Request& request, const Entities& entities) {
  std::vector<std::string> permits, forbids, errors;
  for (const auto& [id, kept] : policies) {
    const Decision decision = *kept.alone->decide(request, entities);
    if (!decision.determining.empty()) (kept.policy.forbid ? forbids : permits).push_back(id);
    for (const auto& failure : decision.errors) errors.push_back(id + ": " + failure.error.message);
  }
  std::sort(errors.begin(), errors.end());
  std::string out = forbids.empty() && !permits.empty() ? "allow" : "deny";
  for (const std::string& id : forbids.empty() ? permits : forbids) out += " " + id;
  for (const std::string& error : errors) out += "\n" + error;
  return out;
}

std::string answer_of(const Engine& engine, Query& query, const Request& request) {
  Answer answer;
  REQUIRE(engine.set(query, request.principal, request.action, request.resource, request.context));
  const bool allows = engine.allows(query);
  engine.decide(query, answer);
  REQUIRE(allows == answer.allow);
  std::vector<std::string> determining, errors;
  for (std::uint32_t p : answer.determining) determining.push_back(engine.policy(p).id);
  for (const auto& failure : answer.errors) {
    errors.push_back(engine.policy(failure.policy).id + ": " + engine.explain(query, failure).message);
  }
  std::sort(determining.begin(), determining.end());
  std::sort(errors.begin(), errors.end());
  std::string out = answer.allow ? "allow" : "deny";
  for (const std::string& id : determining) out += " " + id;
  for (const std::string& error : errors) out += "\n" + error;
  // The trace has the same policies, with the same results.
  std::size_t satisfied = 0, erred = 0;
  for (const PolicyTrace& policy : engine.trace(query).policies) {
    const bool counts = engine.policy(policy.policy).forbid || answer.allow || determining.empty();
    satisfied += policy.result == PolicyTrace::Result::satisfied && counts ? 1 : 0;
    erred += policy.result == PolicyTrace::Result::error ? 1 : 0;
  }
  REQUIRE(satisfied == determining.size());
  REQUIRE(erred == errors.size());
  return out;
}

Request later_request(Random& r) {
  Request request = random_request(r);
  if (r.chance(30)) request.context.emplace("extra", Value(std::string(r.chance(50) ? "x" : "y")));
  return request;
}

}  // namespace

TEST_CASE("after random changes of policies the engine answers as the policies that are there") {
  std::size_t changes = 0, refused = 0, different = 0, anew = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Random r(seed);
    const bool stored = seed % 3 == 0;   // a small table of stored entities alone
    const std::vector<std::string> atoms = stored ? stored_atoms(r, seed % 2 == 0) : random_atoms(seed % 2 == 0, true), later = later_atoms();
    Policies policies;
    Named first;
    for (std::size_t p = 0; p < (stored ? 8 : 60); ++p) {
      first.emplace_back("p" + number(p), random_policy(r, atoms.size(), stored ? 0 : 4));
      policies[first.back().first] = {first.back().second, read(table_text({first.back()}, atoms))};
    }
    Entities entities = random_entities(r, stored ? 100 : 93);
    Editor editor = *Editor::build(read(table_text(first, atoms)), entities);
    Query query(editor.engine());
    for (int step = 0; step < 90; ++step) {
      INFO("seed " << seed << " step " << step);
      PolicyChange change;
      Policies next = policies;
      Named added;
      for (std::size_t i = r.chance(80) ? 1 : r.below(6); i > 0; --i) {
        if (r.chance(45) && !next.empty()) {
          const auto victim = std::next(next.begin(), static_cast<std::ptrdiff_t>(r.below(next.size())));
          change.remove.push_back(victim->first);
          if (r.chance(60)) added.emplace_back(victim->first, random_policy(r, later.size()));   // replaced
          next.erase(victim);
        } else {
          added.emplace_back("n" + number(static_cast<std::size_t>(step) * 10 + i), random_policy(r, later.size()));
        }
      }
      std::sort(added.begin(), added.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
      added.erase(std::unique(added.begin(), added.end(), [](const auto& a, const auto& b) { return a.first == b.first; }), added.end());
      for (const auto& named : added) next[named.first] = {named.second, read(table_text({named}, later))};
      bool possible = true;
      if (r.chance(5)) change.remove.push_back("nobody"), possible = false;
      if (!added.empty() && r.chance(5) && !policies.empty()) {   // there already, unless it was removed
        const std::string& id = policies.begin()->first;
        if (next.contains(id) && policies.contains(id) && std::find(change.remove.begin(), change.remove.end(), id) == change.remove.end()) {
          added.emplace_back(id, random_policy(r, later.size())), possible = false;
        }
      }
      if (!added.empty()) change.add = read(table_text(added, later));
      const Engine before = editor.engine();
      const Request asked = later_request(r);
      Query old(before);
      const std::string said_before = answer_of(before, old, asked);
      REQUIRE(editor.change(change).ok() == possible);
      REQUIRE(answer_of(before, old, asked) == said_before);
      if (possible) policies = next, ++changes;
      else ++refused;
      REQUIRE(editor.engine().policies() == policies.size());
      if (r.chance(30)) {   // an entity, known or not
        EntityChange edit;
        edit.upsert.push_back(r.chance(50) ? random_user(r, "u" + number(r.below(44))) : random_doc(r, "d" + number(r.below(24))));
        if (r.chance(50)) edit.upsert.back().attrs.insert_or_assign("title", Value(std::string(r.chance(50) ? "x" : "z")));
        if (edit.upsert.back().uid.type == "User") edit.upsert.back().parents = {{"Team", "g" + number(r.below(9))}};
        REQUIRE(editor.change(edit).ok());
        entities = *Entities::build(editor.entities());
      }
      if (!query.fits(editor.engine())) query = Query(editor.engine()), ++anew;
      for (int i = 0; i < 6; ++i) {
        const Request request = i == 0 ? asked : later_request(r);
        const std::string expected = expected_of(policies, request, entities);
        REQUIRE(answer_of(editor.engine(), query, request) == expected);
        if (i == 0 && expected != said_before) ++different;
      }
    }
    // Built anew with what came, it answers the same.
    REQUIRE(editor.replace(entities).ok());
    Query fresh(editor.engine());
    for (int i = 0; i < 40; ++i) {
      const Request request = later_request(r);
      REQUIRE(answer_of(editor.engine(), fresh, request) == expected_of(policies, request, entities));
    }
  }
  CHECK(changes > 700);
  CHECK(refused > 20);
  CHECK(different > 30);
  MESSAGE(changes << " changes, " << refused << " refused, " << different << " seen in one answer, built anew " << anew << " times");
}

TEST_CASE("policies come and go, and do not pile up") {
  Random r(2);
  const std::vector<std::string> atoms = random_atoms(false, false);
  Named first;
  for (std::size_t p = 0; p < 300; ++p) first.emplace_back("p" + number(p), random_policy(r, atoms.size()));
  Editor editor = *Editor::build(read(table_text(first, atoms)), random_entities(r));
  std::size_t anew = 0;
  Query query(editor.engine());
  for (std::size_t i = 0; i < 400; ++i) {
    PolicyChange change;
    change.add = read(table_text({{"n" + number(i), random_policy(r, atoms.size())}}, atoms));
    if (i > 0) change.remove.push_back("n" + number(i - 1));
    REQUIRE(editor.change(change).ok());
    REQUIRE(editor.engine().policies() == 301);
    if (!query.fits(editor.engine())) query = Query(editor.engine()), ++anew;
  }
  CHECK(anew < 10);
  const std::size_t before = anew;
  for (std::size_t i = 0; i < 140; ++i) {
    PolicyChange change;
    change.add = read(table_text({{"m" + number(i), random_policy(r, atoms.size())}}, atoms));
    REQUIRE(editor.change(change).ok());
    if (!query.fits(editor.engine())) query = Query(editor.engine()), ++anew;
  }
  CHECK(editor.engine().policies() == 441);
  CHECK(anew == before + 1);
}

// Of a policy that holds in one of four environments, which the table has in any order.
TEST_CASE("environments are those of the engine, in whatever order added tables have them") {
  const std::vector<std::array<std::string, 3>> kinds = {{"User", "read", "Doc"}, {"User", "write", "Doc"}, {"Team", "read", "Doc"}, {"User", "read", "Team"}};
  Random r(4);
  auto table_of = [&](const std::string& id, std::size_t where, bool shuffled) {
    std::vector<std::size_t> order = {0, 1, 2, 3};
    for (std::size_t i = 3; shuffled && i > 0; --i) std::swap(order[i], order[r.below(i + 1)]);
    std::string environments;
    for (std::size_t kind : order) {
      environments += (environments.empty() ? "" : ",") + std::string(R"({"principal":")") + kinds[kind][0] + R"(","action":{"type":"Action","id":")" + kinds[kind][1] +
                      R"("},"resource":")" + kinds[kind][2] + R"(","atoms":[],"groups":[)" +
                      (kind == where ? R"({"principal":null,"resource":null,"rows":[{"policy":0,"when":[],"then":"true"}],"exprs":[]})" : "") + "]}";
    }
    return read(R"({"format":"kerf-table","version":1,"policies":[{"id":")" + id +
                R"(","effect":"permit","annotations":{},"source":{"file":"","begin":0,"end":0,"line":1,"column":1}}],)"
                R"("actions":[{"uid":{"type":"Action","id":"read"},"parents":[]},{"uid":{"type":"Action","id":"write"},"parents":[]}],"environments":[)" + environments + "]}");
  };
  Editor editor = *Editor::build(table_of("p", 0, false), Entities());
  std::map<std::string, std::size_t> there = {{"p", 0}};
  Query query(editor.engine());
  for (std::size_t i = 0; i < 300; ++i) {
    PolicyChange change;
    const std::size_t where = r.below(4);
    change.add = table_of("n" + number(i), where, r.chance(70));
    there["n" + number(i)] = where;
    if (there.size() > 4) {
      const auto victim = std::next(there.begin(), static_cast<std::ptrdiff_t>(r.below(there.size() - 1)));
      if (victim->first != "n" + number(i)) change.remove.push_back(victim->first), there.erase(victim);
    }
    REQUIRE(editor.change(change).ok());
    if (!query.fits(editor.engine())) query = Query(editor.engine());
    for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
      std::string expected;
      for (const auto& [id, at] : there) expected += at == kind ? " " + id : "";
      CHECK(answer_of(editor.engine(), query, {{kinds[kind][0], "x"}, {"Action", kinds[kind][1]}, {kinds[kind][2], "y"}, {}}) ==
            (expected.empty() ? "deny" : "allow" + expected));
    }
  }
}

TEST_CASE("policies of another schema are refused") {
  Random r(3);
  const std::vector<std::string> atoms = random_atoms(false, false);
  Editor editor = *Editor::build(read(table_text({{"p", random_policy(r, atoms.size())}}, atoms)), random_entities(r));
  auto refuse = [&] {
    for (const char* wrong : {"\"resource\":\"Doc\"", "\"principal\":\"User\"", "\"id\":\"read\""}) {
      std::string text = table_text({{"q", random_policy(r, atoms.size())}}, atoms);
      const std::string with = std::string(wrong).substr(0, std::string(wrong).rfind(':')) + ":\"Other\"";
      for (std::size_t at = 0; (at = text.find(wrong, at)) != std::string::npos; at += with.size()) text.replace(at, std::string(wrong).size(), with);
      PolicyChange change;
      change.add = read(text);
      CHECK(editor.change(change).error().message ==
            "the added policies were compiled with another schema: the table's actions or environments are not the same");
    }
  };
  refuse();
  REQUIRE(editor.change(PolicyChange{{}, read(table_text({{"l", random_policy(r, atoms.size())}}, atoms))}).ok());
  refuse();   // policies that would be put together with those that came before
  PolicyChange change;
  change.remove = {"q"};
  CHECK(editor.change(change).error().message == "there is no policy `q`");
  change = {{"p", "p"}, nullptr};
  CHECK(editor.change(change).error().message == "there is no policy `p`");
  change = {{}, read(table_text({{"p", random_policy(r, atoms.size())}}, atoms))};
  CHECK(editor.change(change).error().message == "there is a policy `p` already");
  CHECK(editor.engine().policies() == 2);
}
