// Mutants of an instrumented kerf against random programs. Each mutant meets the programs that reach it, in a process of its own
// for each, forked from this one, which knows what comes of every program without a fault:
//   the same files: nothing happened, and no kernel has to say so; else the proof, the table and the object in this kernel judge.
//   mutant_programs PROGRAMS MOST    `PLACE PROGRAM...` for what is reached, `ready`; then such lines in, at most MOST programs
//                                    are tried for each, and `MUTANT VERDICT PROGRAM` out
#include <fmt/core.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>

#include "driver/pipeline.h"
#include "ir/eval.h"
#include "runtime/gateway/table.h"
#include "tests/mutants/mutants.h"
#include "tests/semantics/file_generator.h"
#include "tests/semantics/generator.h"
#include "tests/semantics/kernel_judge.h"

namespace {

using namespace kerf;
using namespace kerf::test;

// `event`: other request or entities for a kernel event; `table` and `kernel`: they decide otherwise, though the proof said yes.
enum Verdict { alive, refused, proof, object, event, table, in_kernel, verdict_count };
constexpr const char* kNames[] = {"alive", "refused", "proof", "object", "event", "table", "kernel"};
constexpr std::size_t kEvents = 40, kRequests = 40;
constexpr unsigned kCpuSeconds = 3, kSeconds = 90;   // for one program; without a fault it takes a fraction of a second

// A program, and what comes of it without a fault.
struct Sample {
  GeneratedProgram generated;
  std::optional<Approximation> residual;   // then Cedar's answers to events are open
  std::vector<NamedBytes> files;
  std::vector<Answer> events, requests, kernel;
};

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

const std::string& bytes_of(const std::vector<NamedBytes>& files, std::string_view name) {
  return std::find_if(files.begin(), files.end(), [&](const NamedBytes& f) { return f.name == name; })->bytes;
}

bool same_files(const std::vector<NamedBytes>& a, const std::vector<NamedBytes>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](auto& x, auto& y) { return x.name == y.name && x.bytes == y.bytes; });
}

bool by_proof(const Diagnostics& diagnostics) {
  return std::any_of(diagnostics.all().begin(), diagnostics.all().end(),
                     [](const Diagnostic& d) { return std::string_view(catalogue_row(d.code).name).starts_with("K77"); });
}

Verdict judge_table(const Module& module, const Sample& sample, const std::vector<Materialised>& events, const std::string& bytes) {
  Result<gateway::Table> read = gateway::Table::read(bytes);
  if (!read) return table;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (!table_agrees(*read, events[i].request, events[i].entities, sample.events[i])) return table;
  }
  for (std::size_t i = 0; i < sample.requests.size(); ++i) {
    if (!table_agrees(*read, sample.generated.requests[i], module.entities, sample.requests[i])) return table;
  }
  return alive;
}

Verdict judge(const Sample& sample, bool kernel) {
  const ProgramText text = program_text(sample.generated);
  Program program = check_program(text, {}, {.residual = sample.residual});
  if (program.diagnostics.has_errors()) return refused;
  std::optional<Artefacts> artefacts = compile_program(program, text, {codegen_helper_path()});
  if (!artefacts) return by_proof(program.diagnostics) ? proof : object;
  std::vector<Materialised> events;
  for (std::size_t i = 0; i < sample.events.size(); ++i) {
    Result<Materialised> m = materialise(program.module, sample.generated.events[i]);
    if (!m || by_reference(program.module, m->request, m->entities) != sample.events[i]) return event;
    events.push_back(std::move(*m));
  }
  if (same_files(artefacts->bundle.files, sample.files)) return alive;
  if (Verdict v = judge_table(program.module, sample, events, bytes_of(artefacts->bundle.files, "table.json")); v != alive) return v;
  if (!kernel) return alive;
  Result<std::vector<Answer>> answers = decide_by_object(program.module, artefacts->bundle, nullptr, sample.generated.events);
  if (!answers) return object;   // it cannot be loaded
  return *answers == sample.kernel ? alive : in_kernel;
}

// Empty, or what is wrong without a fault.
std::string prepare(Sample& sample, bool kernel) {
  const ProgramText text = program_text(sample.generated);
  Program program = check_program(text, {}, {.residual = sample.residual});
  if (program.diagnostics.has_errors()) return program.diagnostics.all().back().message;
  std::optional<Artefacts> artefacts = compile_program(program, text, {codegen_helper_path()});
  if (!artefacts) return program.diagnostics.all().back().message;
  sample.files = artefacts->bundle.files;
  std::vector<Materialised> events;
  for (std::size_t i = 0; !sample.residual && i < sample.generated.events.size(); ++i) {
    Result<Materialised> m = materialise(program.module, sample.generated.events[i]);
    if (!m) return m.error().message;
    sample.events.push_back(by_reference(program.module, m->request, m->entities));
    events.push_back(std::move(*m));
  }
  for (const Request& request : sample.generated.requests) {
    sample.requests.push_back(by_reference(program.module, request, program.module.entities));
  }
  if (judge_table(program.module, sample, events, bytes_of(sample.files, "table.json")) != alive) return "the table decides otherwise";
  if (!kernel) return {};
  Result<std::vector<Answer>> answers = decide_by_object(program.module, artefacts->bundle, nullptr, sample.generated.events);
  if (!answers) return answers.error().message;
  sample.kernel = *answers;
  return sample.residual || sample.kernel == sample.events ? "" : "the object decides otherwise";
}

Sample generate(std::size_t i) {
  const std::uint64_t seed = 20261125 + i;
  if (i % 5 == 4) {
    return {Generator(seed, true).program(kEvents, kRequests), i % 2 ? Approximation::floor : Approximation::ceiling, {}, {}, {}, {}};
  }
  return {i % 2 ? FileGenerator(seed).program(kEvents) : Generator(seed).program(kEvents, kRequests), {}, {}, {}, {}, {}};
}

// What a child that runs `work` ends with: its verdict, or how it ended.
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
  return code < verdict_count ? kNames[code] : "crash";
}

class Programs {
 public:
  Programs(std::size_t count, bool kernel) : kernel_(kernel), reached_(kerf_mutants::kCount), of_helper_(kerf_mutants::kCount) {
    const std::string file = fmt::format("/tmp/kerf-mutants-seen-{}", ::getpid());
    kerf_mutants::answers = &answers_;
    ::setenv("KERF_MUTANT_SEEN", file.c_str(), 1);
    for (std::size_t i = 0; i < count; ++i) add(i, file);
    ::unsetenv("KERF_MUTANT_SEEN");
  }

  void list() const {
    for (std::size_t n = 0; n < reached_.size(); ++n) {
      if (!reached_[n].empty()) fmt::print("{}{}\n", n, reached_[n]);
    }
    fmt::print("ready\n");
    std::fflush(stdout);
  }

  std::string judge_mutant(unsigned mutant, std::size_t p) {
    return in_child([&] {
      kerf_mutants::chosen = mutant;
      if (of_helper_[mutant]) {
        kerf_mutants::answers = nullptr;
        ::setenv("KERF_MUTANT", std::to_string(mutant).c_str(), 1);
      }
      return judge(samples_.at(p), kernel_);
    });
  }

 private:
  void add(std::size_t i, const std::string& file) {
    samples_.push_back(generate(i));
    std::memset(kerf_mutants::seen, 0, kerf_mutants::kCount);
    if (std::string wrong = prepare(samples_.back(), kernel_); !wrong.empty()) {
      fmt::print(stderr, "program {} without a fault: {}\n", i, wrong);
      std::exit(1);
    }
    std::ifstream in(file, std::ios::binary);
    const std::string helper{std::istreambuf_iterator<char>(in), {}};
    ::unlink(file.c_str());
    for (std::size_t at = 0; at < helper.size(); ++at) {
      if (!helper[at]) continue;
      of_helper_[at % kerf_mutants::kCount] = true;
      kerf_mutants::seen[at % kerf_mutants::kCount] = 1;
    }
    for (std::size_t n = 0; n < reached_.size(); ++n) {
      if (kerf_mutants::seen[n]) reached_[n] += fmt::format(" {}", i);
    }
  }

  bool kernel_;
  std::vector<Sample> samples_;
  std::vector<std::string> reached_;   // by place: the programs
  std::vector<bool> of_helper_;
  std::map<std::string, std::string, std::less<>> answers_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  Programs programs(std::strtoull(argv[1], nullptr, 10), kernel_available().empty());
  programs.list();
  const std::size_t most = std::strtoull(argv[2], nullptr, 10);
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream in(line);
    unsigned mutant = 0;
    in >> mutant;
    std::string verdict = "alive";
    std::size_t last = 0, tried = 0;
    for (std::size_t p; verdict == "alive" && tried < most && in >> p; ++tried) verdict = programs.judge_mutant(mutant, last = p);
    fmt::print("{} {} {}\n", mutant, verdict, last);
    std::fflush(stdout);
  }
  return 0;
}
