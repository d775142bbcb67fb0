#include "tests/unit/gateway/allocations.h"

#include <malloc.h>

#include <cstdlib>
#include <new>

namespace {
thread_local bool counting = false;
thread_local std::size_t count = 0;
thread_local std::ptrdiff_t live = 0;

std::ptrdiff_t size_of(void* memory) { return static_cast<std::ptrdiff_t>(malloc_usable_size(memory) + sizeof(std::size_t)); }

void* counted(void* memory) {
  if (counting) ++count;
  if (memory != nullptr) live += size_of(memory);
  return memory;
}
void release(void* memory) {
  if (memory != nullptr) live -= size_of(memory);
  std::free(memory);
}
}  // namespace

namespace kerf::test {

void count_allocations(bool on) {
  if (on) count = 0;
  counting = on;
}
std::size_t allocations() { return count; }
std::ptrdiff_t live_bytes() { return live; }

}  // namespace kerf::test

void* operator new(std::size_t size) {
  if (void* memory = counted(std::malloc(size != 0 ? size : 1))) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, std::align_val_t align) {
  const auto unit = static_cast<std::size_t>(align);
  if (void* memory = counted(std::aligned_alloc(unit, (size + unit - 1) / unit * unit))) return memory;
  throw std::bad_alloc();
}
// std::stable_sort asks for memory in this way and gives it back in the other: both have to be ours.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return counted(std::malloc(size != 0 ? size : 1)); }
void operator delete(void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }
