// Texts -> checked program -> artefacts. A phase runs only if the phases whose results it needs had no errors, so one
// mistake gives one message and not its echoes.
#include "driver/pipeline.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "backends/bpf/templates.h"
#include "backends/features.h"
#include "backends/seccomp/emit.h"
#include "backends/seccomp/names.h"
#include "backends/table/emit.h"
#include "driver/read_forms.h"
#include "driver/verify.h"
#include "frontend/sema/data.h"
#include "frontend/sema/schema.h"
#include "ir/passes/lint.h"

namespace kerf {
namespace {

std::vector<ast::PolicyFile> parse_all(Program& program, const ProgramText& text, std::size_t jobs) {
  std::vector<ast::PolicyFile> files;
  for (const InputFile& input : text.policies) {
    SourceId source = program.sources.add(input.name, input.text, input.path);
    program.policy_sources.push_back(source);
    files.push_back(read_policy_form(program.sources, source, input.format, program.diagnostics, jobs));
  }
  if (text.links) {
    ast::PolicyFile& more = files.emplace_back();
    more.source = program.sources.add(text.links->name, text.links->text, text.links->path);
    more.links = read_links_json(program.sources, more.source, program.diagnostics);
  }
  return files;
}

bool resolve(Program& program, const ProgramText& text) {
  if (text.schema) {
    program.schema_source = program.sources.add(text.schema->name, text.schema->text, text.schema->path);
    ast::SchemaFile file = read_schema_form(program.sources, program.schema_source, text.schema->format, program.diagnostics);
    if (program.diagnostics.has_errors()) return false;
    program.module.schema = resolve_schema(file, program.diagnostics);
    if (program.diagnostics.has_errors()) return false;
    program.module.environments = program.module.schema.environments();
  }
  return true;
}

void read_snapshot(Program& program, const ProgramText& text) {
  InputFile none{"<no entities>", "[]"};
  const InputFile& input = text.entities ? *text.entities : none;
  program.entities_source = program.sources.add(input.name, input.text, input.path);
  program.module.entities =
      read_entities(program.sources, program.entities_source, program.module.schema, program.diagnostics);
}

// Reports the patterns at the places where policies write them, the first of equal ones.
void report_patterns(Program& program, const std::vector<Pattern>& left) {
  constexpr std::size_t enough = 8;
  std::set<Pattern> rest(left.begin(), left.end());
  std::size_t reported = 0;
  for (const Policy& policy : program.module.policies) {
    for (std::size_t i = 0; i < policy.body.size(); ++i) {
      NodeId node(i);
      if (policy.body[node].op != Op::like || rest.erase(policy.body.pattern(node)) == 0) continue;
      if (reported++ == enough) return;
      program.diagnostics.report(Code::K8053, policy.body[node].span, to_text(policy.body.pattern(node)), kMaxAutomatonStates);
    }
  }
  check(reported > 0, "every pattern of the plan is in some policy");
}

void check_policies(Program& program, const std::vector<ast::PolicyFile>& files, const ValidationOptions& options) {
  lower_policies(files, program.module, program.diagnostics, options.jobs);
  if (program.diagnostics.has_errors()) return;
  if (auto violation = verify(program.module, options.jobs)) internal_error("lowering: " + *violation);
  typecheck(program.module, program.diagnostics, options);
  if (options.mode != ValidationMode::strict) return;
  check_kernel_literals(program.module, program.diagnostics);
  if (program.diagnostics.has_errors()) return;
  program.plan = plan_kernel(program.module, program.diagnostics, program.plan_options);
  program.syscalls = plan_syscalls(program.module, seccomp::call_names(), program.diagnostics);
  if (program.diagnostics.has_errors()) return;
  if (std::vector<Pattern> left = patterns_past_limits(program.plan); !left.empty()) report_patterns(program, left);
  if (std::vector<Pattern> left = executables_past_limits(program.module, program.plan); !left.empty()) report_patterns(program, left);
  if (!program.diagnostics.has_errors()) lint_split(program.module, program.plan, program.diagnostics);
}

std::vector<NamedBytes> input_bytes(const ProgramText& text) {
  std::vector<NamedBytes> inputs;
  for (const InputFile& file : text.policies) inputs.push_back({file.name, "policies", file.text});
  if (text.schema) inputs.push_back({text.schema->name, "schema", text.schema->text});
  if (text.entities) inputs.push_back({text.entities->name, "entities", text.entities->text});
  if (text.links) inputs.push_back({text.links->name, "links", text.links->text});
  return inputs;
}

}  // namespace

Program check_program(const ProgramText& text, const ValidationOptions& options, const PlanOptions& plan) {
  Program program;
  program.plan_options = plan;
  std::vector<ast::PolicyFile> files = parse_all(program, text, options.jobs);
  bool parsed = !program.diagnostics.has_errors();
  if (resolve(program, text)) {
    read_snapshot(program, text);
    if (parsed) check_policies(program, files, options);
  }
  program.diagnostics.sort();
  return program;
}

std::optional<Artefacts> compile_program(Program& program, const ProgramText& text, const CompileOptions& options) {
  check(!program.diagnostics.has_errors(), "compile_program needs a program without errors");
  const bool filters = !program.syscalls.environments.empty();
  if (program.plan.envs.empty()) {
    program.diagnostics.report(filters ? Code::K7916 : Code::K7905, {program.schema_source, 0, 0});
    return std::nullopt;
  }
  std::vector<std::string> waived = options.waived;
  std::sort(waived.begin(), waived.end());
  waived.erase(std::unique(waived.begin(), waived.end()), waived.end());
  check_waived(waived, governed_events(program.module.schema), program.diagnostics);
  if (program.diagnostics.has_errors()) return std::nullopt;
  std::vector<NamedBytes> inputs = input_bytes(text);
  static ObjectTemplates templates;   // of all compiles in this process
  Result<BpfObject> object = emit_bpf(program.module, program.plan, inputs_digest(inputs), {options.helper, &templates});
  if (!object) {
    program.diagnostics.report(Code::K7904, {}, object.error().message);
    return std::nullopt;
  }
  std::vector<NamedBytes> outputs = gateway_files(program);
  outputs.insert(outputs.begin() + 1, {{"policy.bpf.o", "", object->elf},
                                       {"split.json", "", pretty_json(split_report(program, waived))}});
  if (filters) {
    auto file = seccomp::emit_filters(program.syscalls, program.diagnostics);
    if (!file) return std::nullopt;
    outputs.insert(outputs.begin() + 2, {"seccomp.json", "", std::move(*file)});
  }
  Json manifest = make_manifest(program.module, program.sources, program.plan, object->layout, inputs, outputs, waived);
  outputs.push_back({"manifest.json", "", pretty_json(manifest)});
  prove(program, outputs);
  if (program.diagnostics.has_errors()) return std::nullopt;
  return Artefacts{{std::move(outputs)}, object->layout};
}

std::vector<NamedBytes> gateway_files(const Program& program) {
  check(!program.diagnostics.has_errors(), "gateway_files needs a program without errors");
  return {{"entities.json", "", pretty_json(entities_to_json(program.module.entities.all()))},
          {"table.json", "", emit_table(program.module, program.sources)}};
}

Json split_report(const Program& program, const std::vector<std::string>& waived) {
  Json json = split_to_json(program.module, program.sources, split(program.module, program.plan));
  json["guards"] = guards_to_json(governed_events(program.module.schema), waived);
  return json;
}

std::optional<std::string> print_stage(const Program& program, const ProgramText& text, const std::string& stage) {
  if (stage == "ast") {
    Sources sources;
    Diagnostics ignored;   // check_program has reported them
    std::string out;
    for (const InputFile& input : text.policies) {
      out += print(read_policy_form(sources, sources.add(input.name, input.text, input.path), input.format, ignored));
    }
    return out;
  }
  if (stage == "ir") return print_module(program.module);
  if (stage == "plan") return print_plan(program.module, program.plan);
  if (stage == "split") return pretty_json(split_report(program, {}));
  if (stage == "table") return emit_table(program.module, program.sources);
  return std::nullopt;
}

}  // namespace kerf
