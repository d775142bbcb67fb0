// The split report: per policy and request environment, which layer decides, and which expression at which stage.
#pragma once
#include <string>

#include "ir/passes/plan.h"
#include "ir/values/json.h"

namespace kerf {

enum class Layer { gateway, kernel, none };   // none: the policy cannot apply in that environment

struct StagedExpr {
  Stage stage;
  Span span;
  std::string text;      // the expression in Cedar syntax
  std::string reason;
};

struct SplitEntry {
  PolicyId policy;
  std::size_t environment;
  Layer layer;
  std::vector<KernelEventId> events;   // that the kernel decides by it
  std::optional<ApproximatedPolicy> approximation = {};   // none: the kernel decides it exactly
  std::vector<StagedExpr> exprs;   // maximal subexpressions by stage, in source order
};

struct Split {
  std::vector<SplitEntry> entries;   // by policy, then environment
};

Split split(const Module& module, const KernelPlan& plan);
// For split.json and the manifest.
Json approximation_to_json(const Module& module, const Sources& sources, const ApproximatedPolicy& approximated);
Json split_to_json(const Module& module, const Sources& sources, const Split& split);   // without the guards
std::string split_to_table(const Module& module, const Sources& sources, const Split& split);
// Plain boxes for a terminal: each policy, its expressions, and the layer and stage that decides them.
std::string split_to_picture(const Module& module, const Sources& sources, const Split& split, bool colour);

// A graph in Graphviz's language.
std::string split_to_dot(const Module& module, const Split& split);

}  // namespace kerf
