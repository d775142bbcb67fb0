// A trace says what the decision says, and each outcome in it is that of the general evaluator.
#include <doctest/doctest.h>

#include <set>

#include "ir/values/json.h"
#include "runtime/gateway/engine.h"
#include "runtime/gateway/table_state.h"
#include "tests/unit/gateway/random_table.h"

using namespace kerf;
using namespace kerf::gateway;
using namespace kerf::gateway::random;

TEST_CASE("random tables: traces agree with decisions and with the general evaluator") {
  std::size_t atoms = 0, by_outcome[3] = {}, by_result[3] = {};
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Random r(seed);
    const std::string text = random_table(r, seed % 2 == 0 ? 150 : 30, seed % 3 == 0);
    const Entities entities = random_entities(r);
    const Engine engine = engine_of(text, entities);
    const Environment& environment = engine.table().state().environments.front();
    const Entities all = *entities.with(engine.table().actions());
    Query query(engine);
    Answer answer;
    for (int i = 0; i < 15; ++i) {
      const Request request = random_request(r);
      REQUIRE(engine.set(query, request.principal, request.action, request.resource, request.context));
      engine.decide(query, answer);
      const Trace trace = engine.trace(query);
      REQUIRE(trace.environment == 0);
      std::vector<std::uint32_t> permits, forbids, errors;
      Evaluation evaluation({&request.principal, &request.action, &request.resource, &request.context}, all);
      for (const PolicyTrace& policy : trace.policies) {
        const bool forbid = engine.table().policies()[policy.policy].forbid;
        ++by_result[static_cast<std::size_t>(policy.result)];
        if (policy.result == PolicyTrace::Result::satisfied) (forbid ? forbids : permits).push_back(policy.policy);
        if (policy.result == PolicyTrace::Result::error) {
          errors.push_back(policy.policy);
          REQUIRE(policy.atoms.back().outcome == Outcome::error);
        }
        std::set<std::uint32_t> seen;
        for (const PolicyTrace::Atom& atom : policy.atoms) {
          const EvalResult result = environment.atoms[atom.atom].evaluate(evaluation);
          REQUIRE(seen.insert(atom.atom).second);
          REQUIRE(outcome_of(result) == atom.outcome);
          REQUIRE(atom.message.empty() == (atom.outcome != Outcome::error));
          if (!result.ok()) REQUIRE(atom.message == result.error().message);
          ++atoms, ++by_outcome[static_cast<std::size_t>(atom.outcome)];
        }
      }
      REQUIRE(show(answer) == show(forbids.empty() && !permits.empty(), forbids.empty() ? permits : forbids, errors));
      std::string json;
      engine.append_json(json, trace);
      REQUIRE(parse_json(json).ok());
    }
  }
  CHECK(atoms > 10000);
  for (std::size_t n : by_outcome) CHECK(n > 300);
  for (std::size_t n : by_result) CHECK(n > 300);
}

TEST_CASE("a trace as JSON") {
  const char* table = R"({"format":"kerf-table","version":1,"policies":[
    {"id":"a","effect":"permit","annotations":{},"source":{"file":"","begin":0,"end":0,"line":1,"column":1}},
    {"id":"\"b\"","effect":"forbid","annotations":{},"source":{"file":"","begin":0,"end":0,"line":1,"column":1}}],
    "actions":[{"uid":{"type":"Action","id":"read"},"parents":[]}],"environments":[
    {"principal":"User","action":{"type":"Action","id":"read"},"resource":"Doc","atoms":[
      {".":[{"Var":"context"},"x"]},{"has":[{"Var":"context"},"x"]}],"groups":[{"principal":null,"resource":null,"rows":[
      {"policy":0,"when":[[1,"true"],[0,"true"]],"then":"true"},{"policy":1,"when":[[0,"true"]],"then":"true"}],"exprs":[]}]}]})";
  const Engine engine = engine_of(table, {});
  Query query(engine);
  const ValueRecord none;
  REQUIRE(engine.set(query, {"User", "u"}, {"Action", "read"}, {"Doc", "d"}, none));
  std::string json;
  engine.append_json(json, engine.trace(query));
  CHECK(json == R"({"environment":0,"policies":[{"policy":"a","effect":"permit","result":"false","atoms":[{"atom":1,"outcome":"false"}]},)"
                R"({"policy":"\"b\"","effect":"forbid","result":"error","atoms":[{"atom":0,"outcome":"error","message":"record does not have the attribute `x`"}]}]})");
}
