// kerf-codegen: a request on standard input, an object on standard output, messages on standard error. Started by
// emit_bpf for one object; bounds its own time and memory, so that no input can hold up or starve the caller.
#include <fmt/format.h>
#include <llvm/Bitcode/BitcodeReader.h>
#include <llvm/IR/DiagnosticInfo.h>
#include <llvm/IR/DiagnosticPrinter.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Support/raw_ostream.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>

#include "backends/bpf/codegen/generate.h"
#include "runtime/abi/policy_abi.h"

#define KERF_EMBEDDED(name)                 \
  extern "C" const char name[], name##_end[]; \
  static llvm::StringRef bytes_of_##name() { return {name, static_cast<std::size_t>(name##_end - name)}; }
KERF_EMBEDDED(kerf_decisions)
KERF_EMBEDDED(kerf_conditions)
KERF_EMBEDDED(kerf_hooks)       // where some action binds the executable
KERF_EMBEDDED(kerf_hooks_plain) // where none does

namespace kerf::bpf {
namespace {

constexpr rlim_t kMaxMemoryBytes = rlim_t{4} << 30;
constexpr unsigned kMaxSeconds = 120;   // of a clock, and so of the processor

// LLVM reports some errors and then emits wrong code: one report is enough to drop the output.
struct Complaints : llvm::DiagnosticHandler {
  std::string& text;
  explicit Complaints(std::string& out) : text(out) {}
  bool handleDiagnostics(const llvm::DiagnosticInfo& info) override {
    if (info.getSeverity() != llvm::DS_Error) return true;
    llvm::raw_string_ostream out(text);
    llvm::DiagnosticPrinterRawOStream printer(out);
    info.print(printer);
    out << '\n';
    return true;
  }
};

Result<std::string> generate_conditions(const CodegenRequest& request) {
  std::string error;
  std::unique_ptr<llvm::TargetMachine> machine = make_machine(error);
  if (!machine) return Error{error};
  std::string complaints;
  llvm::LLVMContext context;
  context.setDiagnosticHandler(std::make_unique<Complaints>(complaints));
  auto module = llvm::parseBitcodeFile(llvm::MemoryBufferRef(bytes_of_kerf_conditions(), "conditions"), context);
  if (!module) return Error{llvm::toString(module.takeError())};
  if (auto failure = define_conditions(**module, request)) return *failure;
  Result<std::string> object = write_object(**module, *machine);
  if (!complaints.empty()) return Error{complaints};
  return object;
}

std::string decision_for(const CodegenRequest& request) {
  std::set<std::string> able;
  if (!request.conditions.empty()) able.insert("kerf_has_code");
  if (request.reads_names) able.insert("kerf_reads_names");
  if (request.governed & KERF_READS_EXE) able.insert("kerf_has_exe");
  if (request.governed & KERF_NAMED_EVENTS) able.insert("kerf_has_named");
  if (request.governed & KERF_ENDPOINT_EVENTS) able.insert("kerf_has_endpoints");
  return decision_name(able);
}

Result<std::string> generate(const CodegenRequest& request) {
  Result<ChosenHooks> hooks = ChosenHooks::of(request.governed & KERF_READS_EXE ? bytes_of_kerf_hooks() : bytes_of_kerf_hooks_plain(), request.governed);
  if (!hooks) return hooks.error();
  Result<llvm::StringRef> decision = member_of(bytes_of_kerf_decisions(), decision_for(request));
  if (!decision) return decision.error();
  if (request.conditions.empty()) return hooks->link({*decision});
  Result<std::string> conditions = generate_conditions(request);
  return conditions ? hooks->link({*decision, *conditions}) : conditions;
}

std::string read_all(std::FILE* file) {
  std::string bytes;
  char buffer[1 << 16];
  while (std::size_t n = std::fread(buffer, 1, sizeof buffer, file)) bytes.append(buffer, n);
  return bytes;
}

int run() {
  const rlimit memory{kMaxMemoryBytes, kMaxMemoryBytes};
  // Debug information names source files relative to the directory: go where none can be found.
  if (setrlimit(RLIMIT_AS, &memory) != 0 || chdir("/") != 0) return 1;
  alarm(kMaxSeconds);
  Result<CodegenRequest> request = read_request(read_all(stdin));
  Result<std::string> object = request ? generate(*request) : Result<std::string>(request.error());
  if (!object) {
    fmt::print(stderr, "{}\n", object.error().message);
    return 1;
  }
  std::string answer = write_answer(*object);
  bool written = std::fwrite(answer.data(), 1, answer.size(), stdout) == answer.size() && std::fflush(stdout) == 0;
  return written ? 0 : 1;
}

}  // namespace
}  // namespace kerf::bpf

int main() { return kerf::bpf::run(); }
