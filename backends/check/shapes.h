// Conditions as they are written: connectives over atoms, with what is decided left out. Equal shapes are equal functions,
// whatever their diagrams would cost; the converse does not hold.
#pragma once
#include <map>
#include <span>
#include <vector>

#include "backends/check/conditions.h"

namespace kerf::proof {

class Shapes {
 public:
  using Shape = std::uint32_t;   // the first three are the constants, as outcomes
  enum class Kind : std::uint32_t { atom, not_, and_, or_, if_ };

  explicit Shapes(Knowledge& knowledge) : knowledge_(knowledge) {}
  Shape of(Term t);
  Shape negation(Shape a);
  Shape chain(bool conjunction, std::span<const Shape> operands);
  Shape choice(Shape condition, Shape on_true, Shape on_false);

 private:
  using Content = std::vector<std::uint32_t>;   // kind, then an atom's term or the operands
  Shape intern(Content content);

  Knowledge& knowledge_;
  std::vector<Content> shapes_;
  std::map<Content, Shape> index_;
};

}  // namespace kerf::proof
