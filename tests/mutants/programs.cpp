// Mutants of an instrumented kerf against random programs. Each mutant has a process of its own, which takes the programs that
// reach it: compile and prove first, then reference, table, plan and the object's decisions in this kernel.
//   mutant_programs seen PROGRAMS                  `seen PLACE PROGRAM...` for what the programs reach without a fault
//   mutant_programs run PROGRAMS MOST < LINES      such lines in; `MUTANT VERDICT PROGRAM` out, at most MOST programs each
#include <fmt/core.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>

#include "backends/table/emit.h"
#include "driver/pipeline.h"
#include "ir/eval.h"
#include "runtime/gateway/table.h"
#include "tests/mutants/mutants.h"
#include "tests/semantics/file_generator.h"
#include "tests/semantics/generator.h"
#include "tests/semantics/kernel_judge.h"
#include "tests/support/plan_interpreter.h"

namespace {

using namespace kerf;
using namespace kerf::test;

enum Verdict { alive, refused, proof, object, materialised, table_differs, kernel_differs, verdict_count };
constexpr const char* kNames[] = {"alive", "refused", "proof", "object", "differential", "differential", "differential"};
constexpr std::size_t kEvents = 40, kRequests = 40;
constexpr unsigned kCpuSeconds = 5, kSeconds = 120;   // for one program; without a fault it takes less than a second

Answer by_reference(const Module& module, const Request& request, const Entities& entities) {
  Decision d = authorize(module, request, entities);
  Answer answer{d.allow, {}, {}};
  for (PolicyId p : d.determining) answer.determining.push_back(module.policies.at(p.index).id);
  for (const PolicyError& e : d.errors) answer.errors.push_back(module.policies.at(e.policy.index).id);
  answer.sort();
  return answer;
}

bool table_agrees(const gateway::Table& table, const Request& request, const Entities& entities, const Answer& reference) {
  Result<gateway::Decision> d = table.decide(request, entities);
  if (!d) return false;
  Answer answer{d->allow, {}, {}};
  for (std::uint32_t p : d->determining) answer.determining.push_back(table.policies().at(p).id);
  for (const auto& e : d->errors) answer.errors.push_back(table.policies().at(e.policy).id);
  answer.sort();
  return answer == reference;
}

bool by_proof(const Diagnostics& diagnostics) {
  for (const auto& d : diagnostics.all()) {
    std::string_view code = catalogue_row(d.code).name;
    if (code.starts_with("K77")) return true;
  }
  return false;
}

Verdict judge(const GeneratedProgram& generated, bool kernel) {
  const ProgramText source = program_text(generated);
  Program program = check_program(source);
  if (program.diagnostics.has_errors()) return refused;
  std::optional<Artefacts> artefacts = compile_program(program, source, {codegen_helper_path()});
  if (!artefacts) {
    if (kerf_mutants::chosen == kerf_mutants::kNone) fmt::print("{}\n", program.diagnostics.all().back().message), std::fflush(stdout);
    return by_proof(program.diagnostics) ? proof : object;
  }
  const Module& module = program.module;
  Result<gateway::Table> table = gateway::Table::read(emit_table(module, program.sources));
  if (!table) return table_differs;
  std::vector<Answer> references;
  for (const KernelEventData& event : generated.events) {
    Result<Materialised> m = materialise(module, event);
    if (!m) return materialised;
    references.push_back(by_reference(module, m->request, m->entities));
    if (!table_agrees(*table, m->request, m->entities, references.back())) return table_differs;
  }
  for (const Request& request : generated.requests) {
    if (!table_agrees(*table, request, module.entities, by_reference(module, request, module.entities))) return table_differs;
  }
  if (!kernel) return alive;
  Result<std::vector<Answer>> answers = decide_by_object(module, artefacts->bundle, nullptr, generated.events);
  return answers && *answers == references ? alive : kernel_differs;
}

std::vector<GeneratedProgram> generate(std::size_t count) {
  std::vector<GeneratedProgram> programs;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t seed = 20261125 + i;
    programs.push_back(i % 2 == 0 ? Generator(seed).program(kEvents, kRequests) : FileGenerator(seed).program(kEvents));
  }
  return programs;
}

// What a child that runs `work` ends with: its verdict, or a signal's name.
template <class Work>
std::string in_child(Work work) {
  std::fflush(nullptr);
  pid_t pid = ::fork();
  if (pid == 0) {
    ::setpgid(0, 0);
    ::alarm(kSeconds);
    rlimit memory{std::uint64_t{3} << 30, RLIM_INFINITY};   // the helper sets its own
    ::setrlimit(RLIMIT_AS, &memory);
    rlimit seconds{kCpuSeconds, RLIM_INFINITY};
    ::setrlimit(RLIMIT_CPU, &seconds);
    rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    std::freopen("/dev/null", "w", stderr);
    std::_Exit(work());
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  ::kill(-pid, SIGKILL);   // a helper that hangs
  if (WIFSIGNALED(status)) return WTERMSIG(status) == SIGALRM || WTERMSIG(status) == SIGXCPU ? "hangs" : "crash";
  int code = WEXITSTATUS(status);
  if (code >= verdict_count) return "crash";
  return kNames[code];
}

int list_seen(const std::vector<GeneratedProgram>& programs, bool kernel) {
  using kerf_mutants::kCount;
  auto* shared = static_cast<unsigned char*>(::mmap(nullptr, kCount, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  std::string file = fmt::format("/tmp/kerf-mutants-seen-{}", ::getpid());
  std::vector<std::string> lines(kCount);
  for (std::size_t i = 0; i < programs.size(); ++i) {
    std::memset(shared, 0, kCount);
    std::string verdict = in_child([&] {
      kerf_mutants::seen = shared;
      ::setenv("KERF_MUTANT_SEEN", file.c_str(), 1);
      return judge(programs[i], kernel);
    });
    if (verdict != "alive") {
      fmt::print(stderr, "program {} without a fault: {}\n", i, verdict);
      return 1;
    }
    std::ifstream in(file, std::ios::binary);
    std::string helper{std::istreambuf_iterator<char>(in), {}};
    for (std::size_t at = 0; at < helper.size(); ++at) shared[at % kCount] |= static_cast<unsigned char>(helper[at]);
    ::unlink(file.c_str());
    for (unsigned n = 0; n < kCount; ++n) {
      if (shared[n]) lines[n] += fmt::format(" {}", i);
    }
  }
  for (unsigned n = 0; n < kCount; ++n) {
    if (!lines[n].empty()) fmt::print("{}{}\n", n, lines[n]);
  }
  return 0;
}

void run(const std::vector<GeneratedProgram>& programs, std::size_t most, bool kernel) {
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream in(line);
    unsigned mutant = 0;
    in >> mutant;
    std::size_t tried = 0, last = 0;
    std::string verdict = "alive";
    for (std::size_t p; verdict == "alive" && tried < most && in >> p; ++tried) {
      last = p;
      verdict = in_child([&] {
        kerf_mutants::chosen = mutant;
        ::setenv("KERF_MUTANT", std::to_string(mutant).c_str(), 1);
        return judge(programs[p], kernel);
      });
    }
    fmt::print("{} {} {}\n", mutant, verdict, last);
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const std::vector<GeneratedProgram> programs = generate(std::strtoull(argv[2], nullptr, 10));
  const bool kernel = kernel_available().empty();
  if (std::string_view(argv[1]) == "seen") return list_seen(programs, kernel);
  run(programs, argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 8, kernel);
  return 0;
}
