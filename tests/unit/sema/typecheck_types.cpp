#include <doctest/doctest.h>

#include <chrono>
#include <iostream>

#include "tests/unit/sema/policy_fixture.h"

using namespace kerf;
using test::Checked;

namespace {

constexpr const char* kSchema = R"(
entity Group;
entity User in [Group] { age: Long, nick?: String };
entity Photo in [Group] { size: Long };
action view, edit appliesTo { principal: [User], resource: [Photo, Group], context: { level: Long } };
)";

struct Typed {
  Checked checked;
  Types types;
  TypedPolicy policy;

  std::string type_of(NodeId id) const { return types.text(policy.types[id.index]); }
  TypeKind kind_of(NodeId id) const { return types[policy.types[id.index]].kind; }
  NodeId condition() const {
    const Body& body = checked.module.policies[0].body;
    return body.arg(body.arg(body.arg(body.root, 1), 1), 1);
  }
};

Typed type_one(const std::string& text, const RequestEnv& env) {
  Typed out{test::check(kSchema, text), {}, {}};
  REQUIRE_MESSAGE(!out.checked.diagnostics.has_errors(), out.checked.codes());
  const std::vector<RequestEnv>& environments = out.checked.module.environments;
  auto at = std::find(environments.begin(), environments.end(), env);
  REQUIRE(at != environments.end());
  out.types = out.checked.module.schema.types;
  out.policy = type_policy(out.checked.module, PolicyId(0), static_cast<std::size_t>(at - environments.begin()), out.types);
  return out;
}

const RequestEnv kView{"User", {"Action", "view"}, "Photo"};
const RequestEnv kViewGroup{"User", {"Action", "view"}, "Group"};

}  // namespace

TEST_CASE("types: one per node, never where a short circuit hides it") {
  std::string text = "permit(principal, action, resource) when { resource is Photo && resource.size == 1 };";
  Typed photo = type_one(text, kView);
  const Body& body = photo.checked.module.policies[0].body;
  NodeId condition = photo.condition();
  CHECK(photo.kind_of(body.arg(condition, 0)) == TypeKind::true_);
  CHECK(photo.kind_of(body.arg(condition, 1)) == TypeKind::boolean);
  CHECK(photo.kind_of(condition) == TypeKind::boolean);
  CHECK(photo.kind_of(body.root) == TypeKind::boolean);

  Typed group = type_one(text, kViewGroup);
  CHECK(group.kind_of(body.arg(condition, 0)) == TypeKind::false_);
  CHECK(group.kind_of(body.arg(condition, 1)) == TypeKind::never);
  CHECK(group.kind_of(body.root) == TypeKind::false_);
}

TEST_CASE("types: of expressions that the schema does not have") {
  Typed typed = type_one("permit(principal, action, resource) when { [1, 2].contains({a: 3}.a) };", kView);
  const Body& body = typed.checked.module.policies[0].body;
  NodeId contains = typed.condition();
  CHECK(typed.type_of(body.arg(contains, 0)) == "Set<Long>");
  NodeId record = body.arg(body.arg(contains, 1), 0);
  CHECK(typed.kind_of(record) == TypeKind::record);
  CHECK(typed.types[typed.policy.types[record.index]].attrs.at("a").required);
}

TEST_CASE("types: tests of attributes") {
  Typed typed = type_one("permit(principal, action, resource) when { principal has nick && principal has nick && principal.nick == \"a\" };", kView);
  const Body& body = typed.checked.module.policies[0].body;
  NodeId inner = body.arg(typed.condition(), 0);
  CHECK(typed.kind_of(body.arg(inner, 0)) == TypeKind::boolean);
  CHECK(typed.kind_of(body.arg(inner, 1)) == TypeKind::true_);   // known by then
}

// Many policies, many environments: time grows with what can apply.
TEST_CASE("types: ten thousand policies") {
  std::string schema = "entity Group; entity User in [Group] { age: Long, nick?: String };\n";
  for (int i = 0; i < 10; ++i) schema += "entity R" + std::to_string(i) + " in [Group] { size: Long };\n";
  schema += "action a, b appliesTo { principal: [User], resource: [R0, R1, R2, R3, R4, R5, R6, R7, R8, R9] };\n";
  std::string policies;
  for (int i = 0; i < 10000; ++i) {
    std::string n = std::to_string(i);
    policies += "permit(principal == User::\"u" + n + "\", action == Action::\"a\", resource is R" + std::to_string(i % 10) +
                ") when { resource.size < " + n + " && principal has nick && principal.nick like \"a*" + n +
                "\" } unless { principal in Group::\"g" + n + "\" };\n";
  }
  Checked out = test::lower(schema, {policies});
  REQUIRE(out.module.policies.size() == 10000);
  auto start = std::chrono::steady_clock::now();
  typecheck(out.module, out.diagnostics);
  auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count();
  CHECK(out.diagnostics.all().empty());
  std::cout << "10,000 policies in " << out.module.environments.size() << " environments typed in " << ms << " ms\n";
  CHECK(ms < 10000);
}
