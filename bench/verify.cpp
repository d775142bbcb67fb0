// What a compile costs after the type check: planning for the kernel, writing the table, and proving it.
//   bench_verify DIRECTORY…      each with policies.cedar, schema.cedarschema, entities.json
#include <fmt/core.h>

#include <ctime>

#include "backends/check/check.h"
#include "backends/table/emit.h"
#include "driver/pipeline.h"
#include "driver/render.h"

namespace {

using namespace kerf;

// Processor time: other programs on the machine do not count.
struct Clock {
  static std::clock_t now() { return std::clock(); }
};
double ms_since(std::clock_t start) { return 1000.0 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC; }

bool measure(const std::string& directory) {
  Diagnostics diagnostics;
  std::optional<InputFile> policies = read_file(directory + "/policies.cedar", diagnostics);
  ProgramText text{{}, read_file(directory + "/schema.cedarschema", diagnostics), read_file(directory + "/entities.json", diagnostics), std::nullopt};
  if (diagnostics.has_errors()) return fmt::print("{}: no workload\n", directory), false;
  text.policies.push_back(std::move(*policies));
  Program program = check_program(text);
  if (program.diagnostics.has_errors()) return fmt::print("{}", render(program.sources, program.diagnostics, ErrorFormat::plain, false)), false;
  auto start = Clock::now();
  const KernelPlan plan = plan_kernel(program.module, diagnostics);
  const double plan_ms = ms_since(start);
  start = Clock::now();
  const Split report = split(program.module, plan);
  const double split_ms = ms_since(start);
  start = Clock::now();
  const std::string table = emit_table(program.module, program.sources);
  const double table_ms = ms_since(start);
  start = Clock::now();
  const proof::Proved proved = proof::check_table(program.module, table, diagnostics);
  fmt::print("{:<32} {:>6} policies {:>3} environments  plan {:>8.1f} ms  split {:>8.1f} ms  table {:>8.1f} ms  proof {:>8.1f} ms  {}\n", directory,
             program.module.policies.size(), proved.environments, plan_ms, split_ms, table_ms, ms_since(start),
             diagnostics.has_errors() ? "NOT PROVED" : "");
  if (diagnostics.has_errors()) fmt::print("{}", render(program.sources, diagnostics, ErrorFormat::plain, false));
  return !diagnostics.has_errors();
}

}  // namespace

int main(int argc, char** argv) {
  bool good = argc > 1;
  for (int i = 1; i < argc; ++i) good = measure(argv[i]) && good;
  return good ? 0 : 1;
}
