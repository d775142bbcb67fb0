// Levels, rule by rule: each condition is valid at exactly the given level and those above it. The rules are those of
// RFC 76 and the official validator's own tests; its wasm build does not offer levels, so it cannot be asked.
#include <doctest/doctest.h>

#include "tests/unit/sema/policy_fixture.h"

using namespace kerf;

namespace {

constexpr const char* kSchema = R"(
entity Node in Node { next: Node, flag: Bool, word: String, addr: ipaddr, deep: { next: Node, more: { next: Node } } } tags Node;
entity Doc { owner: Node, deep: { owner: Node } } tags { next: Node };
action read;
action go in [read] appliesTo { principal: Node, resource: Doc, context: { node: Node, deep: { node: Node } } };)";

struct Found {
  std::size_t too_deep, literals;
  std::string at;
};

Found at_level(const std::string& condition, std::size_t level) {
  test::Checked out = test::lower(kSchema, {"permit(principal, action, resource) when { " + condition + " };"});
  REQUIRE_MESSAGE(!out.diagnostics.has_errors(), out.codes());
  typecheck(out.module, out.diagnostics, {ValidationMode::strict, level, false});
  REQUIRE_MESSAGE(out.diagnostics.error_count() == out.count(Code::K3115) + out.count(Code::K3116), out.codes());
  return {out.count(Code::K3115), out.count(Code::K3116), out.at(Code::K3115)};
}

void needs(std::size_t level, const std::string& condition) {
  CAPTURE(condition);
  CHECK(at_level(condition, level).too_deep == 0);
  CHECK(at_level(condition, level + 1).too_deep == 0);
  CHECK(at_level(condition, level).literals == 0);
  if (level > 0) CHECK(at_level(condition, level - 1).too_deep > 0);
}

}  // namespace

TEST_CASE("levels: nothing is read") {
  for (const char* condition : {
           "1 > 0", "principal is Node", "principal == Node::\"a\"", "Node::\"a\" is Node", "context.node is Node",
           "context.deep.node is Node", "context has node", "{a: principal} has a", "{a: principal}.a is Node",
           "{a: {b: principal}}.a.b is Node", "[principal].contains(context.node)", "context.deep.node == principal"}) {
    needs(0, condition);
  }
}

TEST_CASE("levels: attributes, tags and membership are steps") {
  for (const char* condition : {
           "principal.flag", "principal has next", "principal.deep.next is Node", "principal.deep.more.next is Node",
           "principal.hasTag(\"t\")", "principal.hasTag(\"t\") && principal.getTag(\"t\") is Node", "principal in Node::\"a\"",
           "principal in [Node::\"a\", context.node]", "context.node.flag", "context.deep.node.flag", "action in Action::\"read\"",
           "resource.hasTag(\"t\") && resource.getTag(\"t\").next is Node"}) {
    needs(1, condition);
  }
  for (const char* condition : {
           "principal.next.flag", "principal.deep.more.next.flag", "principal.hasTag(\"t\") && principal.getTag(\"t\").flag",
           "context.node.next.flag", "principal.next in Node::\"a\"", "principal.next has flag", "principal.next.hasTag(\"t\")",
           "principal has next.flag", "resource.hasTag(\"t\") && resource.getTag(\"t\").next.flag", "resource.deep.owner.flag"}) {
    needs(2, condition);
  }
  needs(4, "principal.next.deep.next.deep.more.next.flag");
}

TEST_CASE("levels: every operand is looked at") {
  for (const char* condition : {
           "[principal.flag].contains(true)", "[context.node].containsAny([resource.owner])", "principal.addr.isInRange(ip(\"10.0.0.0/8\"))",
           "ip(\"10.0.0.1\").isInRange(principal.addr)", "principal.word like \"*\"", "!principal.flag", "{a: principal.flag} == {a: true}",
           "(if 1 > 0 then 1 else 2) == 1 && principal.flag", "(principal.flag || true) || true", "(principal.flag && false) || 1 > 0"}) {
    needs(1, condition);
  }
  needs(2, "principal in principal.next.next");
  needs(2, "principal.hasTag(principal.next.word)");
  needs(3, "principal.hasTag(\"t\") && (principal.hasTag(principal.next.next.word) || principal.getTag(\"t\").flag)");
  needs(3, "if principal.next.next.flag then principal.flag else principal.next.flag");
  needs(3, "if principal.flag then principal.flag else principal.next.next.flag");
}

TEST_CASE("levels: what short circuits hide is not read") {
  for (const char* condition : {"true || principal.flag", "if true then true else principal.flag", "if false then principal.flag else true"}) {
    needs(0, condition);
  }
  needs(1, "if true then principal.flag else principal.next.flag");
  needs(2, "false || principal.next.flag");
}

TEST_CASE("levels: through records and conditionals") {
  needs(1, "{a: {b: principal}}.a.b.flag");
  needs(2, "{a: {b: principal.next}}.a.b.flag");
  needs(2, "{a: principal.next, b: principal.flag}.a.flag");
  needs(3, "{a: principal, b: principal.next.next.flag}.a.flag");
  needs(2, "{c: {a: {b: principal.next}}.a}.c.b.flag");
  needs(2, "{c: {a: {b: principal}.b.next}.a}.c.flag");
  needs(2, "(if principal.flag then {a: principal.next} else {a: principal}).a.flag");
  needs(3, "(if principal.flag then principal.next.next else principal).flag");
  needs(3, "(if principal.flag then principal else principal.next.next).flag");
  needs(3, "(if principal.next.next.flag then principal else principal.next).flag");
  needs(2, "{a: if principal.flag then principal.next else principal}.a.flag");
  CHECK(at_level("{a: {b: principal.next}}.a.b.flag", 0).at == "{a: {b: principal.next}}.a.b.flag");
}

TEST_CASE("levels: entity literals are no start, but for the environment's action") {
  for (const char* condition : {
           "Node::\"a\".flag", "Node::\"a\" has flag", "Node::\"a\" has next.flag", "Node::\"a\".hasTag(\"t\")", "Node::\"a\" in Node::\"b\"",
           "(if principal.flag then Node::\"a\" else principal).flag", "{a: Node::\"a\", b: Node::\"b\"}.a.flag",
           "{a: {b: Node::\"a\"}}.a.b.flag", "Action::\"read\" in Action::\"go\" || 1 > 0"}) {
    CAPTURE(condition);
    CHECK(at_level(condition, 9).literals == 1);
  }
  CHECK(at_level("(if principal.flag then Node::\"a\" else Node::\"b\").flag", 9).literals == 2);
  needs(1, "Action::\"go\" in action");
}

TEST_CASE("levels: one report for each access, at the outermost") {
  Found found = at_level("principal.next.next.next.flag", 0);
  CHECK(found.too_deep == 1);
  CHECK(found.at == "principal.next.next.next.flag");
  CHECK(at_level("principal.next.flag && context.node.next.flag", 1).too_deep == 2);
}

TEST_CASE("levels: the scope counts too, and only valid policies are looked at") {
  test::Checked out = test::lower(kSchema, {"permit(principal in Node::\"a\", action, resource);\n"
                                            "permit(principal, action, resource) when { principal.next.flag == 1 };"});
  typecheck(out.module, out.diagnostics, {ValidationMode::strict, 0, false});
  CHECK(out.count(Code::K3115) == 1);
  CHECK(out.count(Code::K3106) == 1);
}
