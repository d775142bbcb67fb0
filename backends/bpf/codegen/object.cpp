// Optimised module -> relocatable object.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/Support/raw_ostream.h>

#include "backends/bpf/codegen/generate.h"

namespace kerf::bpf {

std::string decision_name(const std::set<std::string>& able) { return fmt::format("decision {}", fmt::join(able, " ")); }

Result<std::string> write_object(llvm::Module& module, llvm::TargetMachine& machine) {
  // The optimiser lets equal constants merge, and mergeable ones would get sections `.rodata` of their own; libbpf and
  // our loader know exactly one.
  for (llvm::GlobalVariable& global : module.globals()) {
    if (global.isConstant()) global.setUnnamedAddr(llvm::GlobalValue::UnnamedAddr::None);
  }
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream out(bytes);
  llvm::legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, out, nullptr, llvm::CodeGenFileType::ObjectFile)) return Error{"no object writer for this target"};
  passes.run(module);
  return std::string(bytes.begin(), bytes.end());
}

}  // namespace kerf::bpf
