#include "backends/bpf/codegen/optimise.h"

#include <llvm/Analysis/CGSCCPassManager.h>
#include <llvm/Analysis/LoopAnalysisManager.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>

#include "backends/bpf/codegen/generate.h"

namespace kerf::bpf {

std::unique_ptr<llvm::TargetMachine> make_machine(std::string& error) {
  LLVMInitializeBPFTargetInfo();
  LLVMInitializeBPFTarget();
  LLVMInitializeBPFTargetMC();
  LLVMInitializeBPFAsmPrinter();
  const llvm::Target* target = llvm::TargetRegistry::lookupTarget("bpfel", error);
  if (!target) return nullptr;
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine("bpfel", "v3", "", {}, std::nullopt, std::nullopt,
                                                                          llvm::CodeGenOptLevel::Default));
}

std::optional<Error> run_passes(llvm::Module& module, llvm::TargetMachine& machine, llvm::function_ref<llvm::ModulePassManager(llvm::PassBuilder&)> passes) {
  std::string complaint;
  llvm::raw_string_ostream out(complaint);
  if (llvm::verifyModule(module, &out)) return Error{"invalid module before optimising: " + complaint};
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;   // destroyed first
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  passes(builder).run(module, modules);
  return std::nullopt;
}

}  // namespace kerf::bpf
