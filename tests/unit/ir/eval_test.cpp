#include <doctest/doctest.h>

#include "tests/unit/ir/build.h"

using namespace kerf;
using test::Build;

namespace {
const std::string kNope = "record does not have the attribute `nope`";
}

TEST_CASE("&& and || short-circuit and check what they evaluate") {
  Build b;
  CHECK(b.eval(b.op(Op::and_, {b.no(), b.error()})) == "false");
  CHECK(b.eval(b.op(Op::and_, {b.error(), b.no()})) == kNope);
  CHECK(b.eval(b.op(Op::and_, {b.yes(), b.error()})) == kNope);
  CHECK(b.eval(b.op(Op::and_, {b.yes(), b.num(1)})) == "type error: expected bool, got long");
  CHECK(b.eval(b.op(Op::and_, {b.num(1), b.yes()})) == "type error: expected bool, got long");
  CHECK(b.eval(b.op(Op::and_, {b.no(), b.num(1)})) == "false");
  CHECK(b.eval(b.op(Op::and_, {b.yes(), b.yes()})) == "true");
  CHECK(b.eval(b.op(Op::or_, {b.yes(), b.error()})) == "true");
  CHECK(b.eval(b.op(Op::or_, {b.no(), b.num(1)})) == "type error: expected bool, got long");
  CHECK(b.eval(b.op(Op::or_, {b.no(), b.no()})) == "false");
  CHECK(b.eval(b.op(Op::or_, {b.no(), b.yes()})) == "true");
}

TEST_CASE("if evaluates one branch") {
  Build b;
  CHECK(b.eval(b.op(Op::if_, {b.yes(), b.num(1), b.error()})) == "1");
  CHECK(b.eval(b.op(Op::if_, {b.no(), b.error(), b.num(2)})) == "2");
  CHECK(b.eval(b.op(Op::if_, {b.num(0), b.num(1), b.num(2)})) == "type error: expected bool, got long");
  CHECK(b.eval(b.op(Op::add, {b.op(Op::if_, {b.yes(), b.num(1), b.num(5)}), b.num(1)})) == "2");
}

TEST_CASE("the first error from the left is the error") {
  Build b;
  NodeId overflow = b.op(Op::neg, {b.num(INT64_MIN)});
  CHECK(b.eval(b.op(Op::eq, {b.error(), overflow})) == kNope);
  CHECK(b.eval(b.op(Op::eq, {overflow, b.error()})).starts_with("integer overflow"));
  CHECK(b.eval(b.op(Op::set, {b.num(1), b.error()})) == kNope);
  CHECK(b.eval(b.named(Op::has_attr, "a", {b.body.add_record({"a", "b"}, {b.num(1), b.error()}, {})})) == kNope);
  CHECK(b.eval(b.named(Op::call, "isInRange", {b.error(), overflow})) == kNope);
  CHECK(b.eval(b.op(Op::in, {b.num(1), b.error()})) == kNope);
}

TEST_CASE("variables come from the request; without one they are unobserved") {
  Build b;
  Request request{{"U", "a"}, {"Action", "x"}, {"R", "r"}, {{"n", Value(std::int64_t{3})}}};
  auto entities = Entities::build({{{"U", "a"}, {{"s", Value(std::string("v"))}}, {{"t", Value(true)}}, {{"G", "g"}}}});
  REQUIRE(entities.ok());
  EvalContext context{&request, &*entities};
  NodeId principal = b.var(Var::principal);
  CHECK(b.eval(principal, context) == "U::\"a\"");
  CHECK(b.eval(b.var(Var::context), context) == "{\"n\": 3}");
  CHECK(b.eval(b.named(Op::get_attr, "s", {principal}), context) == "\"v\"");
  CHECK(b.eval(b.named(Op::has_attr, "t", {principal}), context) == "false");
  CHECK(b.eval(b.op(Op::has_tag, {principal, b.str("t")}), context) == "true");
  CHECK(b.eval(b.op(Op::get_tag, {principal, b.str("s")}), context) == "`U::\"a\"` does not have the tag `s`");
  CHECK(b.eval(b.op(Op::in, {principal, b.uid("G::\"g\"")}), context) == "true");
  CHECK(b.eval(b.named(Op::is, "U", {principal}), context) == "true");
  CHECK(b.eval(b.op(Op::not_, {principal}), context) == "type error: expected bool, got (entity of type `U`)");
  CHECK(evaluate(b.body, principal, {}).error().kind == EvalErrorKind::unobserved);
  CHECK(b.eval(b.op(Op::and_, {b.no(), principal})) == "false");
  CHECK(b.eval(b.op(Op::in, {b.uid("A::\"a\""), b.uid("A::\"a\"")})) == "true");
}

TEST_CASE("outcomes are true, false or error") {
  Build b;
  CHECK(evaluate_outcome(b.body, b.yes(), {}) == Outcome::true_);
  CHECK(evaluate_outcome(b.body, b.no(), {}) == Outcome::false_);
  CHECK(evaluate_outcome(b.body, b.num(1), {}) == Outcome::error);
  CHECK(evaluate_outcome(b.body, b.error(), {}) == Outcome::error);
  CHECK(to_text(Outcome::error) == "error");
}

TEST_CASE("forbid overrides, erroring policies are skipped and reported") {
  auto policy = [](const char* id, Effect effect, Value condition, bool fails = false) {
    Build b;
    b.body.root = fails ? b.error() : b.lit(std::move(condition));
    return Policy{id, effect, {}, {}, {}, std::move(b.body), {}};
  };
  Module module;
  Request request;
  CHECK(!authorize(module, request, {}).allow);
  module.policies.push_back(policy("p0", Effect::permit, Value(true)));
  module.policies.push_back(policy("p1", Effect::permit, Value(false)));
  module.policies.push_back(policy("p2", Effect::forbid, Value(true), true));
  module.policies.push_back(policy("p3", Effect::permit, Value(true)));
  module.policies.push_back(policy("p4", Effect::forbid, Value(std::int64_t{1})));
  Decision decision = authorize(module, request, {});
  CHECK(decision.allow);
  CHECK(decision.determining == std::vector{PolicyId(0), PolicyId(3)});
  REQUIRE(decision.errors.size() == 2);
  CHECK(decision.errors[0].policy == PolicyId(2));
  CHECK(decision.errors[0].error.message == kNope);
  CHECK(decision.errors[1].error.message == "type error: expected bool, got long");
  module.policies.push_back(policy("p5", Effect::forbid, Value(true)));
  decision = authorize(module, request, {});
  CHECK(!decision.allow);
  CHECK(decision.determining == std::vector{PolicyId(5)});
}

TEST_CASE("chains of any length are evaluated, printed, copied and compared without recursion") {
  for (bool left : {true, false}) {
    Build b;
    constexpr int length = 100'000;
    NodeId root = b.yes();
    for (int i = 0; i < length; ++i) {
      NodeId next = i + 1 == length && !left ? b.error() : b.yes();
      root = left ? b.op(Op::and_, {root, next}) : b.op(Op::and_, {next, root});
    }
    CHECK(b.eval(root) == (left ? "true" : kNope));
    CHECK(chain(b.body, root, Op::and_).size() == length + 1);
    CHECK(depth(b.body, root) == 18 + (left ? 0 : 1));
    CHECK(b.text(root).size() > 4 * length);
    Body other;
    NodeId copied = other.copy(b.body, root);
    CHECK(same_tree(b.body, root, other, copied));
    CHECK(tree_hash(b.body, root) == tree_hash(other, copied));
  }
}
