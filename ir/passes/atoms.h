// Cuts policies of one environment into atoms: the maximal Bool subexpressions below &&, ||, !, if. Equal atoms (same
// tree) of different policies share one number, so an evaluator computes each at most once.
#pragma once
#include <vector>

#include "ir/module.h"
#include "ir/passes/formula.h"

namespace kerf {

struct Atom {
  PolicyId policy;   // where it was seen first
  NodeId node;
  bool can_error;    // by operators and operands; an attribute access that the types prove safe cannot fail only if
                     // the entity surely exists, which nobody promises: entity dereferences always can
};

struct PolicyFormula {
  PolicyId policy;
  Formula formula;   // atoms numbered in EnvironmentAtoms::atoms
};

struct EnvironmentAtoms {
  std::size_t environment;
  std::vector<Atom> atoms;
  std::vector<PolicyFormula> policies;   // ascending; without those that are false in this environment by types alone
};

// Parts that the environment decides (`action == …`, `is`, types) are folded to true or false first. A part that always
// errs stays an atom, so that an evaluator can tell the error.
EnvironmentAtoms cut_atoms(const Module& module, std::size_t environment);

}  // namespace kerf
