// Optimised module -> relocatable object without DWARF (BTF stays: the kernel needs it).
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/ObjCopy/ConfigManager.h>
#include <llvm/ObjCopy/ObjCopy.h>
#include <llvm/Object/ObjectFile.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Support/raw_ostream.h>

#include "backends/bpf/codegen/generate.h"

namespace kerf::bpf {
namespace {

Result<std::string> strip(llvm::StringRef object) {
  auto file = llvm::object::ObjectFile::createObjectFile(llvm::MemoryBufferRef(object, "policy.bpf.o"));
  if (!file) return Error{llvm::toString(file.takeError())};
  llvm::objcopy::ConfigManager config;
  config.Common.StripDebug = true;
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream out(bytes);
  if (auto error = llvm::objcopy::executeObjcopyOnBinary(config, **file, out)) return Error{llvm::toString(std::move(error))};
  return std::string(bytes.begin(), bytes.end());
}

}  // namespace

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
  return strip(llvm::StringRef(bytes.data(), bytes.size()));
}

}  // namespace kerf::bpf
