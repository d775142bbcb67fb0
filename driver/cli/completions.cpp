// Completions for three shells. Each shell is told the commands, their options, and what an option's value can be.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "driver/cli/command_table.h"

namespace kerf::cli {
namespace {

std::string replaced(std::string text, std::string_view characters, std::string_view before) {
  std::string out;
  for (char c : text) {
    if (characters.find(c) != std::string_view::npos) out += before;
    out += c;
  }
  return out;
}

// Inside '…' of bash and zsh.
std::string single_quoted(const std::string& text) {
  std::string out;
  for (char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out;
}

template <class Visit>
void each_command(const CommandRow& row, Visit visit) {
  visit(row);
  for (const CommandRow& command : row.commands) each_command(command, visit);
}

std::vector<std::string> names_of(const CommandRow& row) {
  std::vector<std::string> names = row.aliases;
  names.insert(names.begin(), row.name);
  return names;
}

// What can stand where a word begins: commands and options.
std::vector<std::string> words_of(const CommandRow& row, const CommandRow& kerf) {
  std::vector<std::string> words;
  for (const CommandRow& command : row.commands) words.push_back(command.name);
  for (const OptionRow& option : row.options) words.insert(words.end(), option.names.begin(), option.names.end());
  if (!row.path.empty()) {   // the global options hold in every command
    for (const OptionRow& option : kerf.options) {
      for (const std::string& name : option.names) {
        if (std::find(words.begin(), words.end(), name) == words.end()) words.push_back(name);
      }
    }
  }
  for (const OptionRow& option : row.options) {
    if (option.names.empty()) words.insert(words.end(), option.choices.begin(), option.choices.end());
  }
  return words;
}

bool wants_files(const CommandRow& row) {
  return std::any_of(row.options.begin(), row.options.end(), [](const OptionRow& o) { return o.names.empty() && takes_files(o); });
}

std::string bash_values(const OptionRow& option) {
  if (!option.choices.empty()) return fmt::format("_kerf_reply -W '{}'", fmt::join(option.choices, " "));
  if (takes_directories(option)) return "_kerf_reply -d";
  return takes_files(option) ? "_kerf_reply -f" : ":";
}

}  // namespace

std::string bash_completion(const CommandRow& kerf) {
  std::string commands, values, words;
  each_command(kerf, [&](const CommandRow& row) {
    std::string path = fmt::format("{}", fmt::join(row.path, " "));
    if (!row.path.empty()) {
      std::string above = fmt::format("{}", fmt::join(row.path.begin(), row.path.end() - 1, " "));
      std::vector<std::string> patterns;
      for (const std::string& name : names_of(row)) patterns.push_back(fmt::format("'{} {}'", above, name));
      commands += fmt::format("      {}) command='{}' ;;\n", fmt::join(patterns, "|"), path);
    }
    for (const OptionRow& option : row.options) {
      if (option.names.empty() || option.value.empty()) continue;
      std::vector<std::string> patterns;
      for (const std::string& name : option.names) patterns.push_back(row.path.empty() ? fmt::format("*' {}'", name) : fmt::format("'{} {}'", path, name));
      values += fmt::format("    {}) {}; return ;;\n", fmt::join(patterns, "|"), bash_values(option));
    }
    words += fmt::format("    '{}') _kerf_reply -W '{}'{} ;;\n", path, fmt::join(words_of(row, kerf), " "), wants_files(row) ? " -f" : "");
  });
  return "# bash completion of kerf, made by `kerf completions bash`\n"
         "_kerf_reply() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]}\n"
         "  case $* in *-d|*-f) compopt -o filenames 2>/dev/null ;; esac\n"
         "  mapfile -t COMPREPLY < <(compgen \"$@\" -- \"$word\")\n"
         "}\n"
         "_kerf() {\n"
         "  local command='' i\n"
         "  COMPREPLY=()\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    if [ \"${COMP_WORDS[i]}\" = -- ]; then _kerf_reply -c -f; return; fi\n"
         "    case \"$command ${COMP_WORDS[i]}\" in\n" +
         commands +
         "    esac\n"
         "  done\n"
         "  case \"$command ${COMP_WORDS[COMP_CWORD-1]}\" in\n" +
         values +
         "  esac\n"
         "  case $command in\n" +
         words +
         "  esac\n"
         "}\n"
         "complete -F _kerf kerf\n";
}

namespace {

std::string zsh_text(const std::string& text) { return single_quoted(replaced(text, "[]:\\", "\\")); }

std::string zsh_value(const OptionRow& option) {
  std::string name = zsh_text(option.choices.empty() ? option.value : "value");
  if (!option.choices.empty()) return fmt::format(":{}:({})", name, fmt::join(option.choices, " "));
  if (takes_directories(option)) return fmt::format(":{}:_files -/", name);
  return takes_files(option) ? fmt::format(":{}:_files", name) : fmt::format(":{}: ", name);
}

std::vector<std::string> zsh_options(const CommandRow& row) {
  std::vector<std::string> specs;
  for (const OptionRow& option : row.options) {
    std::string many = option.many ? "*" : "";
    if (option.names.empty()) {
      specs.push_back(fmt::format("'{}{}'", many, zsh_value(option)));
      continue;
    }
    for (const std::string& name : option.names) {
      specs.push_back(fmt::format("'{}{}[{}]{}'", many, name, zsh_text(option.what), option.value.empty() ? "" : zsh_value(option)));
    }
  }
  return specs;
}

std::string zsh_arguments(const CommandRow& row, const std::string& indent) {
  if (row.commands.empty()) {
    std::vector<std::string> specs = zsh_options(row);
    return specs.empty() ? indent + ":\n" : fmt::format("{}_arguments -s {}\n", indent, fmt::join(specs, " \\\n" + indent + "  "));
  }
  std::string described, cases;
  for (const CommandRow& command : row.commands) {
    described += fmt::format("{}      '{}:{}'\n", indent, command.name, zsh_text(command.what));
    cases += fmt::format("{}      {})\n{}{}        ;;\n", indent, fmt::join(names_of(command), "|"), zsh_arguments(command, indent + "        "), indent);
  }
  std::vector<std::string> specs = zsh_options(row);
  specs.push_back("'1:command:->command'");
  specs.push_back("'*::argument:->argument'");
  return fmt::format("{0}_arguments -C -s {1}\n"
                     "{0}case $state in\n"
                     "{0}  command)\n"
                     "{0}    local -a commands=(\n{2}{0}    )\n"
                     "{0}    _describe command commands\n"
                     "{0}    ;;\n"
                     "{0}  argument)\n"
                     "{0}    case $line[1] in\n{3}{0}    esac\n"
                     "{0}    ;;\n"
                     "{0}esac\n",
                     indent, fmt::join(specs, " \\\n" + indent + "  "), described, cases);
}

std::string fish_text(const std::string& text) { return "'" + replaced(text, "'\\", "\\") + "'"; }

// True in fish when the words so far are in this command and in none below it.
std::string fish_condition(const CommandRow& row, const CommandRow& kerf) {
  if (row.path.empty()) return "__fish_use_subcommand";
  std::string condition;
  const CommandRow* at = &kerf;
  for (const std::string& step : row.path) {
    for (const CommandRow& command : at->commands) {
      if (command.name != step) continue;
      condition += fmt::format("{}__fish_seen_subcommand_from {}", condition.empty() ? "" : "; and ", fmt::join(names_of(command), " "));
      at = &command;
      break;
    }
  }
  return condition;
}

std::string fish_option(const OptionRow& option, const std::string& condition) {
  std::string line = "complete -c kerf";
  if (!condition.empty()) line += fmt::format(" -n '{}'", condition);
  for (const std::string& name : option.names) line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  if (!option.choices.empty()) line += fmt::format(" {} '{}'", option.names.empty() ? "-a" : "-x -a", fmt::join(option.choices, " "));
  else if (takes_files(option)) line += option.names.empty() ? " -F" : " -r -F";
  else if (!option.value.empty() && !option.names.empty()) line += " -x";
  if (option.names.empty() && option.choices.empty() && !takes_files(option)) return {};
  return line + " -d " + fish_text(option.what) + "\n";
}

}  // namespace

std::string zsh_completion(const CommandRow& kerf) {
  return "#compdef kerf\n"
         "# zsh completion of kerf, made by `kerf completions zsh`\n"
         "_kerf() {\n"
         "  local context state line\n"
         "  typeset -A opt_args\n" +
         zsh_arguments(kerf, "  ") +
         "}\n"
         "if [ \"$funcstack[1]\" = _kerf ]; then _kerf \"$@\"; else compdef _kerf kerf; fi\n";
}

std::string fish_completion(const CommandRow& kerf) {
  std::string out = "# fish completion of kerf, made by `kerf completions fish`\ncomplete -c kerf -f\n";
  each_command(kerf, [&](const CommandRow& row) {
    std::string condition = fish_condition(row, kerf);
    for (const CommandRow& command : row.commands) {
      out += fmt::format("complete -c kerf -n '{}' -a {} -d {}\n", condition, command.name, fish_text(command.what));
    }
    for (const OptionRow& option : row.options) out += fish_option(option, row.path.empty() ? "" : condition);
  });
  return out;
}

}  // namespace kerf::cli
