// Terms evaluated for one request, by Cedar's rules; some terms may be given a value beforehand: what a hook observes.
#pragma once
#include <span>
#include <unordered_map>

#include "backends/check/terms.h"
#include "ir/eval.h"
#include "ir/values/operations.h"

namespace kerf::proof {

// An operator that needs all its operands.
EvalResult apply(const Terms& terms, Term t, std::span<const Value> args, const Entities& entities);

struct Given {
  const Request& request;
  const Entities& entities;
  const std::unordered_map<Term, EvalResult>& observed;
};

EvalResult evaluate_value(const Terms& terms, Term t, const Given& given);
// false, true, or error: also for values that are no Bool.
Outcome evaluate(const Terms& terms, Term t, const Given& given);

}  // namespace kerf::proof
