#include <doctest/doctest.h>

#include "tests/unit/values/corpus.h"

using namespace kerf;

TEST_CASE("JSON is read strictly") {
  auto message = [](std::string_view text) {
    auto json = parse_json(text);
    return json.ok() ? std::string("accepted") : json.error().message;
  };
  CHECK(message("{\"a\": 1,\n \"a\": 2}") == "line 2, column 2: the key \"a\" is repeated");
  CHECK(message("[1.0]").starts_with("line 1, column 2: a number has a fraction"));
  CHECK(message("[1e2]").starts_with("line 1, column 2: a number has a fraction"));
  CHECK(message("[-0]") == "line 1, column 2: `-0` is not an integer");
  CHECK(message("9223372036854775808") == "line 1, column 1: an integer does not fit in 64 bits");
  CHECK(message("-9223372036854775809") == "line 1, column 1: an integer does not fit in 64 bits");
  CHECK(message("[null]").starts_with("line 1, column 2: `null` is not"));
  for (const char* bad : {"", " ", "{", "[", "[1,]", "{\"a\":1,}", "[1 2]", "{\"a\" 1}", "{a:1}", "01", "-", "+1", "tru",
                          "\"a", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\n\"",
                          "1 2", "[1] x", "nan", "'a'", "\"\xff\"", "// c\n1", "[1,,2]"}) {
    CAPTURE(bad);
    CHECK(!parse_json(bad).ok());
  }
  CHECK(parse_json("-9223372036854775808")->get<std::int64_t>() == INT64_MIN);
  CHECK(parse_json(" \"\\u00e9\\ud83d\\ude00\\/\" ")->get<std::string>() == "\xc3\xa9\xf0\x9f\x98\x80/");
  CHECK(parse_json(" { \"b\" : [ true , false ] , \"a\" : { } } ")->dump() == R"({"a":{},"b":[true,false]})");
}

TEST_CASE("nesting is bounded, not by the stack") {
  auto nested = [](int depth) { return std::string(static_cast<std::size_t>(depth), '['); };
  CHECK(parse_json(nested(kMaxJsonDepth) + std::string(kMaxJsonDepth, ']')).ok());
  CHECK(parse_json(nested(kMaxJsonDepth + 1)).error().message ==
        "line 1, column 257: nesting is deeper than 256 levels");
  CHECK(!parse_json(nested(1'000'000)).ok());
}

TEST_CASE("values go to JSON and back") {
  Value value(ValueRecord{
      {"b", Value(true)},
      {"l", Value(std::int64_t{INT64_MIN})},
      {"s", Value(std::string("x\n"))},
      {"e", Value(EntityUid{"A::B", "c\""})},
      {"set", Value::set({Value(std::int64_t{1}), Value(Decimal{-15000}), Value(IpAddr{})})},
      {"dt", Value(Datetime{1234567})},
      {"far", Value(Datetime{INT64_MIN})},
      {"du", Value(Duration{INT64_MIN})},
      {"", Value(ValueRecord{})},
  });
  auto back = value_from_json(value_to_json(value));
  REQUIRE(back.ok());
  CHECK(*back == value);
  auto reread = parse_json(value_to_json(value).dump());
  REQUIRE(reread.ok());
  CHECK(*value_from_json(*reread) == value);
}

// As the official reader has it, found by the differential test.
TEST_CASE("what is not quite an escape is a record") {
  for (const char* record : {R"({"__entity":{"type":"A"}})", R"({"__entity":{"type":"A","id":"b"},"x":1})", R"({"__extn":{"fn":"ip"}})",
                             R"({"__extn":"x"})", R"({"__expr":1})", R"({"__extn":{"fn":"ip","args":"1.2.3.4"}})"}) {
    CAPTURE(std::string(record));
    Result<Value> value = value_from_json(*parse_json(record));
    REQUIRE(value.ok());
    CHECK(value->as_record() != nullptr);
  }
  CHECK(*value_from_json(*parse_json(R"({"__entity":{"type":"A","id":"b","x":1}})")) == Value(EntityUid{"A", "b"}));
  CHECK(*value_from_json(*parse_json(R"({"__extn":{"fn":"isIpv4","arg":{"__extn":{"fn":"ip","arg":"1.2.3.4"}}}})")) == Value(true));
}

TEST_CASE("bad escapes are refused") {
  for (const char* bad : {R"({"__expr":"1"})", R"({"__entity":{"type":"in","id":"b"}})", R"({"__entity":{"type":"A :: B","id":"b"}})",
                          R"({"__extn":{"fn":"ip","arg":"nope"}})", R"({"__extn":{"fn":"isIpv4","arg":"1.2.3.4"}})",
                          R"({"__extn":{"fn":"ip","arg":1}})", R"({"__extn":{"fn":"nope","arg":"x"}})", R"({"__extn":{"fn":"ip","args":[]}})",
                          R"({"__extn":{"fn":"offset","args":[1,2]}})"}) {
    CAPTURE(bad);
    CHECK(!value_from_json(*parse_json(bad)).ok());
  }
  CHECK(!value_from_json(Json(1.5)).ok());
  CHECK(!value_from_json(Json(nullptr)).ok());
  CHECK(!value_from_json(Json(std::uint64_t{1} << 63)).ok());
}

TEST_CASE("entity JSON is read and written") {
  auto parse = [](const char* text) { return entities_from_json(*parse_json(text)); };
  CHECK(parse(R"([{"uid":{"type":"U","id":"a"},"attrs":{"n":1},"parents":[],"foo":1}])").ok());
  CHECK(!parse(R"([{"uid":{"type":"U","id":"a"},"parents":[]}])").ok());
  CHECK(!parse(R"([{"uid":{"type":"U","id":"a"},"attrs":{}}])").ok());
  CHECK(!parse(R"([{"uid":"U::\"a\"","attrs":{},"parents":[]}])").ok());
  CHECK(!parse(R"({"uid":{"type":"U","id":"a"}})").ok());
  auto entities = parse(R"([{"uid":{"type":"U","id":"b"},"attrs":{},"tags":{"t":"v"},"parents":[{"type":"G","id":"g"}]},
                           {"uid":{"__entity":{"type":"U","id":"a"}},"attrs":{"r":{"x":[1]}},"parents":[]}])");
  REQUIRE(entities.ok());
  CHECK(entities_to_json(*entities).dump() ==
        R"([{"attrs":{"r":{"x":[1]}},"parents":[],"uid":{"id":"a","type":"U"}},)"
        R"({"attrs":{},"parents":[{"id":"g","type":"G"}],"tags":{"t":"v"},"uid":{"id":"b","type":"U"}}])");
}
