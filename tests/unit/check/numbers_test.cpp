#include <doctest/doctest.h>

#include "backends/check/feasible.h"
#include "backends/check/hook_inputs.h"

using namespace kerf::proof;

namespace {

constexpr Wide kMost = std::numeric_limits<std::int64_t>::max(), kLeast = std::numeric_limits<std::int64_t>::min();
Number constant(Wide n) { return {{}, n}; }
// Is n at most this? Nothing: both can be.
std::optional<bool> at_most(const Facts& facts, const Number& n, Wide bound) {
  const auto [question, opposite] = normal(n, bound);
  const auto known = facts.answer(question);
  return known ? std::optional(*known != opposite) : std::nullopt;
}

struct World {
  Numbers numbers;
  Number x = numbers.read("x", {kLeast, kMost}), y = numbers.read("y", {kLeast, kMost}), small = numbers.read("small", {0, 100});
  Number minus(const Number& a, const Number& b) { return numbers.add(a, b, -1); }
  // n <= bound, or n > bound
  bool learn(Facts& facts, const Number& n, Wide bound, bool answer) {
    const auto [question, opposite] = normal(n, bound);
    return facts.learn(question, answer != opposite);
  }
};

}  // namespace

TEST_CASE("polynomials are equal however they were made") {
  World w;
  Numbers& n = w.numbers;
  const Number sum = n.add(w.x, w.y), difference = w.minus(w.x, w.y);
  CHECK(n.times(sum, difference) == w.minus(n.times(w.x, w.x), n.times(w.y, w.y)));
  CHECK(w.minus(sum, w.y) == w.x);
  CHECK(w.minus(sum, sum).is_constant());
  CHECK(n.read("x", {}) == w.x);
  CHECK(n.made(Made::quotient, w.small, constant(7), {0, 14}) == n.made(Made::quotient, w.small, constant(7), {0, 14}));
  CHECK(n.made(Made::quotient, w.small, constant(7), {0, 14}) != n.made(Made::quotient, w.small, constant(8), {0, 12}));
}

TEST_CASE("a question has one form") {
  World w;
  Numbers& n = w.numbers;
  const Number six = n.times(constant(6), w.x);
  CHECK(normal(six, 13) == std::pair(Question{w.x, 2}, false));              // 6x <= 13: x <= 2
  CHECK(normal(n.add(six, constant(1)), 12) == std::pair(Question{w.x, 1}, false));
  CHECK(normal(n.add({}, w.x, -1), 5) == std::pair(Question{w.x, -6}, true));   // -x <= 5: not x <= -6
  CHECK(normal(n.times(constant(-6), w.x), -13) == std::pair(Question{w.x, 2}, true));   // -6x <= -13: x >= 3
}

TEST_CASE("division and bounds round to the side that is right") {
  CHECK(floor_div(-7, 2) == -4);
  CHECK(divided({-7, 7}, 2) == Bounds{-3, 3});
  CHECK(divided({-7, 7}, -2) == Bounds{-3, 3});
  CHECK(divided({1, 1}, 2).empty());
  CHECK(divided({-kHuge, 9}, 4) == Bounds{-kHuge, 2});
  CHECK(divided({-kHuge, 9}, -4) == Bounds{-2, kHuge});
  CHECK(product({-2, 3}, {-5, 7}) == Bounds{-15, 21});
  CHECK(product({kLeast, kMost}, {-kHuge, kHuge}) == Bounds{-kHuge, kHuge});
  CHECK(sum({-kHuge, 4}, {3, kHuge}) == Bounds{-kHuge, kHuge});
}

TEST_CASE("a factor that leaves 128 bits is told, until the next walk") {
  Numbers n;
  Number x = n.times(n.read("x", {}), constant(kWord / 2));
  CHECK_FALSE(n.lost());
  x = n.times(x, constant(kWord / 2));
  CHECK(n.lost());
  n.begin();
  CHECK_FALSE(n.lost());
}

TEST_CASE("facts follow from others") {
  World w;
  Numbers& n = w.numbers;
  Facts facts(n);
  CHECK(w.learn(facts, w.minus(w.x, w.small), -1, true));   // x < small
  CHECK(at_most(facts, w.x, 99) == true);
  CHECK(at_most(facts, w.x, 98) == std::nullopt);
  CHECK(at_most(facts, n.times(constant(1000), w.x), 99'000) == true);
  CHECK_FALSE(w.learn(facts, w.x, 99, false));
}

TEST_CASE("products are as their factors are") {
  World w;
  Numbers& n = w.numbers;
  Facts facts(n);
  CHECK(at_most(facts, n.times(w.x, w.x), -1) == false);
  const Number a = w.minus(w.x, w.y), b = w.minus(w.small, constant(200)), both = n.times(a, b);
  CHECK(at_most(facts, both, 0) == std::nullopt);
  CHECK(w.learn(facts, a, -1, false));                     // a >= 0, b < 0
  CHECK(at_most(facts, both, 0) == true);
  CHECK(at_most(facts, both, -1) == std::nullopt);
  CHECK(at_most(facts, n.times(w.minus(w.x, constant(3)), n.add({}, w.x, -1)), 2) == true);      // 3x - x * x
  CHECK(at_most(facts, n.times(w.minus(w.x, constant(3)), n.add({}, w.x, -1)), 1) == std::nullopt);
}

TEST_CASE("quotients and bits are as what they were made from") {
  World w;
  Numbers& n = w.numbers;
  Facts facts(n);
  const Number quotient = n.made(Made::quotient, w.small, constant(10), {0, 10}), bit = n.made(Made::bits_and, w.small, constant(4), {0, 4});
  CHECK(w.learn(facts, w.small, 5, true));
  CHECK(at_most(facts, quotient, 0) == true);
  CHECK(at_most(facts, bit, 0) == std::nullopt);
  CHECK(w.learn(facts, w.small, 3, false));                // 4 or 5
  CHECK(at_most(facts, bit, 3) == false);
}

TEST_CASE("a walk is made once for each way that its questions can go") {
  World w;
  Branching b(w.numbers);
  const auto leaves = b.explore([&]() -> std::uint32_t {
    if (b.at_most(w.x, 3)) return b.at_most(w.x, 5) ? 1 : 9;   // follows
    if (b.equal(w.x, constant(7))) return 2;
    return b.at_most(w.x, 6) ? 3 : 4;
  });
  REQUIRE(leaves);
  std::vector<std::uint32_t> results;
  for (const auto& leaf : *leaves) results.push_back(leaf.possible ? leaf.result : 0);
  CHECK(results == std::vector<std::uint32_t>{1, 3, 2, 4});

  CHECK_FALSE(b.explore([&]() -> std::uint32_t { return b.give_up(), 0; }));
  int asked = 0;
  CHECK_FALSE(b.explore([&]() -> std::uint32_t {   // too many
    for (int i = 0; i < 5000; ++i) b.at_most(w.x, ++asked);
    return 0;
  }));
}

TEST_CASE("parts of words are numbers of that width") {
  World w;
  Branching b(w.numbers);
  auto values = [&](const auto& walk) {
    std::vector<std::pair<bool, Number>> all;
    Number made;
    const auto leaves = b.explore([&]() -> std::uint32_t { return made = walk(), static_cast<std::uint32_t>(all.size()); });
    return leaves ? made : Number{};
  };
  CHECK(values([&] { return b.unsigned_part(constant(-1), 8); }) == constant(255));
  CHECK(values([&] { return b.signed_part(constant(255), 8); }) == constant(-1));
  CHECK(values([&] { return b.unsigned_part(w.small, 8); }) == w.small);
  const Number tens = w.numbers.add({}, w.small, 10);   // 0 to 1,000 in words of 32: up to 31 of them have passed
  CHECK(w.minus(tens, values([&] { return b.unsigned_part(tens, 5); })).is_constant());
  CHECK(values([&] { return bits_and(b, constant(6), constant(3)); }) == constant(2));
  CHECK(values([&] { return bits_and(b, w.small, constant(127)); }) == w.small);
  CHECK(values([&] { return bits_xor(b, w.small, constant(127)); }) == w.numbers.add(constant(127), w.small, -1));
  CHECK(values([&] { return bits_xor(b, w.small, constant(63)); }) != w.numbers.add(constant(63), w.small, -1));
  CHECK(values([&] { return shift_right(b, w.small, constant(7)); }) == constant(0));
  CHECK(values([&] { return remainder(b, constant(17), constant(5)); }) == constant(2));
  CHECK(values([&] { return quotient(b, constant(17), constant(5)); }) == constant(3));
}

TEST_CASE("a quotient is compared by its operands") {
  World w;
  Branching b(w.numbers);
  const Number tenth = w.numbers.made(Made::quotient, w.small, constant(10), {0, 10});
  const auto leaves = b.explore([&]() -> std::uint32_t {
    const bool by_quotient = b.at_most(tenth, 3);          // small <= 39
    return by_quotient == b.at_most(w.small, 39);
  });
  REQUIRE(leaves);
  CHECK(leaves->size() == 2);
  for (const auto& leaf : *leaves) CHECK(leaf.result == 1);
}

TEST_CASE("what is known of a result on one way is not known on the others") {
  for (const auto how : {Made::bits_xor, Made::shifted, Made::quotient}) {
    World w;
    Branching b(w.numbers);
    const auto leaves = b.explore([&]() -> std::uint32_t {
      b.at_most(w.small, 3);                                 // the first way: small is 0 to 3
      const Number made = how == Made::bits_xor ? bits_xor(b, w.small, constant(5)) :
                          how == Made::shifted  ? shift_right(b, w.small, w.numbers.read("by", {0, 63})) :
                                                  quotient(b, w.small, w.numbers.read("by", {1, 9}));
      return b.at_most(made, 7);
    });
    REQUIRE(leaves);
    CHECK(std::any_of(leaves->begin(), leaves->end(), [](const auto& leaf) { return leaf.possible && leaf.result == 0; }));
    CHECK(leaves->front().result == 1);                      // and there it is
    CHECK(leaves->front().choices.size() == 1);
  }
}

TEST_CASE("a sign as a shifted word is a number of two") {
  World w;
  Branching b(w.numbers);
  const Number sum = w.numbers.add(w.x, quotient(b, w.small, constant(10)));
  const auto leaves = b.explore([&]() -> std::uint32_t { return shift_right(b, b.unsigned_part(sum, 64), constant(63)).is_constant(); });
  REQUIRE(leaves);
  for (const auto& leaf : *leaves) CHECK(leaf.result == 1);
}

TEST_CASE("inequalities that no numbers have are found, and only those") {
  World w;
  Numbers& n = w.numbers;
  const Number z = n.read("z", {kLeast, kMost});
  Facts cycle(n);                                           // x < y, y < z, z < x
  for (const auto& [a, b] : {std::pair(w.x, w.y), std::pair(w.y, z)}) REQUIRE(w.learn(cycle, w.minus(a, b), -1, true));
  CHECK(feasible(n, cycle));
  Facts closed = cycle;
  CHECK((!w.learn(closed, w.minus(z, w.x), -1, true) || !feasible(n, closed)));

  Facts sums(n);                                            // x + y + small > 2^63 - 1, x + y < 0
  REQUIRE(w.learn(sums, n.add(w.x, w.y), -1, true));
  Facts more = sums;
  REQUIRE(w.learn(more, n.add(n.add(w.x, w.y), w.small), 98, false));
  CHECK(feasible(n, more));                                 // -1 + 100
  CHECK((!w.learn(sums, n.add(n.add(w.x, w.y), w.small), 99, false) || !feasible(n, sums)));

  Facts whole(n);                                           // 0 < 1000 * small - x <= 4, 0 <= x <= 100
  REQUIRE(w.learn(whole, w.x, 100, true));
  REQUIRE(w.learn(whole, w.x, -1, false));
  const Number scaled = w.minus(n.times(constant(1000), w.small), w.x);
  REQUIRE(w.learn(whole, scaled, 4, true));
  CHECK(feasible(n, whole));
  CHECK((!w.learn(whole, scaled, 3, false) || !feasible(n, whole)));

  Facts bits(n);                                            // (small & ~4) is 1, but small is neither 1 nor 5
  const Number bit = n.made(Made::bits_and, w.small, constant(4), {0, 4}), rest = w.minus(w.small, bit);
  REQUIRE(w.learn(bits, rest, 1, true));
  REQUIRE(w.learn(bits, rest, 0, false));
  CHECK(feasible(n, bits));
  REQUIRE(w.learn(bits, w.small, 1, false));
  CHECK(feasible(n, bits));
  CHECK((!w.learn(bits, w.small, 4, true) || !feasible(n, bits)));

  Facts beside(n);                                          // the same, after bits of a number with a far wider range
  const Number wide = n.read("wide", {0, 65535}), low = n.made(Made::bits_and, wide, constant(4095), {0, 4095});
  REQUIRE(w.learn(beside, w.minus(n.read("any", {0, 65535}), low), -1, true));
  const Number late = n.read("late", {0, 99}), late_rest = w.minus(late, n.made(Made::bits_and, late, constant(4), {0, 4}));
  REQUIRE(w.learn(beside, late, 4, true));
  REQUIRE(w.learn(beside, late_rest, 1, true));
  REQUIRE(w.learn(beside, late_rest, 0, false));
  CHECK(feasible(n, beside));
  CHECK((!w.learn(beside, late, 1, false) || !feasible(n, beside)));

  Facts together(n);                                        // x - time / 1000 is 5 by what is known of 1000 * x - time, so 5 & 4 is 4
  const Number time = n.read("time", {0, 99999}), since = w.minus(w.x, n.made(Made::quotient, time, constant(1000), {0, 99}));
  const Number scaled_since = w.minus(n.times(constant(1000), w.x), time);
  const Number without_bit = w.minus(scaled_since, n.times(constant(1000), n.made(Made::bits_and, since, constant(4), {0, 4})));
  REQUIRE(w.learn(together, scaled_since, 5000, true));
  REQUIRE(w.learn(together, scaled_since, 4000, false));
  REQUIRE(w.learn(together, without_bit, 999, false));
  CHECK(feasible(n, together));
  CHECK((!w.learn(together, without_bit, 1000, false) || !feasible(n, together)));

  Facts words(n);                                           // other words, and no bit that differs
  const Number a = n.read("a", {0, 255}), c = n.read("c", {0, 255}), turned = n.made(Made::bits_xor, a, c, {0, 255});
  REQUIRE(w.learn(words, w.minus(a, c), 0, true));
  REQUIRE(w.learn(words, n.made(Made::shifted, turned, w.small, {0, 255}), 0, false));
  CHECK(feasible(n, words));
  CHECK((!w.learn(words, w.minus(a, c), -1, false) || !feasible(n, words)));

  Facts product(n);                                         // x - x * small > 5, x * small >= -2^63
  const Number both = n.times(w.x, w.small);
  REQUIRE(w.learn(product, w.minus(w.x, both), 5, false));
  CHECK(feasible(n, product));
  REQUIRE(w.learn(product, w.x, -1, false));                // then small is 0
  CHECK(feasible(n, product));
  CHECK((!w.learn(product, w.x, 5, true) || !feasible(n, product)));
}
