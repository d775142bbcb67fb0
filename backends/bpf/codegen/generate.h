// Inside kerf-codegen. An object has two parts: the decision, made by LLVM for each request, and the hooks, which are the same in
// every object: kerf's build makes each program, function and map of them an object of its own, and libbpf links those that a
// request needs.
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

// Puts tables of zeros and constants into the decision, drops what none of the functions `wanted` needs, optimises.
std::optional<Error> specialise_decision(llvm::Module& module, llvm::TargetMachine& machine, const CodegenRequest& request,
                                         const std::set<std::string>& wanted);

// Bodies for kerf_code and its parts; nothing to do if no row has a code condition.
std::optional<Error> define_conditions(llvm::Module& module, const CodegenRequest& request);

Result<std::string> write_object(llvm::Module& module, llvm::TargetMachine& machine);

// The member of the library that names the symbols of the kernel.
inline constexpr const char* kKernelSymbols = "kerf_symbols";

// Members of the library of hooks, by what they define, for as long as names are open.
class ChosenHooks {
 public:
  // The programs that the governed events bring in, and all that they need. `library`: what kerf-hooks made.
  static Result<ChosenHooks> of(llvm::StringRef library, std::uint64_t governed);

  // What the hooks ask of the decision.
  const std::set<std::string>& wanted() const { return wanted_; }

  // The object of these hooks, what `decision` asks of them, and the decision.
  Result<std::string> link(llvm::StringRef decision);

 private:
  explicit ChosenHooks(std::unique_ptr<llvm::object::Archive> library) : library_(std::move(library)) {}
  std::optional<Error> want(llvm::StringRef name);
  std::optional<Error> add(llvm::StringRef member, llvm::StringRef bytes);
  std::optional<Error> want_all(const llvm::object::ELFObjectFileBase& object);

  std::unique_ptr<llvm::object::Archive> library_;
  std::set<std::string> seen_, wanted_;
  std::vector<llvm::StringRef> data_, code_;   // maps, what hooks are told, the licence; the one that names the kernel's symbols first
};

}  // namespace kerf::bpf
