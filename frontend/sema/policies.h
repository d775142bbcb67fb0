// Policy syntax to IR, and the strict validator.
#pragma once
#include <cstddef>
#include <optional>
#include <vector>

#include "frontend/ast/policy.h"
#include "ir/base/diagnostic.h"
#include "frontend/sema/type_relations.h"
#include "ir/module.h"

namespace kerf {

inline constexpr std::size_t kMaxPolicyNodes = std::size_t{1} << 20;  // of one body, desugared; K8020 past it

// Appends the policies of the files, in the given order, to module.policies. Ids: what the stored form
// (JSON) says, else `@id`, else policyN with N the position over all files; repeated ids are K3xxx. Templates go to
// module.templates without what their slots ask; their links become policies, after those of the files. A refused policy
// is left out; the positions of the others stay.
// Chains of `&&` or `||` longer than 32 become balanced trees: same order, same outcomes, and every pass can recurse.
// `jobs` threads, as in ir/base/parallel.h; the result is the same.
void lower_policies(const std::vector<ast::PolicyFile>& files, Module& module, Diagnostics& diagnostics,
                    std::size_t jobs = 1);

// Strict validation of every policy in every environment (cedar-policy-core validator/typecheck.rs): singleton
// booleans, capabilities, LUBs, InvalidActionApplication, ImpossiblePolicy. K3xxx, each with the environments as a
// note; equal errors of several environments are one diagnostic. Expects bodies as lower_policies makes them.
struct ValidationOptions {
  ValidationMode mode = ValidationMode::strict;
  std::optional<std::size_t> level;      // how many steps to entity data a policy may make; none: any number
  bool applicability_warns = false;      // a scope that fits no action is a warning, as since Cedar 4.13
  std::size_t jobs = 1;                  // threads; 0: one a processor. The diagnostics are the same
};
void typecheck(const Module& module, Diagnostics& diagnostics, const ValidationOptions& options = {});

// Types of one policy's nodes in one environment, without reporting. `types` starts as a copy of module.schema.types
// and grows by the types that only expressions have (`Set<Long>` of a literal); the ids of the schema stay valid.
TypedPolicy type_policy(const Module& module, PolicyId policy, std::size_t environment, Types& types);

// Literals of kernel-bound types in policies must have their one canonical spelling (K4xxx, with the fix); attributes
// and ancestors of kernel-bound resources are reachable through `resource` only, in policies for governed actions.
void check_kernel_literals(const Module& module, Diagnostics& diagnostics);

}  // namespace kerf
