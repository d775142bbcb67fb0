#include "schema_support.h"

using namespace kerf;
using namespace kerf::test;

namespace {

const char* const kSchema = R"(
entity U; entity G; entity Color enum ["red"];
@kernel("process") entity Agent;
@kernel("endpoint") entity Endpoint { @kernel("endpoint.port") port: Long };
action view appliesTo {principal: [U, Color], resource: G, context: {i: Long, u?: U, ip?: ipaddr, s?: Set<Long>}};
@kernel("net.connect") action connect appliesTo {principal: Agent, resource: Endpoint};
action group;
)";

struct Asked : Loaded {
  std::optional<Request> request;
  Asked(const std::string& principal, const std::string& action, const std::string& resource, const std::string& context,
        bool validate = true)
      : Loaded(kSchema) {
    REQUIRE_MESSAGE(!diagnostics.has_errors(), messages(diagnostics));
    diagnostics = {};
    RequestText text{principal, action, resource, {}};
    if (!context.empty()) text.context = sources.add("context.json", context);
    request = read_request(sources, text, schema, validate, diagnostics);
  }
};

const std::string kUser = R"(U::"a")", kView = R"(Action::"view")", kGroup = R"(G::"g")";

}  // namespace

TEST_CASE("a good request") {
  Asked t(kUser, kView, kGroup, R"({"i":1,"u":{"type":"U","id":"b"},"ip":"1.2.3.4"})");
  REQUIRE_MESSAGE(t.request, messages(t.diagnostics));
  CHECK(t.request->principal == EntityUid{"U", "a"});
  CHECK(to_text(Value(t.request->context)).find("ip(\"1.2.3.4\")") != std::string::npos);
  CHECK(Asked(R"(Agent::"a")", R"(Action::"connect")", R"(Endpoint::"10.0.0.1:443")", "").request);
}

TEST_CASE("every request error has its code") {
  struct { std::string principal, action, resource, context; const char* code; } cases[] = {
      {"alice", kView, kGroup, R"({"i":1})", "K6027"},
      {kUser, R"(Action::"veiw")", kGroup, R"({"i":1})", "K6016"},
      {kUser, R"(U::"a")", kGroup, R"({"i":1})", "K6016"},
      {R"(G::"g")", kView, kGroup, R"({"i":1})", "K6028"},
      {R"(Nope::"g")", kView, kGroup, R"({"i":1})", "K6028"},
      {kUser, kView, kUser, R"({"i":1})", "K6028"},
      {R"(Color::"blue")", kView, kGroup, R"({"i":1})", "K6017"},
      {kUser, kView, kGroup, "", "K6007"},
      {kUser, kView, kGroup, "{}", "K6007"},
      {kUser, kView, kGroup, R"({"i":1,"x":1})", "K6006"},
      {kUser, kView, kGroup, R"({"i":"1"})", "K6010"},
      {kUser, kView, kGroup, R"({"i":1,"u":{"type":"G","id":"z"}})", "K6010"},
      {kUser, kView, kGroup, R"({"i":1,"ip":"bad"})", "K6012"},
      {kUser, kView, kGroup, "[]", "K6010"},
      {kUser, kView, kGroup, "{", "K6001"},
      {R"(Agent::"a")", R"(Action::"connect")", R"(Endpoint::"010.0.0.1:443")", "", "K6015"},
  };
  for (const auto& c : cases) {
    INFO(c.principal, c.action, c.resource, c.context);
    Asked t(c.principal, c.action, c.resource, c.context);
    INFO(messages(t.diagnostics));
    CHECK(codes(t.diagnostics) == Codes{c.code});
    CHECK(!t.request);
  }
}

TEST_CASE("without validation only the form of the context is checked") {
  CHECK(Asked(kUser, kView, kUser, R"({"i":1})", false).request);
  CHECK(Asked(kUser, kView, kGroup, R"({"i":"1","u":{"type":"G","id":"z"}})", false).request);
  CHECK(Asked(R"(Nope::"x")", kView, R"(Color::"blue")", R"({"i":1})", false).request);
  CHECK(!Asked(kUser, kView, kGroup, R"({})", false).request);
  CHECK(!Asked(kUser, kView, kGroup, R"({"i":1,"x":1})", false).request);
  CHECK(!Asked(kUser, kView, kGroup, R"({"i":1,"s":{}})", false).request);
  CHECK(!Asked(kUser, R"(Action::"nope")", kGroup, R"({"i":1})", false).request);
}
