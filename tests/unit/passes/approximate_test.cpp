// Paths with unknown atoms against all outcomes of all atoms.
#include <doctest/doctest.h>

#include <random>

#include "ir/passes/approximate.h"
#include "ir/passes/row_cover.h"

namespace kerf {
namespace {

constexpr std::uint32_t kKnown = 3, kUnknownFirst = 100, kUnknown = 3;   // atoms 0 … 2 and 100 … 102

struct RandomFormula {
  std::mt19937 random;
  Residuals residuals;

  std::size_t pick(std::size_t n) { return random() % n; }
  static bool fallible(std::uint32_t atom) { return atom % 2 == 0; }

  Residuals::Id make(int depth) {
    if (depth == 0 || pick(5) == 0) {
      if (pick(12) == 0) return residuals.constant(static_cast<Outcome>(pick(3)));
      const auto atom = static_cast<std::uint32_t>(pick(2) ? pick(kKnown) : kUnknownFirst + pick(kUnknown));
      return residuals.atom(atom, fallible(atom));
    }
    switch (pick(4)) {
      case 0: return residuals.negation(make(depth - 1));
      case 1: { auto a = make(depth - 1); return residuals.both(a, make(depth - 1)); }
      case 2: { auto a = make(depth - 1); return residuals.either(a, make(depth - 1)); }
      default: { auto a = make(depth - 1), b = make(depth - 1); return residuals.choice(a, b, make(depth - 1)); }
    }
  }
};

// All outcomes of `count` atoms from `first` on.
std::vector<std::vector<Outcome>> assignments(std::uint32_t first, std::uint32_t count) {
  std::vector<std::vector<Outcome>> all{{}};
  for (std::uint32_t i = 0; i < count; ++i) {
    std::vector<std::vector<Outcome>> next;
    for (const auto& so_far : all) {
      for (Outcome outcome : {Outcome::false_, Outcome::true_, Outcome::error}) {
        if (outcome == Outcome::error && !RandomFormula::fallible(first + i)) continue;
        next.push_back(so_far);
        next.back().push_back(outcome);
      }
    }
    all = std::move(next);
  }
  return all;
}

Outcome expected(RandomFormula& f, Residuals::Id rest, bool if_possible) {
  bool seen[3] = {};
  for (const auto& unknown : assignments(kUnknownFirst, kUnknown)) {
    seen[static_cast<std::size_t>(*f.residuals.outcome(f.residuals.specialise(rest, kUnknownFirst, unknown)))] = true;
  }
  const bool is_true = seen[1] && (if_possible || (!seen[0] && !seen[2]));
  return is_true ? Outcome::true_ : seen[2] && !seen[0] && !seen[1] ? Outcome::error : Outcome::false_;
}

Outcome by_paths(const std::vector<Path>& paths, const std::vector<Outcome>& known, int& held) {
  Outcome result = Outcome::false_;
  for (const Path& path : paths) {
    bool holds = true;
    for (const Requirement& r : path.when) {
      REQUIRE(r.atom < kKnown);
      holds = holds && known[r.atom] == r.outcome;
    }
    if (!holds) continue;
    ++held;
    result = path.result;
  }
  return result;
}

}  // namespace

TEST_CASE("approximated paths say what all or some outcomes of the unknown atoms give") {
  RandomFormula f{std::mt19937(7), {}};
  int counts[3] = {};
  for (int i = 0; i < 400; ++i) {
    const Residuals::Id root = f.make(4);
    for (bool if_possible : {false, true}) {
      auto paths = approximate_paths(f.residuals, root, {kUnknownFirst, if_possible}, 10'000, 100'000'000);
      REQUIRE(paths);
      for (const auto& known : assignments(0, kKnown)) {
        int held = 0;
        const Outcome got = by_paths(*paths, known, held), wanted = expected(f, f.residuals.specialise(root, 0, known), if_possible);
        REQUIRE(held <= 1);
        REQUIRE(got == wanted);
        ++counts[static_cast<std::size_t>(wanted)];
      }
    }
  }
  CHECK(counts[0] > 500);
  CHECK(counts[1] > 500);
  CHECK(counts[2] > 500);
}

TEST_CASE("approximated paths past a limit are none") {
  RandomFormula f{std::mt19937(1), {}};
  Residuals::Id root = f.residuals.constant(Outcome::false_);
  for (std::uint32_t i = 0; i < 12; ++i) {   // (k0 && u0) || (k1 && u1) …: every known atom matters
    root = f.residuals.either(f.residuals.both(f.residuals.atom(i, true), f.residuals.atom(kUnknownFirst + i, true)), root);
  }
  CHECK(approximate_paths(f.residuals, root, {kUnknownFirst, false}, 100'000, 100'000'000));
  CHECK(!approximate_paths(f.residuals, root, {kUnknownFirst, true}, 10, 100'000'000));
  CHECK(!approximate_paths(f.residuals, root, {kUnknownFirst, true}, 100'000, 10));
}

TEST_CASE("what approximated paths ask is work, four for each requirement") {
  Residuals residuals;
  Residuals::Id root = residuals.constant(Outcome::true_);
  for (std::uint32_t i = 300; i-- > 0;) root = residuals.both(residuals.atom(i, true), root);   // 301 paths of up to 300
  const std::uint64_t before = residuals.work();
  CHECK(approximate_paths(residuals, root, {1000, false}, 10'000, 400'000));
  CHECK(residuals.work() - before < 40'000);
  CHECK(!approximate_paths(residuals, root, {1000, false}, 10'000, 150'000));
}

TEST_CASE("a row covers another only if all its parts do") {
  KernelEnv env{};
  env.paths = {{{}, {"/srv"}, {}}, {{"/srv/a"}, {"/srv/b"}, {}}, {{}, {"/srv-2"}, {}}, {{}, {"/"}, {}}};
  auto row = [](auto change) {
    KernelRow made{PolicyId(0), Outcome::true_, {}, {}, {}, {}, {}, {}};
    change(made);
    return made;
  };
  const KernelRow all = row([](KernelRow&) {});
  const KernelRow ports = row([](KernelRow& r) { r.port = PortSet{{0, 79}, {81, 65535}}; });
  const KernelRow one = row([](KernelRow& r) { r.port = PortSet{{443, 443}}; });
  CHECK(holds_always(all));
  CHECK(covers(env, all, one));
  CHECK(covers(env, ports, one));
  CHECK(!covers(env, one, ports));
  CHECK(!covers(env, one, all));
  CHECK(!covers(env, ports, row([](KernelRow& r) { r.port = PortSet{{79, 81}}; })));

  auto path = [&](std::uint32_t test, Outcome outcome) { return row([&](KernelRow& r) { r.path = {{test, outcome}}; }); };
  CHECK(covers(env, path(0, Outcome::true_), path(1, Outcome::true_)));
  CHECK(!covers(env, path(1, Outcome::true_), path(0, Outcome::true_)));
  CHECK(!covers(env, path(0, Outcome::true_), path(2, Outcome::true_)));
  CHECK(covers(env, path(3, Outcome::true_), path(2, Outcome::true_)));
  CHECK(covers(env, path(1, Outcome::false_), path(0, Outcome::false_)));   // not below /srv: neither /srv/a nor below /srv/b
  CHECK(!covers(env, path(0, Outcome::false_), path(1, Outcome::false_)));
  CHECK(!covers(env, path(0, Outcome::true_), path(1, Outcome::false_)));

  auto bind = [&](std::vector<Requirement> when) { return row([&](KernelRow& r) { r.bind = when; }); };
  CHECK(covers(env, bind({{0, Outcome::true_}}), bind({{1, Outcome::false_}, {0, Outcome::true_}})));
  CHECK(!covers(env, bind({{0, Outcome::true_}, {1, Outcome::false_}}), bind({{0, Outcome::true_}})));
  CHECK(!covers(env, bind({{0, Outcome::true_}}), bind({{0, Outcome::error}})));

  const EndpointKey a{false, {10, 0, 0, 1}, 80}, b{false, {10, 0, 0, 2}, 80};
  auto endpoint = [&](std::vector<EndpointKey> listed, bool others) { return row([&](KernelRow& r) { r.endpoint = EndpointSet{listed, others}; }); };
  CHECK(covers(env, endpoint({a, b}, false), endpoint({a}, false)));
  CHECK(!covers(env, endpoint({a}, false), endpoint({a, b}, false)));
  CHECK(covers(env, endpoint({a}, true), endpoint({b}, false)));
  CHECK(!covers(env, endpoint({a}, true), endpoint({a}, false)));
  CHECK(covers(env, endpoint({a}, true), endpoint({a, b}, true)));
  CHECK(!covers(env, endpoint({a, b}, true), endpoint({a}, true)));
  CHECK(!covers(env, endpoint({a, b}, false), endpoint({}, true)));
}

}  // namespace kerf
