// Random formulas, built as residuals, against their meaning for every outcome of their atoms: whole, with some atoms
// known, and as paths.
#include <doctest/doctest.h>

#include <random>

#include "ir/passes/residual.h"

using namespace kerf;

namespace {

using Rest = Residuals::Id;
using Kind = Residuals::Kind;
constexpr std::uint32_t kAtoms = 4;   // those with even numbers can fail
using Outcomes = std::vector<Outcome>;

bool fallible(std::uint32_t atom) { return atom % 2 == 0; }

std::vector<Outcomes> all_outcomes() {
  std::vector<Outcomes> all{{}};
  for (std::uint32_t atom = 0; atom < kAtoms; ++atom) {
    std::vector<Outcomes> longer;
    for (const Outcomes& known : all) {
      for (Outcome outcome : {Outcome::false_, Outcome::true_, Outcome::error}) {
        if (outcome == Outcome::error && !fallible(atom)) continue;
        longer.push_back(known);
        longer.back().push_back(outcome);
      }
    }
    all = std::move(longer);
  }
  return all;
}

struct Tree {
  Kind kind;
  std::uint32_t atom = 0;
  Outcome constant = Outcome::false_;
  std::vector<Tree> args = {};
};

Tree random_tree(std::mt19937& random, int depth) {
  const unsigned what = depth == 0 ? random() % 5 : random() % 14;
  if (what == 0) return {Kind::constant, 0, static_cast<Outcome>(random() % 3)};
  if (what < 5) return {Kind::atom, static_cast<std::uint32_t>(random() % kAtoms)};
  auto sub = [&] { return random_tree(random, depth - 1); };
  if (what < 7) return {Kind::not_, 0, {}, {sub()}};
  if (what < 10) return {Kind::and_, 0, {}, {sub(), sub()}};
  if (what < 12) return {Kind::or_, 0, {}, {sub(), sub()}};
  return {Kind::if_, 0, {}, {sub(), sub(), sub()}};
}

Outcome meaning(const Tree& tree, const Outcomes& of) {
  if (tree.kind == Kind::constant) return tree.constant;
  if (tree.kind == Kind::atom) return of[tree.atom];
  const Outcome first = meaning(tree.args[0], of);
  if (first == Outcome::error) return first;
  const bool holds = first == Outcome::true_;
  if (tree.kind == Kind::not_) return holds ? Outcome::false_ : Outcome::true_;
  if (tree.kind == Kind::and_) return holds ? meaning(tree.args[1], of) : first;
  if (tree.kind == Kind::or_) return holds ? first : meaning(tree.args[1], of);
  return meaning(tree.args[holds ? 1 : 2], of);
}

Rest build(Residuals& residuals, const Tree& tree) {
  std::vector<Rest> args;
  for (const Tree& arg : tree.args) args.push_back(build(residuals, arg));
  switch (tree.kind) {
    case Kind::constant: return residuals.constant(tree.constant);
    case Kind::atom: return residuals.atom(tree.atom, fallible(tree.atom));
    case Kind::not_: return residuals.negation(args[0]);
    case Kind::and_: return residuals.both(args[0], args[1]);
    case Kind::or_: return residuals.either(args[0], args[1]);
    case Kind::if_: return residuals.choice(args[0], args[1], args[2]);
  }
  return 0;
}

Outcome meaning(const Residuals& residuals, Rest id, const Outcomes& of) {
  const Residuals::Node& node = residuals[id];
  if (node.kind == Kind::constant) return node.constant;
  if (node.kind == Kind::atom) return of[node.atom];
  const Outcome first = meaning(residuals, node.a, of);
  if (first == Outcome::error) return first;
  const bool holds = first == Outcome::true_;
  if (node.kind == Kind::not_) return holds ? Outcome::false_ : Outcome::true_;
  if (node.kind == Kind::and_) return holds ? meaning(residuals, node.b, of) : first;
  if (node.kind == Kind::or_) return holds ? first : meaning(residuals, node.b, of);
  return meaning(residuals, holds ? node.b : node.c, of);
}

Outcome by_paths(const std::vector<Path>& paths, const Outcomes& of) {
  Outcome result = Outcome::false_;
  int held = 0;
  for (const Path& path : paths) {
    bool holds = true;
    for (const Requirement& required : path.when) holds = holds && of[required.atom] == required.outcome;
    if (!holds) continue;
    result = path.result;
    ++held;
  }
  CHECK(held <= 1);
  return result;
}

}  // namespace

TEST_CASE("random residuals mean what their formulas mean") {
  std::mt19937 random(20261126);
  const std::vector<Outcomes> all = all_outcomes();
  for (int i = 0; i < 2000; ++i) {
    const Tree tree = random_tree(random, 4);
    Residuals residuals;
    const Rest root = build(residuals, tree);
    CHECK(build(residuals, tree) == root);   // equal ones have equal ids
    const auto paths = residual_paths(residuals, root, 1000, 1'000'000);
    REQUIRE(paths);
    for (const Outcomes& of : all) {
      const Outcome wanted = meaning(tree, of);
      REQUIRE(meaning(residuals, root, of) == wanted);
      if (wanted == Outcome::error) REQUIRE(residuals[root].fallible);
      REQUIRE(by_paths(*paths, of) == wanted);
      for (std::uint32_t first = 0; first < kAtoms; ++first) {
        for (std::uint32_t end = first + 1; end <= kAtoms; ++end) {
          const Rest rest = residuals.specialise(root, first, {of.begin() + first, of.begin() + end});
          REQUIRE(meaning(residuals, rest, of) == wanted);
          if (end - first == kAtoms) REQUIRE(residuals.outcome(rest) == wanted);
        }
      }
    }
  }
}

TEST_CASE("what cannot change the outcome is left out, and what can fail is not") {
  Residuals residuals;
  const Rest no = residuals.constant(Outcome::false_), yes = residuals.constant(Outcome::true_);
  const Rest safe = residuals.atom(1, false), other = residuals.atom(3, false), fails = residuals.atom(0, true);
  CHECK(residuals.both(safe, no) == no);
  CHECK(residuals.either(safe, yes) == yes);
  CHECK(residuals.both(safe, yes) == safe);
  CHECK(residuals.either(safe, no) == safe);
  CHECK(residuals.both(safe, safe) == safe);
  CHECK(residuals.negation(residuals.negation(fails)) == fails);
  CHECK(residuals.choice(safe, other, other) == other);
  CHECK(residuals.both(fails, no) != no);
  CHECK(residuals.either(fails, yes) != yes);
  CHECK(residuals.choice(fails, other, other) != other);
  CHECK(residuals.both(residuals.choice(safe, other, fails), no) != no);
  CHECK(residuals.both(residuals.choice(safe, fails, other), no) != no);
  CHECK(residuals.both(residuals.choice(safe, other, residuals.negation(other)), no) == no);
}
