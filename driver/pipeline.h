// The pipeline as a library: the one place that knows the order of the phases. The command line is its thin client.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "backends/bundle.h"
#include "driver/inputs.h"
#include "frontend/sema/policies.h"
#include "ir/passes/plan.h"
#include "ir/passes/split.h"
#include "ir/passes/syscalls.h"

namespace kerf {

struct ProgramText {
  std::vector<InputFile> policies;      // sorted by name
  std::optional<InputFile> schema = {};
  std::optional<InputFile> entities = {};   // none: no entities but the schema's actions
  std::optional<InputFile> links = {};      // of templates, as Cedar's command line keeps them
};

// A checked program. Usable for more than messages only if !diagnostics.has_errors().
struct Program {
  Sources sources;
  std::vector<SourceId> policy_sources;
  SourceId schema_source, entities_source;
  Module module;
  KernelPlan plan;
  SyscallPlan syscalls;
  PlanOptions plan_options;
  Diagnostics diagnostics;              // sorted
};

// parse -> resolve -> read entities -> lower -> verify -> type-check -> plan the kernel.
// With other than strict validation nothing is planned: only strict programs can be compiled.
Program check_program(const ProgramText& text, const ValidationOptions& options = {}, const PlanOptions& plan = {});

// check_program's result to artefacts. Reports K79xx into `program.diagnostics`.
struct Artefacts {
  Bundle bundle;
  BpfLayout layout;
};
struct CompileOptions {
  std::string helper;                   // as CodegenOptions::helper
  std::vector<std::string> waived = {};   // guards to give up, by name
};
std::optional<Artefacts> compile_program(Program& program, const ProgramText& text, const CompileOptions& options);
// What a gateway needs of a program without errors: entities.json and table.json.
std::vector<NamedBytes> gateway_files(const Program& program);
// The split as JSON (split.json, docs/split.schema.json): what decides each policy, and which guards hold.
Json split_report(const Program& program, const std::vector<std::string>& waived);

// Printable intermediate forms: "ast", "ir", "plan", "split", "table"; nothing for an unknown name.
std::optional<std::string> print_stage(const Program& program, const ProgramText& text, const std::string& stage);

// The helper program: beside the file that this code is mapped from (executable or library), or where it is installed
// relative to that. The kernel names the file; the environment and the working directory have no say.
std::string codegen_helper_path();

}  // namespace kerf
