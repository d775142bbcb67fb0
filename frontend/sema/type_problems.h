// Words for what the typechecker found.
#pragma once
#include "frontend/sema/type_body.h"
#include "ir/base/diagnostic.h"
#include "ir/module.h"

namespace kerf {

// The typed body that a problem was found in.
struct TypedBody {
  const Schema& schema;
  const Types& types;
  const Body& body;
  const RequestEnv& env;
  const std::vector<TypeId>& node_types;
};

void report_problem(const TypeProblem& problem, const TypedBody& in, Diagnostics& diagnostics);

std::string show_type(const Types& types, TypeId type);      // Cedar's names; singletons are Bool
std::string show_environment(const RequestEnv& env);         // (User, Action::"view", Photo)

}  // namespace kerf
