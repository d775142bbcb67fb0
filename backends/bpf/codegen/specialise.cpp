// Glue bitcode + lengths of tables -> optimised module. The one decision: lengths and bounds are constants before optimising,
// so that loops over what a policy set does not have disappear, and so do programs for events that it does not govern.
#include <fmt/format.h>
#include <llvm/Analysis/CGSCCPassManager.h>
#include <llvm/Analysis/LoopAnalysisManager.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/GlobalVariable.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Transforms/IPO/Internalize.h>
#include <llvm/Transforms/Utils/ModuleUtils.h>

#include <algorithm>

#include "backends/bpf/codegen/generate.h"
#include "runtime/abi/policy_abi.h"

namespace kerf::bpf {
namespace {

// The glue's declaration becomes a constant with this value; it has no debug information, and needs none.
Result<llvm::GlobalVariable*> define(llvm::Module& module, const std::string& name, llvm::Constant* value) {
  llvm::GlobalVariable* declared = module.getGlobalVariable(name);
  if (!declared || !declared->isDeclaration()) return Error{fmt::format("the glue does not declare the table {}", name)};
  auto* defined = new llvm::GlobalVariable(module, value->getType(), true, llvm::GlobalValue::InternalLinkage, value);
  defined->setAlignment(llvm::Align(8));
  declared->replaceAllUsesWith(defined);
  defined->takeName(declared);
  declared->eraseFromParent();
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

struct Program {
  llvm::StringRef name;
  std::uint64_t events, instead;
};
constexpr Program kPrograms[] = {
#define KERF_PROGRAM(name, section, type, attach, role, events, instead, feature) {#name, events, instead},
#include "runtime/abi/programs.def"
};

bool is_program(const llvm::Function& function) { return !function.isDeclaration() && function.hasSection(); }
bool is_map(const llvm::GlobalVariable& variable) { return variable.getSection() == ".maps"; }

// Global functions that no program calls any more. kerf_code is not called before it is there.
void drop_uncalled(llvm::Module& module) {
  for (bool again = true; again;) {
    again = false;
    for (llvm::Function& function : llvm::make_early_inc_range(module)) {
      if (is_program(function) || !function.use_empty() || function.getName() == "kerf_code") continue;
      function.eraseFromParent();
      again = true;
    }
  }
}

// Erases the programs that no governed event needs, then the functions that only they called.
std::optional<Error> drop_programs(llvm::Module& module, std::uint64_t governed) {
  std::vector<llvm::Function*> dropped;
  for (llvm::Function& function : module) {
    if (!is_program(function)) continue;
    auto row = std::find_if(std::begin(kPrograms), std::end(kPrograms), [&](const Program& p) { return p.name == function.getName(); });
    if (row == std::end(kPrograms)) return Error{fmt::format("the program {} has no row in programs.def", function.getName().str())};
    if (!(row->events & governed) || (row->instead & governed)) dropped.push_back(&function);
  }
  llvm::removeFromUsedLists(module, [&](llvm::Constant* constant) { return std::find(dropped.begin(), dropped.end(), constant) != dropped.end(); });
  for (llvm::Function* function : dropped) function->eraseFromParent();
  drop_uncalled(module);
  return std::nullopt;
}

// The loader reads hits, also where no policy can be determining.
bool is_promised(const llvm::GlobalVariable& variable) { return variable.getName() == "kerf_hits"; }

// Maps and constants that nothing names any more.
void drop_variables(llvm::Module& module) {
  llvm::removeFromUsedLists(module, [](llvm::Constant* constant) {
    auto* variable = llvm::dyn_cast<llvm::GlobalVariable>(constant->stripPointerCasts());
    return variable && !is_promised(*variable);
  });
  for (llvm::GlobalVariable& variable : llvm::make_early_inc_range(module.globals())) {
    variable.removeDeadConstantUsers();
    bool droppable = (is_map(variable) && !is_promised(variable)) || variable.hasLocalLinkage();
    if (droppable && variable.use_empty()) variable.eraseFromParent();
  }
}

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
  return value.hasSection();   // maps, licence
}

void optimise(llvm::Module& module, llvm::TargetMachine& machine) {
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
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2).run(module, modules);
}

}  // namespace

std::optional<Error> specialise_glue(llvm::Module& module, llvm::TargetMachine& machine, const CodegenRequest& request) {
  if (auto error = drop_programs(module, request.governed)) return error;
  drop_variable_places(module);
  if (auto error = define_constants(module, request)) return error;
  for (const llvm::GlobalVariable& variable : module.globals()) {
    if (variable.isDeclaration() && variable.getSection() != ".ksyms") return Error{fmt::format("no table for {}", variable.getName().str())};
  }
  // Constants are found by symbol. With some of them in BTF libbpf would take the section's size from those alone. The
  // kernel's own (.ksyms) are found by their BTF.
  for (llvm::GlobalVariable& variable : module.globals()) {
    if (!variable.isDeclaration() && variable.isConstant()) variable.eraseMetadata(llvm::LLVMContext::MD_dbg);
  }
  llvm::internalizeModule(module, is_kept);
  std::string complaint;
  llvm::raw_string_ostream out(complaint);
  if (llvm::verifyModule(module, &out)) return Error{"invalid module before optimising: " + complaint};
  optimise(module, machine);
  drop_uncalled(module);
  drop_variables(module);
  return std::nullopt;
}

}  // namespace kerf::bpf
