// Inside kerf-codegen: request -> object, in three steps on one LLVM module.
#pragma once
#include <llvm/IR/Module.h>
#include <llvm/Target/TargetMachine.h>

#include <memory>
#include <optional>
#include <string>

#include "backends/bpf/protocol.h"

namespace kerf::bpf {

// Puts tables of zeros and constants into the glue, drops what nothing needs, optimises.
std::optional<Error> specialise_glue(llvm::Module& module, llvm::TargetMachine& machine, const CodegenRequest& request);

// Bodies for kerf_code and its parts; nothing to do if no row has a code condition.
std::optional<Error> define_conditions(llvm::Module& module, const CodegenRequest& request);

Result<std::string> write_object(llvm::Module& module, llvm::TargetMachine& machine);

}  // namespace kerf::bpf
