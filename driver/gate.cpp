// Requirements and the split -> errors that name the policy, the request environment and the reason.
#include "driver/gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "ir/passes/refusal.h"

namespace kerf {
namespace {

constexpr std::string_view kExact = "exact", kKernel = "kernel=";

void add_unknowns(Diagnostic& made, const RequestEnv& env, const ApproximatedPolicy& approximation) {
  made.with_note(fmt::format("for {} the kernel enforces its {}", environment_text(env), to_text(approximation.kind)));
  for (const Unknown& unknown : approximation.unknowns) {
    made.with_related(unknown.span, fmt::format("{}: {}", catalogue_row(unknown.code).name, unknown.why));
  }
}

void require_exact(Program& program) {
  std::set<PolicyId> reported;
  for (const KernelEnv& env : program.plan.envs) {
    for (const ApproximatedPolicy& approximation : env.approximated) {
      if (!reported.insert(approximation.policy).second) continue;
      const Policy& policy = program.module.policies[approximation.policy.index];
      add_unknowns(program.diagnostics.report(Code::K5031, policy.span, policy.id), program.module.environments[env.environment], approximation);
    }
  }
}

// The first environment in which the kernel alone does not decide the policy.
void require_kernel(Program& program, const Split& split, PolicyId wanted) {
  const Policy& policy = program.module.policies[wanted.index];
  bool applies = false;
  for (const SplitEntry& entry : split.entries) {
    if (entry.policy != wanted || entry.layer == Layer::none) continue;
    applies = true;
    if (entry.layer == Layer::kernel && !entry.approximation) continue;
    const RequestEnv& env = program.module.environments[entry.environment];
    Diagnostic& made = program.diagnostics.report(Code::K5030, policy.span, policy.id);
    if (entry.approximation) return add_unknowns(made, env, *entry.approximation);
    made.with_note(fmt::format("for {} the gateway decides it: no hook asks about the action", environment_text(env)));
    made.with_help("bind the action to an event with `@kernel`, or name the governed actions in the scope of the policy");
    return;
  }
  if (applies) return;
  program.diagnostics.report(Code::K5030, policy.span, policy.id).with_note("no request of the schema satisfies it");
}

}  // namespace

void check_required(Program& program, const std::vector<std::string>& wanted) {
  std::optional<Split> split;
  for (const std::string& one : wanted) {
    if (one == kExact) {
      require_exact(program);
      continue;
    }
    if (!one.starts_with(kKernel)) {
      program.diagnostics.report(Code::K5032, {}, one, "it is neither `exact` nor `kernel=POLICY`");
      continue;
    }
    const std::string id = one.substr(kKernel.size());
    const auto& policies = program.module.policies;
    auto found = std::find_if(policies.begin(), policies.end(), [&](const Policy& policy) { return policy.id == id; });
    if (found == policies.end()) {
      Diagnostic& made = program.diagnostics.report(Code::K5032, {}, one, fmt::format("no policy has the id `{}`", id));
      std::vector<std::string> ids;
      for (const Policy& policy : policies) ids.push_back(policy.id);
      if (auto near = closest(id, ids)) made.with_help(fmt::format("did you mean `kernel={}`?", *near));
      continue;
    }
    if (!split) split = kerf::split(program.module, program.plan);
    require_kernel(program, *split, PolicyId(static_cast<std::size_t>(found - policies.begin())));
  }
  program.diagnostics.sort();
}

bool fails_required(const Program& program, const std::vector<std::string>& wanted) {
  const bool exact = std::find(wanted.begin(), wanted.end(), kExact) != wanted.end();
  bool concerned = false;
  for (const Diagnostic& d : program.diagnostics.all()) {
    if (d.severity != Severity::error) continue;
    const std::string_view code = catalogue_row(d.code).name;
    if (!(code >= "K5001" && code < "K5008") && code != "K5009" && code != "K5010") return false;
    concerned = concerned || exact || std::find(wanted.begin(), wanted.end(), std::string(kKernel) + d.policy) != wanted.end();
  }
  return concerned;
}

}  // namespace kerf
