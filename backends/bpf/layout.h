// KernelPlan -> the request to kerf-codegen: row numbers, constant tables, code conditions. No LLVM.
#pragma once
#include <array>

#include "backends/bpf/bpf.h"
#include "backends/bpf/protocol.h"
#include "backends/bpf/tables.h"

namespace kerf::bpf {

struct Layout {
  BpfLayout object;
  CodegenRequest request;
};

Result<Layout> lay_out(const Module& module, const KernelPlan& plan, const std::array<std::uint8_t, 16>& digest);

// A code predicate as operations on observables, slots and constants; an Error if the hook has none for some node.
Result<CodeExpr> lower_code(const Module& module, const KernelEnv& env, const CodePredicate& predicate);

}  // namespace kerf::bpf
