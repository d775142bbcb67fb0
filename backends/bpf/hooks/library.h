// The library of hooks that kerf-codegen has in it (backends/bpf/codegen/link.cpp).
#pragma once
#include <string>

#include "backends/bpf/codegen/generate.h"

namespace kerf::bpf {

// Optimised hooks -> an archive, one member for each program, function and map.
Result<std::string> write_library(const llvm::Module& hooks, llvm::TargetMachine& machine);

}  // namespace kerf::bpf
