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

Bounds divided(const Bounds& b, Wide by) {
  if (by < 0) return divided({b.most >= kHuge ? -kHuge : -b.most, b.least <= -kHuge ? kHuge : -b.least}, -by);
  return {b.least <= -kHuge ? -kHuge : -floor_div(-b.least, by), b.most >= kHuge ? kHuge : floor_div(b.most, by)};
}

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
  if (!a.is_constant() && !b.is_constant() && !made.is_constant() && !lost_) {
    const auto [form, by] = form_of(made);
    std::vector<Factors>& known = products_[form];
    const Factors one{a, b, by, made.constant};
    if (std::find(known.begin(), known.end(), one) == known.end()) known.push_back(one);
  }
  return made;
}

std::span<const Numbers::Factors> Numbers::factors(const Number& form) const {
  auto known = products_.find(form);
  return known == products_.end() ? std::span<const Factors>{} : known->second;
}

std::pair<Number, Wide> form_of(const Number& n) {
  Wide divisor = 0;
  for (const auto& [inputs, factor] : n.terms) divisor = gcd(divisor, factor);
  if (n.terms.front().second < 0) divisor = -divisor;
  Number form{n.terms, 0};
  for (auto& [inputs, factor] : form.terms) factor /= divisor;
  return {std::move(form), divisor};
}

std::pair<Question, bool> normal(const Number& n, Wide bound) {
  auto [form, times] = form_of(n);
  const Wide rest = bound - n.constant;
  // -divisor * form <= rest  is  form >= ceil(-rest / divisor)
  return {{std::move(form), times < 0 ? -floor_div(rest, -times) - 1 : floor_div(rest, times)}, times < 0};
}

}  // namespace kerf::proof
