// A calculation over numbers that are not known, walked once for each way that its comparisons can go. A walk is plain
// code that asks; answers that follow from earlier ones are not chosen again.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "backends/check/diagram.h"
#include "backends/check/numbers.h"

namespace kerf::proof {

// What is known of forms: bounds, and what follows by adding up.
class Facts {
 public:
  explicit Facts(const Numbers& numbers) : numbers_(&numbers) {}
  Bounds of(const Number& n) const { return of(n, true); }
  // The answer, if it follows.
  std::optional<bool> answer(const Question& question) const;
  bool learn(const Question& question, bool answer);   // false: that cannot be
  const std::map<Number, Bounds>& known() const { return known_; }

 private:
  Bounds own(const Number& form) const;
  Bounds of(const Number& n, bool deep) const;
  Bounds parabola(const Number& n) const;
  Bounds by_parts(const Number& n) const;
  Bounds input_bounds(Input input) const;
  Bounds by_quotient(const Number& n) const;
  Bounds by_factors(const Number& form, std::span<const Numbers::Factors> factors) const;
  Bounds alone(const Number& n, bool deep) const;
  Bounds product_bounds(const Product& inputs, bool deep) const;

  const Numbers* numbers_;
  std::map<Number, Bounds> known_;                      // by form
};

class Branching {
 public:
  explicit Branching(Numbers& numbers) : numbers(numbers), facts_(numbers) {}

  // All walks, with what each came to. Nothing: a walk gave up, or there are too many.
  struct Leaf {
    std::vector<std::pair<Question, bool>> choices;
    std::uint32_t result;
    bool possible;
  };
  using Leaves = std::vector<Leaf>;
  std::optional<Leaves> explore(const std::function<std::uint32_t()>& walk);
  // `variable`: the diagram of a question; `result`: of what a walk came to.
  static Diagram build(Diagrams& diagrams, const Leaves& leaves, const std::function<Diagram(const Question&)>& variable,
                       const std::function<Diagram(std::uint32_t)>& result);

  // For walks.
  bool at_most(const Number& n, Wide bound);
  bool equal(const Number& a, const Number& b);
  Bounds bounds(const Number& n) const { return facts_.of(n); }
  void give_up() { lost_ = true; }
  bool lost() const { return lost_ || numbers.lost(); }
  bool has_chosen() const { return at_ != 0; }
  // The number of this width that n is modulo 2^bits.
  Number unsigned_part(const Number& n, unsigned bits);
  Number signed_part(const Number& n, unsigned bits);
  // A constant, if n can have few values.
  std::optional<Wide> one_of_few(const Number& n, Wide most);

  Numbers& numbers;

 private:
  struct Choice {
    Question question;
    bool answer, open;
  };
  bool choose(const Question& question);
  bool next();
  Number part(const Number& n, unsigned bits, Wide from);

  Facts facts_;
  std::vector<Choice> choices_;
  std::size_t at_ = 0;
  bool lost_ = false, possible_ = true;
};

}  // namespace kerf::proof
