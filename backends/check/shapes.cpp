// Hash-consing alone: linear, and exact where the artefact keeps the form of the source.
#include "backends/check/shapes.h"

namespace kerf::proof {

namespace {

constexpr Shapes::Shape kFalse = 0, kTrue = 1, kError = 2, kConstants = 3;

std::uint32_t number(Shapes::Kind kind) { return static_cast<std::uint32_t>(kind); }

}  // namespace

Shapes::Shape Shapes::intern(Content content) {
  auto [it, fresh] = index_.try_emplace(content, static_cast<Shape>(shapes_.size() + kConstants));
  if (fresh) shapes_.push_back(std::move(content));
  return it->second;
}

Shapes::Shape Shapes::of(Term t) {
  const Terms& terms = knowledge_.terms();
  if (!is_structure(knowledge_, t)) {
    const std::optional<Outcome> known = knowledge_.outcome(t);
    return known ? static_cast<Shape>(*known) : intern({number(Kind::atom), t});
  }
  const Op op = terms.op(t);
  if (op == Op::not_) return negation(of(terms.arg(t, 0)));
  if (op == Op::if_) {
    const Shape condition = of(terms.arg(t, 0)), on_true = of(terms.arg(t, 1));
    return choice(condition, on_true, of(terms.arg(t, 2)));
  }
  std::vector<Shape> operands;
  for (; terms.op(t) == op; t = terms.arg(t, 1)) operands.push_back(of(terms.arg(t, 0)));
  operands.push_back(of(t));
  return chain(op == Op::and_, operands);
}

Shapes::Shape Shapes::negation(Shape a) {
  if (a < kConstants) return a == kError ? a : a == kTrue ? kFalse : kTrue;
  return intern({number(Kind::not_), a});
}

// Chains within a chain are taken apart; what is neutral is left out, and what cannot be reached.
Shapes::Shape Shapes::chain(bool conjunction, std::span<const Shape> operands) {
  const Shape neutral = conjunction ? kTrue : kFalse;
  Content content{number(conjunction ? Kind::and_ : Kind::or_)};
  for (Shape operand : operands) {
    if (operand == neutral) continue;
    if (operand >= kConstants && shapes_[operand - kConstants][0] == content[0]) {
      const Content& inner = shapes_[operand - kConstants];
      content.insert(content.end(), inner.begin() + 1, inner.end());
    } else {
      content.push_back(operand);
    }
    if (content.back() < kConstants) break;
  }
  if (content.size() == 1) return neutral;
  return content.size() == 2 ? content[1] : intern(std::move(content));
}

Shapes::Shape Shapes::choice(Shape condition, Shape on_true, Shape on_false) {
  if (condition < kConstants) return condition == kError ? condition : condition == kTrue ? on_true : on_false;
  return intern({number(Kind::if_), condition, on_true, on_false});
}

}  // namespace kerf::proof
