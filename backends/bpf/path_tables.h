// Path automata -> the object's tables, and what each match class means for the rows of an environment.
#pragma once
#include "backends/bpf/automaton.h"
#include "backends/bpf/tables.h"

namespace kerf::bpf {

// All path tests of a plan, each once.
class PlanTests {
 public:
  explicit PlanTests(const KernelPlan& plan);
  const std::vector<const PathTest*>& all() const { return all_; }
  // By KernelEnv::paths: the test's number.
  const std::vector<std::uint32_t>& of_env(std::size_t env) const { return of_env_[env]; }

 private:
  std::vector<const PathTest*> all_;
  std::vector<std::vector<std::uint32_t>> of_env_;
};

// Cells and edges for all automata, as runtime/kernel/tables.h describes them. `executables`: null if nobody asks.
std::optional<Error> store_automata(Tables& tables, const std::vector<Automaton>& automata, const Automaton* executables = nullptr);

struct MatchTable {
  std::uint32_t classes = 0, base = 0;       // first in `ranks`, base bitmap in `words`
};

// What the rows ask of the tests of one automaton; rows not listed hold everywhere.
struct MatchRow {
  std::uint32_t row;
  std::vector<std::pair<std::uint32_t, bool>> wants;   // test, and whether it holds
};

Result<MatchTable> build_matches(Tables& tables, ClassStore& classes, std::uint32_t blocks,
                                 const std::vector<TestSet>& matches, const std::vector<MatchRow>& rows);

}  // namespace kerf::bpf
