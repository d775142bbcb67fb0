// Counts what the calling thread allocates.
#pragma once
#include <cstddef>

namespace kerf::test {

void count_allocations(bool on);
std::size_t allocations();

}  // namespace kerf::test

template <class Function>
std::size_t allocations_in(Function function) {
  kerf::test::count_allocations(true);
  function();
  kerf::test::count_allocations(false);
  return kerf::test::allocations();
}
