// run-tests: requests with expected decisions, in the file format of Cedar's own command line.
#include <fmt/core.h>

#include <filesystem>

#include "driver/cli/commands.h"
#include "driver/policy_tests.h"

namespace kerf::cli {
namespace {

void print_outcomes(Globals& globals, const std::vector<TestOutcome>& outcomes) {
  auto paint = [&](const char* code, const char* word) {
    return globals.colour_for(1) ? fmt::format("\x1b[{}m{}\x1b[0m", code, word) : std::string(word);
  };
  std::size_t failed = 0;
  fmt::print("running {} test(s)\n", outcomes.size());
  for (const TestOutcome& one : outcomes) {
    if (!one.passed) ++failed;
    std::string verdict = one.passed ? paint("32", "ok") : paint("31", one.ran ? "fail" : "error");
    fmt::print("  test {} ... {}{}{}\n", printable(one.name), verdict, one.passed ? "" : ": ", printable(one.why));
  }
  fmt::print("results: {} passed, {} failed\n", outcomes.size() - failed, failed);
  if (failed != 0) globals.exit = kTests;
}

void run_tests(Globals& globals, const ProgramOptions& options, const std::string& path) {
  std::optional<ProgramText> text = load(globals, options);
  if (!text) return;
  Session session;
  std::optional<InputFile> tests = read_file(path, session.diagnostics);
  std::optional<std::vector<TestOutcome>> outcomes;
  if (tests) {
    std::string directory = path == "-" ? "." : std::filesystem::path(path).parent_path().string();
    outcomes = run_policy_tests(session, text->policies, text->links, text->schema, *tests, directory);
  }
  print_diagnostics(globals, session.sources, session.diagnostics);
  if (outcomes) return print_outcomes(globals, *outcomes);
  globals.exit = exit_for(session.diagnostics);
}

}  // namespace

void add_run_tests(CLI::App& app, Globals& globals) {
  auto options = std::make_shared<ProgramOptions>();
  auto tests = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("run-tests", "decide the requests of a file and compare with what it expects");
  options->declare_policies(*command, false);
  options->declare_schema(*command, false);
  command->add_option("--tests", *tests, "JSON array of tests; - is standard input")->required()->type_name("FILE");
  command->callback([&globals, options, tests] {
    if (options->policies.empty()) options->policies.push_back("-");
    run_tests(globals, *options, *tests);
  });
}

}  // namespace kerf::cli
