// Parsing and validating the workloads, with google-benchmark, without process start and without reading files:
//   parse      policy text to syntax trees
//   validate   schema text to schema, syntax trees to bodies, names, strict types in every request environment
//   both       the two in a row
// each with a number of threads. What is freed afterwards is not timed, as nothing is freed in one run of a compiler.
//   bench_frontend WORKLOAD… [--benchmark_…]
#include <benchmark/benchmark.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <list>
#include <sstream>

#include "frontend/parse/parse.h"
#include "frontend/sema/policies.h"
#include "frontend/sema/schema.h"

namespace {

using namespace kerf;

struct Workload {
  std::string name, policies, schema;
};

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// What one run makes; kept until the clock stands.
struct Run {
  Sources sources;
  std::vector<ast::PolicyFile> files;
  Module module;
  Diagnostics diagnostics;

  SourceId policies, schema;
  explicit Run(const Workload& workload)
      : policies(sources.add("policies.cedar", workload.policies)), schema(sources.add("schema.cedarschema", workload.schema)) {}

  void parse(std::size_t jobs) { files.push_back(parse_policies(sources, policies, diagnostics, jobs)); }
  void validate(std::size_t jobs) {
    module.schema = resolve_schema(parse_schema(sources, schema, diagnostics), diagnostics);
    module.environments = module.schema.environments();
    lower_policies(files, module, diagnostics, jobs);
    if (verify(module, jobs)) std::abort();
    ValidationOptions options;
    options.jobs = jobs;
    typecheck(module, diagnostics, options);
  }
};

enum class Step { parse, validate, both };

void measure(benchmark::State& state, const Workload& workload, Step step, std::size_t jobs) {
  std::size_t policies = 0;
  for (auto _ : state) {
    state.PauseTiming();
    auto run = std::make_unique<Run>(workload);
    if (step == Step::validate) run->parse(1);
    state.ResumeTiming();
    if (step != Step::validate) run->parse(jobs);
    if (step != Step::parse) run->validate(jobs);
    state.PauseTiming();
    if (run->diagnostics.has_errors()) state.SkipWithError("the workload has errors");
    policies = run->files[0].policies.size();
    run.reset();
    state.ResumeTiming();
  }
  state.counters["policies"] = static_cast<double>(policies);
  state.counters["jobs"] = static_cast<double>(jobs);
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  std::list<Workload> workloads;
  for (int i = 1; i < argc; ++i) {
    std::filesystem::path folder(argv[i]);
    const Workload& workload = workloads.emplace_back(Workload{
        folder.filename().string(), read_text(folder / "policies.cedar"), read_text(folder / "schema.cedarschema")});
    for (auto [name, step] : {std::pair{"parse", Step::parse}, std::pair{"validate", Step::validate}, std::pair{"both", Step::both}}) {
      for (std::size_t jobs : {1, 2}) {
        benchmark::RegisterBenchmark((workload.name + "/" + name + "/" + std::to_string(jobs)).c_str(),
                                     [&workload, step, jobs](benchmark::State& state) { measure(state, workload, step, jobs); })
            ->UseRealTime()
            ->Unit(benchmark::kMillisecond);
      }
    }
  }
  benchmark::RunSpecifiedBenchmarks();
}
