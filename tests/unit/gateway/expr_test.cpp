// Expressions: strict reading, evaluation with Cedar's order of errors, unobserved parts.
#include "runtime/gateway/expr.h"

#include <doctest/doctest.h>

using namespace kerf;
using namespace kerf::gateway;

namespace {

struct World {
  EntityUid alice{"User", "alice"};
  EntityUid view{"Action", "view"};
  EntityUid doc{"Doc", "d"};
  ValueRecord context{{"n", Value(std::int64_t{7})}, {"flag", Value(true)}};
  Entities entities = *Entities::build({
      {alice, {{"age", Value(std::int64_t{40})}, {"ghost", Value(EntityUid{"User", "ghost"})}}, {{"t", Value(true)}},
       {{"Team", "a"}}},
      {doc, {}, {}, {}},
      {{"Team", "a"}, {}, {}, {{"Team", "all"}}},
  });
  RequestParts parts() const { return {&alice, &view, &doc, &context}; }
};

EvalResult run(const std::string& text, const RequestParts& parts, const Entities& entities) {
  Result<Json> json = parse_json(text);
  REQUIRE(json.ok());
  Result<Expr> expr = Expr::from_json(*json);
  INFO(text);
  if (!expr.ok()) FAIL(expr.error().message);
  return expr->evaluate(parts, entities);
}

std::string show(const EvalResult& result) {
  return result.ok() ? to_text(*result) : "error: " + result.error().message;
}

std::string eval(const std::string& text) {
  World world;
  return show(run(text, world.parts(), world.entities));
}

EvalErrorKind error_kind(const std::string& text) {
  World world;
  EvalResult result = run(text, world.parts(), world.entities);
  REQUIRE(!result.ok());
  return result.error().kind;
}

const char* kTrue = R"({"Bool":true})";
const char* kFalse = R"({"Bool":false})";
const char* kOne = R"({"Long":"1"})";
const char* kGhost = R"({".":[{".":[{"Var":"principal"},"ghost"]},"x"]})";   // errors: no such entity
const char* kOverflow = R"({"+":[{"Long":"9223372036854775807"},{"Long":"1"}]})";

std::string op(const std::string& name, std::vector<std::string> args) {
  std::string text = "{\"" + name + "\":[";
  for (std::size_t i = 0; i < args.size(); ++i) text += (i ? "," : "") + args[i];
  return text + "]}";
}

}  // namespace

TEST_CASE("literals of every type") {
  CHECK(eval(kTrue) == "true");
  CHECK(eval(R"({"Long":"-9223372036854775808"})") == "-9223372036854775808");
  CHECK(eval(R"({"String":"a\"b"})") == quote("a\"b"));
  CHECK(eval(R"({"Entity":{"type":"User","id":"alice"}})") == to_text(EntityUid{"User", "alice"}));
  World world;
  auto value = [&](const char* text) { return *run(text, world.parts(), world.entities); };
  CHECK(value(R"({"ip":"10.0.0.0/8"})").as_ip()->prefix == 8);
  CHECK(value(R"({"decimal":"1.5"})").as_decimal()->ten_thousandths == 15000);
  CHECK(value(R"({"datetime":"1970-01-02"})").as_datetime()->ms == 86400000);
  CHECK(value(R"({"duration":"1h"})").as_duration()->ms == 3600000);
  CHECK(value(R"({"SetValue":[{"Long":"2"},{"Long":"1"},{"Long":"2"}]})").as_set()->size() == 2);
  CHECK(value(R"({"RecordValue":{"k":{"Bool":true},"":{"SetValue":[]}}})").as_record()->size() == 2);
}

TEST_CASE("operators") {
  CHECK(eval(op("==", {kOne, R"({"String":"1"})"})) == "false");
  CHECK(eval(op("<", {kOne, R"({".":[{"Var":"context"},"n"]})"})) == "true");
  CHECK(eval(op("<=", {kOne, kOne})) == "true");
  CHECK(eval(op("*", {R"({"Long":"6"})", R"({"Long":"7"})"})) == "42");
  CHECK(eval(op("-", {kOne, kOne})) == "0");
  CHECK(eval(op("neg", {kOne})) == "-1");
  CHECK(eval(op("!", {kTrue})) == "false");
  CHECK(eval(op("in", {R"({"Var":"principal"})", R"({"Entity":{"type":"Team","id":"all"}})"})) == "true");
  CHECK(eval(R"({"is":[{"Var":"resource"},"Doc"]})") == "true");
  CHECK(eval(R"({"has":[{"Var":"principal"},"age"]})") == "true");
  CHECK(eval(R"({"has":[{"Var":"context"},"nope"]})") == "false");
  CHECK(eval(R"({"hasTag":[{"Var":"principal"},{"String":"t"}]})") == "true");
  CHECK(eval(R"({"getTag":[{"Var":"principal"},{"String":"t"}]})") == "true");
  CHECK(eval(R"({"like":[{"String":"a/b/c"},{"pieces":["a/","c"]}]})") == "true");
  CHECK(eval(R"({"contains":[{"Set":[{"Long":"1"},{"Long":"2"}]},{"Long":"2"}]})") == "true");
  CHECK(eval(R"({"containsAll":[{"Set":[{"Long":"1"}]},{"SetValue":[]}]})") == "true");
  CHECK(eval(R"({"containsAny":[{"Set":[]},{"Set":[]}]})") == "false");
  CHECK(eval(R"({"isEmpty":[{"Set":[]}]})") == "true");
  CHECK(eval(R"({".":[{"Record":{"a":{"Long":"3"},"b":{"Bool":true}}},"a"]})") == "3");
  CHECK(eval(R"({"call":["isInRange",{"call":["ip",{"String":"10.1.2.3"}]},{"ip":"10.0.0.0/8"}]})") == "true");
  CHECK(eval(op("if", {kTrue, kOne, kGhost})) == "1");
  CHECK(eval(op("if", {kFalse, kGhost, kOne})) == "1");
}

TEST_CASE("errors come in Cedar's order") {
  CHECK(eval(op("&&", {kFalse, kOne})) == "false");
  CHECK(eval(op("||", {kTrue, kGhost})) == "true");
  CHECK(error_kind(op("&&", {kTrue, kOne})) == EvalErrorKind::type_error);
  CHECK(error_kind(op("&&", {kOne, kGhost})) == EvalErrorKind::type_error);
  CHECK(error_kind(op("||", {kFalse, kOne})) == EvalErrorKind::type_error);
  CHECK(error_kind(op("if", {kOne, kGhost, kGhost})) == EvalErrorKind::type_error);
  CHECK(error_kind(op("+", {kGhost, kOverflow})) == EvalErrorKind::entity_does_not_exist);
  CHECK(error_kind(op("==", {kOverflow, kGhost})) == EvalErrorKind::integer_overflow);
  // Operands are all evaluated before an operator looks at their types.
  CHECK(error_kind(op("<", {kTrue, kGhost})) == EvalErrorKind::entity_does_not_exist);
  // The fields of a record are evaluated in the order of their names.
  CHECK(error_kind(std::string(R"({"Record":{"b":)") + kGhost + R"(,"a":)" + kOverflow + "}}") ==
        EvalErrorKind::integer_overflow);
  CHECK(error_kind(R"({".":[{"Var":"context"},"nope"]})") == EvalErrorKind::attribute_does_not_exist);
}

TEST_CASE("a part that is not observed is an error only where it is reached") {
  World world;
  RequestParts principal_only{&world.alice, nullptr, nullptr, nullptr};
  const std::string reads_context = R"({".":[{"Var":"context"},"flag"]})";
  EvalResult reached = run(op("&&", {kTrue, reads_context}), principal_only, world.entities);
  REQUIRE(!reached.ok());
  CHECK(reached.error().kind == EvalErrorKind::unobserved);
  CHECK(show(run(op("&&", {kFalse, reads_context}), principal_only, world.entities)) == "false");
  CHECK(show(run(R"({".":[{"Var":"principal"},"age"]})", principal_only, world.entities)) == "40");
}

TEST_CASE("outcomes") {
  CHECK(outcome_of(Value(true)) == Outcome::true_);
  CHECK(outcome_of(Value(false)) == Outcome::false_);
  CHECK(outcome_of(Value(std::int64_t{1})) == Outcome::error);
  CHECK(outcome_of(EvalError{EvalErrorKind::type_error, ""}) == Outcome::error);
}

TEST_CASE("what is not exactly an expression is refused") {
  for (const char* text : {
           R"(1)", R"([])", R"({})", R"({"Bool":1})", R"({"Bool":true,"Long":"1"})", R"({"Long":1})",
           R"({"Long":"9223372036854775808"})", R"({"Long":"01"})", R"({"Long":"-0"})", R"({"Long":"+1"})",
           R"({"Long":""})", R"({"Long":" 1"})", R"({"ip":"10.0.0.256"})", R"({"decimal":"1"})", R"({"String":null})",
           R"({"Entity":{"type":"T"}})", R"({"Entity":{"type":"T","id":"x","more":1}})", R"({"Var":"who"})",
           R"({"Var":1})", R"({"&&":[{"Bool":true}]})", R"({"==":[{"Bool":true},{"Bool":true},{"Bool":true}]})",
           R"({"!":{"Bool":true}})", R"({"if":[{"Bool":true},{"Bool":true}]})", R"({"has":[{"Var":"context"}]})",
           R"({".":[{"Var":"context"},1]})", R"({"is":["T",{"Var":"principal"}]})",
           R"({"like":[{"String":"a"},"a*"]})", R"({"like":[{"String":"a"},{"pieces":[]}]})",
           R"({"like":[{"String":"a"},{"pieces":["a"],"x":1}]})", R"({"like":[{"String":"a"},{"pieces":[1]}]})",
           R"({"call":[]})", R"({"call":["system",{"String":"x"}]})", R"({"call":[{"String":"ip"}]})",
           R"({"Set":{"Long":"1"}})", R"({"Record":[1]})", R"({"SetValue":[{"Var":"principal"}]})",
           R"({"frobnicate":[]})", R"({"literal":[]})", R"({"variable":[]})", R"({"unknown":"x"})"}) {
    INFO(text);
    CHECK_FALSE(Expr::from_json(Json::parse(text)).ok());
  }
}

TEST_CASE("nesting costs neither stack nor quadratic time") {
  // Built by hand: the JSON reader would stop much earlier.
  Json deep = {{"Bool", true}};
  for (int i = 0; i < 20000; ++i) {
    Json outer = Json::object();
    outer["!"] = Json::array();
    outer["!"].push_back(std::move(deep));
    deep = std::move(outer);
  }
  Result<Expr> expr = Expr::from_json(deep);
  REQUIRE(expr.ok());
  World world;
  CHECK(show(expr->evaluate(world.parts(), world.entities)) == "true");
}
