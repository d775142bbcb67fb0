// The whole language against the official engine, on generated schemas, policies, entities and requests.
//   differential_language [CASES [SEED [JOBS]]]     KERF_CASES, KERF_SEED, KERF_JOBS say the same
//   differential_language --case NUMBER SEED        one case, printed
// Case N of a seed is the same on every machine. Differences are printed with a smaller case that shows them.
#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <set>

#include "tests/differential/shrink.h"

namespace {

using namespace kerf::test;

constexpr std::uint64_t kCases = 8000, kSeed = 45, kJobs = 2;
constexpr std::uint64_t kEnoughToCount = 2000;   // with fewer cases chance decides what comes up
constexpr rlim_t kMemory = rlim_t{4} << 30;
constexpr std::size_t kShown = 3;                // differences of one kind that are shrunk and printed, by each job

std::uint64_t case_seed(std::uint64_t seed, std::uint64_t number) { return seed * 1'000'000'007u + number; }

std::uint64_t option(int argc, char** argv, int position, const char* name, std::uint64_t otherwise) {
  const char* text = argc > position ? argv[position] : std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

void report(Judge& judge, const Case& c, const Difference& difference, std::uint64_t number, std::uint64_t seed) {
  Case small = shrink(judge, c, difference.check);
  Tally ignored;
  Difference shown = difference;
  for (const Difference& d : judge_case(judge, small, ignored)) {
    if (check_kind(d.check) == check_kind(difference.check)) shown = d;
  }
  fmt::print("DIFFERENT seed {} case {}: {}\n  ours:   {}\n  theirs: {}\n{}\n", seed, number, shown.check, shown.ours, shown.theirs, show(small));
  std::fflush(stdout);
}

struct Job {
  std::uint64_t first, step;
  std::uint64_t* current;   // shared with the parent: the case it works on
  FILE* result;             // its tally, as lines
};

int run_share(std::uint64_t cases, std::uint64_t seed, const Job& job) {
  Judge judge;
  if (!judge.running()) return 2;
  rlimit memory{kMemory, kMemory};   // whoever wants more has gone wrong, and ends here and not with the machine
  ::setrlimit(RLIMIT_AS, &memory);
  Tally tally;
  for (std::uint64_t number = job.first; number < cases; number += job.step) {
    *job.current = number;
    Case c = make_case(case_seed(seed, number));
    std::set<std::string> kinds;
    for (const Difference& d : judge_case(judge, c, tally)) {
      std::string kind = check_kind(d.check);
      if (!kinds.insert(kind).second) continue;
      if (++tally["DIFFERENT " + kind] <= kShown) report(judge, c, d, number, seed);
      if (kind == "judge") return 1;
    }
    ++tally["cases"];
  }
  for (const auto& [what, count] : tally) fmt::print(job.result, "{} {}\n", count, what);
  std::fflush(job.result);
  return 0;
}

bool run_all(std::uint64_t cases, std::uint64_t seed, std::uint64_t jobs, Tally& tally) {
  auto* current = static_cast<std::uint64_t*>(
      ::mmap(nullptr, jobs * sizeof(std::uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  std::vector<std::pair<int, Job>> shares;
  for (std::uint64_t i = 0; i < jobs; ++i) {
    Job job{i, jobs, current + i, std::tmpfile()};
    std::fflush(stdout);
    int pid = ::fork();
    if (pid == 0) std::exit(run_share(cases, seed, job));
    shares.emplace_back(pid, job);
  }
  bool good = true;
  for (auto [pid, job] : shares) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    if (status != 0) good = (fmt::print("seed {} case {}: the process ended with status {}\n", seed, *job.current, status), false);
    FILE* result = job.result;
    std::rewind(result);
    char line[256];
    while (std::fgets(line, sizeof line, result) != nullptr) {
      char* space = std::strchr(line, ' ');
      std::string what(space + 1);
      what.pop_back();
      tally[what] += std::strtoull(line, nullptr, 10);
    }
    std::fclose(result);
  }
  return good;
}

// What must have come up for the test to mean something: more than one case in a hundred; kinds of errors, in a thousand.
bool everything_came_up(const Tally& tally, std::uint64_t cases) {
  bool good = true;
  auto need = [&](const std::string& what, std::uint64_t least) {
    auto found = tally.find(what);
    std::size_t count = found == tally.end() ? 0 : found->second;
    if (count < least) good = (fmt::print("too few: {} ({}, wanted {})\n", what, count, least), false);
  };
  for (const char* what : {"schema accepted", "schema refused", "policies accepted", "policies refused", "policies valid", "policies invalid",
                           "entities accepted", "entities refused", "entities without schema accepted", "entities without schema refused",
                           "allowed", "denied by forbid", "denied by no permit", "with errors", "requests refused",
                           "decisions by table and engine"}) {
    need(what, cases / 50);
  }
  for (const char* code : {"K3101", "K3102", "K3103", "K3104", "K3105", "K3106", "K3107", "K3108", "K3109", "K3111", "K3112", "K3113", "K3114", "K3201"}) {
    need(std::string("validation ") + code, cases / 1000);
  }
  return good;
}

int run_one(std::uint64_t number, std::uint64_t seed) {
  Judge judge;
  if (!judge.running()) return (fmt::print("{}\n", judge.why()), 2);
  Case c = make_case(case_seed(seed, number));
  fmt::print("{}", show(c));
  Tally tally;
  std::vector<Difference> differences = judge_case(judge, c, tally);
  for (const auto& [what, count] : tally) fmt::print("{:7} {}\n", count, what);
  for (const Difference& d : differences) fmt::print("DIFFERENT {}\n  ours:   {}\n  theirs: {}\n", d.check, d.ours, d.theirs);
  return differences.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && argv[1] == std::string("--case")) return run_one(std::strtoull(argv[2], nullptr, 10), std::strtoull(argv[3], nullptr, 10));
  std::uint64_t cases = option(argc, argv, 1, "KERF_CASES", kCases), seed = option(argc, argv, 2, "KERF_SEED", kSeed);
  std::uint64_t jobs = option(argc, argv, 3, "KERF_JOBS", kJobs);
  {
    Judge judge;
    if (!judge.running()) {
      fmt::print("SKIP: {}\n", judge.why());
      return 77;
    }
  }
  fmt::print("seed {}, {} cases\n", seed, cases);
  auto start = std::chrono::steady_clock::now();
  Tally tally;
  bool good = run_all(cases, seed, std::max<std::uint64_t>(jobs, 1), tally);
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  for (const auto& [what, count] : tally) {
    fmt::print("{:9} {}\n", count, what);
    if (what.starts_with("DIFFERENT")) good = false;
  }
  fmt::print("seed {}: {} of {} cases in {:.0f} s\n", seed, tally["cases"], cases, seconds.count());
  if (cases >= kEnoughToCount && !everything_came_up(tally, cases)) good = false;
  return good && tally["cases"] == cases ? 0 : 1;
}
