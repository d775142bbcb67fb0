// The live probe: a process inside the cgroup tries what must be refused. "Loaded" and "attached" are never believed.
#pragma once
#include "runtime/loader/kernel.h"

namespace kerf::loader {

// Before a record is set, so that every governed call must be refused and reported. Eats the events that it causes.
LoaderResult<Unit> probe(int cgroup, const Maps& maps);

}  // namespace kerf::loader
