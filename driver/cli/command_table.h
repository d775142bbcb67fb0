// The commands as data, read from their CLI11 declarations: what manual pages, completions and crash reports are made of.
#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace kerf::cli {

struct OptionRow {
  std::vector<std::string> names;     // "-p", "--policies"; none: a positional
  std::string value;                  // "FILE"; empty: a flag. The name of a positional.
  std::vector<std::string> choices;   // if the value is one of these
  std::string what;
  bool required = false, many = false;
};

struct CommandRow {
  std::string name;                   // "check"
  std::vector<std::string> path;      // {"fact", "set"}; empty for kerf itself
  std::vector<std::string> aliases;
  std::string what, footer;
  std::vector<OptionRow> options;
  std::vector<CommandRow> commands;
};

CommandRow describe(const CLI::App& app);
bool takes_files(const OptionRow& option);         // files or directories
bool takes_directories(const OptionRow& option);   // directories alone

std::string bash_completion(const CommandRow& kerf);
std::string zsh_completion(const CommandRow& kerf);
std::string fish_completion(const CommandRow& kerf);
// In man(7) macros. A command that has commands of its own tells of them on its page.
std::string manual_page(const CommandRow& kerf, const CommandRow& command);

}  // namespace kerf::cli
