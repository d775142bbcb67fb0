// Sockets of the own side, by real calls: which are made, which addresses they take, whose connections they accept.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <cerrno>

#include "calls.h"
#include "world.h"

using namespace kerf;
using namespace kerf::test;

namespace {

const char* const kSchema = R"(
@kernel("process") entity Agent { raw: Bool };
entity Kinds;
@kernel("socket") entity Socket in [Kinds] {
  @kernel("socket.family") family?: Long,
  @kernel("socket.type") type?: Long,
  @kernel("socket.protocol") protocol?: Long,
};
@kernel("endpoint") entity Endpoint {
  @kernel("endpoint.ip") ip: ipaddr,
  @kernel("endpoint.port") port: Long,
};
@kernel("net.socket") action make appliesTo { principal: [Agent], resource: [Socket] };
@kernel("net.bind") @errno("EADDRNOTAVAIL") action take appliesTo { principal: [Agent], resource: [Endpoint] };
@kernel("net.accept") action serve appliesTo {
  principal: [Agent], resource: [Endpoint], context: { @kernel("net.local_port") port: Long }
};
)";

const char* const kPolicies = R"(
@id("plain") permit(principal, action == Action::"make", resource in Kinds::"plain") unless { resource has protocol && resource.protocol == 132 };
@id("raw") permit(principal, action == Action::"make", resource) when { principal.raw && resource has type && resource.type == 3 };
@id("netlink") permit(principal, action == Action::"make", resource == Socket::"netlink/raw") when { resource has protocol && resource.protocol == 0 };
@id("local") permit(principal, action == Action::"take", resource) when { resource.ip.isLoopback() && resource.port != 6001 };
@id("any") permit(principal, action == Action::"take", resource) when {
  (resource.ip == ip("0.0.0.0") || resource.ip == ip("::")) && resource.port >= 6100 };
@id("peers") permit(principal, action == Action::"serve", resource) when {
  [ip("127.0.0.1"), ip("::1")].contains(resource.ip) && context.port != 6111 };
)";

const char* const kEntities = R"([
  {"uid":{"type":"Agent","id":"a1"},"attrs":{"raw":false},"parents":[]},
  {"uid":{"type":"Agent","id":"risky"},"attrs":{"raw":true},"parents":[]},
  {"uid":{"type":"Kinds","id":"plain"},"attrs":{},"parents":[]},
  {"uid":{"type":"Socket","id":"inet/stream"},"attrs":{},"parents":[{"type":"Kinds","id":"plain"}]},
  {"uid":{"type":"Socket","id":"inet6/stream"},"attrs":{},"parents":[{"type":"Kinds","id":"plain"}]},
  {"uid":{"type":"Socket","id":"inet/dgram"},"attrs":{},"parents":[{"type":"Kinds","id":"plain"}]}
])";

struct Call {
  std::string text;
  int inside;
  const char* id;   // of the resource that a refusal tells
};

const std::vector<Call> kCalls = {
    {"socket 2 1 0", 0, ""},
    {"socket 2 2 17", 0, ""},
    {"socket 10 1 6", 0, ""},
    {"socket 10 2 0", EACCES, "inet6/dgram"},
    {"socket 2 3 1", EACCES, "inet/raw"},
    {"socket 10 3 58", EACCES, "inet6/raw"},
    {"bind 127.0.0.1 6000", 0, ""},
    {"bind 127.0.0.1 6001", EADDRNOTAVAIL, "127.0.0.1:6001"},
    {"bind ::ffff:127.0.0.1 6001", EADDRNOTAVAIL, "127.0.0.1:6001"},
    {"bind-udp 127.0.0.1 6000", 0, ""},
    {"bind-udp 0.0.0.0 6000", EADDRNOTAVAIL, "0.0.0.0:6000"},
    {"bind 0.0.0.0 0", EADDRNOTAVAIL, "0.0.0.0:0"},
    {"bind :: 6000", EADDRNOTAVAIL, "[::]:6000"},
    {"bind ::1 6000", 0, ""},
    {"bind :: 6100", 0, ""},
    {"accept 127.0.0.1 6110", 0, ""},
    {"accept ::1 6110", 0, ""},
    {"accept-mapped 127.0.0.1 6112", 0, ""},
    {"accept 127.0.0.2 6113", ETIMEDOUT, "127.0.0.2"},
    {"accept-mapped 127.0.0.2 6114", ETIMEDOUT, "127.0.0.2"},
    {"accept 127.0.0.1 6111", ETIMEDOUT, "127.0.0.1"},
};

std::vector<std::string> texts() {
  std::vector<std::string> list;
  for (const Call& call : kCalls) list.push_back(call.text);
  return list;
}

// An arriving connection is tried again by its sender, and refused again.
void check_events(const std::vector<Json>& events) {
  std::size_t e = 0;
  for (const Call& call : kCalls) {
    if (call.inside == 0) continue;
    INFO(call.text);
    REQUIRE(e < events.size());
    const Json first = events[e];
    INFO(first.dump());
    const bool arrives = first["event"] == "net.accept";
    CHECK(first["reason"] == "no-permit");
    CHECK(first["policies_complete"] == true);
    CHECK(first["process"].is_null() == arrives);
    const std::string id = first["resource"]["id"].get<std::string>();
    CHECK(id.substr(0, arrives ? id.rfind(':') : std::string::npos) == call.id);
    CHECK(first["event"] == (call.text.starts_with("socket") ? "net.socket" : call.text.starts_with("bind") ? "net.bind" : "net.accept"));
    ++e;
    while (arrives && e < events.size() && events[e]["resource"] == first["resource"]) ++e;
  }
  CHECK(e == events.size());
}

}  // namespace

TEST_CASE("sockets of the own side: made, bound, accepted from") {
  if (!can_enforce()) return;
  TempDir dir;
  const std::string problem = compile(kPolicies, kSchema, kEntities, dir / "bundle");
  REQUIRE_MESSAGE(problem.empty(), problem);
  for (const Call& call : kCalls) CHECK_MESSAGE(perform(call.text) == 0, call.text);   // outside everything goes
  RunResult result = run_kerf({.bundle = dir / "bundle", .calls = texts()});
  INFO(result.output);
  REQUIRE(result.errors.size() == kCalls.size());
  for (std::size_t i = 0; i < kCalls.size(); ++i) CHECK_MESSAGE(result.errors[i] == kCalls[i].inside, kCalls[i].text);
  check_events(result.events);
  for (const Call& call : kCalls) CHECK_MESSAGE(perform(call.text) == 0, call.text);
}

TEST_CASE("an action on sockets takes the place of the guard against raw ones") {
  if (!can_enforce()) return;
  TempDir dir;
  const std::string problem = compile(kPolicies, kSchema, kEntities, dir / "bundle");
  REQUIRE_MESSAGE(problem.empty(), problem);
  const std::vector<std::string> calls = {"socket 2 3 1", "socket 10 3 58", "socket 2 2 17", "socket 2 1 0"};
  RunResult result = run_kerf({.bundle = dir / "bundle", .principal = "Agent::\"risky\"", .calls = calls, .log_allows = true});
  INFO(result.output);
  CHECK(result.errors == std::vector<int>{0, 0, 0, 0});
  REQUIRE(result.events.size() == 4);
  CHECK(result.events[0]["determining"] == Json({"raw"}));
  CHECK(result.events[0]["observed"]["socket.protocol"] == 1);
  CHECK(result.events[2]["resource"]["id"] == "inet/dgram");
  CHECK(result.events[3]["observed"]["socket.protocol"] == 6);
}
