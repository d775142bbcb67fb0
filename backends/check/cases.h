// A condition in which the hook's observations meet values that it cannot hold, by cases: an operand that the snapshot
// gives finitely many values is replaced by one of them after the other. Written from the language's rules and the
// snapshot alone; the planner's cases are not asked.
#pragma once
#include <optional>
#include <unordered_map>
#include <vector>

#include "backends/check/hook_atoms.h"

namespace kerf::proof {

class Cases {
 public:
  explicit Cases(HookAtoms& atoms) : atoms_(atoms), knowledge_(atoms.knowledge()), terms_(atoms.knowledge().terms()) {}

  // A condition with the same outcome for every event of the environment; the same term if there is nothing to split.
  Term expand(Term condition);

 private:
  Term expand_chain(Term t);
  Term expand_atom(Term atom);
  Term split(Term atom);
  Term by_elements(Term atom);
  Term by_branches(Term atom, Term choice);
  Term by_values(Term atom, Term operand, const std::vector<Value>& values);
  Term by_field(Term atom, Term read);
  Term by_fields(Term atom);
  std::optional<Term> field_of(Term t) const;
  std::optional<Term> field(Term record, const std::string& name) const;
  std::vector<Term> parts_of(Term atom) const;
  Term evaluated_first(const std::vector<Term>& parts, Term result);
  Term replaced(Term t, Term operand, Term by);
  std::vector<Term> strict_operands(Term atom);
  std::optional<std::vector<Value>> values_of(Term operand, bool of_resource);
  std::optional<std::vector<Value>> values_of_fact(Term operand);
  std::optional<bool> fits_slot(Term t);
  bool fits_number(Term t);
  bool lists(Term t) const;
  bool reads_context(Term t) const;
  Term truth(bool value) { return terms_.add_literal(Value(value)); }

  HookAtoms& atoms_;
  Knowledge& knowledge_;
  Terms& terms_;
  std::unordered_map<Term, Term> expanded_;
  std::size_t made_ = 0;
  unsigned depth_ = 0;
};

}  // namespace kerf::proof
