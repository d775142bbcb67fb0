// Warnings about a split (K51xx): policies that are right as Cedar, and at the kernel hardly what was meant. Each is told
// only where it is certain.
#pragma once
#include "ir/base/diagnostic.h"
#include "ir/passes/plan.h"

namespace kerf {

// Of a plan without errors.
void lint_split(const Module& module, const KernelPlan& plan, Diagnostics& diagnostics);

}  // namespace kerf
