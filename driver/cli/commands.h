// The commands of the command line. Each add_* declares one subcommand; its action stores the exit code.
#pragma once
#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "driver/pipeline.h"
#include "driver/render.h"

namespace kerf::cli {

// Exit codes, the same for every command. `run` returns the command's own status, 128+n for a signal.
enum Exit { kOk = 0, kFailure = 1, kDeny = 2, kInvalid = 3, kGate = 4, kTests = 5, kUsage = 64, kInternal = 70, kRunFailure = 125 };

struct Globals {
  std::string error_format = "human";
  std::string colour = "auto";
  int exit = kOk;

  ErrorFormat format() const;
  bool colour_for(int fd) const;   // terminal, NO_COLOR, --color
};

// -p, -k, -s, --entities as Cedar's command line spells them.
struct ProgramOptions {
  std::vector<std::string> policies;
  std::string schema, entities, links;
  std::string policy_format, schema_format;   // empty: by the ending of the name
  void declare_policies(CLI::App& command, bool required);
  void declare_schema(CLI::App& command, bool required);
  void declare(CLI::App& command, bool policies_required);
};

// Prints diagnostics to stderr.
void print_diagnostics(const Globals& globals, const Sources& sources, const Diagnostics& diagnostics);
// Reads the files; on failure prints why, sets globals.exit and returns nothing.
std::optional<ProgramText> load(Globals& globals, const ProgramOptions& options);
// load + check_program + messages; nothing if there were errors (globals.exit is then set).
struct Loaded {
  ProgramText text;
  Program program;
};
std::unique_ptr<Loaded> load_program(Globals& globals, const ProgramOptions& options, const ValidationOptions& validation = {});

void print_error(const Globals& globals, Code code, const std::string& message, const std::vector<std::string>& help);

void add_verify(CLI::App& app, Globals& globals);
void add_check(CLI::App& app, Globals& globals);      // check, compile, split, explain
void add_authorize(CLI::App& app, Globals& globals);
void add_language(CLI::App& app, Globals& globals);   // translate-policy, translate-schema, link, check-parse
void add_format(CLI::App& app, Globals& globals);     // format, evaluate, language-version
void add_simulate(CLI::App& app, Globals& globals);
void add_node(CLI::App& app, Globals& globals);       // run, load, bind, events, fact, status, gc

}  // namespace kerf::cli
