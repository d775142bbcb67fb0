// Expressions of table.json and manifest.json (ir/expr_json.h says the form), read strictly and evaluated with all of
// Cedar. Independent of the reference evaluator: the two share ir/values only.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ir/values/entities.h"
#include "ir/values/json.h"
#include "ir/values/operations.h"

namespace kerf::gateway {

// Parts of a request may be missing (at bind time only the principal is known): reaching one is an `unobserved` error.
struct RequestParts {
  const EntityUid* principal = nullptr;
  const EntityUid* action = nullptr;
  const EntityUid* resource = nullptr;
  const ValueRecord* context = nullptr;
};

class Expr {
 public:
  // Strict: unknown operators, wrong arity, unknown keys and nesting past a bound are errors.
  static Result<Expr> from_json(const Json& json);
  EvalResult evaluate(const RequestParts& request, const Entities& entities) const;

 private:
  struct Node;
  std::vector<Node> nodes_;   // operands before users; the last is the root
};

enum class Outcome : std::uint8_t { false_ = 0, true_ = 1, error = 2 };
Outcome outcome_of(const EvalResult& result);

}  // namespace kerf::gateway
