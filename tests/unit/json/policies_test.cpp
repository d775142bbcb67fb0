// Policies in JSON: what text gives comes back as itself, templates and links, and the bounds.
#include <doctest/doctest.h>

#include "frontend/json/policies.h"
#include "frontend/parse/parse.h"
#include "frontend/sema/policies.h"

using namespace kerf;

namespace {

struct Text {
  Sources sources;
  Diagnostics diagnostics;
  ast::PolicyFile file;
  explicit Text(std::string text, bool json = false) {
    SourceId source = sources.add("input", std::move(text));
    file = json ? read_policies_json(sources, source, diagnostics) : parse_policies(sources, source, diagnostics);
  }
  bool has(Code code) const {
    for (const Diagnostic& d : diagnostics.all()) {
      if (d.code == code) return true;
    }
    return false;
  }
};

std::string nested_not(std::size_t depth) {
  std::string body = "{\"Value\":true}";
  for (std::size_t i = 0; i < depth; ++i) body = "{\"!\":{\"arg\":" + body + "}}";
  return "{\"effect\":\"permit\",\"principal\":{\"op\":\"All\"},\"action\":{\"op\":\"All\"},\"resource\":{\"op\":\"All\"},"
         "\"conditions\":[{\"kind\":\"when\",\"body\":" + body + "}]}";
}

}  // namespace

TEST_CASE("json: a policy comes back as the same policy") {
  Text text(R"(@a @b("x") forbid(principal is N::U in N::G::"g", action in [Action::"a", Action::"b"], resource == ?resource)
when { if context has a.b then [1, -2].contains(3 - 4 * 5) else {x: ip("10.0.0.1")}.x.isInRange(ip("10.0.0.0/8")) }
unless { principal.getTag("k") like "a**\*b" || !(-(1) < context["a b"]) };)");
  REQUIRE(!text.diagnostics.has_errors());
  std::optional<Json> json = policy_set_to_json({text.file}, text.diagnostics);
  REQUIRE(json);
  Text again(json->dump(), true);
  REQUIRE(!again.diagnostics.has_errors());
  CHECK(policy_set_to_json({again.file}, again.diagnostics) == json);
  CHECK(again.file.policies.at(0).id == "policy0");
}

TEST_CASE("json: nesting up to the bound is read and written, one level more is refused") {
  // Four levels stand around the body; each `!` is two.
  std::size_t most = (kMaxPolicyJsonDepth - 4) / 2;
  Text good(nested_not(most), true);
  CHECK(!good.diagnostics.has_errors());
  Text deep(nested_not(most + 1), true);
  CHECK(deep.has(Code::K8001));
  std::string chain = "permit(principal, action, resource) when { true";
  for (int i = 0; i < 3000; ++i) chain += " && true";
  Text wide(chain + " };");
  REQUIRE(!wide.diagnostics.has_errors());
  CHECK(!policy_to_json(wide.file, wide.file.policies.at(0), wide.diagnostics));
  CHECK(wide.has(Code::K8001));
}

TEST_CASE("json: a path of `has` that text cannot write is spelled out") {
  Text read(R"({"effect":"permit","principal":{"op":"All"},"action":{"op":"All"},"resource":{"op":"All"},
    "conditions":[{"kind":"when","body":{"has":{"left":{"Var":"context"},"attr":["a b","c"]}}}]})", true);
  REQUIRE(!read.diagnostics.has_errors());
  CHECK(ast::print(read.file, read.file.policies[0].conditions[0].expr) == "context has \"a b\" && context[\"a b\"] has c");
}

TEST_CASE("json: links become policies with their own ids") {
  Text text(R"(@id("t") permit(principal == ?principal, action, resource in ?resource) when { true };)");
  Text links(R"({"templateLinks":[{"templateId":"t","newId":"l","values":{"?principal":{"type":"U","id":"a"},
    "?resource":{"type":"G","id":"g"}}}]})", true);
  REQUIRE(!links.diagnostics.has_errors());
  Module module;
  Diagnostics diagnostics;
  lower_policies({text.file, links.file}, module, diagnostics);
  CHECK(!diagnostics.has_errors());
  REQUIRE(module.policies.size() == 1);
  CHECK(module.policies[0].id == "l");
  CHECK(module.policies[0].principal.uid == EntityUid{"U", "a"});
  CHECK(module.policies[0].resource.kind == ScopeConstraint::Kind::in);
  CHECK(module.templates.size() == 1);
}
