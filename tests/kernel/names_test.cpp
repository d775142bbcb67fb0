// Names of hosts that are learned while a command runs, and the clock, seen in real connects.
#include <doctest/doctest.h>

#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>

#include "dialogue.h"
#include "ir/values/extension.h"
#include "runtime/abi/policy_abi.h"

using namespace kerf;
using namespace kerf::test;

namespace {

const char* const kSchema = R"(
entity Site;
@kernel("process") entity Agent { until: datetime };
@kernel("host") entity Host in [Site];
@kernel("endpoint") entity Destination in [Host] {
  @kernel("endpoint.ip") ip: ipaddr, @kernel("endpoint.port") port: Long, @kernel("endpoint.host") host?: String,
};
@kernel("net.connect") action connect appliesTo { principal: [Agent], resource: [Destination], context: {
  @kernel("clock.now") now: datetime, @kernel("fact.until") until?: datetime, @kernel("fact.open") open?: Bool } };
)";

std::int64_t now_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

std::size_t lines_of(const std::string& path) {
  std::ifstream file(path);
  std::size_t count = 0;
  for (std::string line; std::getline(file, line);) ++count;
  return count;
}

std::string to_hex(int number) {
  std::ostringstream text;
  text << std::hex << number;
  return text.str();
}

std::size_t status_names(const std::string& name) {
  auto all = loader::status();
  REQUIRE(all.ok());
  for (const auto& binding : *all) {
    if (binding.name == name) return binding.names.size();
  }
  return 0;
}

// 127.0.0.1 is an endpoint of the entities, so names may lead there; 127.0.0.3 is none.
std::string entities(int port, std::int64_t until_ms) {
  std::ostringstream text;
  text << R"([{"uid":{"type":"Agent","id":"a1"},"attrs":{"until":")" << to_text(Datetime{until_ms}) << R"("},"parents":[]},)"
       << R"({"uid":{"type":"Host","id":"www.example.com"},"attrs":{},"parents":[{"type":"Site","id":"good"}]},)"
       << R"({"uid":{"type":"Destination","id":"127.0.0.1:)" << port << R"("},"attrs":{"ip":"127.0.0.1","port":)" << port << R"(},"parents":[]}])";
  return text.str();
}

}  // namespace

TEST_CASE("names change decisions while the command runs, and deadlines end them") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir;
  const char* const policies = R"(
@id("site") permit(principal, action, resource in Site::"good") when { context has open && context.open };
@id("one") permit(principal, action, resource) when { resource has host && resource.host like "*.example.org" };
)";
  REQUIRE(compile(policies, kSchema, entities(listeners.tcp_allowed, 0), dir / "bundle") == "");
  Dialogue talk;
  for (const char* step : {"unnamed", "named", "closed", "one", "two", "forgotten", "timed", "expired"}) {
    talk.pause(step);
    talk.ask(tcp_to(listeners.tcp_allowed));
  }
  Running running({.bundle = dir / "bundle", .facts = {"open=true"}, .calls = talk.calls(), .log_allows = true}, talk.dir());
  REQUIRE(talk.reached("unnamed"));
  const std::string name = binding_of(dir / "bundle");
  REQUIRE(name != "");
  std::size_t steps = 0;
  auto then = [&](const char* step, const char* next) {
    talk.go(step);
    REQUIRE(talk.reached(next));
    ++steps;   // told with the names that it was decided with, before these change
    for (int waited = 0; lines_of(talk.dir() / "events") < steps && waited < 10000; waited += 5) ::usleep(5000);
  };
  then("unnamed", "named");
  CHECK(code_of(loader::learn(name, "WWW.example.com.", {"127.0.0.1"}, 0)) == "");
  then("named", "closed");
  CHECK(code_of(loader::set_fact(name, "open", "false", 0)) == "");   // the named address hears of it
  then("closed", "one");
  CHECK(code_of(loader::forget(name, "www.example.com", {})) == "");
  CHECK(code_of(loader::learn(name, "a.example.org", {"::ffff:7f00:1"}, 0)) == "");
  then("one", "two");
  CHECK(code_of(loader::learn(name, "b.example.org", {"127.0.0.1"}, 0)) == "");   // two names: `host` is absent
  then("two", "forgotten");
  CHECK(code_of(loader::forget(name, "b.example.org", {"127.0.0.1"})) == "");
  CHECK(code_of(loader::forget(name, "a.example.org", {})) == "");
  then("forgotten", "timed");
  CHECK(code_of(loader::learn(name, "a.example.org", {"127.0.0.1"}, 1500)) == "");
  then("timed", "expired");
  ::usleep(1600 * 1000);
  for (const char* address : {"127.0.0.3", "10.1.2.3", "169.254.169.254", "fe80::1", "::1", "64:ff9b::a01:203", "0.0.0.0", "192.0.2.0/24", "x"}) {
    INFO(address);
    CHECK(code_of(loader::learn(name, "evil.example.org", {address}, 0)) == "K7607");
  }
  CHECK(code_of(loader::learn(name, "*.example.org", {"192.0.2.1"}, 0)) == "K7607");
  std::vector<std::string> many;   // beside 127.0.0.1, whose name is gone by now
  for (int i = 0; i < KERF_MAX_NAMED; ++i) many.push_back("2001:db8::" + to_hex(i + 1));
  CHECK(code_of(loader::learn(name, "far.example.org", many, 0)) == "");
  CHECK(status_names(name) == many.size());
  CHECK(code_of(loader::learn(name, "far.example.org", {"192.0.2.1"}, 0)) == "K7607");
  CHECK(code_of(loader::learn(name, "other.example.org", {"2001:db8::1"}, 0)) == "");
  CHECK(code_of(loader::forget(name, "far.example.org", {})) == "");
  CHECK(status_names(name) == 1);
  talk.go("expired");
  RunResult result = running.finish();
  const int no = ECONNREFUSED;
  CHECK(Dialogue::answers(talk.calls(), result.errors) == std::vector{no, 0, no, 0, no, no, 0, no});
  std::vector<std::string> hosts;
  for (const Json& event : result.events) hosts.push_back(event.contains("hosts") ? event["hosts"].dump() : "");
  const std::string com = R"(["www.example.com"])", org = R"(["a.example.org"])";
  CHECK(hosts == std::vector<std::string>{"", com, com, org, R"(["a.example.org","b.example.org"])", "", org, ""});
}

TEST_CASE("the clock: before and after a time of the principal, of a fact, and of a policy") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir;
  const char* const policies = R"(
@id("agent") permit(principal, action, resource) when { context.now < principal.until };
@id("fact") permit(principal, action, resource) when { context has until && context.now >= context.until && context.now < datetime("2500-01-01") };
@id("past") permit(principal, action, resource) when { context.now < datetime("2020-01-01") || context.now.toTime() < duration("0ms") };
)";
  const std::int64_t begin = now_ms(), until = begin + 8000;
  REQUIRE(compile(policies, kSchema, entities(listeners.tcp_allowed, until), dir / "bundle") == "");
  Dialogue talk;
  for (const char* step : {"before", "after", "later", "passed"}) {
    talk.pause(step);
    talk.ask(tcp_to(listeners.tcp_allowed));
  }
  Running running({.bundle = dir / "bundle", .calls = talk.calls(), .log_allows = true}, talk.dir());
  REQUIRE(talk.reached("before"));
  const std::string name = binding_of(dir / "bundle");
  REQUIRE(now_ms() < until);   // or the machine is too slow for this test
  talk.go("before");
  REQUIRE(talk.reached("after"));
  while (now_ms() <= until) ::usleep(10'000);
  talk.go("after");
  REQUIRE(talk.reached("later"));
  CHECK(code_of(loader::set_fact(name, "until", "datetime(\"2400-01-01\")", 0)) == "");
  talk.go("later");
  REQUIRE(talk.reached("passed"));
  CHECK(code_of(loader::set_fact(name, "until", "datetime(\"2024-01-01\")", 0)) == "");
  talk.go("passed");
  RunResult result = running.finish();
  const std::int64_t end = now_ms();
  CHECK(Dialogue::answers(talk.calls(), result.errors) == std::vector{0, ECONNREFUSED, ECONNREFUSED, 0});
  for (const Json& event : result.events) {   // what was seen is the wall clock
    auto seen = parse_datetime(event["observed"]["clock.now"].get<std::string>());
    REQUIRE(seen.has_value());
    CHECK(seen->ms >= begin);
    CHECK(seen->ms <= end);
  }
  CHECK(result.events.size() == 4);
}
