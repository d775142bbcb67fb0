// Options that several commands share, and the way diagnostics leave the program.
#include <fmt/core.h>
#include <unistd.h>

#include <cstdlib>

#include "driver/cli/commands.h"
#include "driver/sarif.h"

namespace kerf::cli {

ErrorFormat Globals::format() const {
  if (error_format == "json") return ErrorFormat::json;
  if (error_format == "plain") return ErrorFormat::plain;
  if (error_format == "sarif") return ErrorFormat::sarif;
  return ErrorFormat::human;
}

bool Globals::colour_for(int fd) const {
  if (colour != "auto") return colour == "always";
  const char* no_color = std::getenv("NO_COLOR");
  return ::isatty(fd) != 0 && (no_color == nullptr || *no_color == '\0');
}

void ProgramOptions::declare_policies(CLI::App& command, bool required) {
  auto* p = command.add_option("-p,--policies", policies, "policy files or directories; - is standard input")->type_name("FILE");
  if (required) p->required();
  command.add_option("--policy-format", policy_format, "form of the policies; default: by the ending of the name")
      ->check(CLI::IsMember({"cedar", "json"}))->type_name("cedar|json");
  command.add_option("-k,--template-linked", links, "links of templates, as `kerf link` keeps them")->type_name("FILE");
}

void ProgramOptions::declare_schema(CLI::App& command, bool required) {
  auto* s = command.add_option("-s,--schema", schema, "schema file")->type_name("FILE");
  if (required) s->required();
  command.add_option("--schema-format", schema_format, "form of the schema; default: by the ending of the name")
      ->check(CLI::IsMember({"cedar", "json"}))->type_name("cedar|json");
}

void ProgramOptions::declare(CLI::App& command, bool policies_required) {
  declare_policies(command, policies_required);
  declare_schema(command, policies_required);
  declare_entities(command);
}

void ProgramOptions::declare_entities(CLI::App& command) {
  command.add_option("--entities", entities, "entities in Cedar's JSON form")->type_name("FILE");
}

void print_diagnostics(Globals& globals, const Sources& sources, const Diagnostics& diagnostics) {
  globals.errors += diagnostics.error_count();
  for (const Diagnostic& d : diagnostics.all()) globals.warnings += d.severity == Severity::warning ? 1 : 0;
  if (globals.format() == ErrorFormat::sarif) {
    for (Json& one : sarif_results(sources, diagnostics)) globals.sarif.push_back(std::move(one));
    return;
  }
  fmt::print(stderr, "{}", render(sources, diagnostics, globals.format(), globals.colour_for(2)));
}

void finish_diagnostics(const Globals& globals) {
  if (globals.format() == ErrorFormat::sarif) fmt::print(stderr, "{}", sarif_log(globals.sarif));
  bool several = globals.errors + globals.warnings > 1;
  if (globals.format() == ErrorFormat::human && several) fmt::print(stderr, "{}\n", summary(globals.errors, globals.warnings));
}

int exit_for(const Diagnostics& diagnostics) {
  for (const Diagnostic& d : diagnostics.all()) {
    std::string_view code = catalogue_row(d.code).name;
    bool unread = code.starts_with("K1") || code.starts_with("K2") || code.starts_with("K30") || code.starts_with("K6") ||
                  code.starts_with("K7") || code.starts_with("K80");
    bool too_much = code.starts_with("K805");   // of what was read: for the kernel
    if (d.severity == Severity::error && unread && !too_much) return kFailure;
  }
  return kInvalid;
}

void print_error(Globals& globals, Code code, const std::string& message, const std::vector<std::string>& help) {
  Diagnostics diagnostics;
  diagnostics.add({code, Severity::error, message, {}, {}, {}, {}, help, {}});
  print_diagnostics(globals, Sources{}, diagnostics);
}

std::optional<ProgramText> load(Globals& globals, const ProgramOptions& options) {
  Diagnostics diagnostics;
  ProgramText text;
  text.policies = read_files(options.policies, options.policy_format, diagnostics);
  auto one = [&](const std::string& path) -> std::optional<InputFile> {
    return path.empty() ? std::nullopt : read_file(path, diagnostics);
  };
  text.schema = one(options.schema);
  if (text.schema) text.schema->format = format_of(options.schema_format, options.schema);
  text.entities = one(options.entities);
  text.links = one(options.links);
  if (!diagnostics.has_errors()) return text;
  print_diagnostics(globals, Sources{}, diagnostics);
  globals.exit = kFailure;
  return std::nullopt;
}

std::unique_ptr<Loaded> load_program(Globals& globals, const ProgramOptions& options, const ValidationOptions& validation) {
  std::optional<ProgramText> text = load(globals, options);
  if (!text) return nullptr;
  auto loaded = std::make_unique<Loaded>();
  loaded->text = std::move(*text);
  loaded->program = check_program(loaded->text, validation);
  print_diagnostics(globals, loaded->program.sources, loaded->program.diagnostics);
  if (!loaded->program.diagnostics.has_errors()) return loaded;
  globals.exit = exit_for(loaded->program.diagnostics);
  return nullptr;
}

}  // namespace kerf::cli
