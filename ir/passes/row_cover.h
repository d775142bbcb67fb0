// Rows as sets of events: whether one contains another, as far as their parts tell.
#pragma once
#include "ir/passes/plan.h"

namespace kerf {

// True only if every event of which `inner` holds is one of which `outer` holds. Both are rows of `env`.
bool covers(const KernelEnv& env, const KernelRow& outer, const KernelRow& inner);

inline bool holds_always(const KernelRow& row) {
  return !row.address && !row.port && !row.endpoint && row.path.empty() && row.bind.empty() && row.code.empty();
}

}  // namespace kerf
