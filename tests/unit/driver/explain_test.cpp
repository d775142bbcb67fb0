// What `kerf explain` shows: an example of a policy or a schema must give the very code that it explains.
#include <doctest/doctest.h>

#include <optional>
#include <set>

#include "driver/pipeline.h"
#include "driver/render.h"
#include "frontend/parse/parse.h"

using namespace kerf;

namespace {

// The names that the examples use.
constexpr const char* kSchema = R"(
entity Team; entity Color enum ["red", "green"]; entity Photo { color: Color };
entity User in [Team] { name: String, nickname?: String, age: Long, active: Bool, address: ipaddr, roles: Set<String>, manager: User } tags String;
action view appliesTo { principal: User, resource: Photo,
  context: { a: String, b: String, text: String, address_text: String, n: Long } };)";

std::set<std::string> codes(const Diagnostics& diagnostics) {
  std::set<std::string> out;
  for (const Diagnostic& d : diagnostics.all()) out.insert(std::string(catalogue_row(d.code).name));
  return out;
}

std::set<std::string> of_policies(const std::string& text) {
  Sources sources;
  Diagnostics diagnostics;
  parse_policies(sources, sources.add("example.cedar", text), diagnostics);
  return codes(diagnostics);
}

std::set<std::string> of_schema(const std::string& text) {
  Sources sources;
  Diagnostics diagnostics;
  parse_schema(sources, sources.add("example.cedarschema", text), diagnostics);
  return codes(diagnostics);
}

std::set<std::string> of_program(const std::string& policies, const std::string& schema, const ValidationOptions& options) {
  ProgramText text;
  text.policies.push_back({"example.cedar", policies});
  text.schema = InputFile{"example.cedarschema", schema};
  return codes(check_program(text, options).diagnostics);
}

// A policy, or the condition of one; nothing for other texts.
std::optional<std::string> policy_of(const std::string& name, const std::string& example) {
  if (example.starts_with("permit") || example.starts_with("forbid") || example.starts_with("@id")) return example;
  if (name < "K3111" || name > "K3114") return std::nullopt;
  return "permit(principal, action, resource) when { " + example + " };";
}

}  // namespace

TEST_CASE("the example of each syntax error has that error") {
  std::size_t tried = 0;
  for (const CatalogueRow& row : catalogue()) {
    std::string name(row.name), example(row.example);
    if (!name.starts_with("K10") && !name.starts_with("K11") && !name.starts_with("K12")) continue;
    if (name == "K1001" || name == "K1006") continue;   // bytes that a message cannot show
    ++tried;
    CAPTURE(name);
    CAPTURE(example);
    bool schema = name.starts_with("K12");
    CHECK((schema ? of_schema(example) : of_policies(example)).contains(name));
  }
  CHECK(tried > 50);
}

TEST_CASE("the example of each validation message has that message") {
  std::size_t tried = 0;
  for (const CatalogueRow& row : catalogue()) {
    std::string name(row.name), example(row.example);
    std::optional<std::string> policy = policy_of(name, example);
    if (!name.starts_with("K3") || !policy) continue;
    ++tried;
    CAPTURE(name);
    CAPTURE(example);
    ValidationOptions options;
    if (name == "K3115" || name == "K3116") options.level = 1;
    options.applicability_warns = name == "K3203";
    CHECK(of_program(*policy, kSchema, options).contains(name));
  }
  CHECK(tried > 20);
}

TEST_CASE("every code has a cause, an example and a cure") {
  for (const CatalogueRow& row : catalogue()) {
    CAPTURE(row.name);
    CHECK(row.cause.size() > 10);
    CHECK(row.example.size() > 2);
    CHECK(row.cure.size() > 5);
    CHECK(explain(row.code).find(row.name) == 0);
  }
}
