// The groups of an environment whose scopes a request meets. Private to runtime/gateway.
#pragma once
#include "runtime/gateway/plan.h"

namespace kerf::gateway {

// Into the workspace's `groups`, each once, in no order.
void find_groups(const Store& store, const EnvironmentPlan& plan, Workspace& work);
// Only those with a principal `in` something.
void find_groups_of_members(const Store& store, const EnvironmentPlan& plan, Workspace& work);
// Whether there is one.
bool has_group_of_members(const Store& store, const EnvironmentPlan& plan, Workspace& work);

}  // namespace kerf::gateway
