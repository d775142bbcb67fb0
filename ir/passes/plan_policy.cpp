#include "ir/passes/plan_policy.h"

#include "ir/passes/policy_formula.h"

namespace kerf {

EnvPlanner::EnvPlanner(const Module& module_in, KernelEnv& env_in, const Endpoints* known_endpoints,
                       const Files* known_files, Refusals& refusals_in, const PlanOptions& options_in)
    : module(module_in), env(env_in), request(module_in.environments[env_in.environment]), refusals(refusals_in), options(options_in),
      shared(module_in, env_in), hook(module_in, request), paths(module_in, env_in) {
  if (known_endpoints) endpoints.emplace(module, request, *known_endpoints);
  if (known_files) files.emplace(module, request, *known_files);
}

PolicyPlan plan_policy(EnvPlanner& env, const PolicyInEnv& policy) {
  const Policy& owner = env.module.policies[policy.policy.index];
  const std::optional<Approximation> asked = approximation_of(owner, env.options.residual);
  PolicyFormula formula = build_formula(env, policy, asked, false);
  if (!formula.refused && !names_only_widen(env, owner.effect, formula)) formula = build_formula(env, policy, asked, true);
  if (env.shared.out_of_slots) return PolicyPlan::too_many_slots;
  if (formula.refused) return PolicyPlan::refused;
  return add_rows(env, policy.policy, asked, formula) ? PolicyPlan::planned : PolicyPlan::too_many_rows;
}

}  // namespace kerf
