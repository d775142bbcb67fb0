#include "backends/check/branching.h"

#include <algorithm>

namespace kerf::proof {

namespace {

constexpr std::size_t kMaxLeaves = 1u << 14, kMaxChoices = 4096;
constexpr Wide kMaxWraps = 8;

}  // namespace

// ---- facts ----
Bounds Facts::own(const Number& form) const {
  auto known = known_.find(form);
  return known == known_.end() ? Bounds{} : known->second;
}

// `deep`: what is known of a product's parts may follow from other forms.
Bounds Facts::product_bounds(const Product& inputs, bool deep) const {
  Bounds all{1, 1};
  for (Input input : inputs) {
    const Number part{{{{input}, 1}}, 0};
    all = product(all, deep && inputs.size() > 1 ? of(part, false) : common(numbers_->source(input).bounds, own(part)));
  }
  return inputs.size() == 1 ? all : common(all, own({{{inputs, 1}}, 0}));
}

Bounds Facts::alone(const Number& n, bool deep) const {
  Bounds all{n.constant, n.constant};
  for (const auto& [inputs, factor] : n.terms) all = sum(all, product({factor, factor}, product_bounds(inputs, deep)));
  return all;
}

// n is another form and a rest: n = form + rest, n = rest - form.
Bounds Facts::of(const Number& n, bool deep) const {
  Bounds all = alone(n, deep);
  if (n.terms.empty()) return all;
  const Number bare{n.terms, 0};
  auto shift = [&](const Bounds& b) { return sum(b, {n.constant, n.constant}); };
  for (const auto& [form, bounds] : known_) {
    const bool related = std::any_of(form.terms.begin(), form.terms.end(), [&](const auto& term) {
      return std::any_of(n.terms.begin(), n.terms.end(), [&](const auto& own) { return own.first == term.first; });
    });
    if (!related) continue;
    Numbers free;
    const Number less = free.add(bare, form, -1), more = free.add(bare, form, 1);
    if (free.lost()) continue;
    if (less.terms.size() <= 2) all = common(all, shift(sum(bounds, alone(less, false))));
    if (more.terms.size() <= 2) all = common(all, shift(sum({-bounds.most, -bounds.least}, alone(more, false))));
  }
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
  for (const auto& [inputs, factor] : n.terms) {
    const Numbers::Source source = numbers.source(inputs.front());   // a copy: numbers are added
    if (inputs.size() != 1 || source.how != Made::quotient || (factor != 1 && factor != -1)) continue;
    const Number rest = numbers.add({{}, bound}, numbers.add(n, {{{inputs, factor}}, 0}, -1), -1);   // bound - the others
    if (factor == 1) return at_most(numbers.add(source.a, numbers.times(numbers.add(rest, {{}, 1}), source.b), -1), -1);
    return at_most(numbers.add(numbers.times(numbers.add({{}, 0}, rest, -1), source.b), source.a, -1), 0);   // m * d <= N
  }
  const auto [question, opposite] = normal(n, bound);
  return choose(question) != opposite;
}

bool Branching::equal(const Number& a, const Number& b) {
  const Number difference = numbers.add(a, b, -1);
  return at_most(difference, 0) && !at_most(difference, -1);
}

Number Branching::part(const Number& n, unsigned bits, Wide from) {
  const Wide span = Wide{1} << bits;
  if (n.is_constant()) return {{}, n.constant - floor_div(n.constant - from, span) * span};
  const Bounds range = bounds(n);
  const Wide first = floor_div(range.least - from, span), last = floor_div(range.most - from, span);
  if (range.empty()) return possible_ = false, n;
  if (last - first > kMaxWraps) {
    if (from == 0 && range.least >= 0) return numbers.made(Made::bits_and, n, {{}, span - 1}, {0, span - 1});
    return give_up(), n;
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
