// What a compile costs after the type check, phase by phase: stages and plan, split, lints, and the proofs of what was
// written. Writing itself is printed apart.
//   bench_verify [--bound N]… DIRECTORY…      each with policies.cedar, schema.cedarschema, entities.json
// --bound N: N policies over paths and endpoints, which the kernel enforces.
#include <fmt/core.h>

#include <cstring>
#include <ctime>

#include "backends/bpf/bpf.h"
#include "backends/check/check.h"
#include "backends/table/emit.h"
#include "driver/pipeline.h"
#include "driver/render.h"
#include "ir/passes/lint.h"

namespace {

using namespace kerf;

// Processor time of this thread's process: other programs on the machine do not count.
class Stopwatch {
 public:
  double ms() {
    const std::clock_t now = std::clock(), from = std::exchange(start_, now);
    return 1000.0 * static_cast<double>(now - from) / CLOCKS_PER_SEC;
  }

 private:
  std::clock_t start_ = std::clock();
};

struct Row {
  double plan, split, lints, table, kernel, write;
  double counted() const { return plan + split + lints + table + kernel; }
};

void report(std::string_view name, const Program& program, const Row& row) {
  fmt::print("{:<28} {:>7} {:>9.1f} {:>8.1f} {:>8.1f} {:>13.1f} {:>14.1f} {:>9.1f} {:>13.2f} {:>9.1f}\n", name, program.module.policies.size(), row.plan, row.split,
             row.lints, row.table, row.kernel, row.counted(), 1000.0 * row.counted() / static_cast<double>(program.module.policies.size()), row.write);
  std::fflush(stdout);
}

bool measure(std::string_view name, const ProgramText& text) {
  Program program = check_program(text);
  if (program.diagnostics.has_errors()) return fmt::print("{}", render(program.sources, program.diagnostics, ErrorFormat::plain, false)), false;
  Diagnostics diagnostics;
  Row row{};
  Stopwatch watch;
  const KernelPlan plan = plan_kernel(program.module, diagnostics, program.plan_options);
  row.plan = watch.ms();
  const Split decided = split(program.module, plan);
  row.split = watch.ms();
  Diagnostics lints;
  lint_split(program.module, plan, lints);
  row.lints = watch.ms();
  const std::string table = emit_table(program.module, program.sources);
  row.write = watch.ms();
  proof::check_table(program.module, table, diagnostics);
  row.table = watch.ms();
  if (!plan.envs.empty()) {
    Result<BpfObject> object = emit_bpf(program.module, plan, {}, {codegen_helper_path()});
    if (!object) return fmt::print("{}: {}\n", name, object.error().message), false;
    const std::string manifest = pretty_json(make_manifest(program.module, program.sources, plan, object->layout, {}, {}, {}));
    row.write += watch.ms();
    proof::check_kernel(program.module, object->elf, manifest, diagnostics);
    row.kernel = watch.ms();
  }
  report(name, program, row);
  if (diagnostics.has_errors()) fmt::print("NOT PROVED\n{}", render(program.sources, diagnostics, ErrorFormat::plain, false));
  return !diagnostics.has_errors();
}

bool measure_directory(const std::string& directory) {
  Diagnostics diagnostics;
  std::optional<InputFile> policies = read_file(directory + "/policies.cedar", diagnostics);
  ProgramText text{{}, read_file(directory + "/schema.cedarschema", diagnostics), read_file(directory + "/entities.json", diagnostics), std::nullopt};
  if (diagnostics.has_errors()) return fmt::print("{}: no workload\n", directory), false;
  text.policies.push_back(std::move(*policies));
  return measure(directory.substr(directory.find_last_of('/') + 1), text);
}

// Trees, files, ranges with ports, and endpoints, each policy its own; half of them ask the principal too.
ProgramText bound_workload(std::size_t count) {
  static constexpr const char* kSchema = R"(entity Class;
@kernel("process") entity Agent in [Class] { level: Long };
@kernel("directory") entity Dir in [Dir];
@kernel("file") entity File in [Dir] { @kernel("file.path") path: String };
@kernel("endpoint") entity Endpoint { @kernel("endpoint.ip") ip: ipaddr, @kernel("endpoint.port") port: Long };
@kernel("file.read") action read appliesTo { principal: Agent, resource: File };
@kernel("net.connect") action connect appliesTo { principal: Agent, resource: Endpoint };
)";
  std::string policies;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string who = i % 8 < 4 ? "principal" : fmt::format("principal in Class::\"c{}\"", i % 16);
    const std::string when = i % 3 == 0 ? fmt::format(" && principal.level > {}", i % 5) : "";
    const char* effect = i % 11 == 0 ? "forbid" : "permit";
    switch (i % 4) {
      case 0: policies += fmt::format("{} ({}, action == Action::\"read\", resource in Dir::\"/srv/p{}/d{}\") when {{ true{} }};\n", effect, who, i / 64, i, when); break;
      case 1: policies += fmt::format("{} ({}, action == Action::\"read\", resource == File::\"/home/u{}/f{}\") when {{ true{} }};\n", effect, who, i / 64, i, when); break;
      case 2: policies += fmt::format("{} ({}, action == Action::\"connect\", resource) when {{ resource.ip.isInRange(ip(\"10.{}.{}.0/24\")) && resource.port == {}{} }};\n",
                                      effect, who, i / 256 % 256, i % 256, 1 + i % 60000, when); break;
      default: policies += fmt::format("{} ({}, action == Action::\"connect\", resource == Endpoint::\"172.{}.{}.{}:443\") when {{ true{} }};\n", effect, who, 16 + i / 65536,
                                       i / 256 % 256, i % 256, when);
    }
  }
  return {{{"policies.cedar", policies}}, InputFile{"schema.cedarschema", kSchema}, std::nullopt, std::nullopt};
}

}  // namespace

int main(int argc, char** argv) {
  fmt::print("{:<28} {:>7} {:>9} {:>8} {:>8} {:>13} {:>14} {:>9} {:>13} {:>9}\n", "ms of one core", "policies", "stages", "split", "lints", "table's proof", "object's proof",
             "all", "us a policy", "writing");
  bool good = argc > 1;
  for (int i = 1; i < argc; ++i) {
    const bool bound = std::strcmp(argv[i], "--bound") == 0 && i + 1 < argc;
    const std::size_t count = bound ? std::strtoull(argv[++i], nullptr, 10) : 0;
    good = (bound ? measure(fmt::format("paths and endpoints, {}", count), bound_workload(count)) : measure_directory(argv[i])) && good;
  }
  return good ? 0 : 1;
}
