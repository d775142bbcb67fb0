// Optimised hooks -> an archive in which each program, each global function and each map is an object of its own, as a linker
// wants them: an object of kerf has only what its policies need.
#include <fmt/format.h>
#include <llvm/BinaryFormat/Dwarf.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/DebugInfoMetadata.h>
#include <llvm/IR/GlobalVariable.h>
#include <llvm/ObjCopy/ConfigManager.h>
#include <llvm/ObjCopy/ObjCopy.h>
#include <llvm/Object/ArchiveWriter.h>
#include <llvm/Object/ELFObjectFile.h>
#include <llvm/Support/Endian.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Transforms/Utils/Cloning.h>

#include "backends/bpf/hooks/library.h"
#include "backends/bpf/marks.h"
#include "ir/base/check.h"

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

// Without DWARF, which the linker leaves out anyway (BTF stays: the kernel needs it), and without names of blocks.
Result<std::string> strip(llvm::StringRef object) {
  auto file = llvm::object::ObjectFile::createObjectFile(llvm::MemoryBufferRef(object, "member"));
  if (!file) return Error{llvm::toString(file.takeError())};
  llvm::objcopy::ConfigManager config;
  config.Common.StripDebug = true;
  auto blocks = llvm::objcopy::NameOrPattern::create("LBB*", llvm::objcopy::MatchStyle::Wildcard, [](llvm::Error error) { return error; });
  if (!blocks) return Error{llvm::toString(blocks.takeError())};
  if (auto error = config.Common.SymbolsToRemove.addMatcher(std::move(blocks))) return Error{llvm::toString(std::move(error))};
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream out(bytes);
  if (auto error = llvm::objcopy::executeObjcopyOnBinary(config, **file, out)) return Error{llvm::toString(std::move(error))};
  return std::string(bytes.begin(), bytes.end());
}

// The compiler looks for marks in all functions but generated ones.
bool has_mark(llvm::StringRef bytes) {
  auto object = llvm::object::ObjectFile::createELFObjectFile(llvm::MemoryBufferRef(bytes, "member"));
  check(bool(object), "what was written is an object");
  for (const llvm::object::SectionRef& section : (*object)->sections()) {
    if (!section.isText()) continue;
    auto code = section.getContents();
    check(bool(code), "sections have contents");
    for (std::size_t at = 0; at + 8 <= code->size(); at += 8) {
      if (is_mark(llvm::support::endian::read32le(code->data() + at + 4))) return true;
    }
  }
  return false;
}

Result<std::string> write_one(const llvm::Module& hooks, const llvm::GlobalValue& member, llvm::TargetMachine& machine) {
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
  return write_member(*alone, machine);
}

bool is_member(const llvm::GlobalValue& value) { return !value.isDeclaration() && !value.hasLocalLinkage() && !value.getName().starts_with("llvm."); }

}  // namespace

Result<std::string> write_member(llvm::Module& module, llvm::TargetMachine& machine) {
  Result<std::string> object = write_object(module, machine);
  return object ? strip(*object) : object;
}

Result<std::string> write_library(const llvm::Module& hooks, llvm::TargetMachine& machine) {
  std::vector<Member> members;
  for (const llvm::GlobalValue& value : hooks.global_values()) {
    if (!is_member(value)) continue;
    Result<std::string> object = write_one(hooks, value, machine);
    if (!object) return object;
    if (has_mark(*object)) return Error{fmt::format("{} has an instruction that looks like a mark", value.getName().str())};
    members.push_back({value.getName().str(), std::move(*object)});
  }
  return write_archive(members);
}

Result<std::string> write_archive(const std::vector<Member>& members) {
  std::vector<llvm::NewArchiveMember> list;
  for (const Member& member : members) list.emplace_back(llvm::MemoryBufferRef(member.bytes, member.name));
  auto archive = llvm::writeArchiveToBuffer(list, llvm::SymtabWritingMode::NormalSymtab, llvm::object::Archive::K_GNU, true, false);
  if (!archive) return Error{llvm::toString(archive.takeError())};
  return (*archive)->getBuffer().str();
}

}  // namespace kerf::bpf
