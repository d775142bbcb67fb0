// version, completions, man: what kerf says of itself.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include "driver/cli/command_table.h"
#include "driver/cli/commands.h"
#include "driver/version.h"

namespace kerf::cli {
namespace {

void print_version(bool json) {
  Json report = version_report();
  if (json) return fmt::print("{}", pretty_json(report));
  fmt::print("kerf {}\n", version());
  for (auto [label, key] : {std::pair{"Cedar", "cedar"}, std::pair{"kernel interface", "kernel_abi"}, std::pair{"bundle format", "bundle_format"},
                            std::pair{"table format", "table_format"}, std::pair{"LLVM", "llvm"}}) {
    const Json& value = report.at(key);
    fmt::print("  {:<18}{}\n", label, value.is_string() ? value.get<std::string>() : value.dump());
  }
  fmt::print("  {:<18}{}.{}\n", "library interface", report["library_abi"]["major"].dump(), report["library_abi"]["minor"].dump());
  fmt::print("  {:<18}{}\n", "kernel events", fmt::join(report["events"].get<std::vector<std::string>>(), ", "));
}

void print_page(Globals& globals, const CommandRow& kerf, const std::string& name) {
  if (name.empty() || name == "kerf") return fmt::print("{}", manual_page(kerf, kerf));
  for (const CommandRow& command : kerf.commands) {
    if (command.name == name) return fmt::print("{}", manual_page(kerf, command));
  }
  fmt::print(stderr, "`{}` is no command\n", name);
  globals.exit = kFailure;
}

}  // namespace

void add_about(CLI::App& app, Globals& globals) {
  auto json = std::make_shared<bool>(false);
  CLI::App* version_command = app.add_subcommand("version", "the versions of kerf, its languages, formats and interfaces");
  version_command->add_flag("--json", *json, "as JSON");
  version_command->callback([json] { print_version(*json); });

  auto shell = std::make_shared<std::string>();
  CLI::App* completions = app.add_subcommand("completions", "print a shell's completion script");
  completions->add_option("shell", *shell, "the shell")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}))->type_name("bash|zsh|fish");
  completions->callback([&app, shell] {
    CommandRow kerf = describe(app);
    fmt::print("{}", *shell == "bash" ? bash_completion(kerf) : *shell == "zsh" ? zsh_completion(kerf) : fish_completion(kerf));
  });

  auto command = std::make_shared<std::string>();
  CLI::App* man = app.add_subcommand("man", "print a manual page, for man -l -");
  man->add_option("command", *command, "a command; without one, the page of kerf");
  man->callback([&app, &globals, command] { print_page(globals, describe(app), *command); });
}

}  // namespace kerf::cli
