// Requests as text: whatever the scanner takes, it takes as the strict reader of trees does. The vectors' answers are the
// official engine's; texts that are wrong, or nearly right, are made by damaging them.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "runtime/gateway/engine.h"
#include "tests/unit/gateway/allocations.h"

using namespace kerf;
using namespace kerf::gateway;

namespace {

struct Vectors {
  std::string name;
  Entities entities;
  std::shared_ptr<const Engine> engine;
  Json cases;
};

const std::vector<Vectors>& all_vectors() {
  static const std::vector<Vectors> loaded = [] {
    std::vector<Vectors> list;
    for (const auto& entry : std::filesystem::directory_iterator(KERF_SOURCE_DIR "/tests/vectors")) {
      if (entry.path().filename() == "refused.json") continue;
      std::stringstream text;
      text << std::ifstream(entry.path()).rdbuf();
      const Json file = *parse_json(text.str(), kMaxTableDepth, JsonNull::accept);
      Entities entities = *Entities::build(*entities_from_json(file["entities"]));
      auto table = std::make_shared<const Table>(*Table::read(file["table"].dump()));
      auto engine = std::make_shared<const Engine>(*Engine::build(table, entities));
      list.push_back({entry.path().filename(), entities, engine, file["cases"]});
    }
    return list;
  }();
  return loaded;
}

// What a caller of the engine sees: the fault, or the decision line.
std::string by_text(const Engine& engine, Query& query, std::string_view text, std::size_t readable) {
  Result<Unit, RequestFault> set = engine.set(query, text, readable);
  if (!set.ok()) return std::to_string(static_cast<int>(set.error().kind)) + " " + set.error().message;
  Answer answer;
  engine.decide(query, answer);
  CHECK(engine.allows(query) == answer.allow);
  std::string line;
  engine.append_json(line, query, answer);
  return line;
}

// The same whether the text is copied, or something that would go on with it lies behind it.
std::string by_text(const Engine& engine, Query& query, const std::string& text) {
  std::string padded = text;
  for (std::size_t i = 0; i < Engine::kPadding; ++i) padded += "}\"],1"[i % 5];
  const std::string line = by_text(engine, query, std::string_view(padded).substr(0, text.size()), padded.size());
  CHECK(line == by_text(engine, query, text, text.size()));
  return line;
}

std::string by_tree(const Vectors& vectors, const std::string& text) {
  Result<Request, RequestFault> request = read_request(text);
  if (!request.ok()) return std::to_string(static_cast<int>(request.error().kind)) + " " + request.error().message;
  Result<Decision> decision = vectors.engine->table().decide(*request, vectors.entities);
  if (!decision.ok()) return std::to_string(static_cast<int>(RequestFault::Kind::no_environment)) + " " + decision.error().message;
  Json determining = Json::array(), errors = Json::array();
  for (std::uint32_t p : decision->determining) determining.push_back(vectors.engine->table().policies()[p].id);
  for (const auto& e : decision->errors) {
    errors.push_back({{"policy", vectors.engine->table().policies()[e.policy].id}, {"message", e.error.message}});
  }
  return Json{{"decision", decision->allow ? "allow" : "deny"}, {"determining", determining}, {"errors", errors}}.dump();
}

bool same(const std::string& line, const std::string& expected) {
  if (line.empty() || line[0] != '{') return line == expected;
  return expected[0] == '{' && *parse_json(line) == *parse_json(expected);
}

// As most write it, which the scanner takes in larger steps: no spaces, and members in this order.
std::string usual_text(const Json& json) {
  if (json.is_array()) {
    std::string text;
    for (const Json& element : json) text += (text.empty() ? "" : ",") + usual_text(element);
    return "[" + text + "]";
  }
  if (!json.is_object()) return json.dump();
  std::string text;
  auto member = [&](const std::string& key) {
    if (json.contains(key)) text += (text.empty() ? "" : ",") + Json(key).dump() + ":" + usual_text(json[key]);
  };
  const std::vector<std::string> first = {"principal", "action", "resource", "context", "type", "id", "fn", "arg"};
  for (const std::string& key : first) member(key);
  for (const auto& [key, value] : json.items()) {
    if (std::find(first.begin(), first.end(), key) == first.end()) member(key);
  }
  return "{" + text + "}";
}

// Pieces that a reader may stumble over.
const std::vector<std::string> kPieces = {
    "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u0041", "\\ud800", "\\udc00", "\\ud83d\\ude00", "\\n", "\\x", "null", "true",
    "false", "-", "0", "01", "1.0", "1e3", "-0", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
    "-9223372036854775809", "18446744073709551616", " ", "\t", "\n", "\f", "\x1a", "\x01", std::string(1, '\0'), "\x7f", "\x80", "\xff",
    "\xc3\xa9", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xef\xbb\xbf", "\xe2\x80\xa8", "\"a\":1", "\"a\":1,", ",\"x\":1", "\"context\":{}",
    "{\"__entity\":{\"type\":\"U\",\"id\":\"a\"}}", "{\"__entity\":{\"type\":\"U\",\"id\":\"nobody\"}}", "{\"__entity\":{\"type\":\"No Type\",\"id\":\"a\"}}",
    "{\"__extn\":{\"fn\":\"ip\",\"arg\":\"10.0.0.1\"}}", "{\"__extn\":{\"fn\":\"ip\",\"arg\":\"10.0.0\"}}", "{\"__extn\":{\"fn\":\"decimal\",\"arg\":\"1.5\"}}",
    "{\"__extn\":{\"fn\":\"duration\",\"args\":[\"1h\"]}}", "{\"__expr\":\"1\"}", "\"__entity\":{\"type\":\"U\",\"id\":\"a\"},", "[1,\"a\",[]]", "{\"a\":{\"b\":[]}}",
    "//", "/**/", "'", "NaN", "tru", "\"a\"\"b\"", "{,}", "[,]", "[1,]"};

std::string damaged(std::string text, std::mt19937& random) {
  auto below = [&](std::size_t limit) { return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random); };
  for (std::size_t times = 1 + below(8) / 7; times > 0; --times) {
    const std::size_t at = below(text.size() + 1), length = below(8);
    switch (below(8)) {
      case 0: text.insert(at, kPieces[below(kPieces.size())]); break;
      case 1: text.erase(at, length); break;
      case 2: text.replace(at, std::min<std::size_t>(length, 3), kPieces[below(kPieces.size())]); break;
      case 3: text.resize(at); break;
      default: {   // at a value's place, so that many results are still JSON
        const std::size_t colon = text.find(':', at);
        if (colon == std::string::npos) break;
        const std::size_t end = text.find_first_of(",}]", colon);
        text.replace(colon + 1, end == std::string::npos ? 0 : end - colon - 1, kPieces[below(kPieces.size())]);
      }
    }
    if (text.empty()) text = "{}";
  }
  return text;
}

void check_text(const Vectors& vectors, Query& query, const std::string& text) {
  const std::string line = by_text(*vectors.engine, query, text), expected = by_tree(vectors, text);
  if (!same(line, expected)) FAIL_CHECK(vectors.name << "\n" << text << "\n  " << line << "\n  " << expected);
}

}  // namespace

TEST_CASE("the vectors as text have the official answers") {
  std::size_t cases = 0;
  for (const Vectors& vectors : all_vectors()) {
    Query query(*vectors.engine);
    for (const Json& vector : vectors.cases) {
      const std::string text = vector["request"].dump();
      const Json line = *parse_json(by_text(*vectors.engine, query, text));
      INFO(vectors.name << " " << text << " " << line.dump());
      CHECK(line["decision"] == vector["response"]["decision"]);
      CHECK(line["determining"].size() == vector["response"]["determining"].size());
      CHECK(line["errors"].size() == vector["response"]["errors"].size());
      check_text(vectors, query, text);
      check_text(vectors, query, usual_text(vector["request"]));
      ++cases;
    }
  }
  CHECK(cases >= 200);
}

TEST_CASE("a text ends where it ends, although it goes on behind") {
  for (const Vectors& vectors : all_vectors()) {
    Query query(*vectors.engine);
    for (const Json& vector : vectors.cases) {
      for (std::string text : {usual_text(vector["request"]), vector["request"].dump()}) {
        const std::size_t size = text.size();
        text.resize(size + Engine::kPadding, '}');
        std::size_t taken = 0;
        for (std::size_t end = 1; end < size; ++end) {
          taken += vectors.engine->set(query, std::string_view(text).substr(0, end), end + Engine::kPadding).ok() ? 1 : 0;
        }
        CHECK(taken == 0);
        check_text(vectors, query, text.substr(0, size));
      }
    }
  }
}

TEST_CASE("which of many resources are allowed") {
  std::size_t allowed = 0, asked = 0;
  for (const Vectors& vectors : all_vectors()) {
    std::vector<EntityUid> resources{{"No", "type"}};
    for (const Json& vector : vectors.cases) {
      for (const char* key : {"resource", "principal"}) resources.push_back(*uid_from_json(vector["request"][key]));
    }
    Query query(*vectors.engine), single(*vectors.engine);
    for (const Json& vector : vectors.cases) {
      const Request request = *read_request(vector["request"].dump());
      std::vector<std::uint32_t> expected;
      for (std::uint32_t i = 0; i < resources.size(); ++i) {
        if (!vectors.engine->set(single, request.principal, request.action, resources[i], request.context)) continue;
        if (vectors.engine->allows(single)) expected.push_back(i);
      }
      CHECK(vectors.engine->allowed(query, request.principal, request.action, resources, request.context) == expected);
      allowed += expected.size();
      asked += resources.size();
    }
  }
  CHECK(allowed > 500);
  CHECK(asked > allowed * 2);
}

TEST_CASE("resources that are not stored are told apart, although the context names one of them") {
  const char* text = R"({"format":"kerf-table","version":1,
    "policies":[{"id":"p","effect":"permit","annotations":{},"source":{"file":"p.cedar","begin":0,"end":68,"line":1,"column":1}}],
    "actions":[{"uid":{"id":"a","type":"Action"},"parents":[]}],
    "environments":[{"principal":"U","action":{"id":"a","type":"Action"},"resource":"D",
      "atoms":[{"==":[{".":[{"Var":"context"},"e"]},{"Var":"resource"}]}],
      "groups":[{"principal":null,"resource":null,"rows":[{"policy":0,"when":[[0,"true"]],"then":"true"}],"exprs":[]}]}]})";
  const Engine engine = *Engine::build(std::make_shared<const Table>(*Table::read(text)), Entities());
  Query query(engine);
  const std::vector<EntityUid> resources{{"D", "x"}, {"D", "one"}, {"D", "two"}, {"D", "one"}};
  const ValueRecord context{{"e", Value(EntityUid{"D", "one"})}};
  CHECK(engine.allowed(query, {"U", "u"}, {"Action", "a"}, resources, context) == std::vector<std::uint32_t>{1, 3});
  for (const EntityUid& resource : resources) {
    const std::string line = R"({"principal":{"type":"U","id":"u"},"action":{"type":"Action","id":"a"},"resource":{"type":"D","id":")" +
                             resource.id + R"("},"context":{"e":{"__entity":{"type":"D","id":"one"}}}})";
    REQUIRE(engine.set(query, line, line.size()).ok());
    CHECK(engine.allows(query) == (resource.id == "one"));
  }
}

TEST_CASE("damaged texts are taken or refused as the strict reader does") {
  std::mt19937 random(20260101);
  std::size_t taken = 0, refused = 0;
  for (const Vectors& vectors : all_vectors()) {
    Query query(*vectors.engine);
    for (const Json& vector : vectors.cases) {
      const std::string texts[] = {vector["request"].dump(), usual_text(vector["request"])};
      for (int i = 0; i < 300; ++i) {
        const std::string wrong = damaged(texts[i % 2], random);
        check_text(vectors, query, wrong);
        ++(by_text(*vectors.engine, query, wrong)[0] == '{' ? taken : refused);
      }
    }
  }
  CHECK(taken > 1000);
  CHECK(refused > 5000);
}

TEST_CASE("keys of a context may come in any order, and change it") {
  const char* text = R"({"format":"kerf-table","version":1,
    "policies":[{"id":"p","effect":"permit","annotations":{},"source":{"file":"p.cedar","begin":0,"end":68,"line":1,"column":1}}],
    "actions":[{"uid":{"id":"a","type":"Action"},"parents":[]}],
    "environments":[{"principal":"U","action":{"id":"a","type":"Action"},"resource":"D",
      "atoms":[{"==":[{".":[{"Var":"context"},"x"]},{"Long":"1"}]},{"==":[{".":[{"Var":"context"},"xy"]},{"Long":"1"}]},
               {"==":[{".":[{"Var":"context"},"x\"y"]},{"Long":"1"}]},{"==":[{".":[{"Var":"context"},"a name of more bytes than the padding behind a text has, or than are kept"]},{"Long":"1"}]}],
      "groups":[{"principal":null,"resource":null,"rows":[{"policy":0,"when":[[0,"true"],[1,"true"],[2,"true"],[3,"true"]],"then":"true"}],"exprs":[]}]}]})";
  Result<Table> table = Table::read(text);
  INFO((table.ok() ? "" : table.error().message));
  REQUIRE(table.ok());
  const Vectors vectors{"orders", Entities(), std::make_shared<const Engine>(*Engine::build(std::make_shared<const Table>(*std::move(table)), Entities())), {}};
  Query query(*vectors.engine);
  std::vector<std::string> keys = {"x", "xy", "x\\\"y", "a name of more bytes than the padding behind a text has, or than are kept", "z"};
  std::mt19937 random(7);
  std::size_t allowed = 0;
  for (int i = 0; i < 3000; ++i) {
    if (i % 3 == 0) std::shuffle(keys.begin(), keys.end(), random);
    std::string members;
    for (const std::string& key : keys) members += (members.empty() ? "\"" : ",\"") + key + "\":" + (random() % 8 == 0 ? "2" : "1");
    if (random() % 8 == 0) members += ",\"" + keys[random() % keys.size()] + "\":1";   // twice
    if (random() % 4 == 0) members.erase(random() % members.size(), 1);
    const std::string line = R"({"principal":{"type":"U","id":"u"},"action":{"type":"Action","id":"a"},"resource":{"type":"D","id":"d"},"context":{)" + members + "}}";
    check_text(vectors, query, line);
    allowed += by_text(*vectors.engine, query, line).starts_with(R"({"decision":"allow")") ? 1 : 0;
  }
  CHECK(allowed > 500);
}

TEST_CASE("ids in an answer are quoted, whatever they hold") {
  const Request request{{"U", "u"}, {"Action", "a"}, {"D", "d"}, {}};
  for (std::size_t length = 0; length < 20; ++length) {
    for (const char* part : {"", "\"", "\\", "\n", "\x01", "\x1f", "\x7f", "\xc3\xa9", " ", "!"}) {
      for (std::size_t at = 0; at <= length; ++at) {
        const std::string ids[] = {"first", std::string(length, 'x').insert(at, part), "the last"};
        Json policies = Json::array(), rows = Json::array();
        for (const std::string& id : ids) {
          rows.push_back({{"policy", policies.size()}, {"when", Json::array()}, {"then", "true"}});
          policies.push_back({{"id", id}, {"effect", "permit"}, {"annotations", Json::object()}, {"source", {{"file", "p"}, {"begin", 0}, {"end", 1}, {"line", 1}, {"column", 1}}}});
        }
        const Json action = {{"type", "Action"}, {"id", "a"}};
        const Json group = {{"principal", nullptr}, {"resource", nullptr}, {"rows", rows}, {"exprs", Json::array()}};
        const Json table = {{"format", "kerf-table"}, {"version", 1}, {"policies", policies}, {"actions", {{{"uid", action}, {"parents", Json::array()}}}},
                            {"environments", {{{"principal", "U"}, {"action", action}, {"resource", "D"}, {"atoms", Json::array()}, {"groups", {group}}}}}};
        Result<Table> read = Table::read(table.dump());
        INFO((read.ok() ? "" : read.error().message));
        REQUIRE(read.ok());
        const Engine engine = *Engine::build(std::make_shared<const Table>(*std::move(read)), Entities());
        Query query(engine);
        REQUIRE(engine.set(query, request.principal, request.action, request.resource, request.context));
        Answer answer;
        engine.decide(query, answer);
        std::string line = "before ";
        engine.append_json(line, query, answer);
        REQUIRE(line.starts_with("before {"));
        const Json expected = {{"decision", "allow"}, {"determining", ids}, {"errors", Json::array()}};
        Result<Json> json = parse_json(line.substr(7));
        REQUIRE(json.ok());
        CHECK(*json == expected);
      }
    }
  }
}

// Blocks of 64 bytes meet strings, escapes and what is wrong at each of their bytes.
TEST_CASE("a text is read the same wherever its parts lie") {
  const Vectors& vectors = *std::find_if(all_vectors().begin(), all_vectors().end(), [](const Vectors& v) { return v.name == "errors.json"; });
  Query query(*vectors.engine);
  const Json request = vectors.cases[0]["request"];
  std::size_t taken = 0;
  for (const char* part : {"a", "\\\"", "\\\\", "\\\\\\\"", "\\n", "\\u0041", "\\x", "\x01", "\n", "\xc3\xa9", "\xc3", "\x7f", "\"", "\\"}) {
    for (std::size_t before = 0; before < 130; ++before) {
      for (const char* after : {"", "bc", "\\\""}) {
        const std::string text = std::string(before % 66, ' ') + R"({"context":{"more":")" + std::string(before, 'x') + part + after + "\"," + request["context"].dump().substr(1) +
                                 ",\"principal\":" + request["principal"].dump() + ",\"action\":" + request["action"].dump() + ",\"resource\":" + request["resource"].dump() + "}";
        check_text(vectors, query, text);
        taken += by_text(*vectors.engine, query, text)[0] == '{' ? 1 : 0;
      }
    }
  }
  CHECK(taken > 2000);
}

TEST_CASE("what is wrong is said") {
  const Vectors& vectors = all_vectors().front();
  Query query(*vectors.engine);
  const std::string uid = R"({"type":"U","id":"a"})";
  auto fault = [&](const std::string& text) { return by_text(*vectors.engine, query, text); };
  CHECK(fault("") == "0 line 1, column 1: expected a JSON value, found the end of the text");
  CHECK(fault("[]").starts_with("1 a request is an object"));
  CHECK(fault("{\"principal\":" + uid + "}") == "1 the request has no `action`");
  CHECK(fault("{\"principal\":" + uid + ",\"action\":" + uid + ",\"resource\":" + uid + ",\"contest\":{}}") == "1 unknown key \"contest\" in the request");
  CHECK(fault("{\"principal\":" + uid + ",\"action\":" + uid + ",\"resource\":" + uid + ",\"context\":[]}") == "1 `context` is not a record");
  CHECK(fault("{\"principal\":" + uid + ",\"action\":" + uid + ",\"resource\":" + uid + "}").starts_with("2 the request is not valid under the schema"));
  std::string deep = "{\"principal\":" + uid + ",\"action\":" + uid + ",\"resource\":" + uid + ",\"context\":{\"a\":";
  CHECK(fault(deep + std::string(300, '[') + std::string(300, ']') + "}}").starts_with("0 "));
  for (int depth : {1, 6, 7, 8, 9, 10, 11, 200}) {
    check_text(vectors, query, deep + std::string(depth, '[') + std::string(depth, ']') + "}}");
  }
}

TEST_CASE("a request in the common forms allocates nothing") {
  std::size_t free_of_it = 0, cases = 0, failed = 0;
  for (const Vectors& vectors : all_vectors()) {
    Query query(*vectors.engine);
    for (const Json& vector : vectors.cases) {
      std::string text = cases % 2 == 0 ? usual_text(vector["request"]) : vector["request"].dump();
      if (text.find("__extn") != std::string::npos) continue;   // their texts are parsed with allocations
      const std::size_t size = text.size();
      text.resize(size + Engine::kPadding, ' ');
      auto set = [&] { failed += vectors.engine->set(query, std::string_view(text).substr(0, size), text.size()).ok() ? 0 : 1; };
      set();
      free_of_it += allocations_in(set) == 0 ? 1 : 0;
      ++cases;
    }
  }
  INFO(free_of_it << " of " << cases);
  CHECK(failed == 0);
  CHECK(free_of_it * 10 >= cases * 9);   // the others have escapes in sets, or uids of unknown types
}

TEST_CASE("a request for many resources") {
  const Result<ManyRequest, RequestFault> read = read_many_request(
      R"({"principal":"U::\"a\"","action":{"type":"A","id":"r"},"resources":["D::\"1\"",{"type":"D","id":"2"}],"context":{"x":1}})");
  REQUIRE(read.ok());
  CHECK(read->request.principal == EntityUid{"U", "a"});
  CHECK(read->resources == std::vector<EntityUid>{{"D", "1"}, {"D", "2"}});
  CHECK(read->request.context.size() == 1);
  auto message = [](const char* text) { return read_many_request(text).error().message; };
  CHECK(message(R"({"principal":"U::\"a\"","action":"A::\"r\""})") == "the request has no `resources`");
  CHECK(message(R"({"principal":"U::\"a\"","action":"A::\"r\"","resources":{}})") == "`resources` is no array");
  CHECK(message(R"({"principal":"U::\"a\"","action":"A::\"r\"","resources":[],"resource":"D::\"1\""})") == "unknown key \"resource\" in the request");
  CHECK(message(R"({"principal":"U::\"a\"","action":"A::\"r\"","resources":["D::\"1\"","x"]})").starts_with("`resources`[1]: "));
  CHECK(read_request(R"({"principal":"U::\"a\"","action":"A::\"r\"","resources":[]})").error().message == "the request has no `resource`");
}
