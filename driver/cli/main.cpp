// kerf: the thin client of libkerf. Results go to stdout, messages to stderr.
#include <fmt/core.h>

#include <csignal>

#include "driver/cli/commands.h"
#include "driver/cli/crash.h"
#include "driver/version.h"

int main(int argc, char** argv) {
  using namespace kerf::cli;
  CLI::App app{"kerf compiles Cedar policies into a decision table for a gateway and an eBPF object for the kernel.", "kerf"};
  Globals globals;
  app.set_version_flag("-V,--version", std::string("kerf ") + kerf::version());
  app.add_option("-f,--error-format", globals.error_format, "how messages are written")
      ->check(CLI::IsMember({"human", "plain", "json", "sarif"}))->type_name("human|plain|json|sarif")->envname("KERF_ERROR_FORMAT");
  app.add_option("--color", globals.colour, "colour in messages; NO_COLOR is honoured")
      ->check(CLI::IsMember({"auto", "always", "never"}))->type_name("auto|always|never");
  app.add_option("--log-level", globals.log_level, "what kerf says of its doings on standard error")
      ->check(CLI::IsMember({"error", "warn", "info", "debug"}))->type_name("error|warn|info|debug");
  app.add_flag("--crash-inputs", globals.crash_inputs, "the report of an internal error may hold arguments and input files");
  report_crashes_of(app, globals.crash_inputs);
  app.require_subcommand(1);
  app.fallthrough();
  app.footer("Exit status: 0 ok or ALLOW, 1 failure, 2 DENY, 3 invalid policy, 4 gate, 5 tests, 64 usage, 70 internal error.\n"
             "`kerf run` returns the command's own status, 128+n after a signal, 125 if kerf itself failed.");
  add_check(app, globals);
  add_verify(app, globals);
  add_authorize(app, globals);
  add_serve(app, globals);
  add_language(app, globals);
  add_format(app, globals);
  add_run_tests(app, globals);
  add_simulate(app, globals);
  add_node(app, globals);
  add_about(app, globals);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    bool command = app.get_subcommands().empty();
    bool extras = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr;
    std::vector<std::string> unknown = command || extras ? app.remaining(true) : std::vector<std::string>();
    if (error.get_exit_code() != 0 && !unknown.empty()) {
      fmt::print(stderr, "`{}` is no {}{}\nRun with --help for more information.\n", unknown.front(),
                 command ? "command" : "option here", suggestion(app, unknown.front()));
      return kUsage;
    }
    return app.exit(error) == 0 ? kOk : kUsage;
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "kerf: out of memory\n");
    return kFailure;
  } catch (const std::exception& error) {
    kerf::internal_error(error.what());
  }
  finish_diagnostics(globals);
  if (std::fflush(stdout) != 0 && globals.exit == kOk) return kFailure;
  return globals.exit;
}
