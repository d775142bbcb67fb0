// Conditions of one policy as decision diagrams over their atoms: what is no &&, ||, ! or if. An atom has the outcomes
// false, true and, if it can fail, error; at a hook observables are divided into classes instead (observables.h).
#pragma once
#include <map>
#include <string>
#include <unordered_map>

#include "backends/check/diagram.h"
#include "backends/check/knowledge.h"

namespace kerf::proof {

class Conditions {
 public:
  explicit Conditions(Knowledge& knowledge, std::size_t max_nodes = kMaxDiagramNodes)
      : diagrams(max_nodes), knowledge_(knowledge), terms_(knowledge.terms()) {}
  virtual ~Conditions() = default;

  Diagram of(Term t);
  // "`principal.level == 3` is true" for each choice.
  virtual std::vector<std::string> text(const std::vector<Choice>& choices) const;

  Diagrams diagrams;

 protected:
  virtual Diagram atom(Term t);           // not known to Knowledge
  Diagram add_atom(Term t);

  Knowledge& knowledge_;
  Terms& terms_;
  std::map<std::uint32_t, Term> atoms_;   // by variable

 private:
  Diagram find(Term t);
  Diagram chain(Term t);

  std::unordered_map<Term, Diagram> known_;
};

// An operator that conditions are made of; at a hook also == of Bools. Everything else is an atom.
bool is_structure(Knowledge& knowledge, Term t);

}  // namespace kerf::proof
