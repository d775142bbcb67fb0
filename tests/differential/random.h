// Numbers that are the same on every machine: splitmix64, and no distribution of the standard library.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace kerf::test {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(next() % n); }
  bool chance(unsigned percent) { return below(100) < percent; }
  std::size_t between(std::size_t least, std::size_t most) { return least + below(most - least + 1); }
  template <class T>
  const T& of(const std::vector<T>& list) { return list[below(list.size())]; }
  std::string of(std::initializer_list<const char*> list) { return *(list.begin() + below(list.size())); }

 private:
  std::uint64_t state_;
};

}  // namespace kerf::test
