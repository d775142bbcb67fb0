// format, evaluate, language-version.
#include <fmt/core.h>

#include "driver/cli/commands.h"
#include "driver/language.h"
#include "driver/version.h"

namespace kerf::cli {
namespace {

struct FormatFlags {
  std::vector<std::string> policies;
  std::size_t line_width = 80, indent_width = 2;
  bool write = false, check = false;
};

// One file. Its path is where --write puts it; its name is what messages say.
void format_file(Globals& globals, const std::string& path, const FormatFlags& flags) {
  Session session;
  std::optional<InputFile> input = read_file(path, session.diagnostics);
  std::optional<std::string> formatted;
  if (input) formatted = format_text(session, *input, flags.line_width, flags.indent_width);
  bool same = formatted && *formatted == input->text;
  if (formatted && flags.check && !same) session.diagnostics.report(Code::K7911, {}, path).with_help("`kerf format --write` formats it");
  if (formatted && flags.write && !same) {
    if (Status written = replace_file(path, *formatted); !written) session.diagnostics.report(Code::K7910, {}, path, written.error().message);
  }
  print_diagnostics(globals, session.sources, session.diagnostics);
  if (session.diagnostics.has_errors()) globals.exit = kFailure;
  else if (!flags.check && !flags.write) fmt::print("{}", *formatted);
}

struct EvaluateFlags {
  ProgramOptions program;
  RequestFlags request;
  std::string expression;
};

void evaluate(Globals& globals, const EvaluateFlags& flags) {
  std::optional<ProgramText> text = load(globals, flags.program);
  if (!text) return;
  std::optional<RequestInput> request = flags.request.read(globals);
  if (!request) return;
  bool asked = !request->principal.empty() || !request->action.empty() || !request->resource.empty() || request->context;
  if (!asked) request.reset();
  Session session;
  std::optional<std::string> value =
      evaluate_expression(session, flags.expression, text->schema, text->entities, request, flags.request.validate);
  print_diagnostics(globals, session.sources, session.diagnostics);
  if (value) fmt::print("{}", *value);
  else globals.exit = kFailure;
}

}  // namespace

void add_format(CLI::App& app, Globals& globals) {
  auto flags = std::make_shared<FormatFlags>();
  CLI::App* format = app.add_subcommand("format", "lay policies out as Cedar's formatter does");
  format->add_option("-p,--policies", flags->policies, "policy files; - is standard input")->type_name("FILE");
  format->add_option("-l,--line-width", flags->line_width)->type_name("N");
  format->add_option("-i,--indent-width", flags->indent_width)->type_name("N");
  auto* write = format->add_flag("-w,--write", flags->write, "replace the files");
  format->add_flag("-c,--check", flags->check, "only say which files would change; exit status 1 if one would")->excludes(write);
  format->callback([&globals, flags] {
    if (flags->policies.empty()) flags->policies.push_back("-");
    for (const std::string& path : flags->policies) {
      if (flags->write && path == "-") throw CLI::ValidationError("--write needs a file");
      format_file(globals, path, *flags);
    }
  });

  auto asked = std::make_shared<EvaluateFlags>();
  CLI::App* evaluate_command = app.add_subcommand("evaluate", "the value of one expression");
  asked->program.declare_schema(*evaluate_command, false);
  evaluate_command->add_option("--entities", asked->program.entities, "entities in Cedar's JSON form")->type_name("FILE");
  asked->request.declare(*evaluate_command);
  evaluate_command->add_option("expression", asked->expression, "e.g. 'principal.age > 17'")->required();
  evaluate_command->callback([&globals, asked] { evaluate(globals, *asked); });

  app.add_subcommand("language-version", "the version of the Cedar language that kerf speaks")->callback([] { fmt::print("{}\n", language_version()); });
}

}  // namespace kerf::cli
