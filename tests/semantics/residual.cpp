// Approximations against the official engine. Random programs with conditions that the kernel cannot know are compiled with
// `--residual floor` and `--residual ceiling`; each event is decided by the plan's rows and by the emitted object in this
// kernel, which must agree, and by the official engine on several completions of what is unknown:
//   floor:    where the kernel allows, Cedar allows every completion
//   ceiling:  where the kernel refuses, Cedar refuses every completion
//   both:     a policy of which the kernel says that it errs, errs in every completion
//   residual [PROGRAMS [EVENTS [COMPLETIONS [SEED]]]]
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>

#include "driver/render.h"
#include "tests/semantics/file_generator.h"
#include "tests/semantics/generator.h"
#include "tests/semantics/kernel_judge.h"
#include "tests/semantics/plan_judge.h"
#include "tests/semantics/unanswered.h"

namespace {

using namespace kerf;
using namespace kerf::test;

struct Tally {
  std::size_t events = 0, allowed = 0, refused = 0, errors = 0;   // by the kernel
  std::size_t approximated = 0, exact_programs = 0;               // policies and environments; programs without any
  std::size_t open = 0, closest = 0;   // events that completions decide one way, and those that the kernel decides so too
  std::size_t kernel = 0;
};

class Residual {
 public:
  Residual(Oracle& oracle, bool kernel) : oracle_(oracle), kernel_(kernel) {}

  bool run(std::uint64_t seed, std::size_t events, std::size_t completions) {
    seed_ = seed;
    random_.seed(seed);
    for (bool files : {false, true}) {
      generated_ = files ? FileGenerator(seed, true).program(events) : Generator(seed, true).program(events, 0);
      if (!run(Approximation::floor, completions) || !run(Approximation::ceiling, completions)) return false;
    }
    return true;
  }

  Tally tally[2];
  Unanswered unanswered;

 private:
  bool fail(const std::string& why) {
    fmt::print("seed {}: {}\n--- policies\n{}--- entities\n{}\n", seed_, why, generated_.policies, generated_.entities);
    return false;
  }

  static std::string text(const Answer& a) {
    return fmt::format("{} determining=[{}] errors=[{}]", a.allow ? "allow" : "deny", fmt::join(a.determining, " "), fmt::join(a.errors, " "));
  }

  Request complete(Request request) {
    auto pick = [&](std::size_t n) { return static_cast<std::int64_t>(random_() % n); };
    const std::int64_t some[] = {-1, 0, 1, 2, 80, 1000, 1000000};
    request.context.insert_or_assign("n", Value(some[pick(std::size(some))]));
    request.context.insert_or_assign("s", Value(std::string(pick(2) ? "a" : pick(2) ? "b" : "/a")));
    if (pick(2)) request.context.insert_or_assign("opt", Value(pick(3)));
    return request;
  }

  bool run(Approximation kind, std::size_t completions) {
    Tally& tallied = tally[static_cast<std::size_t>(kind)];
    const ProgramText source = program_text(generated_);
    Program program = check_program(source, {}, {.residual = kind});
    if (program.diagnostics.has_errors()) {
      return unanswered.past_a_limit(seed_, program.diagnostics) ||
             fail("the program does not compile:\n" + render(program.sources, program.diagnostics, ErrorFormat::plain, false));
    }
    std::size_t approximated = 0;
    for (const KernelEnv& env : program.plan.envs) approximated += env.approximated.size();
    tallied.approximated += approximated;
    tallied.exact_programs += approximated == 0;

    PlanJudge plan(program);
    std::vector<Answer> decided;
    std::vector<Question> questions;
    for (const KernelEventData& event : generated_.events) {
      Result<Materialised> m = materialise(program.module, event);
      if (!m) return fail("materialise: " + m.error().message);
      std::optional<Answer> answer = plan.decide(event, m->request);
      if (!answer) return fail("no rows, or two rows of one policy at once, for an event");
      decided.push_back(std::move(*answer));
      for (std::size_t i = 0; i < completions; ++i) questions.push_back({complete(m->request), entities_without_actions(program.module, m->entities)});
    }
    if (kernel_ && !same_in_kernel(program, source, decided, tallied)) return false;
    Result<std::vector<Answer>> answers = oracle_.ask(generated_.policies, generated_.schema, questions, generated_.templates, generated_.links);
    if (!answers) return fail("official engine: " + answers.error().message);
    for (std::size_t i = 0; i < decided.size(); ++i) {
      if (!one_sided(kind, decided[i], &(*answers)[i * completions], completions, tallied)) return false;
    }
    return true;
  }

  bool same_in_kernel(Program& program, const ProgramText& source, const std::vector<Answer>& decided, Tally& tallied) {
    Result<std::vector<Answer>> answers = decide_in_kernel(program, source, generated_.events);
    if (!answers && answers.error().message == kJitGaveUp) return unanswered.not_loaded(seed_, answers.error().message), true;
    if (!answers) return fail("kernel: " + answers.error().message);
    for (std::size_t i = 0; i < decided.size(); ++i) {
      if (decided[i] != (*answers)[i]) return fail(fmt::format("the kernel differs from the plan\n  plan: {}\n  kernel: {}", text(decided[i]), text((*answers)[i])));
    }
    tallied.kernel += decided.size();
    return true;
  }

  bool one_sided(Approximation kind, const Answer& kernel, const Answer* completed, std::size_t completions, Tally& tallied) {
    ++tallied.events;
    ++(kernel.allow ? tallied.allowed : tallied.refused);
    tallied.errors += !kernel.errors.empty();
    std::size_t allowed = 0;
    for (std::size_t i = 0; i < completions; ++i) {
      const Answer& cedar = completed[i];
      allowed += cedar.allow;
      const bool leaves = kind == Approximation::floor ? kernel.allow && !cedar.allow : !kernel.allow && cedar.allow;
      if (leaves) return fail(fmt::format("{}: the kernel leaves its side\n  kernel: {}\n  official engine: {}", to_text(kind), text(kernel), text(cedar)));
      if (!std::includes(cedar.errors.begin(), cedar.errors.end(), kernel.errors.begin(), kernel.errors.end())) {
        return fail(fmt::format("{}: an error that Cedar does not have\n  kernel: {}\n  official engine: {}", to_text(kind), text(kernel), text(cedar)));
      }
    }
    if (allowed != 0 && allowed != completions) return true;
    ++tallied.open;
    tallied.closest += kernel.allow == (allowed != 0);
    return true;
  }

  Oracle& oracle_;
  const bool kernel_;
  GeneratedProgram generated_;
  std::uint64_t seed_ = 0;
  std::mt19937_64 random_;
};

std::uint64_t argument(int argc, char** argv, int i, std::uint64_t otherwise) {
  return argc > i ? std::strtoull(argv[i], nullptr, 10) : otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t programs = argument(argc, argv, 1, 50), events = argument(argc, argv, 2, 40);
  const std::uint64_t completions = argument(argc, argv, 3, 6), seed = argument(argc, argv, 4, 20261126);
  Oracle oracle;
  if (!oracle.running()) {
    fmt::print("SKIP: {}\n", oracle.why());
    return 0;
  }
  const std::string why_not_kernel = kernel_available();
  if (!why_not_kernel.empty()) fmt::print("SKIP kernel decisions: {}\n", why_not_kernel);
  fmt::print("seed {}\n", seed);
  Residual residual(oracle, why_not_kernel.empty());
  for (std::uint64_t i = 0; i < programs; ++i) {
    if (!residual.run(seed + i, events, completions)) return 1;
  }
  if (!residual.unanswered.few(programs)) return 1;
  bool good = true;
  for (Approximation kind : {Approximation::floor, Approximation::ceiling}) {
    const Tally& t = residual.tally[static_cast<std::size_t>(kind)];
    fmt::print("{}: {} approximated policies, {} programs without; {} events, {} allowed, {} refused, {} with errors, {} in the kernel; of {} that "
               "no completion changed {} decided the same\n",
               to_text(kind), t.approximated, t.exact_programs, t.events, t.allowed, t.refused, t.errors, t.kernel, t.open, t.closest);
    // One side alone would prove nothing: both decisions, errors, and approximations that decide as Cedar does most often.
    good = good && t.allowed * 20 >= t.events && t.refused * 20 >= t.events && t.errors > 0 && t.approximated >= programs && t.closest * 2 >= t.open;
  }
  if (programs >= 50 && !good) fmt::print("the generator is out of balance\n");
  return programs >= 50 && !good ? 1 : 0;
}
