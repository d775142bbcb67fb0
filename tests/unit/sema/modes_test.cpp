// Permissive validation, levels, and what is checked of links.
#include <doctest/doctest.h>

#include "tests/unit/sema/policy_fixture.h"

using namespace kerf;

namespace {

constexpr const char* kSchema = R"(
entity User in Group { n: Long, s?: String, manager: User };
entity Group { n: Long };
entity Document { owner: User, group: Group, name: String };
action view appliesTo { principal: User, resource: Document };)";

test::Checked check(const std::string& condition, const ValidationOptions& options) {
  test::Checked out = test::lower(kSchema, {"permit(principal, action, resource) when { " + condition + " };"});
  if (!out.diagnostics.has_errors()) typecheck(out.module, out.diagnostics, options);
  return out;
}
bool accepts(const std::string& condition, ValidationMode mode) { return !check(condition, {mode, std::nullopt, false}).diagnostics.has_errors(); }
bool at_level(const std::string& condition, std::size_t level) {
  return !check(condition, {ValidationMode::strict, level, false}).diagnostics.has_errors();
}

}  // namespace

TEST_CASE("permissive: types join where strict refuses") {
  for (const char* condition : {"resource.name == 1", "[] == [1]", "ip(resource.name).isLoopback()", "[resource.owner, resource.group].isEmpty()",
                                "(if resource.name == \"\" then resource.owner else resource.group).n > 1",
                                "(if resource.name == \"\" then resource.owner else resource.group) has s",
                                "(if resource.name == \"\" then {a: 1} else {a: 2, b: 3}).a > 1"}) {
    CAPTURE(condition);
    CHECK(!accepts(condition, ValidationMode::strict));
    CHECK(accepts(condition, ValidationMode::permissive));
  }
}

TEST_CASE("permissive: what has no common type or attribute stays wrong") {
  for (const char* condition : {"(if resource.name == \"\" then 1 else \"a\") == 1", "resource.name + 1 == 2",
                                "(if resource.name == \"\" then resource.owner else resource.group).manager == principal",
                                "(if resource.name == \"\" then {a: 1} else {b: 3}).a > 1", "principal.s == \"a\""}) {
    CAPTURE(condition);
    CHECK(!accepts(condition, ValidationMode::permissive));
  }
}

TEST_CASE("levels: steps from the request's entities") {
  CHECK(at_level("principal == resource.owner", 1));
  CHECK(!at_level("principal == resource.owner", 0));
  CHECK(at_level("principal.manager.n > 1", 2));
  CHECK(!at_level("principal.manager.n > 1", 1));
  CHECK(at_level("principal in Group::\"g\"", 1));
  CHECK(!at_level("principal in Group::\"g\"", 0));
  CHECK(!at_level("User::\"a\".n > 1", 9));
  CHECK(at_level("{m: principal.manager, x: 1}.x > 0", 1));
  CHECK(!at_level("{m: principal.manager}.m.n > 0", 1));
  CHECK(!at_level("(if principal.n > 0 then principal else resource.owner).n > 0", 1));
}
