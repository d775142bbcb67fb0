// The library of hooks that kerf-codegen has in it (backends/bpf/codegen/link.cpp).
#pragma once
#include <string>

#include "backends/bpf/codegen/generate.h"

namespace kerf::bpf {

// Optimised hooks -> an archive, one member for each program, function and map.
Result<std::string> write_library(const llvm::Module& hooks, llvm::TargetMachine& machine);

// An object of the module, without DWARF.
Result<std::string> write_member(llvm::Module& module, llvm::TargetMachine& machine);

struct Member {
  std::string name, bytes;
};
Result<std::string> write_archive(const std::vector<Member>& members);

}  // namespace kerf::bpf
