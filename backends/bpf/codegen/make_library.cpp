// kerf-hooks, a tool of the build: the hooks' bitcode -> a library. Usage: kerf-hooks BITCODE OUTPUT [NAME=0 …], where each NAME is a
// number that hooks are told: a library in which it is 0 for good has no code for anything else.
#include <fmt/format.h>
#include <llvm/Bitcode/BitcodeReader.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/Support/MemoryBuffer.h>

#include <cstdio>
#include <fstream>

#include "backends/bpf/codegen/generate.h"

namespace kerf::bpf {
namespace {

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

Result<std::string> make(const char* path, char** zeros, int count) {
  std::string error;
  std::unique_ptr<llvm::TargetMachine> machine = make_machine(error);
  if (!machine) return Error{error};
  auto file = llvm::MemoryBuffer::getFile(path);
  if (!file) return Error{file.getError().message()};
  llvm::LLVMContext context;
  auto module = llvm::parseBitcodeFile(**file, context);
  if (!module) return Error{llvm::toString(module.takeError())};
  for (const char* list : {"llvm.used", "llvm.compiler.used"}) {
    if (llvm::GlobalVariable* used = (*module)->getGlobalVariable(list)) used->eraseFromParent();
  }
  for (int i = 0; i < count; ++i) {
    if (!make_zero(**module, zeros[i])) return Error{fmt::format("{} is no number that hooks are told", zeros[i])};
  }
  if (auto failure = optimise(**module, *machine)) return *failure;
  return write_library(**module, *machine);
}

}  // namespace
}  // namespace kerf::bpf

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  auto library = kerf::bpf::make(argv[1], argv + 3, argc - 3);
  if (!library) {
    fmt::print(stderr, "{}\n", library.error().message);
    return 1;
  }
  std::ofstream(argv[2], std::ios::binary) << *library;
  return 0;
}
