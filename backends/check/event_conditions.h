// Conditions at a hook: atoms over an observable are functions of its classes, all others are atoms as in a table. The
// classes are those that one policy and its rows tell apart.
#pragma once
#include "backends/check/conditions.h"
#include "backends/check/hook_code.h"

namespace kerf::proof {

// Values of the variables, in their order; value 0 of an endpoint, a point or a match class stands for all the others.
struct EventClasses {
  std::vector<AddressKey> addresses;        // first of each, ascending
  std::vector<std::uint32_t> ports;         // first of each, ascending
  std::vector<Endpoint> endpoints;          // values 1, 2, …
  std::vector<std::uint32_t> points;        // of automaton 0: values 1, 2, …; ascending
  std::vector<std::uint32_t> numbers;       // first of each, ascending
  std::vector<std::uint32_t> matches[2];    // of automata 1 and 2: values 1, 2, …; ascending
  bool others[3] = {true, true, true};      // of points and matches; false: there are no others, value 0 is as value 1
};

class EventConditions : public Conditions {
 public:
  enum Dimension : std::uint32_t { address = 0, port = 1, endpoint = 2, literals = 0, patterns = 1, number = 3 };   // patterns, patterns + 1

  // `by_numbers`: instructions or cases take expressions apart, so what userspace evaluates is functions of the values in it.
  EventConditions(HookAtoms& atoms, const PathClasses& paths, bool files, bool by_numbers, EventClasses classes, const std::vector<CodeSlot>& slots,
                  std::size_t max_nodes);

  const EventClasses& classes() const { return classes_; }
  std::uint32_t values(std::uint32_t dimension) const { return values_[dimension]; }
  // By value: does it hold?
  template <class Holds>
  Diagram where(std::uint32_t dimension, const Holds& holds) {
    return by_value(dimension, [&](std::uint32_t value) { return holds(value) ? Outcome::true_ : Outcome::false_; });
  }
  // Of the object's code: true or false; error where it refuses. Nothing: its instructions are not understood.
  std::optional<Diagram> code(const HookCode& code, std::uint32_t condition);
  // Values of the variables that can come together and for which the diagram is not false. Nothing, unless too_many().
  std::optional<std::vector<Choice>> possible_example(Diagram d);
  bool too_many() const { return too_many_; }
  // What userspace evaluates: of the resource it knows the hosts of its address alone.
  Diagram predicate(Term t);
  std::vector<std::string> text(const std::vector<Choice>& choices) const override;
  // The first atom among these that is a variable because what it computes is not known.
  std::optional<Term> not_understood(const std::vector<Choice>& choices) const;

 protected:
  Diagram atom(Term t) override;

 private:
  template <class Of>
  Diagram by_value(std::uint32_t dimension, const Of& outcome) {
    std::vector<Diagrams::Case> cases;
    const Diagram first = Diagrams::of(outcome(0));
    for (std::uint32_t value = 1; value < values_[dimension]; ++value) cases.emplace_back(value, Diagrams::of(outcome(value)));
    return diagrams.branch(dimension, first, cases);
  }
  Diagram endpoint_atom(Term t);
  Diagram by_hosts(Term t);                 // the part of a named atom that userspace evaluates
  Diagram path_atom(Term t, const PathOutcomes& outcomes);
  Diagram code_atom(Term t);
  std::optional<Diagram> code_from(const HookCode& code, const CodePoint& point);
  Diagram question(const Question& asked);
  Diagram possible();
  bool is_executable(const Facts& facts);
  bool search(Diagram d, const Facts& facts, std::vector<Choice>& choices);
  bool learn_value(Facts& facts, std::uint32_t variable, std::uint32_t value);
  bool only_guarded(Term t, std::vector<Term>& guards);

  HookAtoms& hook_;
  const PathClasses& paths_;
  bool files_, by_numbers_;
  EventClasses classes_;
  std::uint32_t values_[4] = {1, 1, 1, 1};
  std::unordered_map<Term, Diagram> made_;  // by residual term
  Numbers numbers_;
  Branching branching_;
  HookInputs inputs_;
  std::map<Question, Diagram> asked_;
  std::map<std::uint32_t, Question> questions_;            // by variable
  std::vector<std::pair<Term, Diagram>> code_atoms_;
  std::map<CodePoint, Diagram> code_points_;
  std::set<std::uint32_t> not_understood_;                 // variables
  std::size_t searched_ = 0;
  bool too_many_ = false;
  std::unordered_map<Term, Diagram> by_hosts_;
};

}  // namespace kerf::proof
