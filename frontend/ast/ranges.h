// Lookup in sorted tables of characters.
#pragma once
#include <algorithm>
#include <iterator>

namespace kerf::ast {

struct Range {
  char32_t first, last;
};

// The range with the character; std::end(ranges) if there is none.
template <class R, std::size_t n>
const R* find_range(const R (&ranges)[n], char32_t c) {
  const R* after = std::upper_bound(std::begin(ranges), std::end(ranges), c, [](char32_t x, const R& r) { return x < r.first; });
  if (after == std::begin(ranges) || c > std::prev(after)->last) return std::end(ranges);
  return std::prev(after);
}

}  // namespace kerf::ast
