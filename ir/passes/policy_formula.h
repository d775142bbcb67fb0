// A policy in one environment as a formula over atoms; an atom depends on one thing only: the address, the port, the endpoint,
// the path, userspace values, or code at the hook.
#pragma once
#include "ir/passes/partition.h"
#include "ir/passes/plan_policy.h"

namespace kerf {

// Atoms are numbered by what they depend on.
constexpr std::uint32_t kAddressAtoms = 0;
constexpr std::uint32_t kPortAtoms = 1u << 28;
constexpr std::uint32_t kEndpointAtoms = 2u << 28;
constexpr std::uint32_t kPredicateAtoms = 3u << 28;
constexpr std::uint32_t kCodeAtoms = 4u << 28;
constexpr std::uint32_t kSetAtoms = 5u << 28;         // tests of the path that are sets
constexpr std::uint32_t kPatternAtoms = 6u << 28;     // … and those that are patterns
constexpr std::uint32_t kUnknownAtoms = 7u << 28;     // what the kernel cannot know
constexpr std::uint64_t kMaxWork = 100'000'000;   // formula nodes visited for one policy

struct PolicyFormula {
  Residuals residuals;
  Residuals::Id root{};
  std::vector<AddressOutcomes> addresses;      // by atom, as the others
  std::vector<PortOutcomes> ports;
  std::vector<EndpointOutcomes> endpoints;
  std::vector<std::uint32_t> sets, patterns;   // numbers of PathTests
  std::vector<Unknown> unknowns;
  bool refused = false;                        // and reported
};

// `asked`: what the policy asks for, should it not be exact. `names_hidden`: conditions over names of hosts cannot be known.
PolicyFormula build_formula(EnvPlanner& env, const PolicyInEnv& policy, std::optional<Approximation> asked, bool names_hidden);

// Whether names of hosts can only widen what the policy allows.
bool names_only_widen(const EnvPlanner& env, Effect effect, PolicyFormula& formula);

// Appends the formula's rows to the environment. False if there are too many: then there are none.
bool add_rows(EnvPlanner& env, PolicyId policy, std::optional<Approximation> asked, PolicyFormula& formula);

}  // namespace kerf
