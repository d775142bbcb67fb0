// Kernel variables, by real writes in a network of the test's own.
#include <doctest/doctest.h>

#include <cerrno>

#include "calls.h"
#include "world.h"

using namespace kerf;
using namespace kerf::test;

TEST_CASE("kernel variables are written as the policies say") {
  if (!can_enforce()) return;
  TempDir dir;
  const std::string problem = compile(R"(
    @id("ttl") permit(principal, action, resource == System::"sysctl/net/ipv4/ip_default_ttl");
    @id("forward") permit(principal, action, resource) when { resource.operation like "sysctl/net/ipv4/conf/*/forwarding" };)", R"(
    @kernel("process") entity Agent;
    @kernel("system") entity System { @kernel("system.operation") operation: String };
    @kernel("system.sysctl") @errno("EACCES") action write appliesTo { principal: [Agent], resource: [System] };)",
    R"([{"uid":{"type":"Agent","id":"a1"},"attrs":{},"parents":[]}])", dir / "bundle");
  REQUIRE_MESSAGE(problem.empty(), problem);
  const std::vector<std::string> calls = {"variable net/ipv4/ip_default_ttl 65", "variable net/ipv4/conf/lo/forwarding 1", "variable net/ipv4/ip_forward 1",
                                          "variable net/core/somaxconn 100"};
  for (const std::string& call : calls) CHECK_MESSAGE(perform(call) == 0, call);
  RunResult result = run_kerf({.bundle = dir / "bundle", .calls = calls, .log_allows = true});
  INFO(result.output);
  CHECK(result.errors == std::vector<int>{0, 0, EACCES, EACCES});
  REQUIRE(result.events.size() == 4);
  CHECK(result.events[0]["determining"] == Json({"ttl"}));
  CHECK(result.events[1]["determining"] == Json({"forward"}));
  CHECK(result.events[2]["resource"]["id"] == "sysctl/net/ipv4/ip_forward");
  CHECK(result.events[3]["observed"]["system.operation"] == "sysctl/net/core/somaxconn");
}
