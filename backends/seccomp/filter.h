// Decisions about system calls -> a filter in classic BPF (seccomp(2)).
#pragma once
#include <linux/filter.h>

#include <optional>
#include <vector>

#include "backends/seccomp/names.h"
#include "ir/passes/syscalls.h"

namespace kerf::seccomp {

// Other ABIs, and numbers that have no name, are answered with ENOSYS: no policy speaks of them, and programs know what to
// do then. Nothing if the filter is longer than the kernel takes (BPF_MAXINSNS).
std::optional<std::vector<sock_filter>> make_filter(const SyscallPlan& plan, const CallFilter& filter, const Architecture& architecture,
                                                    const std::vector<Call>& calls);

}  // namespace kerf::seccomp
