// Random entities and requests for a model, as JSON; and ways to break them.
#pragma once
#include <string>

#include "ir/values/json.h"
#include "tests/differential/policies.h"

namespace kerf::test {

struct RequestParts {
  Json principal, action, resource;   // {"type", "id"}
  std::string context;                // JSON text
};

// `explicit_forms`: that a reader without schema understands.
Json make_entities(Random& random, const Model& model, bool explicit_forms);
RequestParts make_request(Random& random, const Model& model, const Situation& situation, bool explicit_forms);

void mutate_entities(Random& random, const Model& model, Json& entities);
void mutate_request(Random& random, const Model& model, RequestParts& request);
// Changes one value somewhere: another type, another key, null. `forms`: of a policy or schema, where the official reader
// takes arrays for objects, field by field; kerf refuses that.
void mutate_json(Random& random, Json& json, bool forms = false);
// What only text can say: a repeated key, `1.0`, numbers past 64 bits, a comma too much.
void mutate_json_text(Random& random, std::string& text);
// A piece of Cedar text goes away, doubles, or changes.
void mutate_cedar_text(Random& random, std::string& text);

}  // namespace kerf::test
