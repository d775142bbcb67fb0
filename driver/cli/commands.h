// The commands of the command line. Each add_* declares one subcommand; its action stores the exit code.
#pragma once
#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "driver/cli/progress.h"
#include "driver/language.h"
#include "driver/pipeline.h"
#include "driver/render.h"

namespace kerf::cli {

// Exit codes, the same for every command. `run` returns the command's own status, 128+n for a signal.
enum Exit { kOk = 0, kFailure = 1, kDeny = 2, kInvalid = 3, kGate = 4, kTests = 5, kUsage = 64, kInternal = 70, kRunFailure = 125 };

struct Globals {
  std::string error_format = "human";
  std::string colour = "auto";
  std::string log_level = "warn";
  bool crash_inputs = false;
  int exit = kOk;
  std::size_t errors = 0, warnings = 0;   // reported so far
  Json sarif = Json::array();             // likewise, as results

  ErrorFormat format() const;
  bool colour_for(int fd) const;   // terminal, NO_COLOR, --color
  // What kerf does, on stderr: "info" what is read and written, "debug" times. Diagnostics are no logs.
  bool logs(std::string_view level) const;
  void log(std::string_view level, const std::string& message) const;
  Progress progress(std::string what) const { return {2, format() == ErrorFormat::human && log_level != "error", std::move(what)}; }
};

// -p, -k, -s, --entities as Cedar's command line spells them.
struct ProgramOptions {
  std::vector<std::string> policies;
  std::string schema, entities, links;
  std::string policy_format, schema_format;   // empty: by the ending of the name
  std::size_t jobs = 0;                       // 0: one a processor
  void declare_policies(CLI::App& command, bool required);
  void declare_schema(CLI::App& command, bool required);
  void declare_entities(CLI::App& command);
  void declare(CLI::App& command, bool policies_required);
  std::string residual;                       // "floor", "ceiling" or nothing
  void declare_residual(CLI::App& command);
  std::vector<std::string> required;          // check_required()
  void declare_required(CLI::App& command);
};

// -l, -a, -r, -c, --request-json, --request-validation.
struct RequestFlags {
  RequestInput given;
  std::string context_file, request_file;
  bool validate = true;
  void declare(CLI::App& command);
  // Nothing after a report (globals.exit is then set). Parts that were not given are empty.
  std::optional<RequestInput> read(Globals& globals) const;
};

// Prints diagnostics to stderr, or keeps them for finish_diagnostics.
void print_diagnostics(Globals& globals, const Sources& sources, const Diagnostics& diagnostics);
// The summary of several messages, or the SARIF document.
void finish_diagnostics(const Globals& globals);
// What errors mean for the exit status: what cannot be read is a failure, else the policies are not valid.
int exit_for(const Diagnostics& diagnostics);
// Reads the files; on failure prints why, sets globals.exit and returns nothing.
std::optional<ProgramText> load(Globals& globals, const ProgramOptions& options);
// load + check_program + messages; nothing if there were errors (globals.exit is then set).
struct Loaded {
  ProgramText text;
  Program program;
};
std::unique_ptr<Loaded> load_program(Globals& globals, const ProgramOptions& options, const ValidationOptions& validation = {});

void print_error(Globals& globals, Code code, const std::string& message, const std::vector<std::string>& help);

void add_verify(CLI::App& app, Globals& globals);
void add_check(CLI::App& app, Globals& globals);      // check, compile, split, explain
void add_authorize(CLI::App& app, Globals& globals);
void add_serve(CLI::App& app, Globals& globals);
// A decision line for each request line of a file, or of standard input for "-".
void authorize_lines(Globals& globals, const std::string& table, const std::string& entities, const std::string& requests);
void add_language(CLI::App& app, Globals& globals);   // translate-policy, translate-schema, link, check-parse
void add_format(CLI::App& app, Globals& globals);     // format, evaluate, language-version
void add_run_tests(CLI::App& app, Globals& globals);
void add_simulate(CLI::App& app, Globals& globals);
void add_about(CLI::App& app, Globals& globals);      // version, completions, man
void add_node(CLI::App& app, Globals& globals);       // run, load, bind, mode, events, fact, status, gc

// What may have been meant by a word of the command line that is no command or option; empty if nothing comes near.
std::string suggestion(const CLI::App& app, const std::string& word);

}  // namespace kerf::cli
