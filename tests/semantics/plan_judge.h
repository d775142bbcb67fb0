// Decides an event by the rows of the kernel plan.
#pragma once
#include <map>
#include <tuple>

#include "driver/pipeline.h"
#include "tests/semantics/oracle.h"
#include "tests/support/plan_interpreter.h"

namespace kerf::test {

// The environment that decides an event is the one of the request that it stands for.
class PlanJudge {
 public:
  explicit PlanJudge(const Program& program) : module_(program.module) {
    for (const KernelEnv& env : program.plan.envs) {
      const RequestEnv& request = module_.environments[env.environment];
      envs_.emplace(std::tuple(request.principal, request.resource, env.event), PlanInterpreter(module_, env));
    }
  }

  std::optional<Answer> decide(const KernelEventData& event, const Request& request) const {
    auto env = envs_.find(std::tuple(request.principal.type, request.resource.type, event.event));
    if (env == envs_.end()) return std::nullopt;
    const PlanInterpreter::Result result = env->second.decide(event);
    if (!result.exclusive) return std::nullopt;
    Answer permits{true, {}, {}}, forbids{false, {}, {}};
    for (std::size_t i = 0; i < module_.policies.size(); ++i) {
      const Policy& policy = module_.policies[i];
      if (result.policies[i] == Outcome::error) permits.errors.push_back(policy.id);
      if (result.policies[i] == Outcome::true_) (policy.effect == Effect::permit ? permits : forbids).determining.push_back(policy.id);
    }
    Answer answer = !forbids.determining.empty() || permits.determining.empty() ? forbids : permits;
    answer.errors = permits.errors;
    answer.sort();
    return answer;
  }

 private:
  const Module& module_;
  std::map<std::tuple<std::string, std::string, KernelEventId>, PlanInterpreter> envs_;
};

}  // namespace kerf::test
