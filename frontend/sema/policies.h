// Policy syntax to IR, and the strict validator.
#pragma once
#include <vector>

#include "frontend/ast/policy.h"
#include "ir/base/diagnostic.h"
#include "ir/module.h"

namespace kerf {

// Appends the policies of the files, in the given order, to module.policies. Ids: `@id` if present, else policyN with
// N the position over all files; repeated ids are K3xxx. Templates are K3xxx (not accepted yet). Needs
// module.schema and module.environments.
void lower_policies(const std::vector<ast::PolicyFile>& files, Module& module, Diagnostics& diagnostics);

// Strict validation of every policy in every environment (cedar-policy-core validator/typecheck.rs): singleton
// booleans, capabilities, LUBs, InvalidActionApplication, ImpossiblePolicy. K3xxx, each with the environment as a note.
void typecheck(const Module& module, Diagnostics& diagnostics);

// Types of one policy's nodes in one environment, without reporting.
TypedPolicy type_policy(const Module& module, PolicyId policy, std::size_t environment);

// Literals of kernel-bound types in policies must have their one canonical spelling (K4xxx, with the fix); attributes
// and ancestors of kernel-bound entities are reachable through `resource` only.
void check_kernel_literals(const Module& module, Diagnostics& diagnostics);

}  // namespace kerf
