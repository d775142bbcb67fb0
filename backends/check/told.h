// What the hooks are told of the policies (runtime/kernel/glue.h) against the schema. A hook that is told too little does not look,
// or does not know that it governs.
#pragma once
#include "backends/check/read_object.h"
#include "backends/check/report.h"

namespace kerf::proof {

void check_told(const Module& module, const ObjectTables& tables, Report& report);

}  // namespace kerf::proof
