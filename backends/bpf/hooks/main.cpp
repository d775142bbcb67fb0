// kerf-hooks, a tool of the build:
//   kerf-hooks hooks BITCODE OUTPUT [NAME …]   the hooks' bitcode -> a library; each NAME, a number that hooks are told, is 0 there for good
//   kerf-hooks decisions BITCODE OUTPUT NAME … the decision's bitcode -> an archive of it, with each NAME 0 and 1
//   kerf-hooks conditions BITCODE OUTPUT       what a generated condition looks like -> bitcode
#include <fmt/format.h>
#include <llvm/Bitcode/BitcodeReader.h>
#include <llvm/Bitcode/BitcodeWriter.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/GlobalVariable.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Transforms/Utils/Cloning.h>

#include <cstdio>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "backends/bpf/codegen/optimise.h"
#include "backends/bpf/hooks/library.h"

namespace kerf::bpf {
namespace {

constexpr std::uint64_t kTableElements = 16;

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

// Inlines what must be; programs, global functions and maps stay apart.
std::optional<Error> optimise(llvm::Module& module, llvm::TargetMachine& machine) {
  drop_variable_places(module);
  // Tables are found by symbol; types of some of them would be no use.
  for (llvm::GlobalVariable& variable : module.globals()) {
    if (variable.hasLocalLinkage()) variable.eraseMetadata(llvm::LLVMContext::MD_dbg);
  }
  return run_passes(module, machine, [](llvm::PassBuilder& builder) { return builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2); });
}

// Its volatile reads become zeros.
bool make_zero(llvm::Module& module, llvm::StringRef name) {
  llvm::GlobalVariable* variable = module.getGlobalVariable(name);
  if (!variable) return false;
  for (llvm::User* user : llvm::make_early_inc_range(variable->users())) {
    auto* load = llvm::dyn_cast<llvm::LoadInst>(user);
    if (!load) return false;
    load->replaceAllUsesWith(llvm::Constant::getNullValue(load->getType()));
    load->eraseFromParent();
  }
  variable->eraseFromParent();
  return true;
}

// The declared variable becomes a constant with this value.
llvm::GlobalVariable& define(llvm::GlobalVariable& declared, llvm::Constant* value) {
  auto* defined = new llvm::GlobalVariable(*declared.getParent(), value->getType(), true, llvm::GlobalValue::InternalLinkage, value);
  defined->setAlignment(llvm::Align(8));
  declared.replaceAllUsesWith(defined);
  defined->takeName(&declared);
  declared.eraseFromParent();
  return *defined;
}

bool is_table(const llvm::GlobalVariable& variable) {
  const auto* array = llvm::dyn_cast<llvm::ArrayType>(variable.getValueType());
  return variable.isDeclaration() && array && array->getNumElements() == 0;
}

// The tables are a few zeros, which nothing may believe; the compiler makes them as long as they must be. Only after optimising: no
// length may be believed either.
void define_tables(llvm::Module& module) {
  for (llvm::GlobalVariable& variable : llvm::make_early_inc_range(module.globals())) {
    if (!is_table(variable)) continue;
    if (variable.use_empty()) {
      variable.eraseFromParent();
      continue;
    }
    llvm::Type* element = variable.getValueType()->getArrayElementType();
    define(variable, llvm::ConstantAggregateZero::get(llvm::ArrayType::get(element, kTableElements))).setExternallyInitialized(true);
  }
}

Result<std::string> make_decision(const llvm::Module& module, llvm::TargetMachine& machine, const std::set<std::string>& ones,
                                  const std::vector<std::string>& names) {
  std::unique_ptr<llvm::Module> own = llvm::CloneModule(module);
  for (const std::string& name : names) {
    llvm::GlobalVariable* variable = own->getGlobalVariable(name);
    if (!variable || !variable->isDeclaration()) return Error{fmt::format("the decision does not ask for {}", name)};
    define(*variable, llvm::ConstantInt::get(variable->getValueType(), ones.contains(name)));
  }
  if (auto failure = optimise(*own, machine)) return *failure;
  define_tables(*own);
  return write_member(*own, machine);
}

Result<std::string> make_decisions(const llvm::Module& module, llvm::TargetMachine& machine, const std::vector<std::string>& names) {
  std::vector<Member> members;
  for (std::size_t choice = 0; choice < std::size_t{1} << names.size(); ++choice) {
    std::set<std::string> ones;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (choice >> i & 1) ones.insert(names[i]);
    }
    Result<std::string> object = make_decision(module, machine, ones, names);
    if (!object) return object;
    members.push_back({decision_name(ones), std::move(*object)});
  }
  return write_archive(members);
}

Result<std::string> make_conditions(llvm::Module& module) {
  drop_variable_places(module);
  std::string bytes;
  llvm::raw_string_ostream out(bytes);
  llvm::WriteBitcodeToFile(module, out);
  return out.str();
}

Result<std::string> make_hooks(llvm::Module& module, llvm::TargetMachine& machine, const std::vector<std::string>& zeros) {
  for (const char* list : {"llvm.used", "llvm.compiler.used"}) {
    if (llvm::GlobalVariable* used = module.getGlobalVariable(list)) used->eraseFromParent();
  }
  for (const std::string& name : zeros) {
    if (!make_zero(module, name)) return Error{fmt::format("{} is no number that hooks are told", name)};
  }
  if (auto failure = optimise(module, machine)) return *failure;
  return write_library(module, machine);
}

Result<std::string> make(std::string_view what, const char* path, const std::vector<std::string>& names) {
  std::string error;
  std::unique_ptr<llvm::TargetMachine> machine = make_machine(error);
  LLVMInitializeBPFAsmParser();   // the decision has instructions as text
  if (!machine) return Error{error};
  auto file = llvm::MemoryBuffer::getFile(path);
  if (!file) return Error{file.getError().message()};
  llvm::LLVMContext context;
  auto module = llvm::parseBitcodeFile(**file, context);
  if (!module) return Error{llvm::toString(module.takeError())};
  if (what == "decisions") return make_decisions(**module, *machine, names);
  if (what == "conditions") return make_conditions(**module);
  if (what == "hooks") return make_hooks(**module, *machine, names);
  return Error{fmt::format("kerf-hooks does not make {}", what)};
}

}  // namespace
}  // namespace kerf::bpf

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  auto made = kerf::bpf::make(argv[1], argv[2], {argv + 4, argv + argc});
  if (!made) {
    fmt::print(stderr, "{}\n", made.error().message);
    return 1;
  }
  std::ofstream out(argv[3], std::ios::binary);
  out << *made;
  out.close();
  return out ? 0 : 1;
}
