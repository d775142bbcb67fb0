#include <doctest/doctest.h>

#include "tests/unit/sema/policy_fixture.h"

using namespace kerf;
using test::Checked;

namespace {

constexpr const char* kSchema = R"(
entity DestinationSet;
@kernel("process") entity Agent { home?: NetworkDestination, ports: Set<NetworkDestination>, boss?: Agent, level: Long };
@kernel("host") entity Host in [DestinationSet];
@kernel("endpoint") entity NetworkDestination in [Host, DestinationSet] {
  @kernel("endpoint.ip") ip: ipaddr,
  @kernel("endpoint.port") port: Long,
  host_of?: Host,
};
entity Tool;
@kernel("net.connect") action connectNetwork appliesTo { principal: [Agent], resource: [NetworkDestination] };
action invokeTool appliesTo { principal: [Agent], resource: [Tool] };
)";

Checked check_kernel(const std::string& policy) {
  Checked out = test::check(kSchema, policy);
  REQUIRE_MESSAGE(!out.diagnostics.has_errors(), out.codes());
  check_kernel_literals(out.module, out.diagnostics);
  return out;
}

}  // namespace

TEST_CASE("kernel: endpoints have one spelling") {
  Checked out = check_kernel(R"(permit(principal, action, resource == NetworkDestination::"10.0.0.01:443");)");
  REQUIRE(out.count(Code::K4101) == 1);
  const Diagnostic& d = *out.find(Code::K4101);
  CHECK(out.sources.text(d.span) == R"(NetworkDestination::"10.0.0.01:443")");
  REQUIRE(d.fix.size() == 1);
  CHECK(d.fix[0].replacement == R"(NetworkDestination::"10.0.0.1:443")");

  out = check_kernel(R"(permit(principal, action, resource == NetworkDestination::"[2001:db8::1]:443");)");
  CHECK(out.diagnostics.all().empty());
  // Types that are not bound spell their ids as they like.
  out = check_kernel(R"(permit(principal == Agent::"10.0.0.01:443", action, resource in Host::"example.com");)");
  CHECK(out.diagnostics.all().empty());
}

TEST_CASE("kernel: data about resources is read through `resource`") {
  Checked out = check_kernel(R"(permit(principal, action == Action::"connectNetwork", resource)
    when { NetworkDestination::"10.0.0.1:443".port == 443 };)");
  CHECK(out.count(Code::K4102) == 1);
  CHECK(out.at(Code::K4102) == R"(NetworkDestination::"10.0.0.1:443")");

  out = check_kernel(R"(permit(principal, action, resource) when { principal has home && principal.home.port == 443 };)");
  CHECK(out.count(Code::K4102) == 1);
  CHECK(out.at(Code::K4102) == "principal.home");

  out = check_kernel(R"(permit(principal, action, resource) when { principal has home && principal.home in Host::"a" };)");
  CHECK(out.count(Code::K4102) == 1);
}

TEST_CASE("kernel: what stays allowed") {
  Checked out = check_kernel(R"(permit(principal, action == Action::"connectNetwork", resource) when {
      resource.port == 443 && resource in Host::"a" && principal.ports.contains(resource) &&
      principal has boss && principal.boss.level > 3 && resource == NetworkDestination::"10.0.0.1:443" &&
      principal has home && principal.home == resource };)");
  CHECK_MESSAGE(out.diagnostics.all().empty(), out.codes());

  // Gateway actions may read stored data of any entity.
  out = check_kernel(R"(permit(principal, action == Action::"invokeTool", resource)
    when { NetworkDestination::"10.0.0.1:443".port == 443 };)");
  CHECK(out.diagnostics.all().empty());
}
