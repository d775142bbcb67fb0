// One policy in one environment to rows.
#pragma once
#include "ir/passes/code_predicate.h"
#include "ir/passes/path_tests.h"
#include "ir/passes/refusal.h"
#include "ir/passes/resource_outcomes.h"

namespace kerf {

// What the policies of one environment share. `endpoints` or `files`: those of the environment's resource type.
struct EnvPlanner {
  EnvPlanner(const Module& module, KernelEnv& env, const Endpoints* endpoints, const Files* files, Refusals& refusals,
             const PlanOptions& options);

  const Module& module;
  KernelEnv& env;
  const RequestEnv& request;
  Refusals& refusals;
  const PlanOptions& options;
  SharedExprs shared;
  HookOutcomes hook;
  PathTests paths;
  std::optional<ResourceOutcomes<EndpointKey>> endpoints;
  std::optional<ResourceOutcomes<std::string>> files;
};

enum class PolicyPlan { planned, refused, too_many_rows, too_many_slots };

// Appends the rows of the policy to the environment, if it is planned.
PolicyPlan plan_policy(EnvPlanner& env, const PolicyInEnv& policy);

}  // namespace kerf
