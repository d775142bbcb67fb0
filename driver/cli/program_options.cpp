// Options that several commands share, and the way diagnostics leave the program.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "driver/cli/commands.h"
#include "driver/gate.h"
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

bool Globals::logs(std::string_view level) const {
  constexpr std::string_view levels[] = {"error", "warn", "info", "debug"};
  auto rank = [&](std::string_view name) { return std::find(std::begin(levels), std::end(levels), name) - std::begin(levels); };
  return rank(level) <= rank(log_level);
}

void Globals::log(std::string_view level, const std::string& message) const {
  if (!logs(level)) return;
  if (format() == ErrorFormat::json) {
    Json line = {{"schema", "kerf.log"}, {"version", 1}, {"level", level}, {"message", message}};
    fmt::print(stderr, "{}\n", line.dump(-1, ' ', false, Json::error_handler_t::replace));
  } else {
    fmt::print(stderr, "kerf: {}: {}\n", level, message);
  }
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
  command.add_option("-j,--jobs", jobs, "threads for parsing and validation; default: one a processor, at most 8")
      ->check(CLI::Range(1, 256))->type_name("N");
}

void ProgramOptions::declare_residual(CLI::App& command) {
  command.add_option("--residual", residual, "what the kernel enforces of policies that it cannot decide exactly and that have no @residual")
      ->check(CLI::IsMember({"floor", "ceiling"}))->type_name("floor|ceiling");
}

void ProgramOptions::declare_required(CLI::App& command) {
  command.add_option("--require", required, "exact, or kernel=POLICY: exit 4 if a policy is approximated, or if the kernel alone does not decide POLICY")
      ->type_name("WHAT");
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
  for (const InputFile& file : text.policies) globals.log("info", fmt::format("read {}: {} bytes", file.name, file.text.size()));
  for (const auto* file : {&text.schema, &text.entities, &text.links}) {
    if (*file) globals.log("info", fmt::format("read {}: {} bytes", (*file)->name, (*file)->text.size()));
  }
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
  ValidationOptions with_jobs = validation;
  with_jobs.jobs = options.jobs;
  auto begin = std::chrono::steady_clock::now();
  {
    Progress words = globals.progress("checking");
    loaded->program = check_program(loaded->text, with_jobs, {.residual = find_approximation(options.residual)});
  }
  const bool valid = !loaded->program.diagnostics.has_errors();
  if (valid) check_required(loaded->program, options.required);
  globals.log("debug", fmt::format("checked in {} ms", std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin).count()));
  print_diagnostics(globals, loaded->program.sources, loaded->program.diagnostics);
  if (!loaded->program.diagnostics.has_errors()) return loaded;
  globals.exit = valid || fails_required(loaded->program, options.required) ? kGate : exit_for(loaded->program.diagnostics);
  return nullptr;
}

}  // namespace kerf::cli
