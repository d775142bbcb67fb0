// What a plan asks of the executable of the task that acts -> one automaton. A hook leaves its match class as a number, so that a
// comparison is the question whether this number is one of some.
#pragma once
#include <map>

#include "backends/bpf/automaton.h"

namespace kerf::bpf {

class Executables {
 public:
  // Nobody asks.
  Executables() = default;
  // An Error names the patterns that do not fit.
  static Result<Executables> of(const Module& module, const KernelPlan& plan);

  // Match classes in which one of the patterns matches, ascending. All of them are of the plan.
  std::vector<std::int64_t> classes_of(const std::vector<Pattern>& patterns) const;
  const Automaton& automaton() const { return automaton_; }

 private:
  std::map<Pattern, std::uint32_t> number_of_;
  Automaton automaton_;
};

}  // namespace kerf::bpf
