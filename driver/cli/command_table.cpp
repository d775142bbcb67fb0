#include "driver/cli/command_table.h"

#include <algorithm>

namespace kerf::cli {
namespace {

// "cedar|json:{cedar,json}", "PID:POSITIVE": CLI11 appends what its checks say.
std::string value_name(const CLI::Option& option) {
  if (option.get_items_expected_max() == 0) return {};
  std::string name = option.get_type_name();
  name = name.substr(0, name.find(':'));
  return name == "TEXT" && option.get_positional() ? option.get_name(true) : name;
}

std::vector<std::string> choices_of(const std::string& value) {
  std::vector<std::string> choices;
  if (value.find('|') == std::string::npos) return choices;
  for (std::size_t begin = 0; begin <= value.size();) {
    std::size_t end = std::min(value.find('|', begin), value.size());
    choices.push_back(value.substr(begin, end - begin));
    begin = end + 1;
  }
  return choices;
}

OptionRow describe_option(const CLI::Option& option) {
  OptionRow row;
  for (const std::string& name : option.get_snames()) row.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) row.names.push_back("--" + name);
  row.value = value_name(option);
  row.choices = choices_of(row.value);
  row.what = option.get_description();
  row.required = option.get_required();
  row.many = option.get_items_expected_max() > 1;
  return row;
}

CommandRow describe_command(const CLI::App& app, std::vector<std::string> path) {
  CommandRow row;
  row.name = app.get_name();
  row.path = std::move(path);
  row.aliases = app.get_aliases();
  row.what = app.get_description();
  row.footer = app.get_footer();
  for (const CLI::Option* option : app.get_options()) row.options.push_back(describe_option(*option));
  for (const CLI::App* command : app.get_subcommands(std::function<bool(const CLI::App*)>())) {
    std::vector<std::string> below = row.path;
    below.push_back(command->get_name());
    row.commands.push_back(describe_command(*command, std::move(below)));
  }
  return row;
}

}  // namespace

CommandRow describe(const CLI::App& app) { return describe_command(app, {}); }

bool takes_directories(const OptionRow& option) { return option.value == "DIR"; }

bool takes_files(const OptionRow& option) {
  return option.value == "FILE" || option.value == "PATH" || option.value == "EVENT" || takes_directories(option);
}

}  // namespace kerf::cli
