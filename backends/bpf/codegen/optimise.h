// Passes over both parts of the glue: the decision, for each object, and all of it once, when kerf is built.
#pragma once
#include <llvm/ADT/STLFunctionalExtras.h>
#include <llvm/Passes/PassBuilder.h>

#include <optional>

#include "ir/base/result.h"

namespace kerf::bpf {

// An invalid module is an error.
std::optional<Error> run_passes(llvm::Module& module, llvm::TargetMachine& machine, llvm::function_ref<llvm::ModulePassManager(llvm::PassBuilder&)> passes);

}  // namespace kerf::bpf
