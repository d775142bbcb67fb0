// A checked program: policies with their bodies, the schema, and the entity snapshot.
#pragma once
#include <string>
#include <vector>

#include "ir/base/diagnostic.h"
#include "ir/body.h"
#include "ir/schema.h"
#include "ir/values/entities.h"

namespace kerf {

enum class Effect { permit, forbid };

struct PolicyTag;
using PolicyId = Id<PolicyTag>;   // index into Module::policies

// A scope constraint on principal or resource, kept beside the body for indexing.
struct ScopeConstraint {
  enum class Kind { any, eq, in } kind = Kind::any;
  EntityUid uid;                          // eq, in
  std::optional<std::string> type;        // `is T`, alone or with `in`
};

struct Policy {
  std::string id;                          // @id, else policyN
  Effect effect;
  std::vector<std::pair<std::string, std::string>> annotations;  // source order
  ScopeConstraint principal, resource;
  Body body;
  Span span;
  bool linked = false;                     // made from a template, whose condition is validated once
};

// A policy typed in one environment: types[i] is the type of node i, or `never` where the validator did not look
// (unreachable by short circuit).
struct TypedPolicy {
  PolicyId policy;
  std::size_t environment;                 // index into Module::environments
  std::vector<TypeId> types;
};

struct Module {
  Schema schema;
  std::vector<RequestEnv> environments;    // sorted
  std::vector<Policy> policies;            // order of the sorted inputs, then links of templates
  std::vector<Policy> templates;           // without what their slots ask: to be validated, never evaluated
  Entities entities;                       // the snapshot, action entities included
};

std::string print_module(const Module& module);
// Everything a pass may rely on: operands precede users, arities, payload indices in range, root boolean-shaped.
// Returns the first violation as text, or nothing. `jobs` threads, as in ir/base/parallel.h.
std::optional<std::string> verify(const Module& module, std::size_t jobs = 1);

}  // namespace kerf
