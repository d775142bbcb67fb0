// The decision's bitcode + lengths of tables -> optimised module. The one decision: lengths and bounds are constants before
// optimising, so that loops over what a policy set does not have disappear.
#include <fmt/format.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/Function.h>
#include <llvm/IR/GlobalVariable.h>
#include <llvm/Transforms/InstCombine/InstCombine.h>
#include <llvm/Transforms/Scalar/ADCE.h>
#include <llvm/Transforms/Scalar/EarlyCSE.h>
#include <llvm/Transforms/Scalar/LoopDeletion.h>
#include <llvm/Transforms/Scalar/LoopPassManager.h>
#include <llvm/Transforms/Scalar/SCCP.h>
#include <llvm/Transforms/Scalar/SimplifyCFG.h>

#include "backends/bpf/codegen/generate.h"
#include "backends/bpf/codegen/optimise.h"

namespace kerf::bpf {
namespace {

// The glue's declaration becomes a constant with this value; it has no debug information, and needs none. What is declared is then
// without users, and dropped with the others.
Result<llvm::GlobalVariable*> define(llvm::Module& module, const std::string& name, llvm::Constant* value) {
  llvm::GlobalVariable* declared = module.getGlobalVariable(name);
  if (!declared) return Error{fmt::format("the glue does not declare the table {}", name)};
  auto* defined = new llvm::GlobalVariable(module, value->getType(), true, llvm::GlobalValue::InternalLinkage, value);
  defined->setAlignment(llvm::Align(8));
  declared->replaceAllUsesWith(defined);
  defined->takeName(declared);
  return defined;
}

std::optional<Error> define_constants(llvm::Module& module, const CodegenRequest& request) {
  for (const Table& table : request.tables) {
    llvm::Type* element = llvm::IntegerType::get(module.getContext(), table.element_bytes * 8u);
    auto defined = define(module, table.name, llvm::ConstantAggregateZero::get(llvm::ArrayType::get(element, table.length)));
    if (!defined) return defined.error();
    // No zero may be believed: what decides is filled in later, and can be read back from the object and compared.
    (*defined)->setExternallyInitialized(true);
  }
  for (const Constant& constant : request.constants) {
    llvm::Type* type = llvm::IntegerType::get(module.getContext(), constant.bytes * 8u);
    if (auto defined = define(module, constant.name, llvm::ConstantInt::get(type, constant.value)); !defined) return defined.error();
  }
  return std::nullopt;
}

bool is_map(const llvm::GlobalVariable& variable) { return variable.getSection() == ".maps"; }

// Functions that nobody calls; so is kerf_code where there are no conditions.
void drop_uncalled(llvm::Module& module, const std::set<std::string>& wanted) {
  for (bool again = true; again;) {
    again = false;
    for (llvm::Function& function : llvm::make_early_inc_range(module)) {
      if (!function.use_empty() || wanted.contains(function.getName().str())) continue;
      function.eraseFromParent();
      again = true;
    }
  }
}

// Constants that nothing names any more; what is declared and not asked for leaves no trace.
void drop_variables(llvm::Module& module) {
  for (llvm::GlobalVariable& variable : llvm::make_early_inc_range(module.globals())) {
    variable.removeDeadConstantUsers();
    if (variable.use_empty()) variable.eraseFromParent();
  }
}

// All that no constant can change was done when kerf was built.
llvm::ModulePassManager simplify() {
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
  return all;
}

}  // namespace

std::optional<Error> specialise_decision(llvm::Module& module, llvm::TargetMachine& machine, const CodegenRequest& request,
                                         const std::set<std::string>& wanted) {
  if (auto error = define_constants(module, request)) return error;
  for (llvm::GlobalVariable& variable : module.globals()) {
    if (variable.isDeclaration() && !is_map(variable) && !variable.use_empty()) {
      return Error{fmt::format("no table for {}", variable.getName().str())};
    }
  }
  if (auto error = run_passes(module, machine, [](llvm::PassBuilder&) { return simplify(); })) return error;
  drop_uncalled(module, wanted);
  drop_variables(module);
  return std::nullopt;
}

}  // namespace kerf::bpf
