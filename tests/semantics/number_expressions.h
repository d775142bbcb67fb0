// Random conditions over numbers: deep `if`s, arithmetic and comparisons, of what hooks observe, what is known of the binding,
// facts and literals, as far as a hook can compute them.
#pragma once
#include <fmt/core.h>

#include <random>
#include <string>
#include <vector>

namespace kerf::test {

class NumberExpressions {
 public:
  // Texts of numbers and conditions: what expressions are made of.
  NumberExpressions(std::mt19937_64& random, const std::vector<std::string>& numbers, const std::vector<std::string>& conditions)
      : random_(random), numbers_(numbers), conditions_(conditions) {}

  std::string condition(int depth) {
    if (depth <= 0) return "(" + one_of(conditions_) + ")";
    switch (pick(9)) {
      case 0: return fmt::format("({} && {})", condition(depth - 1), condition(depth - 1));
      case 1: return fmt::format("({} || {})", condition(depth - 1), condition(depth - 1));
      case 2: return fmt::format("!{}", condition(depth - 1));
      case 3: return fmt::format("(if {} then {} else {})", condition(depth - 1), condition(depth - 1), condition(depth - 1));
      case 4: return fmt::format("[{}, {}].contains({})", literal(), literal(), number(depth - 1));
      default: return comparison(depth);
    }
  }
  std::string comparison(int depth) {
    static const std::vector<std::string> operators = {"<", "<=", ">", ">=", "==", "!="};
    return fmt::format("({} {} {})", number(depth - 1), one_of(operators), number(depth - 1));
  }

 private:
  std::string number(int depth) {
    if (depth <= 0 || pick(5) == 0) return pick(4) ? one_of(numbers_) : literal();
    switch (pick(7)) {
      case 0: return fmt::format("({} + {})", number(depth - 1), number(depth - 1));
      case 1: return fmt::format("({} - {})", number(depth - 1), number(depth - 1));
      case 2: return fmt::format("({} * {})", number(depth - 1), pick(3) ? literal() : number(depth - 1));
      case 3: return fmt::format("-({})", number(depth - 1));
      default: return fmt::format("(if {} then {} else {})", condition(depth - 1), number(depth - 1), number(depth - 1));
    }
  }
  std::string literal() {
    static const std::vector<std::string> some = {"0", "1", "2", "3", "5", "80", "443", "1000", "1000000007", "4294967295", "-1", "-3",
                                                  "9223372036854775807", "-9223372036854775808"};
    return pick(8) ? some[pick(12)] : one_of(some);
  }
  std::size_t pick(std::size_t n) { return static_cast<std::size_t>(random_() % n); }
  const std::string& one_of(const std::vector<std::string>& list) { return list[pick(list.size())]; }

  std::mt19937_64& random_;
  const std::vector<std::string>&numbers_, &conditions_;
};

}  // namespace kerf::test
