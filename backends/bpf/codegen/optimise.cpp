// What is done to both parts of the glue: the decision for each object, the hooks once, when kerf is built.
#include <llvm/Analysis/CGSCCPassManager.h>
#include <llvm/Analysis/LoopAnalysisManager.h>
#include <llvm/IR/GlobalVariable.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Transforms/IPO/Internalize.h>
#include <llvm/Transforms/InstCombine/InstCombine.h>
#include <llvm/Transforms/Scalar/ADCE.h>
#include <llvm/Transforms/Scalar/EarlyCSE.h>
#include <llvm/Transforms/Scalar/LoopDeletion.h>
#include <llvm/Transforms/Scalar/LoopPassManager.h>
#include <llvm/Transforms/Scalar/SCCP.h>
#include <llvm/Transforms/Scalar/SimplifyCFG.h>

#include "backends/bpf/codegen/generate.h"

namespace kerf::bpf {
namespace {

// BTF has types, functions and lines, and says nothing of where variables are. To follow them takes LLVM a fifth of its time.
void drop_variable_places(llvm::Module& module) {
  for (llvm::Function& function : module) {
    for (llvm::BasicBlock& block : function) {
      for (llvm::Instruction& instruction : llvm::make_early_inc_range(block)) {
        instruction.dropDbgRecords();
        if (llvm::isa<llvm::DbgInfoIntrinsic>(instruction)) instruction.eraseFromParent();
      }
    }
  }
}

bool is_kept(const llvm::GlobalValue& value) {
  if (value.isDeclaration()) return true;
  // Programs, and global functions: each is verified once on its own.
  if (llvm::isa<llvm::Function>(value)) return !value.hasLocalLinkage();
  return value.hasSection() || !llvm::cast<llvm::GlobalVariable>(value).hasLocalLinkage();   // maps, licence, what hooks are told
}

// `again`: all that no table can change has been done.
void run_passes(llvm::Module& module, llvm::TargetMachine& machine, bool again) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;   // destroyed first
  llvm::PipelineTuningOptions options;
  options.LoopVectorization = options.SLPVectorization = options.MergeFunctions = false;
  llvm::PassBuilder builder(&machine, options);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  if (!again) {
    builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2).run(module, modules);
    return;
  }
  llvm::FunctionPassManager passes;
  passes.addPass(llvm::SCCPPass());
  passes.addPass(llvm::InstCombinePass());
  passes.addPass(llvm::SimplifyCFGPass());
  passes.addPass(llvm::EarlyCSEPass(true));
  passes.addPass(llvm::createFunctionToLoopPassAdaptor(llvm::LoopDeletionPass()));
  passes.addPass(llvm::ADCEPass());
  passes.addPass(llvm::InstCombinePass());
  passes.addPass(llvm::SimplifyCFGPass());
  llvm::ModulePassManager all;
  all.addPass(llvm::createModuleToFunctionPassAdaptor(std::move(passes)));
  all.run(module, modules);
}

}  // namespace

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

std::optional<Error> optimise(llvm::Module& module, llvm::TargetMachine& machine, bool again) {
  drop_variable_places(module);
  // Tables are found by symbol; types of some of them would be no use.
  for (llvm::GlobalVariable& variable : module.globals()) {
    if (variable.hasLocalLinkage()) variable.eraseMetadata(llvm::LLVMContext::MD_dbg);
  }
  llvm::internalizeModule(module, is_kept);
  std::string complaint;
  llvm::raw_string_ostream out(complaint);
  if (llvm::verifyModule(module, &out)) return Error{"invalid module before optimising: " + complaint};
  run_passes(module, machine, again);
  return std::nullopt;
}

}  // namespace kerf::bpf
