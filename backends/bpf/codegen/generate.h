// Inside kerf-codegen. An object has three parts: the hooks, of which kerf's build makes each program, function and map an object of
// its own; the decision, built for each choice of what it has to be able to do; and conditions that are code, made by LLVM. libbpf
// links what a request needs.
#pragma once
#include <llvm/IR/Module.h>
#include <llvm/Object/Archive.h>
#include <llvm/Object/ELFObjectFile.h>
#include <llvm/Target/TargetMachine.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backends/bpf/protocol.h"

namespace kerf::bpf {

std::unique_ptr<llvm::TargetMachine> make_machine(std::string& error);

// Bodies for kerf_code and its parts, in the module that says what they look like. The request has conditions.
std::optional<Error> define_conditions(llvm::Module& module, const CodegenRequest& request);

Result<std::string> write_object(llvm::Module& module, llvm::TargetMachine& machine);

// The member of the library that names the symbols of the kernel.
inline constexpr const char* kKernelSymbols = "kerf_symbols";

// The name of the decision that is able to do these.
std::string decision_name(const std::set<std::string>& able);

// A member of an archive that kerf-hooks made.
Result<llvm::StringRef> member_of(llvm::StringRef archive, llvm::StringRef name);

// Members of the library of hooks, by what they define, for as long as names are open.
class ChosenHooks {
 public:
  // The programs that the governed events bring in, and all that they need. `library`: what kerf-hooks made.
  static Result<ChosenHooks> of(llvm::StringRef library, std::uint64_t governed);

  // The object of these hooks, what the other parts ask of them, and the other parts: the decision, and conditions if there are any.
  Result<std::string> link(const std::vector<llvm::StringRef>& parts);

 private:
  explicit ChosenHooks(std::unique_ptr<llvm::object::Archive> library) : library_(std::move(library)) {}
  std::optional<Error> want(llvm::StringRef name);
  std::optional<Error> add(llvm::StringRef member, llvm::StringRef bytes);
  std::optional<Error> want_all(const llvm::object::ELFObjectFileBase& object);

  std::unique_ptr<llvm::object::Archive> library_;
  std::set<std::string> seen_, wanted_;   // wanted: of the other parts
  std::vector<llvm::StringRef> data_, code_;   // maps, what hooks are told, the licence; the one that names the kernel's symbols first
};

}  // namespace kerf::bpf
