// Reference semantics: evaluates bodies exactly as Cedar's specification says, and authorizes. Simple, not fast.
#pragma once
#include <string>
#include <vector>

#include "ir/body.h"
#include "ir/module.h"
#include "ir/values/operations.h"

namespace kerf {

enum class Outcome : std::uint8_t { false_ = 0, true_ = 1, error = 2 };
std::string_view to_text(Outcome outcome);

// A request with parts possibly not known yet: a missing variable raises EvalErrorKind::unobserved when reached.
struct EvalContext {
  const Request* request = nullptr;
  const Entities* entities = nullptr;
};

// After an error `failed`, if given, is the innermost node whose evaluation failed.
EvalResult evaluate(const Body& body, NodeId node, const EvalContext& context, NodeId* failed = nullptr);
// true/false, or error (an evaluation error, or a value that is not a Bool).
Outcome evaluate_outcome(const Body& body, NodeId node, const EvalContext& context);

struct PolicyError {
  PolicyId policy;
  EvalError error;
  NodeId failed = {};   // in the policy's body
};

struct Decision {
  bool allow = false;
  std::vector<PolicyId> determining;   // ascending
  std::vector<PolicyError> errors;     // ascending by policy
};

// Cedar's authorizer: forbids override, erroring policies are skipped and reported.
Decision authorize(const Module& module, const Request& request, const Entities& entities);

}  // namespace kerf
