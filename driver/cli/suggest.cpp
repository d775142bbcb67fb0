// "Did you mean" for the command line.
#include <fmt/format.h>

#include "driver/cli/commands.h"
#include "ir/base/diagnostic.h"

namespace kerf::cli {
namespace {

// Of the command that was given, else of the program.
std::vector<std::string> known_words(const CLI::App& app) {
  std::vector<std::string> out;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) out.push_back(command->get_name());
  std::vector<const CLI::App*> at = {&app};
  for (const CLI::App* given : app.get_subcommands()) at.push_back(given);
  for (const CLI::App* one : at) {
    for (const CLI::Option* option : one->get_options()) {
      for (const std::string& name : option->get_lnames()) out.push_back("--" + name);
    }
  }
  return out;
}

}  // namespace

std::string suggestion(const CLI::App& app, const std::string& word) {
  std::optional<std::string> near = closest(word.substr(0, word.find('=')), known_words(app));
  return near ? fmt::format("; did you mean `{}`?", *near) : "";
}

}  // namespace kerf::cli
