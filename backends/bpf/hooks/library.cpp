// Optimised hooks -> an archive in which each program, each global function and each map is an object of its own, as a linker
// wants them: an object of kerf has only what its policies need.
#include <llvm/BinaryFormat/Dwarf.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/DebugInfoMetadata.h>
#include <llvm/IR/GlobalVariable.h>
#include <llvm/ObjCopy/ConfigManager.h>
#include <llvm/ObjCopy/ObjCopy.h>
#include <llvm/Object/ArchiveWriter.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Transforms/Utils/Cloning.h>

#include "backends/bpf/hooks/library.h"

namespace kerf::bpf {
namespace {

// What is defined elsewhere needs a type in BTF all the same.
void declare(llvm::Function& declared, const llvm::DISubprogram& there) {
  declared.setSubprogram(llvm::DISubprogram::get(there.getContext(), there.getFile(), there.getName(), there.getLinkageName(), there.getFile(),
                                                 there.getLine(), there.getType(), 0, nullptr, 0, 0, there.getFlags(),
                                                 llvm::DISubprogram::SPFlagOptimized, nullptr));
}

template <class List>
bool drop_unused(List&& list, const llvm::GlobalValue* kept) {
  bool dropped = false;
  for (auto& value : llvm::make_early_inc_range(list)) {
    value.removeDeadConstantUsers();
    if (&value == kept || !value.use_empty()) continue;
    value.eraseFromParent();
    dropped = true;
  }
  return dropped;
}

// libbpf's linker, before 1.5, takes a symbol of the kernel from one object only: one member says that it is the kernel's.
void forget_kernel_section(llvm::GlobalObject& value) {
  if (value.getSection() == ".ksyms") value.setSection("");
}

// Without DWARF, which the linker leaves out anyway (BTF stays: the kernel needs it).
Result<std::string> strip(llvm::StringRef object) {
  auto file = llvm::object::ObjectFile::createObjectFile(llvm::MemoryBufferRef(object, "member"));
  if (!file) return Error{llvm::toString(file.takeError())};
  llvm::objcopy::ConfigManager config;
  config.Common.StripDebug = true;
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream out(bytes);
  if (auto error = llvm::objcopy::executeObjcopyOnBinary(config, **file, out)) return Error{llvm::toString(std::move(error))};
  return std::string(bytes.begin(), bytes.end());
}

Result<std::string> write_member(const llvm::Module& hooks, const llvm::GlobalValue& member, llvm::TargetMachine& machine) {
  llvm::ValueToValueMapTy map;
  std::unique_ptr<llvm::Module> alone = llvm::CloneModule(hooks, map, [&](const llvm::GlobalValue* value) {
    return value == &member || value->hasLocalLinkage();
  });
  for (const llvm::Function& function : hooks) {
    if (&function == &member || function.isDeclaration() || function.hasLocalLinkage()) continue;
    auto* declared = llvm::cast<llvm::Function>(map[&function]);
    declared->setSection("");
    if (function.getSubprogram()) declare(*declared, *function.getSubprogram());
  }
  if (member.getName() != kKernelSymbols) {
    for (llvm::GlobalObject& value : alone->global_objects()) forget_kernel_section(value);
  }
  // Constants that members have in common, such as tables of bits, are in each: without a symbol, since names are unique.
  for (llvm::GlobalVariable& variable : alone->globals()) {
    if (variable.hasLocalLinkage()) variable.setLinkage(llvm::GlobalValue::PrivateLinkage);
  }
  const auto* kept = llvm::cast<llvm::GlobalValue>(map[&member]);
  while (drop_unused(alone->functions(), kept) || drop_unused(alone->globals(), kept)) {}
  Result<std::string> object = write_object(*alone, machine);
  return object ? strip(*object) : object;
}

bool is_member(const llvm::GlobalValue& value) { return !value.isDeclaration() && !value.hasLocalLinkage() && !value.getName().starts_with("llvm."); }

}  // namespace

Result<std::string> write_library(const llvm::Module& hooks, llvm::TargetMachine& machine) {
  std::vector<std::pair<std::string, std::string>> objects;
  for (const llvm::GlobalValue& value : hooks.global_values()) {
    if (!is_member(value)) continue;
    Result<std::string> object = write_member(hooks, value, machine);
    if (!object) return object;
    objects.emplace_back(value.getName().str(), std::move(*object));
  }
  std::vector<llvm::NewArchiveMember> members;
  for (const auto& [name, object] : objects) members.emplace_back(llvm::MemoryBufferRef(object, name));
  auto archive = llvm::writeArchiveToBuffer(members, llvm::SymtabWritingMode::NormalSymtab, llvm::object::Archive::K_GNU, true, false);
  if (!archive) return Error{llvm::toString(archive.takeError())};
  return (*archive)->getBuffer().str();
}

}  // namespace kerf::bpf
