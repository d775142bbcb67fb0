#include <doctest/doctest.h>

#include <random>

#include "backends/check/diagram.h"

using namespace kerf;
using namespace kerf::proof;

namespace {

constexpr Outcome kOutcomes[] = {Outcome::false_, Outcome::true_, Outcome::error};

Diagram atom(Diagrams& d) {
  static constexpr Diagrams::Case cases[] = {{1, Diagrams::kTrue}, {2, Diagrams::kError}};
  return d.branch(d.add_variable(3), Diagrams::kFalse, cases);
}

Outcome and_(Outcome a, Outcome b) { return a == Outcome::true_ ? b : a; }
Outcome or_(Outcome a, Outcome b) { return a == Outcome::false_ ? b : a; }
Outcome not_(Outcome a) { return a == Outcome::error ? a : a == Outcome::true_ ? Outcome::false_ : Outcome::true_; }

// A random expression over three atoms, as a diagram and as its 27 outcomes.
struct Sample {
  Diagram diagram;
  std::vector<Outcome> table;
};

Sample sample(Diagrams& d, const std::vector<Diagram>& atoms, std::mt19937& random, int depth) {
  Sample s;
  if (depth == 0 || random() % 5 == 0) {
    const std::size_t which = random() % atoms.size();
    s.diagram = atoms[which];
    for (std::size_t i = 0; i < 27; ++i) s.table.push_back(kOutcomes[which == 0 ? i % 3 : which == 1 ? i / 3 % 3 : i / 9]);
    return s;
  }
  Sample a = sample(d, atoms, random, depth - 1), b = sample(d, atoms, random, depth - 1);
  const unsigned kind = random() % 3;
  s.diagram = kind == 0 ? d.both(a.diagram, b.diagram) : kind == 1 ? d.either(a.diagram, b.diagram) : d.negation(a.diagram);
  for (std::size_t i = 0; i < 27; ++i) s.table.push_back(kind == 0 ? and_(a.table[i], b.table[i]) : kind == 1 ? or_(a.table[i], b.table[i]) : not_(a.table[i]));
  return s;
}

}  // namespace

TEST_CASE("diagrams are equal iff their outcomes are, and say which") {
  Diagrams d;
  const std::vector<Diagram> atoms = {atom(d), atom(d), atom(d)};
  std::mt19937 random(7);
  std::vector<Sample> samples;
  for (int i = 0; i < 300; ++i) samples.push_back(sample(d, atoms, random, 4));
  for (const Sample& a : samples) {
    for (std::uint32_t i = 0; i < 27; ++i) {
      const Choice choices[] = {{0, i % 3}, {1, i / 3 % 3}, {2, i / 9}};
      REQUIRE(d.outcome(a.diagram, choices) == a.table[i]);
    }
    const Sample& b = samples[random() % samples.size()];
    REQUIRE((a.diagram == b.diagram) == (a.table == b.table));
    auto example = d.example(d.difference(a.diagram, b.diagram));
    REQUIRE(example.has_value() == (a.table != b.table));
    if (example) REQUIRE(d.outcome(a.diagram, *example) != d.outcome(b.diagram, *example));
  }
}

TEST_CASE("Cedar's order: an error is the outcome only where it is reached") {
  Diagrams d;
  const Diagram a = atom(d), b = atom(d);
  CHECK(d.both(a, b) != d.both(b, a));
  CHECK(d.both(Diagrams::kFalse, Diagrams::kError) == Diagrams::kFalse);
  CHECK(d.both(a, Diagrams::kFalse) != Diagrams::kFalse);
  CHECK(d.either(Diagrams::kError, Diagrams::kTrue) == Diagrams::kError);
}

TEST_CASE("chains over many classes of one variable stay small") {
  constexpr std::uint32_t many = 5000;
  Diagrams d;
  const std::uint32_t variable = d.add_variable(many);
  std::vector<Diagram> operands;
  for (std::uint32_t value = 1; value < many; ++value) {
    const Diagrams::Case one[] = {{value, Diagrams::kTrue}};
    operands.push_back(d.branch(variable, Diagrams::kFalse, one));
  }
  const Diagram any = d.fold(operands, false);
  CHECK_FALSE(d.overflown());
  const Choice chosen[] = {{variable, many - 1}}, other[] = {{variable, 0}};
  CHECK(d.outcome(any, chosen) == Outcome::true_);
  CHECK(d.outcome(any, other) == Outcome::false_);
}

TEST_CASE("past the limit nothing is equal by accident") {
  Diagrams d(4);
  std::vector<Diagram> atoms;
  for (int i = 0; i < 8; ++i) atoms.push_back(atom(d));
  d.fold(atoms, true);
  CHECK(d.overflown());
}
