// `--require`: what a split must be, as a gate for CI.
#pragma once
#include <string>
#include <vector>

#include "driver/pipeline.h"

namespace kerf {

// `wanted`: "exact", or "kernel=POLICY". What does not hold of a program without errors is a K503x error.
void check_required(Program& program, const std::vector<std::string>& wanted);

// Of a program with errors: whether all of them say that the kernel cannot decide a policy of which that is required.
bool fails_required(const Program& program, const std::vector<std::string>& wanted);

}  // namespace kerf
