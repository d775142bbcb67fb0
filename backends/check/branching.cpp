#include "backends/check/branching.h"

#include <algorithm>
#include <utility>

namespace kerf::proof {

namespace {

constexpr std::size_t kMaxLeaves = 1u << 14, kMaxChoices = 4096;
constexpr Wide kMaxWraps = 64;   // a product with up to 128 leaves its word that often

// No square is negative.
Bounds power(const Bounds& b, std::ptrdiff_t exponent) {
  if (exponent == 1) return b;
  Bounds square = product(b, b);
  if (b.least < 0 && b.most >= 0) square.least = 0;
  Bounds all = exponent % 2 == 0 ? Bounds{1, 1} : b;
  for (; exponent > 1; exponent -= 2) all = product(all, square);
  return all;
}

}  // namespace

// ---- facts ----
namespace {

// By which a term of n is one of the form's.
std::vector<Wide> multiples(const Number& n, const Number& form) {
  std::vector<Wide> found;
  for (auto own = n.terms.begin(), other = form.terms.begin(); own != n.terms.end() && other != form.terms.end();) {
    if (own->first == other->first && own->second % other->second == 0) found.push_back(own->second / other->second);
    if (own->first < other->first) ++own;
    else ++other;
  }
  return found;
}

}  // namespace

Bounds Facts::own(const Number& form) const {
  auto known = known_.find(form);
  return known == known_.end() ? Bounds{} : known->second;
}

// By its parts, which were made before it, and by its own form.
Bounds Facts::by_parts(const Number& n) const {
  if (n.is_constant()) return {n.constant, n.constant};
  const auto [form, times] = form_of(n);
  return common(alone(n, false), sum(product(own(form), {times, times}), {n.constant, n.constant}));
}

// A result is as large as its operands let it be, and bits that the least and the largest number share are known.
Bounds Facts::input_bounds(Input input) const {
  const Numbers::Source& source = numbers_->source(input);
  const Bounds all = common(source.bounds, own({{{{input}, 1}}, 0}));
  if (source.how == Made::read || source.how == Made::remainder) return all;
  const Bounds a = by_parts(source.a), b = by_parts(source.b);
  if (a.empty() || a.most >= kHuge) return all;
  if (source.how == Made::quotient && b.least == b.most) return common(all, {floor_div(std::max<Wide>(a.least, 0), b.least), floor_div(a.most, b.least)});
  if (source.how == Made::quotient || source.how == Made::shifted) return common(all, {0, a.most});
  if (a.least < 0 || a.most >= kWord) return all;
  if (source.how == Made::bits_and && source.b.is_constant()) {
    Wide unit = 1;
    while (a.least / unit != a.most / unit) unit *= 2;
    const Wide shared = a.least / unit * unit & b.least;
    return common(all, {shared, shared | ((unit - 1) & b.least)});
  }
  if (b.empty() || b.least < 0 || b.most >= kWord) return all;
  if (source.how == Made::bits_and) return common(all, {0, std::min(a.most, b.most)});
  Wide ones = 1;
  while (ones <= std::max(a.most, b.most)) ones *= 2;
  return common(all, {0, ones - 1});
}

// `deep`: what is known of a product's parts may follow from other forms.
Bounds Facts::product_bounds(const Product& inputs, bool deep) const {
  Bounds all{1, 1};
  for (auto input = inputs.begin(); input != inputs.end();) {
    const Number part{{{{*input}, 1}}, 0};
    const Bounds once = deep && inputs.size() > 1 ? of(part, false) : input_bounds(*input);
    const auto end = std::find_if(input, inputs.end(), [&](Input other) { return other != *input; });
    all = product(all, power(once, end - input));
    input = end;
  }
  return inputs.size() == 1 ? all : common(all, own({{{inputs, 1}}, 0}));
}

Bounds Facts::alone(const Number& n, bool deep) const {
  Bounds all{n.constant, n.constant};
  for (const auto& [inputs, factor] : n.terms) all = sum(all, product({factor, factor}, product_bounds(inputs, deep)));
  return deep && n.terms.size() == 2 ? common(all, parabola(n)) : all;
}

// Of a * x + b * x * x + c: at the ends of what x can be, and around its vertex.
Bounds Facts::parabola(const Number& n) const {
  const auto& [line, a] = n.terms[0];
  const auto& [square, b] = n.terms[1];
  if (line.size() != 1 || square != Product{line[0], line[0]}) return {};
  const Bounds x = product_bounds(line, false);
  if (x.empty() || x.least <= -kHuge || x.most >= kHuge) return {};
  const Wide vertex = floor_div(b < 0 ? a : -a, 2 * (b < 0 ? -b : b));
  Bounds all{kHuge, -kHuge};
  for (Wide at : {x.least, x.most, vertex, vertex + 1}) {
    at = std::clamp(at, x.least, x.most);
    const Bounds inner = sum(product({b, b}, {at, at}), {a, a}), value = sum(product(inner, {at, at}), {n.constant, n.constant});
    all = {std::min(all.least, value.least), std::max(all.most, value.most)};
  }
  return all;
}

// What a product is follows from its factors.
Bounds Facts::by_factors(const Number& form, std::span<const Numbers::Factors> factors) const {
  Bounds all = own(form);
  for (const Numbers::Factors& made : factors) {
    Bounds both = product(of(made.a, false), of(made.b, false));   // form * made.times + made.rest
    if (made.a == made.b) both.least = std::max<Wide>(both.least, 0);
    if (Numbers free; free.add(made.a, made.b) == Number{}) both.most = std::min<Wide>(both.most, 0);
    const Wide least = both.least <= -kHuge ? -kHuge : both.least - made.rest, most = both.most >= kHuge ? kHuge : both.most - made.rest;
    all = common(all, divided({least, most}, made.times));
  }
  return all;
}

// With a quotient s / d and whole r: s / d + r is (s + d * r) / d, and of that dividend more may be known. Likewise r - s / d.
Bounds Facts::by_quotient(const Number& n) const {
  Bounds all;
  for (const auto& [inputs, factor] : n.terms) {
    if (inputs.size() != 1 || (factor != 1 && factor != -1)) continue;
    const Numbers::Source& source = numbers_->source(inputs.front());
    if (source.how != Made::quotient || !source.b.is_constant()) continue;
    Numbers free;
    const Number rest = free.add(n, {{{inputs, factor}}, 0}, -1);
    const Number dividend = free.add(source.a, free.times({{}, factor * source.b.constant}, rest));
    if (free.lost()) continue;
    const Bounds known = by_parts(dividend), whole = {known.least <= -kHuge ? -kHuge : floor_div(known.least, source.b.constant),
                                                      known.most >= kHuge ? kHuge : floor_div(known.most, source.b.constant)};
    all = common(all, product(whole, {factor, factor}));
  }
  return all;
}

// n is a multiple of another form and a rest.
Bounds Facts::of(const Number& n, bool deep) const {
  Bounds all = alone(n, deep);
  if (n.terms.empty()) return all;
  all = common(all, by_quotient(n));
  auto take = [&](const Number& form, const auto& bounds) {
    std::optional<Wide> last;
    for (const Wide times : multiples(n, form)) {
      if (std::exchange(last, times) == times) continue;
      Numbers free;
      const Number rest = free.add(n, form, -times);
      if (!free.lost() && rest.terms.size() <= 2) all = common(all, sum(product(bounds(), {times, times}), alone(rest, false)));
    }
  };
  for (const auto& [form, bounds] : known_) take(form, [&] { return bounds; });
  if (!deep) return all;
  for (const auto& [form, factors] : numbers_->products()) take(form, [&] { return by_factors(form, factors); });
  return all;
}

std::optional<bool> Facts::answer(const Question& question) const {
  const Bounds bounds = of(question.form);
  if (bounds.most <= question.bound) return true;
  if (bounds.least > question.bound) return false;
  return std::nullopt;
}

bool Facts::learn(const Question& question, bool answer) {
  Bounds& bounds = known_[question.form];
  bounds = common(bounds, answer ? Bounds{-kHuge, question.bound} : Bounds{question.bound + 1, kHuge});
  return std::none_of(known_.begin(), known_.end(), [&](const auto& known) { return of(known.first).empty(); });
}

// ---- walks ----
std::optional<Branching::Leaves> Branching::explore(const std::function<std::uint32_t()>& walk) {
  Leaves leaves;
  choices_.clear();
  lost_ = false;
  numbers.begin();
  do {
    facts_ = Facts(numbers);
    at_ = 0;
    possible_ = true;
    const std::uint32_t result = walk();
    if (lost() || leaves.size() >= kMaxLeaves) return std::nullopt;
    Leaf& leaf = leaves.emplace_back();
    for (const Choice& choice : choices_) leaf.choices.emplace_back(choice.question, choice.answer);
    leaf.result = result;
    leaf.possible = possible_;
  } while (next());
  return leaves;
}

bool Branching::next() {
  while (!choices_.empty() && !choices_.back().open) choices_.pop_back();
  if (choices_.empty()) return false;
  choices_.back().answer = choices_.back().open = false;
  return true;
}

namespace {

struct Builder {
  Diagrams& diagrams;
  const std::function<Diagram(const Question&)>& variable;
  const std::function<Diagram(std::uint32_t)>& result;

  // Leaves come in the order of their choices, true before false. Nothing: no leaf is possible.
  std::optional<Diagram> build(const Branching::Leaf* begin, const Branching::Leaf* end, std::size_t depth) {
    if (begin == end) return std::nullopt;
    if (depth == begin->choices.size()) return begin->possible ? std::optional(result(begin->result)) : std::nullopt;
    const Branching::Leaf* middle = std::partition_point(begin, end, [&](const Branching::Leaf& leaf) { return leaf.choices[depth].second; });
    const Diagram asked = variable(begin->choices[depth].first);
    const auto yes = build(begin, middle, depth + 1), no = build(middle, end, depth + 1);
    if (!yes || !no) return yes ? yes : no;
    return diagrams.select(asked, *no, *yes, Diagrams::kError);
  }
};

}  // namespace

Diagram Branching::build(Diagrams& diagrams, const Leaves& leaves, const std::function<Diagram(const Question&)>& variable,
                         const std::function<Diagram(std::uint32_t)>& result) {
  return Builder{diagrams, variable, result}.build(leaves.data(), leaves.data() + leaves.size(), 0).value_or(Diagrams::kFalse);
}

bool Branching::choose(const Question& question) {
  if (auto known = facts_.answer(question)) return *known;
  if (at_ == choices_.size()) {
    if (choices_.size() >= kMaxChoices) return give_up(), false;
    choices_.push_back({question, true, true});
  }
  const bool answer = choices_[at_++].answer;
  possible_ = facts_.learn(question, answer) && possible_;
  return answer;
}

// A quotient is compared by its operands: N / d <= m iff N < (m + 1) * d, for d > 0 and whole m.
bool Branching::at_most(const Number& n, Wide bound) {
  if (n.terms.empty()) return n.constant <= bound;
  if (lost()) return false;
  const Bounds range = bounds(n);   // a bound that is far away, times a divisor, can leave 128 bits
  if (range.most <= bound || range.least > bound) return range.most <= bound;
  const auto [question, opposite] = normal(n, bound);
  const bool had_divisor = question.form.terms.front().second != (opposite ? -1 : 1) * n.terms.front().second;
  if (had_divisor) return at_most(question.form, question.bound) != opposite;
  for (bool by_constant : {false, true}) {   // what was divided by no constant was made to be compared like this
    for (const auto& [inputs, factor] : n.terms) {
      const Numbers::Source source = numbers.source(inputs.front());   // a copy: numbers are added
      if (inputs.size() != 1 || source.how != Made::quotient || (factor != 1 && factor != -1) || source.b.is_constant() != by_constant) continue;
      const Number rest = numbers.add({{}, bound}, numbers.add(n, {{{inputs, factor}}, 0}, -1), -1);   // bound - the others
      if (factor == 1) return at_most(numbers.add(source.a, numbers.times(numbers.add(rest, {{}, 1}), source.b), -1), -1);
      return at_most(numbers.add(numbers.times(numbers.add({{}, 0}, rest, -1), source.b), source.a, -1), 0);   // m * d <= N
    }
  }
  if (question.bound == kWord / 2 - 1 && question.form.terms.size() == 1 && question.form.terms[0].first.size() == 1) {
    const Numbers::Source source = numbers.source(question.form.terms[0].first[0]);   // of words with the same sign
    if (source.how == Made::bits_xor) return (at_most(source.a, question.bound) == at_most(source.b, question.bound)) != opposite;
  }
  return choose(question) != opposite;
}

bool Branching::equal(const Number& a, const Number& b) {
  const Number difference = numbers.add(a, b, -1);
  return at_most(difference, 0) && !at_most(difference, -1);
}

namespace {

// With factors that are least, and the same modulo 2^64.
Number modulo_word(const Number& n) {
  auto least = [](Wide w) { return w - floor_div(w + kWord / 2, kWord) * kWord; };
  Number made{{}, least(n.constant)};
  for (const auto& [inputs, factor] : n.terms) {
    if (least(factor) != 0) made.terms.emplace_back(inputs, least(factor));
  }
  return made;
}

}  // namespace

Number Branching::part(const Number& n, unsigned bits, Wide from) {
  const Wide span = Wide{1} << bits;
  if (n.is_constant()) return {{}, n.constant - floor_div(n.constant - from, span) * span};
  const Bounds range = bounds(n);
  const Wide first = floor_div(range.least - from, span), last = floor_div(range.most - from, span);
  if (range.empty()) return possible_ = false, n;
  if (last - first > kMaxWraps) {
    if (const Number less = modulo_word(n); less != n) return part(less, bits, from);
    const Number low = numbers.made(Made::bits_and, n, {{}, span - 1}, {0, span - 1});
    return from == 0 || at_most(low, span / 2 - 1) ? low : numbers.add(low, {{}, span}, -1);
  }
  Wide wraps = first;
  while (wraps < last && !at_most(n, from + (wraps + 1) * span - 1)) ++wraps;
  return numbers.add(n, {{}, wraps * span}, -1);
}

Number Branching::unsigned_part(const Number& n, unsigned bits) { return part(n, bits, 0); }
Number Branching::signed_part(const Number& n, unsigned bits) { return part(n, bits, -(Wide{1} << (bits - 1))); }

std::optional<Wide> Branching::one_of_few(const Number& n, Wide most) {
  if (n.is_constant()) return n.constant;
  const Bounds range = bounds(n);
  if (range.empty()) return possible_ = false, range.least;
  if (range.most - range.least >= most) return std::nullopt;
  Wide value = range.least;
  while (value < range.most && !at_most(n, value)) ++value;
  return value;
}

}  // namespace kerf::proof
