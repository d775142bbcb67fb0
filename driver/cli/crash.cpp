// internal_error() of the command line: message, report in a new file of the owner's alone, exit status 70. It takes the
// place of ir/base/check.cpp, which the linker then leaves in its archive.
#include "driver/cli/crash.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>

#include "backends/bundle.h"
#include "driver/cli/command_table.h"
#include "driver/cli/commands.h"
#include "driver/version.h"
#include "ir/base/check.h"

namespace kerf::cli {
namespace {

struct Context {
  const CLI::App* app = nullptr;
  const bool* with_inputs = nullptr;
};
Context context;

// A file that an argument names; not standard input, which is read but once.
void add_file(Json& files, const std::string& path) {
  Diagnostics ignored;
  std::error_code error;
  if (path == "-" || !std::filesystem::is_regular_file(path, error)) return;
  if (std::optional<InputFile> file = read_file(path, ignored)) files.push_back({{"name", path}, {"text", std::move(file->text)}});
}

void add_inputs(Json& files, const CLI::Option& option) {
  for (const std::string& path : option.results()) {
    std::error_code error;
    if (!std::filesystem::is_directory(path, error)) {
      add_file(files, path);
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(path, error)) add_file(files, entry.path().string());
  }
}

void add_options(Json& report, const CLI::App& command, bool with_inputs) {
  for (const CLI::Option* option : command.get_options()) {
    if (option->count() == 0) continue;
    Json row = {{"name", option->get_name()}, {"values", option->count()}};
    if (with_inputs) row["values"] = option->results();
    report["options"].push_back(std::move(row));
    if (with_inputs) add_inputs(report["inputs"], *option);
  }
}

// The file's name, or empty.
std::string write_report(const std::string& text) {
  std::error_code error;
  std::filesystem::path directory = std::filesystem::temp_directory_path(error);
  std::string path = (error ? std::filesystem::path("/tmp") : directory) / "kerf-crash-XXXXXX.json";
  int fd = ::mkostemps(path.data(), 5, O_CLOEXEC);   // mode 0600
  if (fd < 0) return {};
  std::string_view rest = text;
  while (!rest.empty()) {
    ssize_t n = ::write(fd, rest.data(), rest.size());
    if (n <= 0) break;
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  return ::close(fd) == 0 && rest.empty() ? path : std::string();
}

}  // namespace

void report_crashes_of(const CLI::App& app, const bool& with_inputs) { context = {&app, &with_inputs}; }

Json crash_report(const CLI::App* app, bool with_inputs, const std::string& message) {
  Json report = {{"schema", "kerf.crash"}, {"version", 1}, {"message", message}, {"kerf", version_report()},
                 {"command", Json::array()}, {"options", Json::array()}};
  if (with_inputs) report["inputs"] = Json::array();
  while (app != nullptr) {
    add_options(report, *app, with_inputs);
    std::vector<CLI::App*> used = app->get_subcommands();
    app = used.empty() ? nullptr : used.front();
    if (app != nullptr) report["command"].push_back(app->get_name());
  }
  return report;
}

}  // namespace kerf::cli

namespace kerf {

void internal_error(std::string_view what, std::source_location where) {
  static std::atomic_flag entered;
  std::string message = fmt::format("{} ({}:{})", what, where.file_name(), where.line());
  fmt::print(stderr, "kerf: internal error: {}. This is a bug in kerf, not in your policy.\n", message);
  if (!entered.test_and_set()) {   // a mistake in the report itself must not ask for another
    try {
      bool with_inputs = cli::context.with_inputs && *cli::context.with_inputs;
      Json report = cli::crash_report(cli::context.app, with_inputs, message);
      std::string path = cli::write_report(report.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
      if (!path.empty()) {
        fmt::print(stderr, "kerf: {} has what a maintainer needs{}.\n", path,
                   with_inputs ? ", your inputs included" : "; no arguments and no inputs are in it (--crash-inputs adds them)");
      }
    } catch (...) {   // the message is out
    }
  }
  std::fflush(nullptr);
  std::_Exit(cli::kInternal);
}

}  // namespace kerf
