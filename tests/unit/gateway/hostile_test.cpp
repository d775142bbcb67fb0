// Tables that are wrong, by hand and by random mutation: a clear error, never a crash.
#include <doctest/doctest.h>

#include <random>

#include "runtime/gateway/table.h"

using namespace kerf;
using namespace kerf::gateway;

namespace {

const char* kGood = R"({
  "format": "kerf-table", "version": 1,
  "policies": [
    {"id": "a", "effect": "permit", "annotations": {"id": "a"}, "source": {"file": "p", "begin": 0, "end": 9, "line": 1, "column": 1}},
    {"id": "b", "effect": "forbid", "annotations": {}, "source": {"file": "p", "begin": 10, "end": 19, "line": 2, "column": 1}}],
  "actions": [{"uid": {"type": "Action", "id": "read"}, "parents": [{"type": "Action", "id": "g"}]},
              {"uid": {"type": "Action", "id": "g"}, "parents": []}],
  "environments": [
    {"principal": "User", "action": {"type": "Action", "id": "read"}, "resource": "Doc",
     "atoms": [{"like": [{".": [{"Var": "principal"}, "name"]}, {"pieces": ["a", ""]}]},
               {"if": [{"has": [{"Var": "context"}, "n"]}, {"<": [{".": [{"Var": "context"}, "n"]}, {"Long": "3"}]}, {"Bool": false}]}],
     "groups": [
       {"principal": {"in": {"type": "Team", "id": "t"}}, "resource": {"==": {"type": "Doc", "id": "d"}},
        "rows": [{"policy": 0, "when": [[0, "true"], [1, "false"]], "then": "true"}, {"policy": 0, "when": [[0, "error"]], "then": "error"}],
        "exprs": []},
       {"principal": null, "resource": null, "rows": [],
        "exprs": [{"policy": 1, "formula": {"&&": [{"atom": 0}, {"!": [{"||": [{"atom": 1}, {"const": "false"}]}]}]}}]}]}]})";

std::string replaced(std::string from, const std::string& to) {
  std::string text = kGood;
  std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

// Reads it and, if it is a table, asks it: neither may crash.
bool try_table(const std::string& text) {
  Result<Table> table = Table::read(text);
  if (!table.ok()) {
    CHECK(!table.error().message.empty());
    return false;
  }
  static const Entities entities = *Entities::build(
      {{{"User", "u"}, {{"name", Value(std::string("abc"))}}, {}, {{"Team", "t"}}}});
  Request request{{"User", "u"}, {"Action", "read"}, {"Doc", "d"}, {{"n", Value(std::int64_t{2})}}};
  Result<Decision> decision = table->decide(request, entities);
  if (decision.ok()) {
    for (std::uint32_t policy : decision->determining) CHECK(policy < table->policies().size());
  }
  return true;
}

}  // namespace

TEST_CASE("the good table is good") { CHECK(try_table(kGood)); }

TEST_CASE("a wrong table is refused, with the place") {
  struct Case {
    std::string text, message;
  };
  const Case cases[] = {
      {"", "JSON"},
      {"[]", "kerf-table"},
      {"{}", "kerf-table"},
      {replaced("kerf-table", "other"), "kerf-table"},
      {replaced("\"version\": 1", "\"version\": 2"), "version 2"},
      {replaced("\"version\": 1", "\"version\": \"1\""), "version"},
      {replaced("\"version\": 1", "\"version\": 1, \"more\": 0"), "more"},
      {replaced("\"version\": 1", "\"version\": 1, \"version\": 1"), "version"},
      {replaced("\"effect\": \"permit\"", "\"effect\": \"allow\""), "policies[0]: `effect`"},
      {replaced("\"id\": \"b\"", "\"id\": \"a\""), "policies[1]: another policy"},
      {replaced("\"begin\": 10", "\"begin\": -1"), "begin"},
      {replaced("\"begin\": 10", "\"begin\": 4294967296"), "begin"},
      {replaced("\"begin\": 10", "\"begin\": 1.5"), "fraction"},
      {replaced(", \"column\": 1", ""), "column"},
      {replaced("[{\"type\": \"Action\", \"id\": \"g\"}]", "[{\"type\": \"Action\"}]"), "actions[0]"},
      {replaced("\"id\": \"g\"}, \"parents\": []", "\"id\": \"g\"}, \"parents\": [{\"type\": \"Action\", \"id\": \"read\"}]"),
       "actions"},
      {replaced("\"type\": \"Action\", \"id\": \"read\"}, \"resource\"", "\"type\": \"Action\", \"id\": \"x\"}, \"resource\""),
       "environments[0]: the action"},
      {replaced("\"policy\": 0", "\"policy\": 2"), "environments[0]: groups[0]: rows[0]: `policy` is 2"},
      {replaced("\"policy\": 0", "\"policy\": \"0\""), "policy"},
      {replaced("[1, \"false\"]", "[2, \"false\"]"), "`atom` is 2"},
      {replaced("[1, \"false\"]", "[1, \"no\"]"), "outcome"},
      {replaced("[1, \"false\"]", "[1]"), "when[1]"},
      {replaced("[1, \"false\"]", "[1, \"error\"]"), "if and only if"},
      {replaced("[0, \"error\"]", "[0, \"true\"]"), "if and only if"},
      {replaced("[0, \"true\"]", "[0, \"error\"]"), "nothing follows"},
      {replaced("\"then\": \"true\"", "\"then\": \"false\""), "then"},
      {replaced("\"policy\": 1", "\"policy\": 0"), "already"},
      {replaced("{\"atom\": 0}", "{\"atom\": 9}"), "`atom` is 9"},
      {replaced("\"const\": \"false\"", "\"const\": \"error\""), "const"},
      {replaced("{\"!\": [", "{\"not\": ["), "unknown formula"},
      {replaced("\"principal\": null", "\"principal\": {\"is\": {\"type\": \"T\", \"id\": \"t\"}}"), "scope"},
      {replaced("\"principal\": null, \"resource\": null",
                "\"principal\": {\"in\": {\"type\": \"Team\", \"id\": \"t\"}}, \"resource\": {\"==\": {\"type\": \"Doc\", \"id\": \"d\"}}"),
       "groups[1]: another group"},
      {replaced("{\"Bool\": false}", "{\"Bool\": 0}"), "atoms[1]: `Bool`"},
      {replaced("\"has\"", "\"hat\""), "unknown operator"},
  };
  for (const Case& c : cases) {
    Result<Table> table = Table::read(c.text);
    INFO(c.message);
    REQUIRE_FALSE(table.ok());
    INFO(table.error().message);
    CHECK(table.error().message.find(c.message) != std::string::npos);
  }
}

TEST_CASE("two environments for one request are refused") {
  std::string text = kGood;
  const std::size_t begin = text.find("{\"principal\": \"User\"");
  const std::string environment = text.substr(begin, text.size() - 2 - begin);
  text.insert(text.size() - 2, "," + environment);
  Result<Table> table = Table::read(text);
  REQUIRE_FALSE(table.ok());
  CHECK(table.error().message.find("environments[1]: another environment") != std::string::npos);
}

TEST_CASE("huge nesting is refused or read, never a crash") {
  const int depth = 1'000'000;
  auto nested = [](int levels, const std::string& inner) {
    std::string open, close;
    for (int i = 0; i < levels; ++i) open += "{\"!\":[", close += "]}";
    return open + inner + close;
  };
  const std::string formula = "{\"atom\": 0}", atom = "{\"Bool\": false}";
  CHECK_FALSE(try_table(replaced(formula, nested(depth, formula))));
  CHECK_FALSE(try_table(replaced(atom, nested(depth, atom))));
  CHECK(try_table(replaced(formula, nested(kMaxTableDepth / 2 - 10, formula))));
  CHECK(try_table(replaced(atom, nested(kMaxTableDepth / 2 - 10, atom))));
  CHECK_FALSE(try_table(std::string(depth, '[')));
  CHECK_FALSE(try_table(std::string(depth, '[') + std::string(depth, ']')));
}

TEST_CASE("truncations") {
  const std::string text = kGood;
  for (std::size_t length = 0; length < text.size(); ++length) CHECK_FALSE(try_table(text.substr(0, length)));
}

TEST_CASE("random mutations never crash") {
  std::mt19937 random(20261121);
  const std::string alphabet = "{}[]\",:0129-.etfn\\ \x80\xff\n";
  int tables = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text = kGood;
    for (unsigned edits = 1 + random() % 3; edits > 0; --edits) {
      const std::size_t at = random() % text.size();
      switch (random() % 4) {
        case 0: text[at] = alphabet[random() % alphabet.size()]; break;
        case 1: text.erase(at, 1 + random() % 12); break;
        case 2: text.insert(at, text.substr(random() % text.size(), random() % 40)); break;
        case 3: text.insert(at, 1, alphabet[random() % alphabet.size()]); break;
      }
    }
    tables += try_table(text);
  }
  CHECK(tables > 0);   // some mutations keep it a table: strings, numbers
}

TEST_CASE("random trees of JSON values never crash") {
  std::mt19937 random(7);
  const Json good = Json::parse(kGood);
  std::vector<Json::json_pointer> places;
  const Json flat = good.flatten();
  for (const auto& [path, value] : flat.items()) {
    Json::json_pointer pointer(path);
    while (!pointer.empty()) {
      places.push_back(pointer);
      pointer.pop_back();
    }
  }
  for (int round = 0; round < 5000; ++round) {
    Json tree = good;
    const auto& from = places[random() % places.size()];
    const auto& to = places[random() % places.size()];
    tree[to] = random() % 4 == 0 ? Json(random() % 2 ? Json(nullptr) : Json(random())) : good[from];
    try_table(tree.dump());
  }
}
