// Random policies over a model, in the JSON format. Mostly right by construction, wrong where asked.
#pragma once
#include <string>
#include <vector>

#include "ir/values/json.h"
#include "tests/differential/model.h"

namespace kerf::test {

// Types of one request.
struct Situation {
  std::size_t action, principal, resource;
};
Situation some_situation(Random& random, const Model& model);

struct PolicyParts {
  Json policy;
  bool is_template = false;
};
PolicyParts make_policy(Random& random, const Model& model, const Situation& situation, bool templates);

// Breaks types: one part of an expression becomes something else.
void mutate_policy(Random& random, const Model& model, Json& policy);
// Sets, records and extension calls of literals as JSON values, `has` with a path: what text does not make.
void vary_json(Random& random, Json& policy);

}  // namespace kerf::test
