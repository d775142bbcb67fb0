// Terms -> diagrams, by Cedar's order of evaluation. Atoms become variables in the order in which they are met, which is
// the order in which they are evaluated: so chains stay linear.
#include "backends/check/conditions.h"

#include <fmt/format.h>

#include "ir/base/check.h"

namespace kerf::proof {

Diagram Conditions::of(Term t) {
  if (auto known = known_.find(t); known != known_.end()) return known->second;
  const Diagram made = find(t);
  known_.emplace(t, made);
  return made;
}

Diagram Conditions::find(Term t) {
  if (!is_structure(knowledge_, t)) {
    const std::optional<Outcome> known = knowledge_.outcome(t);
    return known ? Diagrams::of(*known) : atom(t);
  }
  switch (terms_.op(t)) {
    case Op::not_: return diagrams.negation(of(terms_.arg(t, 0)));
    case Op::if_: {
      const Diagram condition = of(terms_.arg(t, 0));
      if (condition == Diagrams::kError) return condition;
      if (Diagrams::is_constant(condition)) return of(terms_.arg(t, condition == Diagrams::kTrue ? 1 : 2));
      const Diagram on_true = of(terms_.arg(t, 1)), on_false = of(terms_.arg(t, 2));
      return diagrams.select(condition, on_false, on_true, Diagrams::kError);
    }
    case Op::eq: {   // both are evaluated
      const Diagram a = of(terms_.arg(t, 0)), b = of(terms_.arg(t, 1));
      return diagrams.select(a, diagrams.negation(b), b, Diagrams::kError);
    }
    default: return chain(t);
  }
}

bool is_structure(Knowledge& knowledge, Term t) {
  const Terms& terms = knowledge.terms();
  const Op op = terms.op(t);
  if (op == Op::and_ || op == Op::or_ || op == Op::not_ || op == Op::if_) return true;
  return op == Op::eq && knowledge.setting() == Setting::hook && knowledge.kind_of(terms.arg(t, 0)) == TypeKind::boolean &&
         knowledge.kind_of(terms.arg(t, 1)) == TypeKind::boolean;
}

// The operands first, from the left, as far as they can be reached.
Diagram Conditions::chain(Term t) {
  const Op op = terms_.op(t);
  const Diagram neutral = op == Op::and_ ? Diagrams::kTrue : Diagrams::kFalse;
  std::vector<Diagram> operands;
  for (bool last = false; !last;) {
    last = terms_.op(t) != op;
    operands.push_back(of(last ? t : terms_.arg(t, 0)));
    last = last || (Diagrams::is_constant(operands.back()) && operands.back() != neutral);
    if (!last) t = terms_.arg(t, 1);
  }
  return diagrams.fold(operands, op == Op::and_);
}

Diagram Conditions::atom(Term t) { return add_atom(t); }

Diagram Conditions::add_atom(Term t) {
  static constexpr Diagrams::Case outcomes[] = {{1, Diagrams::kTrue}, {2, Diagrams::kError}};   // 0: false
  const std::size_t values = knowledge_.can_fail(t) ? 3 : 2;
  const std::uint32_t variable = diagrams.add_variable(static_cast<std::uint32_t>(values));
  atoms_.emplace(variable, t);
  return diagrams.branch(variable, Diagrams::kFalse, {outcomes, values - 1});
}

std::vector<std::string> Conditions::text(const std::vector<Choice>& choices) const {
  std::vector<std::string> lines;
  for (const Choice& choice : choices) {
    lines.push_back(fmt::format("`{}` is {}", terms_.text(atoms_.at(choice.variable)), to_text(static_cast<Outcome>(choice.value))));
  }
  return lines;
}

}  // namespace kerf::proof
