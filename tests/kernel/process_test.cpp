// What a task is known by, at the hooks of a cgroup.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>

#include "calls.h"
#include "world.h"

using namespace kerf;
using namespace kerf::test;

namespace {

const char* const kSchema = R"(
    @kernel("process") entity Agent;
    @kernel("endpoint") entity Endpoint { @kernel("endpoint.port") port: Long };
    @kernel("net.connect") action connect appliesTo { principal: [Agent], resource: [Endpoint], context: {
      @kernel("process.comm") comm: String, @kernel("process.pid_namespace") namespace: Long,
      @kernel("process.cap_net_raw") raw: Bool, @kernel("process.cap_checkpoint_restore") restore: Bool } };)";

std::string own_namespace() {
  char link[64] = {};
  REQUIRE(::readlink("/proc/self/ns/pid", link, sizeof link - 1) > 0);   // pid:[4026531836]
  const std::string text(link);
  return text.substr(5, text.size() - 6);
}

// The test's commands are run with what there is.
bool has_capability(unsigned number) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("CapEff:")) return std::stoull(line.substr(7), nullptr, 16) >> number & 1;
  }
  return false;
}

}  // namespace

TEST_CASE("a task's name, pid namespace and capabilities decide about its connections") {
  if (!can_enforce()) return;
  TempDir dir;
  Listeners listeners;
  const std::string problem = compile("@id(\"who\") permit(principal, action, resource) when { context.comm like \"call*\" && context.namespace == " +
                                          own_namespace() + " };\n@id(\"capable\") forbid(principal, action, resource) when { " +
                                          (has_capability(13) ? "!context.raw" : "context.raw") + " || " + (has_capability(40) ? "!context.restore" : "context.restore") + " };",
                                      kSchema, R"([{"uid":{"type":"Agent","id":"a1"},"attrs":{},"parents":[]}])", dir / "bundle");
  REQUIRE_MESSAGE(problem.empty(), problem);
  const std::string call = "tcp 127.0.0.1 " + std::to_string(listeners.tcp_allowed);
  RunResult result = run_kerf({.bundle = dir / "bundle", .calls = {call, "name caller", call, "name \xff", call, "name fifteen-bytes-xyz", call}, .log_allows = true});
  INFO(result.output);
  CHECK(result.errors == std::vector<int>{ECONNREFUSED, 0, 0, 0, ECONNREFUSED, 0, ECONNREFUSED});
  REQUIRE(result.events.size() == 4);
  CHECK(result.events[0]["reason"] == "no-permit");
  CHECK(result.events[1]["determining"] == Json({"who"}));
  CHECK(result.events[1]["observed"]["process.comm"] == "caller");
  CHECK(result.events[1]["observed"]["process.pid_namespace"] == std::stoll(own_namespace()));
  CHECK(result.events[1]["observed"]["process.cap_net_raw"] == has_capability(13));
  CHECK(result.events[2]["reason"] == "not-text");
  CHECK(result.events[3]["observed"]["process.comm"] == "fifteen-bytes-x");
}
