// KernelPlan -> the request to kerf-codegen, and what its tables hold: row numbers, constant tables, code conditions. No LLVM.
#pragma once
#include <array>
#include <map>
#include <string>

#include "backends/bpf/bpf.h"
#include "backends/bpf/executables.h"
#include "backends/bpf/protocol.h"
#include "backends/bpf/tables.h"

namespace kerf::bpf {

struct Layout {
  BpfLayout object;
  CodegenRequest request;
  std::map<std::string, std::string> contents;   // of tables and of what is told beside them, by name; little-endian
  std::map<std::string, std::uint32_t> numbers;  // runtime/kernel/numbers.def
  std::uint32_t policy_count = 0;                // elements of kerf_hits
};

Result<Layout> lay_out(const Module& module, const KernelPlan& plan, const std::array<std::uint8_t, 16>& digest);

// A code predicate as operations on observables, slots and constants; an Error if the hook has none for some node.
Result<CodeExpr> lower_code(const Module& module, const KernelEnv& env, const CodePredicate& predicate, const Executables& executables);

}  // namespace kerf::bpf
