// A policy's formula to rows. The one decision: it is split by one observable after the other, and classes with the same rest of
// the formula become one row set, so `(ip == A && port == 1) || (ip == B && port == 2) || …` is linear in its length.
#include <iterator>

#include "ir/base/check.h"
#include "ir/passes/approximate.h"
#include "ir/passes/path_partition.h"
#include "ir/passes/policy_formula.h"
#include "ir/passes/rests.h"

namespace kerf {

namespace {

constexpr std::size_t kMaxPartitioned = 1u << 20;     // files and trees of the sets of one policy

class RowMaker {
 public:
  RowMaker(EnvPlanner& env, PolicyId policy, std::optional<Approximation> asked, PolicyFormula& formula)
      : env_(env), policy_(policy), effect_(env.module.policies[policy.index].effect), asked_(asked), formula_(formula) {}

  // False if there are too many rows.
  bool run() {
    const Id root = formula_.root;
    const bool good = env_.env.resource == KernelKind::endpoint ? endpoint_rows(root) : path_rows(root);
    if (!good) return false;
    std::move(rows_.begin(), rows_.end(), std::back_inserter(env_.env.rows));
    ApproximatedPolicy approximated{policy_, asked_.value_or(Approximation::floor), {}};
    for (std::uint32_t used : atoms_used(residuals_, root, kUnknownAtoms, formula_.unknowns.size())) approximated.unknowns.push_back(formula_.unknowns[used]);
    if (!approximated.unknowns.empty()) env_.env.approximated.push_back(std::move(approximated));
    return true;
  }

 private:
  using Id = Residuals::Id;

  // Address, then port, then endpoint, then the rest as paths through the formula.
  bool endpoint_rows(Id root) {
    const Limits limits{kMaxRowsPerPolicy, kMaxWork};
    auto by_address = partition_addresses(residuals_, root, kAddressAtoms, formula_.addresses, limits);
    if (!by_address) return false;
    for (auto& [rest_a, addresses] : *by_address) {
      auto by_port = partition_ports(residuals_, rest_a, kPortAtoms, formula_.ports, limits);
      if (!by_port) return false;
      for (auto& [rest_p, ports] : *by_port) {
        auto by_endpoint = partition_endpoints(residuals_, rest_p, kEndpointAtoms, formula_.endpoints, limits);
        if (!by_endpoint) return false;
        for (auto& [rest, endpoints] : *by_endpoint) {
          KernelRow row{policy_, Outcome::true_, addresses, ports, endpoints, {}, {}, {}};
          if (!add_rows(row, rest)) return false;
        }
      }
    }
    return true;
  }

  // Sets of paths first, if there are several; one alone, and patterns, are asked like any other condition.
  bool path_rows(Id root) {
    const auto used = atoms_used(residuals_, root, kSetAtoms, formula_.sets.size());
    std::size_t named = 0;
    for (std::uint32_t set : used) named += env_.paths[formula_.sets[set]].files.size() + env_.paths[formula_.sets[set]].trees.size();
    KernelRow row{policy_, Outcome::true_, {}, {}, {}, {}, {}, {}};
    if (used.size() < 2 || named > kMaxPartitioned) return add_rows(row, root);
    std::vector<const PathTest*> tests;
    for (std::uint32_t test : formula_.sets) tests.push_back(&env_.paths[test]);
    auto parts = partition_paths(residuals_, root, kSetAtoms, tests, Limits{kMaxRowsPerPolicy, kMaxWork});
    if (!parts) return false;
    for (PathPart& part : *parts) {
      row.path.clear();
      for (auto& [test, holds] : part.when) {
        const std::uint32_t number = env_.paths.planned(env_.paths.intern(std::move(test)));
        row.path.push_back({number, holds ? Outcome::true_ : Outcome::false_});
      }
      if (!add_rows(row, part.rest)) return false;
    }
    return true;
  }

  bool add_rows(const KernelRow& shape, Id rest) {
    const std::uint64_t done = residuals_.work();
    if (done > kMaxWork) return false;
    const std::size_t room = kMaxRowsPerPolicy - rows_.size();
    auto paths = formula_.unknowns.empty() ? residual_paths(residuals_, rest, room, kMaxWork - done)
                                   : approximate_paths(residuals_, rest, {kUnknownAtoms, holds_if_possible(effect_, *asked_)}, room, kMaxWork - done);
    if (!paths) return false;
    for (const Path& path : *paths) {
      KernelRow row = shape;
      row.result = path.result;
      for (const Requirement& requirement : path.when) {
        if (requirement.atom >= kPatternAtoms) {
          row.path.push_back({env_.paths.planned(formula_.patterns[requirement.atom - kPatternAtoms]), requirement.outcome});
        } else if (requirement.atom >= kSetAtoms) {
          row.path.push_back({env_.paths.planned(formula_.sets[requirement.atom - kSetAtoms]), requirement.outcome});
        } else if (requirement.atom >= kCodeAtoms) {
          row.code.push_back({requirement.atom - kCodeAtoms, requirement.outcome});
        } else {
          check(requirement.atom >= kPredicateAtoms, "observables are split before paths");
          row.bind.push_back({requirement.atom - kPredicateAtoms, requirement.outcome});
        }
      }
      rows_.push_back(std::move(row));
    }
    return true;
  }

  EnvPlanner& env_;
  const PolicyId policy_;
  const Effect effect_;
  const std::optional<Approximation> asked_;
  PolicyFormula& formula_;
  Residuals& residuals_ = formula_.residuals;
  std::vector<KernelRow> rows_;
};

}  // namespace

bool add_rows(EnvPlanner& env, PolicyId policy, std::optional<Approximation> asked, PolicyFormula& formula) {
  return RowMaker(env, policy, asked, formula).run();
}

}  // namespace kerf
