// check, compile, split, explain: the compiler's own commands.
#include <fmt/core.h>

#include <csignal>
#include <cstdio>

#include "backends/features.h"
#include "driver/cli/commands.h"

namespace kerf::cli {
namespace {

struct CheckOptions {
  std::string mode = "strict", applicability = "error";
  std::optional<std::size_t> level;
  bool deny_warnings = false;
};

void check_policies(Globals& globals, const ProgramOptions& options, const CheckOptions& wanted) {
  ValidationOptions validation;
  if (wanted.mode == "permissive") validation.mode = ValidationMode::permissive;
  validation.level = wanted.level;
  validation.applicability_warns = wanted.applicability == "warning";
  std::unique_ptr<Loaded> loaded = load_program(globals, options, validation);
  if (loaded && wanted.deny_warnings && !loaded->program.diagnostics.all().empty()) globals.exit = kInvalid;
}

void compile(Globals& globals, const ProgramOptions& options, const std::string& directory, const std::string& stage,
             const std::vector<std::string>& waived) {
  std::unique_ptr<Loaded> loaded = load_program(globals, options);
  if (!loaded) return;
  Program& program = loaded->program;
  if (!stage.empty()) {
    fmt::print("{}", print_stage(program, loaded->text, stage).value_or(""));
    return;
  }
  Diagnostics before = program.diagnostics;
  program.diagnostics = {};
  std::string helper = codegen_helper_path();
  globals.log("debug", "the code generator is " + helper);
  std::optional<Artefacts> artefacts;
  {
    Progress words = globals.progress("compiling");
    artefacts = compile_program(program, loaded->text, {helper, waived});
  }
  if (artefacts) {
    for (const NamedBytes& file : artefacts->bundle.files) globals.log("info", fmt::format("writing {}/{}: {} bytes", directory, file.name, file.bytes.size()));
    if (Status written = write_bundle(artefacts->bundle, directory); !written) {
      program.diagnostics.report(Code::K7903, {}, written.error().message);
    }
  }
  print_diagnostics(globals, program.sources, program.diagnostics);
  if (program.diagnostics.has_errors()) globals.exit = artefacts ? kFailure : kInvalid;
  for (const Diagnostic& d : program.diagnostics.all()) {
    if (d.code == Code::K7904) globals.exit = kFailure;
  }
}

// Gives the graph to Graphviz, which writes to standard output.
bool draw(const std::string& graph) {
  std::fflush(stdout);
  FILE* dot = ::popen("dot -Tsvg 2>/dev/null", "w");
  if (dot == nullptr) return false;
  auto before = std::signal(SIGPIPE, SIG_IGN);   // a missing program closes its end
  const bool written = std::fwrite(graph.data(), 1, graph.size(), dot) == graph.size();
  const bool ended = ::pclose(dot) == 0;
  std::signal(SIGPIPE, before);
  return written && ended;
}

void print_split(Globals& globals, const ProgramOptions& options, const std::string& format,
                 const std::vector<std::string>& waived) {
  std::unique_ptr<Loaded> loaded = load_program(globals, options);
  if (!loaded) return;
  const Program& program = loaded->program;
  const std::uint64_t governed = governed_events(program.module.schema);
  Diagnostics diagnostics;
  check_waived(waived, governed, diagnostics);
  if (diagnostics.has_errors()) {
    print_diagnostics(globals, program.sources, diagnostics);
    globals.exit = kInvalid;
    return;
  }
  if (format == "json") {
    fmt::print("{}", pretty_json(split_report(program, waived)));
    return;
  }
  Split report = split(program.module, program.plan);
  if (format == "dot") {
    fmt::print("{}", split_to_dot(program.module, report));
    return;
  }
  if (format == "svg") {
    if (draw(split_to_dot(program.module, report))) return;
    fmt::print(stderr, "error: `dot` of Graphviz cannot be run; --format dot prints the graph for it\n");
    globals.exit = kFailure;
    return;
  }
  if (format == "table") {
    fmt::print("{}", split_to_table(program.module, program.sources, report));
  } else {
    fmt::print("{}", split_to_picture(program.module, program.sources, report, globals.colour_for(1)));
  }
  fmt::print("{}", guards_to_text(governed, waived));
}

void declare_waived(CLI::App& command, std::vector<std::string>& waived) {
  command.add_option("--waive", waived, "guards to give up in this bundle, by name")->delimiter(',')->type_name("NAME,…");
}

void explain_code(Globals& globals, const std::string& name) {
  if (name.empty()) {
    for (const CatalogueRow& row : catalogue()) fmt::print("{}  {}\n", row.name, row.message);
    return;
  }
  std::optional<Code> code = find_code(name);
  if (code) {
    fmt::print("{}", explain(*code));
    return;
  }
  fmt::print(stderr, "error: `{}` is no diagnostic code; `kerf explain` lists them all\n", printable(name));
  globals.exit = kFailure;
}

}  // namespace

void add_check(CLI::App& app, Globals& globals) {
  auto options = std::make_shared<ProgramOptions>();
  CLI::App* check = app.add_subcommand("check", "parse, validate and split a policy set; write nothing");
  check->alias("validate");   // as Cedar's command line says
  options->declare_policies(*check, false);
  options->declare_schema(*check, true);
  options->declare_entities(*check);
  options->declare_residual(*check);
  options->declare_required(*check);
  auto validation = std::make_shared<CheckOptions>();
  check->add_option("--validation-mode", validation->mode, "strict, or permissive: values of different types may meet")
      ->check(CLI::IsMember({"strict", "permissive"}))->type_name("strict|permissive");
  check->add_option("--level", validation->level, "most steps from the request to data of entities")->type_name("N");
  check->add_option("--applicability", validation->applicability, "what a scope that fits no action is")
      ->check(CLI::IsMember({"error", "warning"}))->type_name("error|warning");
  check->add_flag("--deny-warnings", validation->deny_warnings, "warnings fail too");
  check->callback([&globals, options, validation] {
    if (options->policies.empty()) options->policies.push_back("-");
    if (validation->mode != "strict" && !options->required.empty()) throw CLI::ValidationError("--require", "only strict programs have a split");
    check_policies(globals, *options, *validation);
  });

  auto directory = std::make_shared<std::string>();
  auto stage = std::make_shared<std::string>();
  CLI::App* compile_command = app.add_subcommand("compile", "compile a policy set to a bundle: eBPF object, decision table, split");
  options->declare(*compile_command, true);
  options->declare_residual(*compile_command);
  options->declare_required(*compile_command);
  auto* out = compile_command->add_option("-o,--output", *directory, "directory of the bundle, written whole or not at all")->type_name("DIR");
  auto* print = compile_command->add_option("--print", *stage, "print an intermediate form instead of writing a bundle")
                    ->check(CLI::IsMember({"ast", "ir", "plan", "split", "table"}))->type_name("ast|ir|plan|split|table");
  out->excludes(print);
  auto waived = std::make_shared<std::vector<std::string>>();
  declare_waived(*compile_command, *waived);
  compile_command->callback([&globals, options, directory, stage, waived] {
    if (directory->empty() && stage->empty()) throw CLI::RequiredError("-o");
    compile(globals, *options, *directory, *stage, *waived);
  });

  auto format = std::make_shared<std::string>("picture");
  CLI::App* split_command = app.add_subcommand("split", "show which layer decides which policy, and at which stage");
  options->declare(*split_command, true);
  options->declare_residual(*split_command);
  options->declare_required(*split_command);
  split_command->add_option("--format", *format, "boxes for a terminal, lines for logs, JSON, or a graph for Graphviz; svg runs its `dot`")->check(CLI::IsMember({"picture", "table", "json", "dot", "svg"}))->type_name("picture|table|json|dot|svg");
  auto given_up = std::make_shared<std::vector<std::string>>();
  declare_waived(*split_command, *given_up);
  split_command->callback([&globals, options, format, given_up] { print_split(globals, *options, *format, *given_up); });

  auto code = std::make_shared<std::string>();
  CLI::App* explain_command = app.add_subcommand("explain", "explain a diagnostic code; without one, list them");
  explain_command->add_option("code", *code, "e.g. K1001");
  explain_command->callback([&globals, code] { explain_code(globals, *code); });
}

}  // namespace kerf::cli
