// Boolean structure over atoms, interned and simplified: equal residuals have equal ids. What is left of a formula
// once the outcomes of some atoms are known.
#pragma once
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "ir/passes/formula.h"

namespace kerf {

class Residuals {
 public:
  using Id = std::uint32_t;
  enum class Kind : std::uint8_t { constant, atom, not_, and_, or_, if_ };
  // and_ and or_ are right-nested: the first operand is never of the same kind. Cedar's operators are associative,
  // errors included: the first operand that is not neutral decides.
  struct Node {
    Kind kind;
    bool fallible;                    // can be an error
    Outcome constant;
    std::uint32_t atom;
    Id a, b, c;
    std::uint32_t first_atom, last_atom;   // range of the atoms below, for pruning
  };

  Residuals();
  Id constant(Outcome outcome) const { return static_cast<Id>(outcome); }
  Id atom(std::uint32_t atom, bool fallible);
  Id negation(Id operand);
  Id both(Id first, Id second);
  Id either(Id first, Id second);
  Id choice(Id condition, Id then_branch, Id else_branch);

  const Node& operator[](Id id) const { return nodes_[id]; }
  std::optional<Outcome> outcome(Id id) const;
  // The node of the atom that evaluation asks first; `id` is not constant.
  Id asked_node(Id id) const;

  // What is left of `root` when `known[atom - first_known]` are the outcomes of the atoms from `first_known` on;
  // others stay.
  Id specialise(Id root, std::uint32_t first_known, const std::vector<Outcome>& known);
  std::uint64_t work() const { return work_; }   // nodes visited by specialise so far

 private:
  Id intern(Kind kind, std::uint32_t atom, Id a, Id b, Id c, bool fallible);
  Id chain(Kind kind, Id first, Id second);
  Id specialise_chain(Id id, std::uint32_t first_known, const std::vector<Outcome>& known,
                      std::unordered_map<Id, Id>& done);
  Id specialise_node(Id id, std::uint32_t first_known, const std::vector<Outcome>& known,
                     std::unordered_map<Id, Id>& done);

  std::vector<Node> nodes_;
  std::unordered_multimap<std::uint64_t, Id> index_;
  std::uint64_t work_ = 0;
};

// As Formula::paths; nothing too if more than `max_work` nodes would have to be visited.
std::optional<std::vector<Path>> residual_paths(Residuals& residuals, Residuals::Id root, std::size_t limit,
                                                std::uint64_t max_work);

}  // namespace kerf
