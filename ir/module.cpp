// A module as text, for `--print=ir` and goldens: environments, then policies with their bodies.
#include "ir/module.h"

#include <fmt/format.h>

namespace kerf {

namespace {

std::string scope_text(const ScopeConstraint& scope) {
  std::string out = scope.type ? " is " + *scope.type : "";
  switch (scope.kind) {
    case ScopeConstraint::Kind::any: return out;
    case ScopeConstraint::Kind::eq: return out + " == " + to_text(scope.uid);
    case ScopeConstraint::Kind::in: return out + " in " + to_text(scope.uid);
  }
  return out;
}

std::string policy_text(const Policy& policy) {
  std::string out = fmt::format("{} {}", policy.effect == Effect::permit ? "permit" : "forbid", quote(policy.id));
  out += fmt::format(" (principal{}, resource{})\n", scope_text(policy.principal), scope_text(policy.resource));
  for (const auto& [key, value] : policy.annotations) out += fmt::format("  @{}({})\n", key, quote(value));
  return out + print_body(policy.body);
}

}  // namespace

std::string print_module(const Module& module) {
  std::string out;
  for (const RequestEnv& env : module.environments) {
    out += fmt::format("environment {} {} {}\n", env.principal, to_text(env.action), env.resource);
  }
  for (const Policy& policy : module.policies) out += policy_text(policy);
  return out;
}

}  // namespace kerf
