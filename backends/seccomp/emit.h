// The filters of a bundle as seccomp.json (docs/bundle-format.md).
#pragma once
#include <optional>
#include <string>

#include "ir/base/diagnostic.h"
#include "ir/passes/syscalls.h"

namespace kerf::seccomp {

// Nothing after a report.
std::optional<std::string> emit_filters(const SyscallPlan& plan, Diagnostics& diagnostics);

}  // namespace kerf::seccomp
