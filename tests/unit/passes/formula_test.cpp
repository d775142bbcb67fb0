#include <doctest/doctest.h>

#include <random>

#include "ir/passes/formula.h"

using namespace kerf;

namespace {

std::uint32_t random_formula(Formula& formula, std::mt19937& random, int depth, std::uint32_t atoms) {
  unsigned kind = depth == 0 ? 4 : random() % 6;
  auto operand = [&] { return random_formula(formula, random, depth - 1, atoms); };
  if (kind == 0) return formula.add(Formula::Kind::not_, {operand()});
  if (kind == 1) return formula.add(Formula::Kind::and_, {operand(), operand()});
  if (kind == 2) return formula.add(Formula::Kind::or_, {operand(), operand(), operand()});
  if (kind == 3) return formula.add(Formula::Kind::if_, {operand(), operand(), operand()});
  if (random() % 8 == 0) return formula.add_constant(static_cast<Outcome>(random() % 3));
  return formula.add_atom(static_cast<std::uint32_t>(random() % atoms));
}

}  // namespace

TEST_CASE("evaluation keeps Cedar's order of errors") {
  Formula f;
  std::uint32_t a = f.add_atom(0), b = f.add_atom(1);
  f.root = f.add(Formula::Kind::and_, {a, b});
  CHECK(f.evaluate({Outcome::false_, Outcome::error}) == Outcome::false_);
  CHECK(f.evaluate({Outcome::error, Outcome::false_}) == Outcome::error);
  f.root = f.add(Formula::Kind::or_, {a, b});
  CHECK(f.evaluate({Outcome::true_, Outcome::error}) == Outcome::true_);
  CHECK(f.evaluate({Outcome::error, Outcome::true_}) == Outcome::error);
}

TEST_CASE("paths exclude each other and give the formula's outcome for every assignment") {
  std::mt19937 random(7);
  constexpr std::uint32_t kAtoms = 5;
  for (int round = 0; round < 400; ++round) {
    Formula formula;
    formula.root = random_formula(formula, random, 4, kAtoms);
    std::vector<bool> can_error;
    for (std::uint32_t i = 0; i < kAtoms; ++i) can_error.push_back(random() % 2 == 0);
    auto paths = formula.paths(100000, can_error);
    REQUIRE(paths);
    for (unsigned code = 0; code < 243; ++code) {
      std::vector<Outcome> outcomes;
      bool possible = true;
      for (unsigned i = 0, rest = code; i < kAtoms; ++i, rest /= 3) {
        outcomes.push_back(static_cast<Outcome>(rest % 3));
        possible = possible && (outcomes.back() != Outcome::error || can_error[i]);
      }
      if (!possible) continue;
      Outcome result = Outcome::false_;
      int held = 0;
      for (const Path& path : *paths) {
        bool holds = true;
        for (const Requirement& r : path.when) holds = holds && outcomes[r.atom] == r.outcome;
        if (!holds) continue;
        ++held;
        result = path.result;
      }
      REQUIRE(held <= 1);
      REQUIRE(result == formula.evaluate(outcomes));
    }
  }
}

TEST_CASE("an atom is asked once on a path, and too many paths are none") {
  Formula f;
  std::uint32_t a = f.add_atom(0);
  f.root = f.add(Formula::Kind::and_, {a, f.add(Formula::Kind::or_, {a, f.add_atom(1)})});
  auto paths = f.paths(10, {true, true});
  REQUIRE(paths);
  REQUIRE(paths->size() == 2);
  CHECK((*paths)[0].when == std::vector<Requirement>{{0, Outcome::true_}});
  CHECK((*paths)[1].result == Outcome::error);
  CHECK(!f.paths(1, {true, true}));
}

TEST_CASE("long chains are linear") {
  Formula f;
  std::uint32_t rest = f.add_constant(Outcome::false_);
  for (std::uint32_t i = 20000; i-- > 0;) rest = f.add(Formula::Kind::or_, {f.add_atom(i), rest});
  f.root = rest;
  CHECK(!f.paths(30000, std::vector<bool>(20000, false)));   // 20,000 paths of 10,000 requirements each: refused
  Formula conjunction;
  rest = conjunction.add_constant(Outcome::true_);
  for (std::uint32_t i = 20000; i-- > 0;) {
    rest = conjunction.add(Formula::Kind::and_, {conjunction.add_atom(i), rest});
  }
  conjunction.root = rest;
  auto paths = conjunction.paths(30000, std::vector<bool>(20000, false));
  REQUIRE(paths);
  REQUIRE(paths->size() == 1);
  CHECK(paths->front().when.size() == 20000);
}
