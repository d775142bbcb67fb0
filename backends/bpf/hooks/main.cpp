// kerf-hooks, a tool of the build:
//   kerf-hooks hooks BITCODE OUTPUT [NAME …]   the hooks' bitcode -> a library; each NAME, a number that hooks are told, is 0 there for good
//   kerf-hooks decision BITCODE OUTPUT         the decision's bitcode, with what no table can change already done
#include <fmt/format.h>
#include <llvm/Bitcode/BitcodeReader.h>
#include <llvm/Bitcode/BitcodeWriter.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/GlobalVariable.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Support/raw_ostream.h>

#include <cstdio>
#include <fstream>

#include "backends/bpf/codegen/optimise.h"
#include "backends/bpf/hooks/library.h"

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

Result<std::string> make_decision(llvm::Module& module, llvm::TargetMachine& machine) {
  if (auto failure = optimise(module, machine)) return *failure;
  std::string bytes;
  llvm::raw_string_ostream out(bytes);
  llvm::WriteBitcodeToFile(module, out);
  return out.str();
}

Result<std::string> make_hooks(llvm::Module& module, llvm::TargetMachine& machine, char** zeros, int count) {
  for (const char* list : {"llvm.used", "llvm.compiler.used"}) {
    if (llvm::GlobalVariable* used = module.getGlobalVariable(list)) used->eraseFromParent();
  }
  for (int i = 0; i < count; ++i) {
    if (!make_zero(module, zeros[i])) return Error{fmt::format("{} is no number that hooks are told", zeros[i])};
  }
  if (auto failure = optimise(module, machine)) return *failure;
  return write_library(module, machine);
}

Result<std::string> make(std::string_view what, const char* path, char** zeros, int count) {
  std::string error;
  std::unique_ptr<llvm::TargetMachine> machine = make_machine(error);
  if (!machine) return Error{error};
  auto file = llvm::MemoryBuffer::getFile(path);
  if (!file) return Error{file.getError().message()};
  llvm::LLVMContext context;
  auto module = llvm::parseBitcodeFile(**file, context);
  if (!module) return Error{llvm::toString(module.takeError())};
  return what == "decision" ? make_decision(**module, *machine) : make_hooks(**module, *machine, zeros, count);
}

}  // namespace
}  // namespace kerf::bpf

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  auto made = kerf::bpf::make(argv[1], argv[2], argv + 4, argc - 4);
  if (!made) {
    fmt::print(stderr, "{}\n", made.error().message);
    return 1;
  }
  std::ofstream out(argv[3], std::ios::binary);
  out << *made;
  out.close();
  return out ? 0 : 1;
}
