// verify: a bundle against the sources that it was compiled from.
#include <fmt/core.h>

#include "driver/cli/commands.h"
#include "driver/verify.h"

namespace kerf::cli {
namespace {

void print_proved(std::string_view what, const proof::Proved& proved) {
  fmt::print("proved      {}: {} pairs of policy and request environment in {} environments\n", what, proved.policies,
             proved.environments);
  for (const std::string& line : proved.approximated) fmt::print("one side    {}\n", line);
}

void verify(Globals& globals, const ProgramOptions& options, const std::string& directory) {
  Result<std::vector<NamedBytes>> files = read_bundle_files(directory);
  if (!files) {
    print_error(globals, Code::K7901, files.error().message, {"name the directory that `kerf compile -o` wrote"});
    globals.exit = kFailure;
    return;
  }
  if (options.policies.empty()) {
    Diagnostics diagnostics;
    inspect_bundle(*files, diagnostics);
    print_diagnostics(globals, Sources{}, diagnostics);
    if (diagnostics.has_errors()) globals.exit = kGate;
    else fmt::print("decoded     every file, and its hash is the manifest's\nnot proved  anything: give the sources with -p and -s\n");
    return;
  }
  std::unique_ptr<Loaded> loaded = load_program(globals, options);
  if (!loaded) return;
  Program& program = loaded->program;
  program.diagnostics = {};
  const Verified verified = verify_bundle(program, loaded->text, *files);
  print_diagnostics(globals, program.sources, program.diagnostics);
  if (program.diagnostics.has_errors()) {
    globals.exit = kGate;
    return;
  }
  print_proved("table.json", verified.table);
  print_proved("policy.bpf.o with manifest.json", verified.kernel);
  if (verified.seccomp.environments != 0) {
    fmt::print("proved      seccomp.json: {} pairs of principal and system call in {} filters\n", verified.seccomp.policies - verified.seccomp.not_proved.size(), verified.seccomp.environments);
    for (const std::string& line : verified.seccomp.not_proved) fmt::print("not proved  {}\n", line);
  }
  fmt::print("trusted     the hooks' own code, LLVM, the loader, and the kernel\n");
}

}  // namespace

void add_verify(CLI::App& app, Globals& globals) {
  auto options = std::make_shared<ProgramOptions>();
  auto directory = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("verify", "prove that a bundle says what its sources say: 0 proved, 4 not");
  command->add_option("bundle", *directory, "directory that `kerf compile` wrote")->required()->type_name("DIR");
  options->declare(*command, false);
  options->declare_residual(*command);
  command->callback([&globals, options, directory] { verify(globals, *options, *directory); });
}

}  // namespace kerf::cli
