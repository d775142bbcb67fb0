// Values that stand in a kernel event as JSON: each has the type that the model or the schema gives it, at its bounds too.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "ir/passes/materialise.h"
#include "ir/passes/path_tests.h"
#include "tests/unit/passes/fixture.h"

using namespace kerf;
using namespace kerf::test;

namespace {

// The small world, with one fact of each type that a fact can have.
Module module_with_facts() {
  Module module = small_module();
  Types& t = module.schema.types;
  EntityType level = entity_type("Level", t.record({}));
  level.enum_ids = std::vector<std::string>{"low", "high"};
  module.schema.entity_types["Level"] = level;
  Action& connect = module.schema.actions.at({"Action", "connect"});
  std::map<std::string, AttrType> attrs = t[connect.context].attrs;
  auto add = [&](const char* name, TypeId type) {
    attrs[name] = AttrType{type, false};
    connect.bindings[name] = fact(name);
  };
  add("number", t.simple(TypeKind::long_));
  add("truth", t.simple(TypeKind::boolean));
  add("word", t.simple(TypeKind::string));
  add("net", t.simple(TypeKind::ip));
  add("rate", t.simple(TypeKind::decimal));
  add("since", t.simple(TypeKind::datetime));
  add("span", t.simple(TypeKind::duration));
  add("level", t.entity("Level"));
  add("team", t.entity("Team"));
  connect.context = t.record(attrs);
  Action& call = module.schema.actions.at({"Action", "call"});   // governed by nobody: says nothing about facts
  call.context = t.record({{"number", AttrType{t.simple(TypeKind::string), false}}});
  call.bindings["number"] = fact("number");
  return module;
}

bool reads(const Module& module, const std::string& observed, const std::string& facts = "") {
  const std::string text = R"({"event":"net.connect","principal":"Agent::\"a\"","observed":{"endpoint.ip":"10.0.0.1","endpoint.port":1)" +
                           observed + "}" + (facts.empty() ? "" : R"(,"facts":{)" + facts + "}") + "}";
  return event_from_json(module.schema, *parse_json(text)).ok();
}

}  // namespace

TEST_CASE("a fact has its type, and no other") {
  const Module module = module_with_facts();
  const std::pair<const char*, const char*> good[] = {
      {"number", "7"}, {"truth", "true"}, {"word", "\"7\""}, {"net", "\"10.0.0.0/8\""}, {"rate", "\"1.25\""},
      {"since", "\"2024-01-01\""}, {"span", "\"1h\""}, {"level", R"({"__entity":{"type":"Level","id":"low"}})"},
      {"team", R"({"__entity":{"type":"Team","id":"red"}})"}};
  for (const auto& [name, own] : good) {
    for (const auto& [other, value] : good) {
      CAPTURE(name);
      CAPTURE(value);
      const bool fits = std::string(name) == other || (std::string(name) == "word" && value[0] == '"');   // any text is one
      CHECK(reads(module, "", fmt::format("\"{}\":{}", name, value)) == fits);
    }
    CHECK_FALSE(reads(module, "", fmt::format("\"{}\":[]", name)));
    CHECK_FALSE(reads(module, "", fmt::format("\"{}\":{{}}", name)));
  }
  CHECK_FALSE(reads(module, "", R"("level":{"__entity":{"type":"Level","id":"middle"}})"));
  CHECK_FALSE(reads(module, "", R"("none":1)"));
  CHECK_FALSE(reads(module, "", R"("protocol":6)"));   // observed, not published
}

TEST_CASE("facts reach the request") {
  const Module module = module_with_facts();
  auto event = event_from_json(module.schema, *parse_json(
      R"({"event":"net.connect","principal":"Agent::\"a\"","observed":{"endpoint.ip":"10.0.0.1","endpoint.port":1,"process.uid":3,"net.protocol":6},
          "facts":{"rate":"1.25","truth":true}})"));
  REQUIRE(event.ok());
  auto made = materialise(module, *event);
  REQUIRE(made.ok());
  CHECK(made->request.context.at("truth") == Value(true));
  CHECK(to_text(made->request.context.at("rate")) == R"(decimal("1.25"))");
  CHECK_FALSE(made->request.context.contains("since"));
}

TEST_CASE("what is observed is within its bounds") {
  const Module module = small_module();
  for (const char* good : {"", R"(,"process.uid":0)", R"(,"process.uid":4294967295)", R"(,"net.protocol":255)", R"(,"process.pid":1)"}) {
    CAPTURE(good);
    CHECK(reads(module, good));
  }
  for (const char* bad : {R"(,"process.uid":-1)", R"(,"process.uid":4294967296)", R"(,"net.protocol":256)", R"(,"net.protocol":-1)",
                          R"(,"process.uid":"0")", R"(,"process.gid":true)", R"(,"endpoint.host":"a")", R"(,"file.owner":1)"}) {
    CAPTURE(bad);
    CHECK_FALSE(reads(module, bad));
  }
}

TEST_CASE("a set of paths is sorted, without what it says twice") {
  const PathTest set = path_set({"/z", "/a/b/c", "/m", "/a", "/m"}, {"/t/u", "/a/b", "/t", "/a/bc"});
  CHECK(set.files == std::vector<std::string>{"/a", "/m", "/z"});
  CHECK(set.trees == std::vector<std::string>{"/a/b", "/a/bc", "/t"});
  for (const char* in : {"/a", "/m", "/z", "/a/b/c", "/a/b/c/d", "/a/bc/d", "/t/u", "/t/u/v"}) {
    CAPTURE(in);
    CHECK(set.holds(in));
  }
  for (const char* out : {"/", "/b", "/a/b", "/a/c", "/a/bcd", "/tt", "/t", "/m/n", "kerf:memfd"}) {
    CAPTURE(out);
    CHECK_FALSE(set.holds(out));
  }
  CHECK(path_set({"/", "/x"}, {"/"}).holds("/"));
  CHECK(path_set({"/", "/x"}, {"/"}).files == std::vector<std::string>{"/"});
  CHECK_FALSE(path_set({}, {"/"}).holds("/"));
}
