// Boolean structure over atoms with Cedar's three outcomes. `false && error` is false, `error && false` is error.
// Shared by the decision table and the kernel plan.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "ir/eval.h"

namespace kerf {

struct Requirement {
  std::uint32_t atom;
  Outcome outcome;
  friend auto operator<=>(const Requirement&, const Requirement&) = default;
};

// One way through a formula: these outcomes of these atoms, in evaluation order, give `result`. The paths of one
// formula exclude each other; what no path covers is false.
struct Path {
  std::vector<Requirement> when;
  Outcome result;                      // true_ or error
};

class Formula {
 public:
  enum class Kind { constant, atom, not_, and_, or_, if_ };
  struct Node {
    Kind kind;
    Outcome constant = Outcome::false_;
    std::uint32_t atom = 0;
    std::vector<std::uint32_t> args;
  };
  std::vector<Node> nodes;             // operands before users
  std::uint32_t root = 0;

  std::uint32_t add_constant(Outcome outcome);
  std::uint32_t add_atom(std::uint32_t atom);
  std::uint32_t add(Kind kind, std::vector<std::uint32_t> args);

  // `outcomes[atom]`.
  Outcome evaluate(const std::vector<Outcome>& outcomes) const;
  // Whether some outcomes of the atoms make it true or error.
  bool can_hold(const std::vector<bool>& can_error) const;
  // Nothing if there are more than `limit` paths. `can_error[atom]`: false drops its error branch.
  std::optional<std::vector<Path>> paths(std::size_t limit, const std::vector<bool>& can_error) const;
};

}  // namespace kerf
