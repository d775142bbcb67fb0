// Random well-typed programs that govern files, for the tests in guests: which events are bound, what is permitted below
// /play, and to whom. Everything outside of /play is as the tests need it.
#pragma once
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace kerf::test {

struct FileProgram {
  std::string schema, policies, entities;   // texts
  std::string principal;                    // Agent::"a1"
};

using Random = std::mt19937_64;
inline std::size_t pick(Random& random, std::size_t n) { return static_cast<std::size_t>(random() % n); }
inline bool chance(Random& random, unsigned percent) { return random() % 100 < percent; }
template <class T>
const T& one_of(Random& random, const std::vector<T>& list) { return list[pick(random, list.size())]; }

FileProgram make_file_program(Random& random);

// Names that trees and policies share, so that they meet.
extern const std::vector<std::string> kDirectories, kNames;

}  // namespace kerf::test
