#include <doctest/doctest.h>

#include "ir/expr_json.h"
#include "tests/unit/ir/build.h"

using namespace kerf;
using test::Build;

TEST_CASE("expressions have one JSON form") {
  Build b;
  NodeId p = b.var(Var::principal);
  auto json = [&](NodeId id) { return expr_to_json(b.body, id).dump(); };
  CHECK(json(p) == R"({"Var":"principal"})");
  CHECK(json(b.op(Op::eq, {b.named(Op::get_attr, "x", {p}), b.num(INT64_MIN)})) ==
        R"({"==":[{".":[{"Var":"principal"},"x"]},{"Long":"-9223372036854775808"}]})");
  CHECK(json(b.named(Op::is, "A::B", {p})) == R"({"is":[{"Var":"principal"},"A::B"]})");
  CHECK(json(b.named(Op::has_attr, "x", {p})) == R"({"has":[{"Var":"principal"},"x"]})");
  CHECK(json(b.body.add_like(b.str("s"), Pattern{{"a", ""}}, {})) == R"({"like":[{"String":"s"},{"pieces":["a",""]}]})");
  CHECK(json(b.op(Op::not_, {b.yes()})) == R"({"!":[{"Bool":true}]})");
  CHECK(json(b.op(Op::neg, {b.num(1)})) == R"({"neg":[{"Long":"1"}]})");
  CHECK(json(b.op(Op::if_, {b.yes(), b.no(), b.yes()})) == R"({"if":[{"Bool":true},{"Bool":false},{"Bool":true}]})");
  CHECK(json(b.op(Op::set, {b.num(1)})) == R"({"Set":[{"Long":"1"}]})");
  CHECK(json(b.op(Op::set, {})) == R"({"Set":[]})");
  CHECK(json(b.body.add_record({"b", "a"}, {b.num(1), p}, {})) ==
        R"({"Record":{"a":{"Var":"principal"},"b":{"Long":"1"}}})");
  CHECK(json(b.named(Op::call, "isInRange", {p, b.lit(Value(IpAddr{false, 8, {10}}))})) ==
        R"({"call":["isInRange",{"Var":"principal"},{"ip":"10.0.0.0/8"}]})");
  CHECK(json(b.op(Op::has_tag, {p, b.str("t")})) == R"({"hasTag":[{"Var":"principal"},{"String":"t"}]})");
}

TEST_CASE("a long chain nests little, and keeps its order") {
  Build b;
  NodeId any = b.num(0);
  for (int i = 1; i < 5000; ++i) any = b.op(Op::or_, {any, b.num(i)});
  std::string text = expr_to_json(b.body, any).dump();
  REQUIRE(parse_json(text, 40).ok());
  std::size_t at = 0;
  for (int i = 0; i < 5000; ++i) {
    at = text.find("\"" + std::to_string(i) + "\"", at);
    REQUIRE(at != std::string::npos);
  }
}

TEST_CASE("the deepest body that verify accepts is written and read within the bound") {
  Build b;
  NodeId sum = b.num(0);
  for (std::size_t i = 1; i < kMaxExprDepth; ++i) sum = b.op(Op::add, {sum, b.num(1)});
  CHECK(depth(b.body, sum) == kMaxExprDepth);
  CHECK(parse_json(expr_to_json(b.body, sum).dump(), 2 * kMaxExprDepth).ok());
}

TEST_CASE("literals go to JSON and back") {
  Value set = Value::set({Value(std::int64_t{-1}), Value(true), Value(std::string("x"))});
  for (const Value& value : {Value(true), Value(std::int64_t{INT64_MIN}), Value(std::string("a\"\n")),
                             Value(EntityUid{"A::B", "c"}), set, Value(ValueRecord{{"k", set}}), Value(Decimal{15000}),
                             Value(IpAddr{false, 8, {10}}), Value(Datetime{1}), Value(Duration{INT64_MIN})}) {
    auto back = literal_from_json(literal_to_json(value));
    REQUIRE(back.ok());
    CHECK(*back == value);
  }
  for (const char* bad : {R"({"Long":1})", R"({"Long":"01"})", R"({"Long":""})", R"({"Long":"-"})", R"({"Long":"-0"})",
                          R"({"Long":"9223372036854775808"})", R"({"Bool":"true"})", R"({"Nope":"x"})", R"({"ip":"x"})",
                          R"({"Bool":true,"Long":"1"})", R"([])", R"({"SetValue":{}})", R"({"RecordValue":[]})",
                          R"({"Entity":"x"})", R"({"SetValue":[{"Var":"principal"}]})"}) {
    CAPTURE(bad);
    CHECK(!literal_from_json(*parse_json(bad)).ok());
  }
}

TEST_CASE("a datetime without constructor text is written as the expression that makes it") {
  CHECK(literal_to_json(Value(Datetime{INT64_MAX})).dump() ==
        R"({"call":["offset",{"datetime":"1970-01-01"},{"duration":"106751991167d7h12m55s807ms"}]})");
  CHECK(literal_to_json(Value::set({Value(Datetime{INT64_MAX})})).dump().starts_with(R"({"Set":[{"call":)"));
  CHECK(literal_to_json(Value(ValueRecord{{"a", Value(Datetime{INT64_MAX})}})).dump().starts_with(R"({"Record":{"a":)"));
}
