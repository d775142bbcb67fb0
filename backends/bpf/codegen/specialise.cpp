// Glue bitcode + tables -> optimised module. The one decision: lengths and bounds are constants before optimising, so
// that loops over what a policy set does not have disappear, and so do programs for events that it does not govern.
#include <fmt/format.h>
#include <llvm/Analysis/CGSCCPassManager.h>
#include <llvm/Analysis/LoopAnalysisManager.h>
#include <llvm/BinaryFormat/Dwarf.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/DebugInfo.h>
#include <llvm/IR/DebugInfoMetadata.h>
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
#include "runtime/kernel/marks.h"

namespace kerf::bpf {
namespace {

llvm::Constant* initialiser(llvm::LLVMContext& context, const Table& table) {
  llvm::StringRef bytes(table.bytes);
  std::size_t count = table.bytes.size() / table.element_bytes;
  llvm::Type* element = llvm::IntegerType::get(context, table.element_bytes * 8u);
  if (table.scalar) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << 8 * i;
    return llvm::ConstantInt::get(element, value);
  }
  return llvm::ConstantDataArray::getRaw(bytes, count, element);
}

// The glue's declaration becomes a constant of the table's length; it has no debug information, and needs none.
std::optional<Error> define_table(llvm::Module& module, const Table& table) {
  llvm::GlobalVariable* declared = module.getGlobalVariable(table.name);
  if (!declared || !declared->isDeclaration()) return Error{fmt::format("the glue does not declare the table {}", table.name)};
  llvm::Constant* value = initialiser(module.getContext(), table);
  auto* defined = new llvm::GlobalVariable(module, value->getType(), true, llvm::GlobalValue::InternalLinkage, value);
  defined->setSection(".rodata");
  defined->setAlignment(llvm::Align(8));
  // Elements stay data, also where an index is known: what decides can be read back from the object and compared.
  defined->setExternallyInitialized(!table.scalar);
  declared->replaceAllUsesWith(defined);
  defined->takeName(declared);
  declared->eraseFromParent();
  return std::nullopt;
}

// `__uint(value_size, MARK)` is debug information: the length of an array type.
std::size_t replace_array_length(llvm::Module& module, std::uint64_t mark, std::uint64_t length) {
  llvm::DebugInfoFinder finder;
  finder.processModule(module);
  std::size_t replaced = 0;
  for (llvm::DIType* type : finder.types()) {
    auto* array = llvm::dyn_cast<llvm::DICompositeType>(type);
    if (!array || array->getTag() != llvm::dwarf::DW_TAG_array_type || array->getElements().size() != 1) continue;
    auto* range = llvm::dyn_cast<llvm::DISubrange>(array->getElements()[0]);
    auto* count = range ? llvm::dyn_cast_if_present<llvm::ConstantInt*>(range->getCount()) : nullptr;
    if (!count || count->getZExtValue() != mark) continue;
    auto* wanted = llvm::DISubrange::get(module.getContext(), static_cast<std::int64_t>(length));
    llvm::cast<llvm::MDNode>(array->getRawElements())->replaceOperandWith(0, wanted);
    ++replaced;
  }
  return replaced;
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
  return value.hasSection() && value.getSection() != ".rodata";   // maps, licence
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
  for (const Table& table : request.tables) {
    if (auto error = define_table(module, table)) return error;
  }
  for (const llvm::GlobalVariable& variable : module.globals()) {
    if (variable.isDeclaration() && variable.getSection() != ".ksyms") return Error{fmt::format("no table for {}", variable.getName().str())};
  }
  if (replace_array_length(module, KERF_BINDING_BYTES_MARK, request.binding_bytes) != 1 ||
      replace_array_length(module, KERF_POLICY_COUNT_MARK, request.policy_count) != 1) {
    return Error{"the glue's maps have no lengths to replace"};
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
