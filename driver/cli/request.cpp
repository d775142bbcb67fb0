// The request of a command line: -l -a -r -c, or a file with all of it.
#include "driver/cli/commands.h"
#include "driver/request.h"

namespace kerf::cli {

void RequestFlags::declare(CLI::App& command) {
  command.add_option("-l,--principal", given.principal, "e.g. User::\"alice\"");
  command.add_option("-a,--action", given.action, "e.g. Action::\"view\"");
  command.add_option("-r,--resource", given.resource, "e.g. Photo::\"a.jpg\"");
  command.add_option("-c,--context", context_file, "JSON file with the context record")->type_name("FILE");
  auto* file = command.add_option("--request-json", request_file, "JSON file with principal, action, resource, context")->type_name("FILE");
  for (const char* one : {"--principal", "--action", "--resource", "--context"}) file->excludes(command.get_option(one));
  command.add_option("--request-validation", validate, "validate the request against the schema")->type_name("true|false");
}

std::optional<RequestInput> RequestFlags::read(Globals& globals) const {
  Sources sources;
  Diagnostics diagnostics;
  std::optional<RequestInput> out = given;
  if (!request_file.empty()) out = read_request_file(request_file, sources, diagnostics);
  if (out && !context_file.empty()) out->context = read_file(context_file, diagnostics);
  print_diagnostics(globals, sources, diagnostics);
  if (!diagnostics.has_errors()) return out;
  globals.exit = kFailure;
  return std::nullopt;
}

}  // namespace kerf::cli
