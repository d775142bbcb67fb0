// Facts -> linear inequalities over products of inputs. The one decision: what leaves 128 bits, or would be too much, is
// left out, which makes more possible and nothing impossible.
#include "backends/check/feasible.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>

namespace kerf::proof {

namespace {

constexpr std::size_t kMaxInequalities = 600;
constexpr int kMaxSplits = 24, kMaxRounds = 3;

using Terms = std::vector<std::pair<Product, Wide>>;   // as in Number
using Inequalities = std::map<Terms, Wide>;             // terms <= bound, the least that is known

Wide gcd(Wide a, Wide b) {
  while (b != 0) std::swap(a %= b, b);
  return a < 0 ? -a : a;
}

class System {
 public:
  System(const Numbers& numbers, const Facts& facts) : numbers_(numbers), facts_(facts) {
    for (const auto& [form, bounds] : facts.known()) within(form, bounds);
    for (const auto& [form, factors] : numbers.products()) {
      const bool asked = std::all_of(form.terms.begin(), form.terms.end(), [&](const auto& term) { return seen_.contains(term.first); });
      if (asked) within(form, facts.of(form));
    }
  }

  bool possible() {
    while (possible_ && !all_.empty()) {
      const std::optional<Product> next = cheapest();
      if (!next) return true;
      eliminate(*next);
    }
    return possible_;
  }

  // What all of it says about a number: everything else is eliminated. Afterwards nothing is left to ask.
  Bounds range_of(const Number& n) {
    const Product own{std::numeric_limits<Input>::max()};
    within(own_.add(n, {{{own, 1}}, 0}, -1), {0, 0});
    while (const std::optional<Product> next = cheapest(&own)) eliminate(*next);
    Bounds range;
    for (const auto& [terms, bound] : all_) {
      if (terms.size() != 1 || terms[0].first != own) continue;
      if (terms[0].second > 0) range.most = std::min(range.most, bound);
      else range.least = std::max(range.least, -bound);
    }
    return possible_ ? range : Bounds{1, 0};
  }

 private:
  void within(const Number& n, const Bounds& bounds) {
    if (bounds.most < kHuge) at_most(n, bounds.most);
    if (bounds.least > -kHuge) at_most(own_.add({}, n, -1), -bounds.least);
  }

  void at_most(const Number& n, Wide bound) {
    for (const auto& [product, factor] : n.terms) {
      if (product.front() != std::numeric_limits<Input>::max()) see(product);
    }
    add(n.terms, bound - n.constant);
  }

  void add(Terms terms, Wide bound) {
    if (terms.empty()) return void(possible_ = possible_ && bound >= 0);
    Wide divisor = 0;
    for (const auto& [product, factor] : terms) divisor = gcd(divisor, factor);
    for (auto& [product, factor] : terms) factor /= divisor;
    auto [known, fresh] = all_.try_emplace(std::move(terms), floor_div(bound, divisor));
    if (!fresh) known->second = std::min(known->second, floor_div(bound, divisor));
  }

  // What is known of a product, and of what it was made from.
  void see(const Product& product) {
    if (!seen_.insert(product).second) return;
    const Number n{{{product, 1}}, 0};
    within(n, facts_.of(n));
    if (product.size() != 1) return;
    const Numbers::Source& source = numbers_.source(product.front());
    if (source.how == Made::bits_xor) {   // of equal words 0, and 0 of them alone
      const Number difference = own_.add(source.a, source.b, -1);
      if (facts_.of(difference) == Bounds{0, 0}) within(n, {0, 0});
      if (facts_.of(n).most == 0) within(difference, {0, 0});
    }
    if (source.how == Made::shifted && facts_.of(source.a).least >= 0) within(own_.add(source.a, n, -1), {0, kHuge});
    if (source.how == Made::read || !source.b.is_constant()) return;
    const Wide b = source.b.constant;
    const Bounds a = facts_.of(source.a);
    if (source.how == Made::quotient && b > 0) {
      const Number rest = own_.add(source.a, n, -b);
      within(rest, {0, b - 1});
    } else if (a.least >= 0 && (source.how == Made::remainder || source.how == Made::bits_and)) {
      within(own_.add(source.a, n, -1), {0, kHuge});
    }
    if (source.how == Made::bits_and && (b & (b + 1)) == 0 && a.least > -kHuge && a.most < kHuge && floor_div(a.least, b + 1) == floor_div(a.most, b + 1)) {
      const Wide turns = floor_div(a.least, b + 1) * (b + 1);
      within(own_.add(source.a, n, -1), {turns, turns});
    }
    if (source.how == Made::bits_and && a.least >= 0 && a.most < kWord) {   // a - (a & mask) = a & ~mask
      Wide reach = 1;
      while (reach <= a.most) reach *= 2;
      within(own_.add(source.a, n, -1), {0, (reach - 1) & ~b});
    }
  }

  // The product whose elimination makes fewest inequalities, but for one that stays.
  std::optional<Product> cheapest(const Product* stays = nullptr) const {
    std::map<Product, std::pair<std::size_t, std::size_t>> uses;   // with positive and negative factors
    for (const auto& [terms, bound] : all_) {
      for (const auto& [product, factor] : terms) ++(factor > 0 ? uses[product].first : uses[product].second);
    }
    std::optional<Product> best;
    std::size_t least = kMaxInequalities;
    for (const auto& [product, count] : uses) {
      if (count.first * count.second >= least || (stays && product == *stays)) continue;
      least = count.first * count.second;
      best = product;
    }
    return best;
  }

  void eliminate(const Product& product) {
    std::vector<std::pair<Terms, Wide>> up, down;
    auto factor_of = [&](const Terms& terms) {
      auto found = std::lower_bound(terms.begin(), terms.end(), product, [](const auto& term, const Product& p) { return term.first < p; });
      return found != terms.end() && found->first == product ? found->second : Wide{0};
    };
    for (auto it = all_.begin(); it != all_.end();) {
      const Wide factor = factor_of(it->first);
      if (factor != 0) (factor > 0 ? up : down).push_back(*it);
      it = factor != 0 ? all_.erase(it) : std::next(it);
    }
    for (const auto& [above, most] : up) {
      for (const auto& [below, least] : down) {
        Numbers own;
        const Wide x = factor_of(above), y = -factor_of(below), divisor = gcd(x, y);
        const Number both = own.add(own.add({}, {above, -most}, y / divisor), {below, -least}, x / divisor);   // <= 0
        if (!own.lost()) add(both.terms, -both.constant);
      }
    }
  }

  const Numbers& numbers_;
  const Facts& facts_;
  Numbers own_;                      // only adds
  std::set<Product> seen_;
  Inequalities all_;
  bool possible_ = true;
};

bool learn(Facts& facts, const Number& n, const Bounds& bounds) {
  const auto [above, not_above] = normal(n, bounds.most);
  const auto [below, not_below] = normal(n, bounds.least - 1);
  return (bounds.most >= kHuge || facts.learn(above, !not_above)) && (bounds.least <= -kHuge || facts.learn(below, not_below));
}

// Visits the numbers of which some bits, always the same, are asked.
template <class Visit>
void each_masked(const Numbers& numbers, const Facts& facts, const Visit& visit) {
  const auto known = facts.known();
  for (const auto& [form, bounds] : known) {
    for (const auto& [product, factor] : form.terms) {
      const Numbers::Source& source = numbers.source(product.front());
      if (product.size() == 1 && source.how == Made::bits_and && source.b.is_constant() && !source.a.is_constant()) visit(source.a, source.b.constant);
    }
  }
}

// Bits of a sum are known where its range is narrow, and that range can be what several facts say together.
bool learn_masked(const Numbers& numbers, Facts& facts) {
  bool possible = true;
  each_masked(numbers, facts, [&](const Number& n, Wide) {
    possible = possible && learn(facts, n, System(numbers, facts).range_of(n));
  });
  return possible;
}

// Where to divide the range of a number of which bits are asked: below and from there on they are known better.
std::optional<Question> split_of(const Number& n, const Bounds& range, Wide mask) {
  const Wide span = mask + 1;
  if ((span & (span - 1)) == 0 && floor_div(range.least, span) < floor_div(range.most, span)) {
    return normal(n, floor_div(range.most, span) * span - 1).first;
  }
  if (range.least < 0 || range.most >= kWord || range.least >= range.most) return std::nullopt;
  Wide unit = 1;
  while (range.least / (2 * unit) != range.most / (2 * unit)) unit *= 2;   // of the highest bit that is not known
  if (mask % (2 * unit) == 0) return std::nullopt;                        // none that is asked
  return normal(n, range.most / unit * unit - 1).first;
}

// Narrow ranges first: they take fewest splits until nothing is open.
std::optional<Question> split_of(const Numbers& numbers, const Facts& facts) {
  std::optional<Question> best;
  Wide narrowest = kHuge;
  each_masked(numbers, facts, [&](const Number& n, Wide mask) {
    const Bounds range = facts.of(n);
    if (range.least <= -kHuge || range.most >= kHuge || range.most - range.least >= narrowest) return;
    const auto split = split_of(n, range, mask);
    if (!split) return;
    best = split;
    narrowest = range.most - range.least;
  });
  return best;
}

std::set<Input> multiplied(const Facts& facts) {
  std::set<Input> found;
  for (const auto& [form, bounds] : facts.known()) {
    for (const auto& [product, factor] : form.terms) {
      if (product.size() > 1) found.insert(product.begin(), product.end());
    }
  }
  return found;
}

// Where numbers are multiplied, signs matter.
std::optional<Question> sign_of(const Facts& facts, const std::set<Input>& inputs) {
  for (Input input : inputs) {
    const Number n{{{{input}, 1}}, 0};
    const Bounds bounds = facts.of(n);
    if (bounds.least < 0 && bounds.most > 0) return Question{n, -1};
  }
  return std::nullopt;
}

bool within(Facts& facts, const Number& form, const Bounds& bounds) {
  return (bounds.most >= kHuge || facts.learn({form, bounds.most}, true)) && (bounds.least <= -kHuge || facts.learn({form, bounds.least - 1}, false));
}

// Each term of a form is what the others leave of its bounds, and a product is as its factors are.
bool tightened(Facts& facts, const std::set<Input>& factors) {
  for (int round = 0; round < kMaxRounds; ++round) {
    for (Input input : factors) {
      const Number n{{{{input}, 1}}, 0};
      if (!within(facts, n, facts.of(n))) return false;
    }
    const auto known = facts.known();
    for (const auto& [form, bounds] : known) {
      for (const auto& [product, factor] : form.terms) {
        if (form.terms.size() == 1) continue;
        Numbers free;
        const Bounds others = facts.of(free.add({}, free.add(form, {{{product, factor}}, 0}, -1), -1));
        if (!within(facts, {{{product, 1}}, 0}, divided(sum(bounds, others), factor))) return false;
      }
    }
  }
  return true;
}

bool possible(const Numbers& numbers, Facts facts, int& splits) {
  const std::set<Input> inputs = multiplied(facts);
  if (!tightened(facts, inputs) || !System(numbers, facts).possible() || !learn_masked(numbers, facts)) return false;
  auto split = split_of(numbers, facts);
  if (!split) split = sign_of(facts, inputs);
  if (!split || --splits < 0) return true;
  for (bool answer : {true, false}) {
    Facts more = facts;
    if (more.learn(*split, answer) && possible(numbers, more, splits)) return true;
  }
  return false;
}

}  // namespace

bool feasible(const Numbers& numbers, const Facts& facts) {
  int splits = kMaxSplits;
  return possible(numbers, facts, splits);
}

}  // namespace kerf::proof
