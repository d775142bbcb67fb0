// What instructions and conditions compute: whole numbers as polynomials over what was read, exact and not modulo 2^64.
// Operators that give no polynomial (quotients, shifts, bits) make an input of their own from their operands.
#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace kerf::proof {

__extension__ typedef __int128 Wide;
inline constexpr Wide kWord = Wide{1} << 64, kHuge = Wide{1} << 120;   // at kHuge and beyond: any number

using Input = std::uint32_t;
using Product = std::vector<Input>;   // ascending; with repetitions

struct Number {
  std::vector<std::pair<Product, Wide>> terms;   // ascending, no factor is 0
  Wide constant = 0;
  bool is_constant() const { return terms.empty(); }
  friend auto operator<=>(const Number&, const Number&) = default;
};

struct Bounds {
  Wide least = -kHuge, most = kHuge;
  bool empty() const { return least > most; }
  friend bool operator==(const Bounds&, const Bounds&) = default;
};
Bounds common(const Bounds& a, const Bounds& b);
Bounds sum(const Bounds& a, const Bounds& b);
Bounds product(const Bounds& a, const Bounds& b);
Wide floor_div(Wide a, Wide b);   // b > 0
Bounds divided(const Bounds& b, Wide by);   // the whole numbers whose multiples lie in there

enum class Made : std::uint8_t { read, quotient, remainder, shifted, bits_and, bits_or, bits_xor };
// quotient, remainder: of numbers >= 0, rounded down. bits_and with the lowest bits: of any number, modulo a power of two.

class Numbers {
 public:
  Number read(const std::string& name, Bounds bounds);                       // the same for the same name
  Number made(Made how, Number a, Number b, Bounds bounds);                  // the same for the same operands
  Number add(const Number& a, const Number& b, Wide factor = 1);             // a + factor * b
  Number times(const Number& a, const Number& b);

  struct Source {
    Made how;
    Number a, b;
    Bounds bounds;
    std::string name;
  };
  const Source& source(Input input) const { return sources_[input]; }
  // What a form was multiplied from: form * times + rest = a * b.
  struct Factors {
    Number a, b;
    Wide times, rest;
    friend bool operator==(const Factors&, const Factors&) = default;
  };
  std::span<const Factors> factors(const Number& form) const;
  const std::map<Number, std::vector<Factors>>& products() const { return products_; }
  // A factor left 128 bits: all numbers since begin() are meaningless.
  bool lost() const { return lost_; }
  void begin() { lost_ = false; }

 private:
  Number input(Source source);
  Wide checked(Wide a, Wide b, bool multiply);

  std::vector<Source> sources_;
  std::map<std::string, Input> by_name_;
  std::map<std::tuple<Made, Number, Number>, Input> by_operands_;
  std::map<Number, std::vector<Factors>> products_;     // by form
  bool lost_ = false;
};

// `form <= bound`, where the form's constant is 0, its first factor positive, and its factors have no common divisor.
struct Question {
  Number form;
  Wide bound = 0;
  friend auto operator<=>(const Question&, const Question&) = default;
};
// n = form * times + n's constant, with a form as in a question. n is no constant.
std::pair<Number, Wide> form_of(const Number& n);
// n <= bound as a question or, with true, as the opposite of one. n is no constant.
std::pair<Question, bool> normal(const Number& n, Wide bound);

}  // namespace kerf::proof
