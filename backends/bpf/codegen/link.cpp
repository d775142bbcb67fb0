// Which hooks an object needs, and the object of them and the decision. libbpf links: it knows BTF and the relocations of fields.
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <cstring>

#include "backends/bpf/anonymous_file.h"
#include "backends/bpf/codegen/generate.h"
#include "backends/bpf/programs.h"
#include "ir/base/check.h"

namespace kerf::bpf {
namespace {

// In every object: the licence, and the map of hits, which the loader reads also where no policy can be determining.
constexpr const char* kAlways[] = {"LICENSE", "kerf_hits"};

// libbpf has said more on standard error.
Error failed(std::string_view what, int error) { return {fmt::format("libbpf: {}: {}", what, std::strerror(-error))}; }

std::optional<Error> add_part(bpf_linker* linker, llvm::StringRef object) {
  AnonymousFile file("part");
  if (!file.write(object)) return Error{"a part of the object cannot be written"};
  if (int error = bpf_linker__add_file(linker, file.path().c_str(), nullptr)) return failed("a part of the object", error);
  return std::nullopt;
}

Result<std::unique_ptr<llvm::object::ObjectFile>> open_elf(llvm::StringRef bytes, llvm::StringRef name) {
  auto object = llvm::object::ObjectFile::createELFObjectFile(llvm::MemoryBufferRef(bytes, name));
  if (!object) return Error{llvm::toString(object.takeError())};
  return std::move(*object);
}

bool is_code(const llvm::object::ELFObjectFileBase& object, llvm::StringRef name) {
  for (const llvm::object::ELFSymbolRef& symbol : object.symbols()) {
    auto found = symbol.getName();
    check(bool(found), "symbols have names");
    if (*found == name) return symbol.getELFType() == llvm::ELF::STT_FUNC;
  }
  internal_error("a part of the object does not define what it is to define");
}

}  // namespace

std::optional<Error> ChosenHooks::want(llvm::StringRef name) {
  if (!seen_.insert(name.str()).second) return std::nullopt;
  auto member = library_->findSym(name);
  if (!member) return Error{llvm::toString(member.takeError())};
  if (!*member) {
    wanted_.insert(name.str());
    return std::nullopt;
  }
  auto bytes = (*member)->getBuffer();
  if (!bytes) return Error{llvm::toString(bytes.takeError())};
  return add(name, *bytes);
}

std::optional<Error> ChosenHooks::add(llvm::StringRef member, llvm::StringRef bytes) {
  auto object = open_elf(bytes, member);
  if (!object) return object.error();
  const auto& elf = llvm::cast<llvm::object::ELFObjectFileBase>(**object);
  std::vector<llvm::StringRef>& list = is_code(elf, member) ? code_ : data_;
  list.insert(member == kKernelSymbols ? list.begin() : list.end(), bytes);
  return want_all(elf);
}

std::optional<Error> ChosenHooks::want_all(const llvm::object::ELFObjectFileBase& object) {
  for (const llvm::object::ELFSymbolRef& symbol : object.symbols()) {
    auto flags = symbol.getFlags();
    auto name = symbol.getName();
    check(flags && name, "symbols have names and flags");
    if (!(*flags & llvm::object::SymbolRef::SF_Undefined)) continue;
    const bool of_kernel = *flags & llvm::object::SymbolRef::SF_Weak;
    if (auto error = want(of_kernel ? llvm::StringRef(kKernelSymbols) : *name)) return error;
  }
  return std::nullopt;
}

Result<llvm::StringRef> member_of(llvm::StringRef archive, llvm::StringRef name) {
  auto opened = llvm::object::Archive::create(llvm::MemoryBufferRef(archive, "archive"));
  if (!opened) return Error{llvm::toString(opened.takeError())};
  llvm::Error error = llvm::Error::success();
  std::optional<llvm::StringRef> found;
  for (const llvm::object::Archive::Child& child : (*opened)->children(error)) {
    auto own = child.getName();
    auto bytes = child.getBuffer();
    check(own && bytes, "members have names and bytes");
    if (*own == name) found = *bytes;
  }
  if (error) return Error{llvm::toString(std::move(error))};
  if (!found) return Error{fmt::format("kerf was built without the part {}", name.str())};
  return *found;
}

Result<ChosenHooks> ChosenHooks::of(llvm::StringRef library, std::uint64_t governed) {
  auto archive = llvm::object::Archive::create(llvm::MemoryBufferRef(library, "hooks"));
  if (!archive) return Error{llvm::toString(archive.takeError())};
  ChosenHooks chosen(std::move(*archive));
  for (const char* name : kAlways) {
    if (auto error = chosen.want(name)) return *error;
  }
  for (const char* name : needed_programs(governed)) {
    if (auto error = chosen.want(name)) return *error;
  }
  return chosen;
}

Result<std::string> ChosenHooks::link(const std::vector<llvm::StringRef>& others) {
  std::set<std::string> defined;
  for (llvm::StringRef other : others) {
    auto object = open_elf(other, "part");
    if (!object) return object.error();
    const auto& elf = llvm::cast<llvm::object::ELFObjectFileBase>(**object);
    if (auto error = want_all(elf)) return *error;
    for (const llvm::object::ELFSymbolRef& symbol : elf.symbols()) {
      auto flags = symbol.getFlags();
      auto name = symbol.getName();
      check(flags && name, "symbols have names and flags");
      if ((*flags & llvm::object::SymbolRef::SF_Global) && !(*flags & llvm::object::SymbolRef::SF_Undefined)) defined.insert(name->str());
    }
  }
  for (const std::string& name : wanted_) {
    if (!defined.contains(name)) return Error{fmt::format("no part of the object defines {}", name)};
  }
  AnonymousFile output("object");
  std::unique_ptr<bpf_linker, decltype(&bpf_linker__free)> linker(bpf_linker__new(output.path().c_str(), nullptr), bpf_linker__free);
  if (!linker) return failed("the linker does not start", -errno);
  // Before libbpf 1.5 the linker takes the place of a map, and that a symbol is the kernel's, only from the first object that names it.
  std::vector<llvm::StringRef> parts = data_;
  parts.insert(parts.end(), code_.begin(), code_.end());
  parts.insert(parts.end(), others.begin(), others.end());
  for (llvm::StringRef part : parts) {
    if (auto error = add_part(linker.get(), part)) return *error;
  }
  if (int error = bpf_linker__finalize(linker.get())) return failed("the object", error);
  std::string bytes = output.read();
  if (bytes.empty()) return Error{"the object cannot be read back"};
  return bytes;
}

}  // namespace kerf::bpf
