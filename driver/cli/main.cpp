// kerf: the thin client of libkerf. Results go to stdout, messages to stderr.
#include <fmt/core.h>

#include <csignal>

#include "driver/cli/commands.h"

int main(int argc, char** argv) {
  using namespace kerf::cli;
  CLI::App app{"kerf compiles Cedar policies into a decision table for a gateway and an eBPF object for the kernel.", "kerf"};
  Globals globals;
  app.set_version_flag("-V,--version", "kerf " KERF_VERSION);
  app.add_option("-f,--error-format", globals.error_format, "how messages are written")
      ->check(CLI::IsMember({"human", "plain", "json"}))->type_name("human|plain|json")->envname("KERF_ERROR_FORMAT");
  app.add_option("--color", globals.colour, "colour in messages; NO_COLOR is honoured")
      ->check(CLI::IsMember({"auto", "always", "never"}))->type_name("auto|always|never");
  app.require_subcommand(1);
  app.fallthrough();
  app.footer("Exit status: 0 ok or ALLOW, 1 failure, 2 DENY, 3 invalid policy, 4 gate, 5 tests, 64 usage, 70 internal error.\n"
             "`kerf run` returns the command's own status, 128+n after a signal, 125 if kerf itself failed.");
  add_check(app, globals);
  add_verify(app, globals);
  add_authorize(app, globals);
  add_language(app, globals);
  add_format(app, globals);
  add_simulate(app, globals);
  add_node(app, globals);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::vector<std::string> unknown = app.get_subcommands().empty() ? app.remaining() : std::vector<std::string>();
    if (error.get_exit_code() != 0 && !unknown.empty()) {
      fmt::print(stderr, "`{}` is no command\nRun with --help for more information.\n", unknown.front());
      return kUsage;
    }
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  if (std::fflush(stdout) != 0 && globals.exit == kOk) return kFailure;
  return globals.exit;
}
