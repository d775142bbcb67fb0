// Schemas in JSON can say what their text cannot.
#include "frontend/json/schema.h"

#include <doctest/doctest.h>

#include "frontend/sema/schema.h"

using namespace kerf;

TEST_CASE("a bound action needs a principal and a resource") {
  auto codes = [](const std::string& principals, const std::string& resources) {
    Sources sources;
    Diagnostics diagnostics;
    SourceId id = sources.add("s.json", R"({"": {
      "entityTypes": {"Agent": {"annotations": {"kernel": "process"}}, "Endpoint": {"annotations": {"kernel": "endpoint"},
        "shape": {"type": "Record", "attributes": {
          "ip": {"type": "Extension", "name": "ipaddr", "annotations": {"kernel": "endpoint.ip"}},
          "port": {"type": "Long", "annotations": {"kernel": "endpoint.port"}}}}}},
      "actions": {"connect": {"annotations": {"kernel": "net.connect"},
        "appliesTo": {"principalTypes": )" + principals + R"(, "resourceTypes": )" + resources + "}}}}}");
    resolve_schema(read_schema_json(sources, id, diagnostics), diagnostics);
    std::string out;
    for (const Diagnostic& d : diagnostics.all()) out += catalogue_row(d.code).name;
    return out;
  };
  CHECK(codes(R"(["Agent"])", R"(["Endpoint"])") == "");
  CHECK(codes("[]", R"(["Endpoint"])") == "K4016");
  CHECK(codes(R"(["Agent"])", "[]") == "K4016");
}
