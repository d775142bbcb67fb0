// One test a code: that it is reported, where, and what the message says.
#include <doctest/doctest.h>

#include "tests/unit/sema/policy_fixture.h"

using namespace kerf;
using test::Checked;

namespace {

constexpr const char* kSchema = R"(
entity Group;
entity User in [Group] {
  age: Long, name: String, nick?: String, addr: ipaddr, roles: Set<String>, home: { city: String, zip?: String }, best?: User,
} tags String;
entity Photo in [Group] { owner: User, size: Long };
entity Color enum ["red", "green"];
action view, edit appliesTo { principal: [User], resource: [Photo, Group], context: { level: Long, hint?: String } };
)";

Checked check_policy(const std::string& policy) { return test::check(kSchema, policy); }
Checked check_condition(const std::string& condition) {
  return check_policy("permit(principal, action == Action::\"view\", resource is Photo) when { " + condition + " };");
}

bool has_help(const Diagnostic& d, std::string_view text) {
  return std::any_of(d.help.begin(), d.help.end(), [&](const std::string& h) { return h.find(text) != std::string::npos; });
}

}  // namespace

TEST_CASE("messages: names") {
  Checked out = check_policy(R"(permit(principal is Usr, action, resource);)");
  REQUIRE(out.count(Code::K3101) == 1);
  CHECK(out.at(Code::K3101) == "Usr");
  CHECK(has_help(*out.find(Code::K3101), "`User`"));

  out = check_policy(R"(permit(principal, action == Action::"viw", resource);)");
  REQUIRE(out.count(Code::K3102) == 1);
  CHECK(out.at(Code::K3102) == R"(Action::"viw")");
  CHECK(has_help(*out.find(Code::K3102), R"(Action::"view")"));

  out = check_condition(R"(Color::"gren" == Color::"red")");
  REQUIRE(out.count(Code::K3103) == 1);
  CHECK(out.at(Code::K3103) == R"(Color::"gren")");
  CHECK(has_help(*out.find(Code::K3103), R"(Color::"green")"));
  CHECK(out.sources.text(out.find(Code::K3103)->related.at(0).span).find("Color") != std::string_view::npos);

  // Also where a short circuit hides the name from the typechecker.
  out = check_condition(R"(false && principal == Usr::"a")");
  CHECK(out.count(Code::K3101) == 1);
}

TEST_CASE("messages: no action applies") {
  Checked out = check_policy(R"(permit(principal == Group::"g", action, resource is Photo) when { true };)");
  REQUIRE(out.count(Code::K3104) == 1);
  CHECK(out.at(Code::K3104) == R"(principal == Group::"g", action, resource is Photo)");
  CHECK(has_help(*out.find(Code::K3104), "principal in"));
  CHECK(out.count(Code::K3201) == 0);   // one cause, one message
}

TEST_CASE("messages: wrong types") {
  Checked out = check_condition("principal.age");
  REQUIRE(out.count(Code::K3105) == 1);
  CHECK(out.at(Code::K3105) == "principal.age");
  CHECK(out.find(Code::K3105)->message == "expected Bool, found Long");

  out = check_condition(R"(principal.age + principal.name == 2)");
  CHECK(out.at(Code::K3105) == "principal.name");
  CHECK(has_help(*out.find(Code::K3105), "does not join strings"));

  out = check_condition(R"(principal.age == "18")");
  REQUIRE(out.count(Code::K3106) == 1);
  CHECK(out.at(Code::K3106) == "==");
  CHECK(out.find(Code::K3106)->related.size() == 2);

  out = check_condition(R"({a: true, "b c": [false]} == principal.home)");
  CHECK(out.find(Code::K3106)->message ==
        "{a: Bool, \"b c\": Set<Bool>} and {city: String, zip?: String} are not compatible");

  // Names of action types are never unknown, the actions are.
  out = check_condition(R"(action == Nope::Action::"view" || principal is Nope::Action)");
  CHECK(out.count(Code::K3101) == 0);
  CHECK(out.count(Code::K3102) == 1);

  out = check_condition(R"([1, 2, "a"].contains(1))");
  CHECK(out.at(Code::K3106) == "\"a\"");
}

TEST_CASE("messages: attributes") {
  Checked out = check_condition("principal.agee == 1");
  REQUIRE(out.count(Code::K3107) == 1);
  CHECK(out.at(Code::K3107) == "agee");
  CHECK(out.find(Code::K3107)->message == "no attribute `agee` on entity type `User`");
  CHECK(has_help(*out.find(Code::K3107), "`age`"));

  out = check_condition("principal.home.street == \"x\"");
  CHECK(out.find(Code::K3107)->message == "no attribute `street` in `principal.home`");

  out = check_condition("context.levle == 1");
  CHECK(out.at(Code::K3107) == "levle");

  out = check_condition("principal.nick == \"al\"");
  REQUIRE(out.count(Code::K3108) == 1);
  CHECK(out.at(Code::K3108) == "nick");
  const Diagnostic& d = *out.find(Code::K3108);
  CHECK(has_help(d, "`principal has nick && …`"));
  REQUIRE(d.related.size() == 1);
  CHECK(out.sources.text(d.related[0].span).find("nick") != std::string_view::npos);

  out = check_condition("principal.home.zip == \"al\"");
  CHECK(has_help(*out.find(Code::K3108), "principal.home has zip"));
  out = check_condition("principal.best.best.age == 1 && principal has best");
  CHECK(out.count(Code::K3108) == 2);
}

TEST_CASE("messages: tags") {
  Checked out = check_condition(R"(principal.getTag("team") == "a")");
  CHECK(out.at(Code::K3109) == "getTag");
  CHECK(has_help(*out.find(Code::K3109), R"(principal.hasTag("team") && …)"));

  CHECK(check_condition(R"(principal.hasTag("team") && principal.getTag("team") == "a")").diagnostics.all().empty());
  out = check_condition(R"(if resource.hasTag("t") then resource.getTag("t") == "a" else true)");
  CHECK(out.diagnostics.all().empty());   // hasTag is false by type

  out = check_condition(R"((resource.hasTag("t") || principal.age == 1 && resource.hasTag("t")) || resource.getTag("t") == "a")");
  CHECK(out.count(Code::K3109) == 1);
}

TEST_CASE("messages: extension functions") {
  Checked out = check_condition("principal.addr.isInRange()");
  REQUIRE(out.count(Code::K3111) == 1);
  CHECK(out.find(Code::K3111)->message == "`isInRange` takes 1 argument, found 0");
  out = check_condition(R"(ip("10.0.0.256").isLoopback())");
  CHECK(out.at(Code::K3112) == "\"10.0.0.256\"");
  CHECK(out.find(Code::K3112)->message == "\"10.0.0.256\" is not a valid IP address");
  out = check_condition("ip(principal.name).isLoopback()");
  CHECK(out.at(Code::K3113) == "principal.name");
  CHECK(check_condition(R"(decimal("1.23456") == decimal("1.2"))").count(Code::K3112) == 1);
  CHECK(check_condition(R"(datetime("2024-13-01") == datetime("2024-01-01"))").count(Code::K3112) == 1);
  CHECK(check_condition(R"(duration("1w") == duration("1d"))").count(Code::K3112) == 1);
}

TEST_CASE("messages: empty sets, impossible policies, hidden characters") {
  CHECK(check_condition("principal.roles == []").at(Code::K3114) == "[]");
  Checked out = check_condition("principal has nope");
  CHECK(out.count(Code::K3201) == 1);
  CHECK(!out.diagnostics.has_errors());
  out = check_condition("principal.name == \"a\u202eb\"");
  CHECK(out.count(Code::K3202) == 1);
  CHECK(!out.diagnostics.has_errors());
}

TEST_CASE("messages: equal errors of several environments are one") {
  Checked out = check_policy("permit(principal, action, resource) when { principal.agee == 1 };");
  REQUIRE(out.count(Code::K3107) == 1);
  const Diagnostic& d = *out.find(Code::K3107);
  REQUIRE(d.notes.size() == 1);
  CHECK(d.notes[0] == R"(policy `policy0`, for requests (User, Action::"edit", Group), (User, Action::"edit", Photo), (User, Action::"view", Group) and 1 more)");

  out = check_policy("permit(principal, action, resource) when { resource.owner == principal };");
  REQUIRE(out.count(Code::K3107) == 1);
  CHECK(out.find(Code::K3107)->notes[0] == R"(policy `policy0`, for requests (User, Action::"edit", Group), (User, Action::"view", Group))");
}
