// Texts are patterns without a wildcard here: they add their bytes to the automaton, and multiply nothing.
#include "backends/bpf/executables.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/passes/exe_tests.h"

namespace kerf::bpf {
namespace {

std::map<Pattern, std::uint32_t> patterns_of(const Module& module, const KernelPlan& plan) {
  std::map<Pattern, std::uint32_t> numbers;
  for (const KernelEnv& env : plan.envs) {
    for (const CodePredicate& predicate : env.code) {
      for (Pattern& pattern : executables_of(module, env, predicate)) numbers.emplace(std::move(pattern), 0);
    }
  }
  std::uint32_t next = 0;
  for (auto& [pattern, number] : numbers) number = next++;
  return numbers;
}

// Tests are numbered in this order.
std::optional<Automaton> build(const std::vector<Pattern>& patterns) {
  std::vector<PathTest> tests;
  for (const Pattern& pattern : patterns) tests.push_back({{}, {}, pattern});
  std::vector<NumberedTest> numbered;
  for (std::uint32_t i = 0; i < tests.size(); ++i) numbered.push_back({i, &tests[i]});
  return build_patterns(numbered);
}

std::vector<Pattern> in_order(const std::map<Pattern, std::uint32_t>& numbers) {
  std::vector<Pattern> patterns;
  for (const auto& [pattern, number] : numbers) patterns.push_back(pattern);
  return patterns;
}

}  // namespace

Result<Executables> Executables::of(const Module& module, const KernelPlan& plan) {
  Executables made;
  made.number_of_ = patterns_of(module, plan);
  std::optional<Automaton> automaton = build(in_order(made.number_of_));
  if (!automaton) {
    return Error{fmt::format("{} texts and patterns of executables do not fit into the {} states of a path automaton", made.number_of_.size(), kMaxPatternStates)};
  }
  made.automaton_ = std::move(*automaton);
  return made;
}

std::vector<std::int64_t> Executables::classes_of(const std::vector<Pattern>& patterns) const {
  TestSet asked;
  for (const Pattern& pattern : patterns) asked.push_back(number_of_.at(pattern));
  std::sort(asked.begin(), asked.end());
  std::vector<std::int64_t> classes;
  for (std::size_t match = 0; match < automaton_.matches.size(); ++match) {
    const TestSet& holds = automaton_.matches[match];
    const bool one = std::any_of(holds.begin(), holds.end(), [&](std::uint32_t test) { return std::binary_search(asked.begin(), asked.end(), test); });
    if (one) classes.push_back(static_cast<std::int64_t>(match));
  }
  return classes;
}

}  // namespace kerf::bpf

std::vector<kerf::Pattern> kerf::executables_past_limits(const Module& module, const KernelPlan& plan) {
  std::vector<Pattern> patterns = bpf::in_order(bpf::patterns_of(module, plan));
  if (patterns.empty() || bpf::build(patterns)) return {};
  // Texts first: they always fit, or nothing does.
  const auto wild = std::stable_partition(patterns.begin(), patterns.end(), [](const Pattern& p) { return p.pieces.size() == 1; });
  auto fit = static_cast<std::size_t>(wild - patterns.begin()), too_many = patterns.size();
  while (too_many - fit > 1) {
    const std::size_t probe = fit + (too_many - fit) / 2;
    (bpf::build({patterns.begin(), patterns.begin() + static_cast<std::ptrdiff_t>(probe)}) ? fit : too_many) = probe;
  }
  return {patterns.begin() + static_cast<std::ptrdiff_t>(fit), patterns.end()};
}
