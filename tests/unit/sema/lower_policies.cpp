#include <doctest/doctest.h>

#include "tests/unit/sema/policy_fixture.h"

using namespace kerf;
using test::Checked;

namespace {

constexpr const char* kSchema = R"(
entity Group;
entity User in [Group] { n: Long, r: { a?: { b?: { c: Long } } }, s: Set<String>, addr: ipaddr };
entity Photo in [Group] { owner: User };
action view, edit in [all] appliesTo { principal: [User], resource: [Photo], context: { ok: Bool } };
action all;
)";

Checked lower_one(const std::string& policy) { return test::lower(kSchema, {policy}); }

NodeId condition_of(const Body& body) { return body.arg(body.arg(body.arg(body.root, 1), 1), 1); }

Checked lower_condition(const std::string& condition) {
  Checked out = lower_one("permit(principal, action, resource) when { " + condition + " };");
  REQUIRE_MESSAGE(out.module.policies.size() == 1, out.codes());
  return out;
}

std::string expr_of(const std::string& condition) {
  Checked out = lower_condition(condition);
  const Body& body = out.module.policies[0].body;
  return print_expr(body, condition_of(body));
}

// The operator below the `!` that the condition becomes.
Op negated(const std::string& condition) {
  Checked out = lower_condition(condition);
  const Body& body = out.module.policies[0].body;
  REQUIRE(body[condition_of(body)].op == Op::not_);
  return body[body.arg(condition_of(body), 0)].op;
}

std::size_t depth(const Body& body) {
  std::vector<std::size_t> depths(body.size(), 1);
  std::size_t deepest = 0;
  for (std::size_t i = 0; i < body.size(); ++i) {
    for (NodeId arg : body.args(NodeId(i))) depths[i] = std::max(depths[i], depths[arg.index] + 1);
    deepest = std::max(deepest, depths[i]);
  }
  return deepest;
}

}  // namespace

TEST_CASE("lower: scopes") {
  Checked out = lower_one(R"(permit(principal is User in Group::"g", action in [Action::"view", Action::"edit"], resource == Photo::"p");)");
  REQUIRE(out.module.policies.size() == 1);
  const Policy& policy = out.module.policies[0];
  CHECK(policy.principal.kind == ScopeConstraint::Kind::in);
  CHECK(policy.principal.uid == EntityUid{"Group", "g"});
  CHECK(policy.principal.type == "User");
  CHECK(policy.resource.kind == ScopeConstraint::Kind::eq);
  CHECK(policy.resource.uid == EntityUid{"Photo", "p"});
  const Body& body = policy.body;
  NodeId root = body.root;
  REQUIRE(body[root].op == Op::and_);
  CHECK(print_expr(body, body.arg(root, 0)) == R"(principal is User && principal in Group::"g")");
  NodeId rest = body.arg(root, 1);
  REQUIRE(body[rest].op == Op::and_);
  CHECK(print_expr(body, body.arg(rest, 0)) == R"(action in [Action::"view", Action::"edit"])");
  CHECK(print_expr(body, body.arg(rest, 1)) == R"(resource == Photo::"p")");
}

TEST_CASE("lower: an open scope is `true`, three times") {
  Checked out = lower_one("forbid(principal, action, resource);");
  REQUIRE(out.module.policies.size() == 1);
  const Policy& policy = out.module.policies[0];
  CHECK(policy.effect == Effect::forbid);
  CHECK(policy.principal.kind == ScopeConstraint::Kind::any);
  CHECK(!policy.principal.type);
  const Body& body = policy.body;
  NodeId rest = body.arg(body.root, 1);
  for (NodeId part : {body.arg(body.root, 0), body.arg(rest, 0), body.arg(rest, 1)}) {
    REQUIRE(body[part].op == Op::literal);
    CHECK(body.literal(part) == Value(true));
  }
}

TEST_CASE("lower: desugarings are Cedar's") {
  CHECK(negated("principal.n > 1") == Op::less_eq);
  CHECK(negated("principal.n >= 1") == Op::less);
  CHECK(negated("principal.n != 1") == Op::eq);
  CHECK(expr_of("principal.r has a") == "principal.r has a");
  CHECK(expr_of("principal.r has a.b.c") ==
        "principal.r has a && principal.r.a has b && principal.r.a.b has c");
  CHECK(expr_of(R"(principal is User in Group::"g")") == R"(principal is User && principal in Group::"g")");
  CHECK(expr_of(R"(principal.s.contains("x") || principal.s.isEmpty())") ==
        R"(principal.s.contains("x") || principal.s.isEmpty())");
  CHECK(expr_of(R"(ip("10.0.0.1").isInRange(principal.addr))") == R"(ip("10.0.0.1").isInRange(principal.addr))");
}

TEST_CASE("lower: record fields are ordered by name, as Cedar evaluates them") {
  CHECK(expr_of("{b: 1, a: 2}.b == 1") == "{a: 2, b: 1}.b == 1");
}

TEST_CASE("lower: conditions") {
  Checked out = lower_one("permit(principal, action, resource) when { context.ok } unless { principal.n == 1 } when { true };");
  REQUIRE(out.module.policies.size() == 1);
  const Body& body = out.module.policies[0].body;
  NodeId conditions = condition_of(body);
  CHECK(print_expr(body, body.arg(conditions, 0)) == "context.ok");
  NodeId rest = body.arg(conditions, 1);
  REQUIRE(body[rest].op == Op::and_);
  CHECK(body[body.arg(rest, 0)].op == Op::not_);
  CHECK(print_expr(body, body.arg(rest, 1)) == "true");
}

TEST_CASE("lower: ids and annotations") {
  Checked out = test::lower(kSchema, {"permit(principal, action, resource); @id(\"mine\") @note permit(principal, action, resource);",
                                      "forbid(principal, action, resource);"});
  REQUIRE(out.module.policies.size() == 3);
  CHECK(out.module.policies[0].id == "policy0");
  CHECK(out.module.policies[1].id == "mine");
  CHECK(out.module.policies[2].id == "policy2");
  using Annotation = std::pair<std::string, std::string>;
  CHECK(out.module.policies[1].annotations == std::vector<Annotation>{{"id", "mine"}, {"note", ""}});
}

TEST_CASE("lower: repeated and empty ids") {
  Checked out = test::lower(kSchema, {"@id(\"a\") permit(principal, action, resource);", "@id(\"a\") forbid(principal, action, resource);"});
  REQUIRE(out.count(Code::K3002) == 1);
  const Diagnostic& d = *out.find(Code::K3002);
  CHECK(out.sources.text(d.span) == "\"a\"");
  REQUIRE(d.related.size() == 1);
  CHECK(d.related[0].span.source != d.span.source);
  CHECK(out.module.policies.size() == 1);

  // A given id can also meet a counted one.
  out = test::lower(kSchema, {"@id(\"policy1\") permit(principal, action, resource); permit(principal, action, resource);"});
  CHECK(out.count(Code::K3002) == 1);

  out = test::lower(kSchema, {"@id(\"\") permit(principal, action, resource);"});
  CHECK(out.count(Code::K3003) == 1);
}

TEST_CASE("lower: templates are kept apart, without what their slots ask") {
  Checked t = test::lower(kSchema, {"@id(\"t\") permit(principal == ?principal, action, resource is Doc in ?resource);"});
  CHECK(t.codes() == "");
  CHECK(t.module.policies.empty());
  REQUIRE(t.module.templates.size() == 1);
  CHECK(t.module.templates[0].id == "t");
  CHECK(t.module.templates[0].principal.kind == ScopeConstraint::Kind::any);
  CHECK(t.module.templates[0].resource.kind == ScopeConstraint::Kind::any);
  CHECK(t.module.templates[0].resource.type == "Doc");
}

TEST_CASE("lower: long chains stay shallow and keep their order") {
  std::string text = "context.ok";
  for (int i = 0; i < 1500; ++i) text += " && principal.n == " + std::to_string(i);
  Checked out = lower_one("permit(principal, action, resource) when { " + text + " };");
  REQUIRE_MESSAGE(out.module.policies.size() == 1, out.codes());
  const Body& body = out.module.policies[0].body;
  CHECK(depth(body) < 100);
  std::int64_t next = 0;
  for (std::size_t i = 0; i < body.size(); ++i) {
    const std::int64_t* n = body[NodeId(i)].op == Op::literal ? body.literal(NodeId(i)).as_long() : nullptr;
    if (n != nullptr) CHECK(*n == next++);
  }
  CHECK(next == 1500);
}

TEST_CASE("lower: many conditions stay shallow") {
  std::string text = "permit(principal, action, resource)";
  for (int i = 0; i < 900; ++i) text += " when { context.ok }";
  Checked out = lower_one(text + ";");
  REQUIRE_MESSAGE(out.module.policies.size() == 1, out.codes());
  CHECK(depth(out.module.policies[0].body) < 100);
}

TEST_CASE("lower: what stays deep is refused") {
  std::string sum = "1";
  for (int i = 0; i < 1500; ++i) sum += " + 1";
  Checked out = lower_one("permit(principal, action, resource) when { " + sum + " == 2 };");
  CHECK(out.count(Code::K8001) == 1);
  CHECK(out.module.policies.empty());
}

TEST_CASE("lower: what doubles at every level is refused, quickly") {
  std::string object = "principal";
  for (int i = 0; i < 40; ++i) object = "(if " + object + ".r has a.b then principal else principal)";
  Checked out = lower_one("permit(principal, action, resource) when { " + object + ".n == 1 };");
  CHECK(out.diagnostics.has_errors());
  CHECK(out.module.policies.empty());
  CHECK(out.count(Code::K8020) == 1);
}
