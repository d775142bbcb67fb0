// Counts what the calling thread allocates.
#pragma once
#include <cstddef>

namespace kerf::test {

void count_allocations(bool on);
std::size_t allocations();
// Of the blocks that it asked for and has not given back, with what the allocator makes of their size.
std::ptrdiff_t live_bytes();

}  // namespace kerf::test

template <class Function>
std::size_t allocations_in(Function function) {
  kerf::test::count_allocations(true);
  function();
  kerf::test::count_allocations(false);
  return kerf::test::allocations();
}
