// Glue bitcode + tables -> optimised module. The one decision: lengths and bounds are constants before optimising, so
// that loops over what a policy set does not have disappear.
#include <fmt/format.h>
#include <llvm/Analysis/CGSCCPassManager.h>
#include <llvm/Analysis/LoopAnalysisManager.h>
#include <llvm/BinaryFormat/Dwarf.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/DebugInfo.h>
#include <llvm/IR/DebugInfoMetadata.h>
#include <llvm/IR/GlobalVariable.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Transforms/IPO/Internalize.h>

#include "backends/bpf/codegen/generate.h"
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

bool is_kept(const llvm::GlobalValue& value) {
  if (value.isDeclaration()) return true;
  if (value.hasSection() && value.getSection() != ".rodata") return true;   // programs, maps, licence
  // Global functions: each is verified once on its own.
  for (llvm::StringRef name : {"kerf_decide", "kerf_walk_block", "kerf_walk_word", "kerf_selftest_one"}) {
    if (value.getName() == name) return true;
  }
  return false;
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
  for (const Table& table : request.tables) {
    if (auto error = define_table(module, table)) return error;
  }
  for (const llvm::GlobalVariable& variable : module.globals()) {
    if (variable.isDeclaration()) return Error{fmt::format("no table for {}", variable.getName().str())};
  }
  if (replace_array_length(module, KERF_BINDING_BYTES_MARK, request.binding_bytes) != 1 ||
      replace_array_length(module, KERF_POLICY_COUNT_MARK, request.policy_count) != 1) {
    return Error{"the glue's maps have no lengths to replace"};
  }
  // Constants are found by symbol. With some of them in BTF libbpf would take the section's size from those alone.
  for (llvm::GlobalVariable& variable : module.globals()) {
    if (variable.isConstant()) variable.eraseMetadata(llvm::LLVMContext::MD_dbg);
    if (variable.isConstant() && !variable.hasSection()) variable.setSection(".rodata");
  }
  llvm::internalizeModule(module, is_kept);
  std::string complaint;
  llvm::raw_string_ostream out(complaint);
  if (llvm::verifyModule(module, &out)) return Error{"invalid module before optimising: " + complaint};
  optimise(module, machine);
  return std::nullopt;
}

}  // namespace kerf::bpf
