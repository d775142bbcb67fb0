// What is enforced, by real calls: allowed calls reach their listener, refused ones fail although one listens, and
// nothing changes for anybody else.
#include <doctest/doctest.h>

#include <cerrno>
#include <string_view>

#include "calls.h"
#include "world.h"

using namespace kerf;
using namespace kerf::test;

namespace {

struct Call {
  std::string text;
  int inside;     // expected errno in the cgroup; outside it is 0 for all of them
};

std::vector<Call> matrix(const Listeners& l) {
  std::vector<Call> calls;
  auto add = [&](const std::string& kind, const std::string& address, int port, int inside) {
    calls.push_back({kind + " " + address + " " + std::to_string(port), inside});
  };
  for (const char* address : {"127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::"}) {
    for (const char* kind : {"tcp", "tfo"}) {
      add(kind, address, l.tcp_allowed, 0);
      add(kind, address, l.tcp_refused, ECONNREFUSED);
    }
    bool unclear = std::string_view(address) == "0.0.0.0";   // a datagram may name a device where no hook sees it
    for (const char* kind : {"udp", "udp-msg", "udp-connect"}) {
      add(kind, address, l.udp_allowed, unclear ? ECONNREFUSED : 0);
      add(kind, address, l.udp_refused, ECONNREFUSED);
    }
  }
  for (const char* address : {"127.0.0.2", "::ffff:127.0.0.2"}) {
    add("tcp", address, l.tcp_allowed, ECONNREFUSED);
    add("tfo", address, l.tcp_allowed, ECONNREFUSED);
    add("udp", address, l.udp_allowed, ECONNREFUSED);
    add("udp-msg", address, l.udp_allowed, ECONNREFUSED);
    add("udp-connect", address, l.udp_allowed, ECONNREFUSED);
  }
  if (perform_here({"ring"}) == std::vector{0}) {   // else this kernel has no io_uring for us
    for (const char* address : {"127.0.0.1", "::1"}) {
      for (const char* kind : {"uring-tcp", "uring-tcp-async"}) {
        add(kind, address, l.tcp_allowed, 0);
        add(kind, address, l.tcp_refused, ECONNREFUSED);
      }
      add("uring-udp", address, l.udp_allowed, 0);
      add("uring-udp", address, l.udp_refused, ECONNREFUSED);
    }
  }
  for (const char* raw : {"raw", "raw6", "udp-raw"}) calls.push_back({raw, EPERM});
  calls.push_back({"unix", 0});
  return calls;
}

std::vector<std::string> texts(const std::vector<Call>& calls) {
  std::vector<std::string> list;
  for (const Call& call : calls) list.push_back(call.text);
  return list;
}

void check_inside(const std::vector<Call>& calls, const std::vector<int>& errors) {
  REQUIRE(errors.size() == calls.size());
  for (std::size_t i = 0; i < calls.size(); ++i) CHECK_MESSAGE(errors[i] == calls[i].inside, calls[i].text);
}

void check_outside(const std::vector<Call>& calls, const char* when) {
  std::vector<int> errors = perform_here(texts(calls));
  for (std::size_t i = 0; i < calls.size(); ++i) CHECK_MESSAGE(errors[i] == 0, when << ": " << calls[i].text);
}

}  // namespace

TEST_CASE("every way to connect and send, inside and outside") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir;
  std::string problem = compile_sample(listeners, dir / "bundle");
  REQUIRE_MESSAGE(problem.empty(), problem);
  std::vector<Call> calls = matrix(listeners);
  check_outside(calls, "before");
  RunResult result = run_kerf({.bundle = dir / "bundle", .calls = texts(calls)});
  INFO(result.output);
  CHECK(result.status == 0);
  check_inside(calls, result.errors);
  check_outside(calls, "after");
}

TEST_CASE("events tell each refusal, and nothing else") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir;
  REQUIRE(compile_sample(listeners, dir / "bundle") == "");
  std::vector<Call> calls = matrix(listeners);
  std::size_t refused = 0;
  for (const Call& call : calls) refused += call.inside != 0;
  RunResult result = run_kerf({.bundle = dir / "bundle", .calls = texts(calls)});
  CHECK(result.events.size() == refused);
  std::size_t e = 0;
  for (const Call& call : calls) {
    if (call.inside == 0 || e >= result.events.size()) continue;
    const Json& event = result.events[e++];
    INFO(call.text << " " << event.dump());
    CHECK(event["schema"] == "kerf.event");
    CHECK(event["version"] == 1);
    CHECK(event["decision"] == "deny");
    CHECK(event["principal"] == Json({{"type", "Agent"}, {"id", "a1"}}));
    bool raw = call.text.find("raw") != std::string::npos;
    CHECK(event["errno"] == (raw ? "EPERM" : "ECONNREFUSED"));
    if (raw) {
      CHECK(event["reason"] == "guard");
      CHECK(event["resource"].is_null());
      continue;
    }
    bool forbidden = call.text.find("127.0.0.2") != std::string::npos;
    bool unclear = call.text.starts_with("udp") && call.text.find(" 0.0.0.0 ") != std::string::npos;
    CHECK(event["reason"] == (unclear ? "no-address" : forbidden ? "forbid" : "no-permit"));
    CHECK(event["determining"] == (forbidden ? Json({"second"}) : Json::array()));
    CHECK(event["policies_complete"] == true);
    bool v6 = call.text.find(" ::1 ") != std::string::npos || call.text.find(" :: ") != std::string::npos;
    std::string address = forbidden ? "127.0.0.2" : v6 ? "[::1]" : "127.0.0.1";
    std::string port = call.text.substr(call.text.rfind(' ') + 1);
    CHECK(event["resource"]["id"] == address + ":" + port);
  }
}

TEST_CASE("allowed calls are events only on request") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir;
  REQUIRE(compile_sample(listeners, dir / "bundle") == "");
  std::string call = "tcp 127.0.0.1 " + std::to_string(listeners.tcp_allowed);
  CHECK(run_kerf({.bundle = dir / "bundle", .calls = {call}}).events.empty());
  RunResult logged = run_kerf({.bundle = dir / "bundle", .calls = {call}, .log_allows = true});
  REQUIRE(logged.events.size() == 1);
  CHECK(logged.events[0]["decision"] == "allow");
  CHECK(logged.events[0]["reason"] == "permit");
  CHECK(logged.events[0]["errno"].is_null());
  CHECK(logged.events[0]["determining"] == Json({"ports"}));
}

TEST_CASE("an event with more policies than a record holds is completed by the table") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir;
  std::string policies;
  Json expected = Json::array();
  for (int i = 0; i < 12; ++i) {
    policies += "@id(\"f" + std::to_string(i) + "\") forbid(principal, action == Action::\"connect\", resource) when {\n"
                "  context has delegation_depth && context.delegation_depth > " + std::to_string(i) + " };\n";
    if (i < 10) expected.push_back("f" + std::to_string(i));
  }
  std::string problem = compile_with_sample_schema(policies, dir / "bundle");
  REQUIRE_MESSAGE(problem.empty(), problem);
  std::string call = "tcp 127.0.0.1 " + std::to_string(listeners.tcp_allowed);
  RunResult result = run_kerf({.bundle = dir / "bundle", .facts = {"delegation_depth=10"}, .calls = {call}});
  REQUIRE(result.events.size() == 1);
  CHECK(result.events[0]["policies_complete"] == true);
  CHECK(result.events[0]["determining_count"] == 10);
  CHECK(result.events[0]["determining"] == expected);
}

TEST_CASE("cgroups made later inside are enforced too") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir;
  REQUIRE(compile_sample(listeners, dir / "bundle") == "");
  std::vector<Call> calls = matrix(listeners);
  std::vector<std::string> nested{"nest " + cgroup_mount()};
  for (const Call& call : calls) nested.push_back(call.text);
  RunResult result = run_kerf({.bundle = dir / "bundle", .calls = nested});
  INFO(result.output);
  REQUIRE(!result.errors.empty());
  CHECK(result.errors[0] == 0);
  check_inside(calls, {result.errors.begin() + 1, result.errors.end()});
}

TEST_CASE("others are not touched while a binding runs") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir, run;
  REQUIRE(compile_sample(listeners, dir / "bundle") == "");
  std::vector<Call> calls = matrix(listeners);
  Running running({.bundle = dir / "bundle", .calls = {"touch " + (run / "inside"), "wait " + (run / "go")}}, run);
  REQUIRE(wait_until_exists(run / "inside"));
  check_outside(calls, "during");
  perform("touch " + (run / "go"));
  RunResult result = running.finish();
  CHECK(result.events.empty());
}

TEST_CASE("the principal decides: another one has other rights") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir;
  REQUIRE(compile_sample(listeners, dir / "bundle") == "");
  std::string call = "tcp 127.0.0.1 " + std::to_string(listeners.tcp_allowed);
  CHECK(run_kerf({.bundle = dir / "bundle", .principal = "Agent::\"risky\"", .calls = {call}}).errors == std::vector{ECONNREFUSED});
}
