// Policies of the governed environments to rows. The one decision: rows do not depend on the event, so an environment is
// planned once, however many events its action binds.
#include "ir/passes/plan.h"

#include <fmt/format.h>

#include <limits>
#include <map>
#include <set>

#include "ir/expr_json.h"
#include "ir/passes/cases.h"
#include "ir/passes/plan_policy.h"

namespace kerf {

namespace {

constexpr int kMaxCaseSteps = 16;   // expressions of one condition that are split

// False if an expression has too many values, which is reported.
bool split_by_cases(EnvPlanner& planner, KernelEnv& env, PolicyId policy, CaseSplitter& splitter, Analysis& analysis) {
  for (int step = 0; step < kMaxCaseSteps; ++step) {
    const Body& body = env.body(planner.module, policy);
    Cases cases = splitter.split(body, analysis);
    if (cases.too_many) {
      planner.refusals.too_many_values({policy, &body, &analysis}, planner.request, *cases.too_many);
      return false;
    }
    if (!cases.body) return true;
    env.rewritten[policy] = std::make_shared<const Body>(std::move(*cases.body));
    analysis = analyse(planner.module, *env.rewritten[policy], planner.request);
  }
  return true;
}

// All policies in one environment; false if a limit stops it.
bool plan_environment(const Module& module, KernelEnv& env, EnvPlanner& planner, Diagnostics& diagnostics) {
  const RequestEnv& request = planner.request;
  CaseSplitter cases(module, request);
  for (std::size_t i = 0; i < module.policies.size(); ++i) {
    const Policy& policy = module.policies[i];
    Analysis analysis = analyse(module, policy.body, request);
    if (!split_by_cases(planner, env, PolicyId(i), cases, analysis)) continue;
    const PolicyInEnv in_env{PolicyId(i), &env.body(module, PolicyId(i)), &analysis};
    switch (plan_policy(planner, in_env)) {
      case PolicyPlan::planned:
      case PolicyPlan::refused:
        break;
      case PolicyPlan::too_many_rows:
        diagnostics.report(Code::K8050, policy.span, policy.id, kMaxRowsPerPolicy)
            .with_note("for " + environment_text(request));
        break;
      case PolicyPlan::too_many_slots:
        diagnostics.report(Code::K8052, policy.span, kMaxValueSlots, policy.id)
            .with_note("for " + environment_text(request));
        return false;
    }
    if (env.rows.size() > kMaxRowsPerEnv) {
      diagnostics.report(Code::K8051, policy.span, environment_text(request), kMaxRowsPerEnv, policy.id);
      return false;
    }
  }
  return true;
}

// Annotations that ask for what kerf does not do.
void refuse_annotations(const Module& module, Diagnostics& diagnostics) {
  for (const Policy& policy : module.policies) {
    for (const auto& [key, value] : policy.annotations) {
      if (key == "on_error") {
        diagnostics.report(Code::K5008, policy.span, key).with_note(fmt::format("policy `{}`", policy.id));
      } else if (key == "residual" && !find_approximation(value)) {
        diagnostics.report(Code::K5020, policy.span, value).with_note(fmt::format("policy `{}`", policy.id));
      }
    }
  }
}

// The approximated policies of one action are of one kind.
void refuse_both_sides(const Module& module, const KernelPlan& plan, Diagnostics& diagnostics) {
  std::map<EntityUid, const ApproximatedPolicy*> first;
  std::set<EntityUid> reported;
  for (const KernelEnv& env : plan.envs) {
    const EntityUid& action = module.environments[env.environment].action;
    for (const ApproximatedPolicy& approximated : env.approximated) {
      const ApproximatedPolicy* other = first.try_emplace(action, &approximated).first->second;
      if (other->kind == approximated.kind || !reported.insert(action).second) continue;
      const Policy &policy = module.policies[approximated.policy.index], &before = module.policies[other->policy.index];
      diagnostics.report(Code::K5021, policy.span, to_text(action))
          .with_label(fmt::format("`{}` has a {} here", policy.id, to_text(approximated.kind)))
          .with_related(before.span, fmt::format("`{}` has a {}", before.id, to_text(other->kind)));
    }
  }
}

const KernelKind* kernel_kind(const Module& module, const std::string& type) {
  const EntityType& declared = *module.schema.find_type(type);   // environments are of declared types
  return declared.kernel ? &*declared.kernel : nullptr;
}

// The resources that the entities name, by their type.
struct Known {
  std::map<std::string, Endpoints> endpoints;
  std::map<std::string, Files> files;
};

bool plan_with_rows(const Module& module, KernelEnv& env, Known& known, Refusals& refusals, const PlanOptions& options,
                    Diagnostics& diagnostics) {
  const std::string& type = module.environments[env.environment].resource;
  const Endpoints* endpoints = nullptr;
  const Files* files = nullptr;
  if (env.resource == KernelKind::endpoint) {
    endpoints = &known.endpoints.try_emplace(type, module, type).first->second;
  } else {
    files = &known.files.try_emplace(type, module, type).first->second;
  }
  EnvPlanner planner(module, env, endpoints, files, refusals, options);
  return plan_environment(module, env, planner, diagnostics);
}

}  // namespace

KernelPlan plan_kernel(const Module& module, Diagnostics& diagnostics, const PlanOptions& options) {
  KernelPlan plan;
  refuse_annotations(module, diagnostics);
  Refusals refusals(module, diagnostics);
  Known known;
  for (std::size_t i = 0; i < module.environments.size(); ++i) {
    const RequestEnv& request = module.environments[i];
    const Action* action = module.schema.find_action(request.action);
    const KernelKind* principal = kernel_kind(module, request.principal);
    const KernelKind* resource = kernel_kind(module, request.resource);
    if (!action || !principal || *principal != KernelKind::process || !resource) continue;
    std::optional<std::size_t> planned;
    for (KernelEventId event : action->events) {
      const KernelEvent& row = kernel_event(event);
      if (decided_by_filter(row) || !can_be_resource(row, *resource)) continue;   // filters: syscalls.h
      if (planned) {
        plan.envs.push_back(plan.envs[*planned]);
      } else {
        KernelEnv env{i, event, *resource, {}, {}, {}, {}, {}, {}, {}};
        if (!plan_with_rows(module, env, known, refusals, options, diagnostics)) return plan;
        planned = plan.envs.size();
        plan.envs.push_back(std::move(env));
      }
      plan.envs.back().event = event;
      plan.envs.back().refusal_errno = action->refusal_errno.value_or(std::string(row.default_errno));
    }
  }
  refuse_both_sides(module, plan, diagnostics);
  return plan;
}

const ApproximatedPolicy* KernelEnv::approximation(PolicyId policy) const {
  for (const ApproximatedPolicy& one : approximated) {
    if (one.policy == policy) return &one;
  }
  return nullptr;
}

const Body& KernelEnv::body(const Module& module, PolicyId policy) const {
  auto made = rewritten.find(policy);
  return made == rewritten.end() ? module.policies.at(policy.index).body : *made->second;
}

bool EndpointSet::holds(const EndpointKey& key) const {
  return std::binary_search(listed.begin(), listed.end(), key) != others;
}

Json userspace_expr(const Module& module, const KernelEnv& env, PolicyId policy, NodeId node) {
  const Body& body = env.body(module, policy);
  const Folded folded = fold(module, body, module.environments.at(env.environment), FoldWith::kernel);
  // What fails for every request is another expression that does, for this one may read what userspace does not know.
  const Body known = rewrite(body, node, folded, [&](NodeId id, Body& to) -> std::optional<NodeId> {
    if (!folded.known(id)) return std::nullopt;
    const Value least(std::numeric_limits<std::int64_t>::min());
    return to.add(Op::neg, {to.add_literal(least, body[id].span)}, body[id].span);
  });
  return expr_to_json(known, known.root);
}

}  // namespace kerf
