#include "backends/check/numbers.h"

#include <algorithm>
#include <numeric>

namespace kerf::proof {

namespace {

Wide clamp(Wide a) { return std::clamp(a, -kHuge, kHuge); }

Wide times_clamped(Wide a, Wide b) {
  Wide made;
  if (__builtin_mul_overflow(a, b, &made)) return (a < 0) == (b < 0) ? kHuge : -kHuge;
  return clamp(made);
}

Wide gcd(Wide a, Wide b) {
  while (b != 0) std::swap(a %= b, b);
  return a < 0 ? -a : a;
}

}  // namespace

Bounds common(const Bounds& a, const Bounds& b) { return {std::max(a.least, b.least), std::min(a.most, b.most)}; }

Bounds sum(const Bounds& a, const Bounds& b) {
  const bool below = a.least <= -kHuge || b.least <= -kHuge, above = a.most >= kHuge || b.most >= kHuge;
  return {below ? -kHuge : clamp(a.least + b.least), above ? kHuge : clamp(a.most + b.most)};
}

Bounds product(const Bounds& a, const Bounds& b) {
  if (a.empty() || b.empty()) return {1, 0};
  const Wide ends[] = {times_clamped(a.least, b.least), times_clamped(a.least, b.most), times_clamped(a.most, b.least), times_clamped(a.most, b.most)};
  return {*std::min_element(std::begin(ends), std::end(ends)), *std::max_element(std::begin(ends), std::end(ends))};
}

Wide floor_div(Wide a, Wide b) { return a / b - (a % b != 0 && a < 0); }

Number Numbers::input(Source source) {
  sources_.push_back(std::move(source));
  return {{{{static_cast<Input>(sources_.size() - 1)}, 1}}, 0};
}

Number Numbers::read(const std::string& name, Bounds bounds) {
  if (auto known = by_name_.find(name); known != by_name_.end()) return {{{{known->second}, 1}}, 0};
  by_name_.emplace(name, static_cast<Input>(sources_.size()));
  return input({Made::read, {}, {}, bounds, name});
}

Number Numbers::made(Made how, Number a, Number b, Bounds bounds) {
  auto [known, fresh] = by_operands_.try_emplace({how, a, b}, static_cast<Input>(sources_.size()));
  if (!fresh) return {{{{known->second}, 1}}, 0};
  return input({how, std::move(a), std::move(b), bounds, {}});
}

Wide Numbers::checked(Wide a, Wide b, bool multiply) {
  Wide made;
  const bool over = multiply ? __builtin_mul_overflow(a, b, &made) : __builtin_add_overflow(a, b, &made);
  if (over || made <= -kHuge || made >= kHuge) return lost_ = true, 0;
  return made;
}

Number Numbers::add(const Number& a, const Number& b, Wide factor) {
  Number made;
  made.constant = checked(a.constant, checked(b.constant, factor, true), false);
  auto x = a.terms.begin(), y = b.terms.begin();
  while (x != a.terms.end() || y != b.terms.end()) {
    if (y == b.terms.end() || (x != a.terms.end() && x->first < y->first)) {
      made.terms.push_back(*x++);
    } else {
      Wide own = checked(y->second, factor, true);
      if (x != a.terms.end() && x->first == y->first) own = checked(own, (x++)->second, false);
      if (own != 0) made.terms.emplace_back(y->first, own);
      ++y;
    }
  }
  return made;
}

Number Numbers::times(const Number& a, const Number& b) {
  Number made = add({{}, 0}, b, a.constant);
  for (const auto& [inputs, factor] : a.terms) {
    Number row;
    if (const Wide own = checked(factor, b.constant, true); own != 0) row.terms.emplace_back(inputs, own);
    Number all = row;
    for (const auto& [others, other] : b.terms) {
      Product both = inputs;
      both.insert(both.end(), others.begin(), others.end());
      std::sort(both.begin(), both.end());
      all = add(all, {{{std::move(both), checked(factor, other, true)}}, 0});
    }
    made = add(made, all);
  }
  return made;
}

std::pair<Question, bool> normal(const Number& n, Wide bound) {
  Wide divisor = 0;
  for (const auto& [inputs, factor] : n.terms) divisor = gcd(divisor, factor);
  const bool opposite = n.terms.front().second < 0;
  Question question{{n.terms, 0}, 0};
  for (auto& [inputs, factor] : question.form.terms) factor /= opposite ? -divisor : divisor;
  const Wide rest = bound - n.constant;
  // -divisor * form <= rest  is  form >= ceil(-rest / divisor)
  question.bound = opposite ? -floor_div(rest, divisor) - 1 : floor_div(rest, divisor);
  return {std::move(question), opposite};
}

}  // namespace kerf::proof
