// What the validator remembers of one policy must not be told of another: two policies together get what each gets
// alone, in both orders, also where they differ in a literal only. And several threads find what one finds.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "frontend/sema/typing_key.h"
#include "tests/unit/sema/policy_fixture.h"

using namespace kerf;

namespace {

constexpr const char* kSchema = R"(
entity Group;
entity User in [Group] { name: String, nick?: String, best?: User, addr: ipaddr } tags String;
entity Color enum ["red", "green"];
action view appliesTo { principal: [User, Group], resource: [User, Group], context: { n: Long, hint?: String } };
action edit in [Action::"view"] appliesTo { principal: User, resource: User, context: { n: Long } };
action rest appliesTo { principal: Group, resource: Group, context: {} };
)";

std::vector<std::string> messages(const std::vector<std::string>& policies, std::size_t jobs = 1) {
  test::Checked out = test::lower(kSchema, policies);
  REQUIRE(!out.diagnostics.has_errors());
  ValidationOptions options;
  options.jobs = jobs;
  typecheck(out.module, out.diagnostics, options);
  std::vector<std::string> all;
  for (const Diagnostic& d : out.diagnostics.all()) {
    all.push_back(fmt::format("{} {} at `{}`", catalogue_row(d.code).name, d.message, out.sources.text(d.span)));
    for (const std::string& note : d.notes) {   // without the policy's number
      if (std::size_t comma = note.find(','); comma != std::string::npos) all.push_back(note.substr(comma));
    }
  }
  return all;
}

std::string user(const std::string& condition) {
  return "permit(principal is User, action == Action::\"edit\", resource) when { " + condition + " };";
}

const std::vector<std::pair<std::string, std::string>>& pairs() {
  static const std::vector<std::pair<std::string, std::string>> all = {
      {user(R"(principal.hasTag("a") && principal.getTag("a") == "x")"), user(R"(principal.hasTag("a") && principal.getTag("b") == "x")")},
      {user(R"(User::"a" has nick && User::"a".nick == "n")"), user(R"(User::"a" has nick && User::"b".nick == "n")")},
      {user(R"(ip("10.0.0.1") == principal.addr)"), user(R"(ip("10.0.0") == principal.addr)")},
      {user(R"("a" == "a")"), user(R"("a" == "b")")},
      {user("1 == 1"), user("1 == 2")},
      {user("true"), user("false")},
      {user(R"(principal.name == "a" || true)"), user(R"(principal.name == "a" || false)")},
      {user(R"(principal == User::"a")"), user(R"(principal == Group::"a")")},
      {user(R"(principal in Group::"a")"), user(R"(principal in User::"a")")},
      {user(R"(action in Action::"view")"), user(R"(action in Action::"rest")")},
      {user(R"(action == Action::"edit")"), user(R"(action == Action::"view")")},
      {user(R"(action in [Action::"view", Action::"rest"])"), user(R"(action in [Action::"rest", Action::"rest"])")},
      {user(R"({a: 1} == {a: 2})"), user(R"({a: 1} == {b: 2})")},
      {user(R"(principal.name like "a*")"), user(R"(principal.best like "a*")")},
      {user(R"((if "x" like "a" then principal else resource) has nick && (if "x" like "a" then principal else resource).nick == "")"),
       user(R"((if "x" like "a" then principal else resource) has nick && (if "x" like "b" then principal else resource).nick == "")")},
      {user(R"(Color::"red" == Color::"green")"), user(R"(Color::"red" == Color::"grey")")},
      {R"(permit(principal == User::"a", action, resource);)", R"(permit(principal == Group::"a", action, resource);)"},
      {R"(permit(principal is User, action == Action::"edit", resource);)", R"(permit(principal is Group, action == Action::"edit", resource);)"},
      {R"(permit(principal, action in [Action::"edit"], resource) when { context.n == 1 };)",
       R"(permit(principal, action in [Action::"rest"], resource) when { context.n == 1 };)"},
      {R"(permit(principal, action == Action::"view", resource) when { context.n == 1 };)",
       R"(permit(principal, action == Action::"view", resource) when { context.hint == "1" };)"},
      {R"(permit(principal, action, resource is User) when { resource.name == "1" };)",
       R"(permit(principal, action, resource) when { resource.name == "1" };)"},
  };
  return all;
}

}  // namespace

TEST_CASE("together as alone") {
  std::size_t different = 0;
  for (const auto& [a, b] : pairs()) {
    CAPTURE(a);
    CAPTURE(b);
    const std::vector<std::string> of_a = messages({a}), of_b = messages({b});
    different += of_a != of_b ? 1 : 0;
    for (bool swapped : {false, true}) {
      std::vector<std::string> expected = swapped ? of_b : of_a;
      const std::vector<std::string>& second = swapped ? of_a : of_b;
      expected.insert(expected.end(), second.begin(), second.end());
      CHECK(messages(swapped ? std::vector{b, a} : std::vector{a, b}) == expected);
    }
  }
  CHECK(different >= 18);   // else the pairs say nothing
}

TEST_CASE("policies about different entities have one key, and other differences show") {
  auto key = [](const std::string& policy) { return *typing_key(test::lower(kSchema, {policy}).module.policies.at(0).body); };
  CHECK(key(R"(permit(principal == User::"a", action, resource) when { context.n == 1 };)") ==
        key(R"(permit(principal == User::"b", action, resource) when { context.n == 22 };)"));
  for (const auto& [a, b] : pairs()) {
    CAPTURE(b);
    if (b.find("Color") == std::string::npos) CHECK(key(a) != key(b));   // ids of enumerations are checked as names
  }
}

TEST_CASE("threads find the same") {
  std::vector<std::string> policies;
  for (std::size_t i = 0; i < 2000; ++i) {
    const auto& [a, b] = pairs()[i % pairs().size()];
    policies.push_back(i % 3 == 0 ? b : a);
  }
  const std::vector<std::string> one = messages(policies);
  CHECK(one.size() > 500);
  for (std::size_t jobs : {2, 3, 7}) CHECK(messages(policies, jobs) == one);
}
