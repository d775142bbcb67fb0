// What a seccomp filter has to know of the actions that are bound to `sys.call`. When the bundle is compiled everything about
// a principal and a call is known but the call's six arguments, so what remains is a function of these: constant on cells, the
// products of the ranges into which comparisons cut each argument.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "ir/module.h"

namespace kerf {

inline constexpr std::size_t kSyscallArgs = 6;
inline constexpr std::size_t kMaxSyscallCells = 4096;   // of one call by one principal

// Whether a call is allowed, by its arguments as unsigned numbers.
struct CallDecision {
  // Ascending, none 0: an argument v lies in the range whose number is how many bounds are <= v.
  std::array<std::vector<std::uint64_t>, kSyscallArgs> bounds;
  std::vector<bool> allow;                   // by cell; argument 0 varies slowest
  friend auto operator<=>(const CallDecision&, const CallDecision&) = default;
};

// Of one or more principals.
struct CallFilter {
  std::string refusal_errno;
  std::vector<std::uint32_t> calls;          // by name of the plan: index into SyscallPlan::decisions
  friend auto operator<=>(const CallFilter&, const CallFilter&) = default;
};

struct SyscallPlan {
  std::vector<std::size_t> environments;     // indices of Module::environments; empty: nothing is bound to `sys.call`
  std::vector<std::string> names;            // sorted
  std::vector<CallDecision> decisions;       // each once
  std::vector<CallFilter> filters;           // each once, in the order of the principals
  std::vector<std::pair<EntityUid, std::uint32_t>> principals;   // every stored entity of a `process` type, sorted; its filter
};

// `names`: every system call that some architecture has. What a filter cannot know or compute is an error, never left out.
SyscallPlan plan_syscalls(const Module& module, const std::vector<std::string>& names, Diagnostics& diagnostics);

}  // namespace kerf
