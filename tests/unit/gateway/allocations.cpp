#include "tests/unit/gateway/allocations.h"

#include <cstdlib>
#include <new>

namespace {
thread_local bool counting = false;
thread_local std::size_t count = 0;
}  // namespace

namespace kerf::test {

void count_allocations(bool on) {
  if (on) count = 0;
  counting = on;
}
std::size_t allocations() { return count; }

}  // namespace kerf::test

void* operator new(std::size_t size) {
  if (counting) ++count;
  if (void* memory = std::malloc(size != 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
// std::stable_sort asks for memory in this way and gives it back in the other: both have to be ours.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  if (counting) ++count;
  return std::malloc(size != 0 ? size : 1);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
