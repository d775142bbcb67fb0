// One path automaton of the object, decoded, and what walks of such automata over canonical paths have in common: the
// spelling of such paths, and which bytes have to be followed one by one.
#pragma once
#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "backends/check/read_object.h"

namespace kerf::proof {

// Spelling of canonical paths: no empty component, none that is `.` or `..`, no slash at the end but in "/".
enum class Spelling : std::uint8_t { start, root, slash, dot, dots, name, nameless, dead };
Spelling next_spelling(Spelling at, std::uint8_t byte);
inline bool is_path(Spelling at) { return at == Spelling::root || at == Spelling::name; }

// Read as path_next() and path_match() of runtime/kernel/match.h do. That hooks take several bytes at once is the same as
// one after the other if, for every state that is met, kerf_path_bytes agrees with it.
class PathAutomaton {
 public:
  // Without tables all texts are in one state.
  PathAutomaton(const ObjectTables& tables, std::uint32_t number);

  std::uint32_t start() const { return start_; }
  std::uint32_t next(std::uint32_t state, std::uint8_t byte);
  std::uint32_t match(std::uint32_t state);                       // match class
  const std::vector<std::uint8_t>& bytes(std::uint32_t state);    // with an edge of their own
  // A state that was met is not in the tables, or they disagree about it.
  bool bad() const { return bad_; }

 private:
  bool valid(std::uint32_t state) const;

  const ObjectTables& tables_;
  const bool absent_;
  const std::uint32_t start_;
  bool bad_ = false;
  std::unordered_map<std::uint32_t, std::vector<std::uint8_t>> bytes_;
};

// The bytes to follow from a state: those given, `/` and `.`, and one more that stands for all others.
class Bytes {
 public:
  void add(std::uint8_t byte) { own_[byte] = true; }
  void add(const std::vector<std::uint8_t>& bytes) {
    for (std::uint8_t byte : bytes) own_[byte] = true;
  }
  template <class Follow>
  void each(const Follow& follow) {
    add('/');
    add('.');
    own_[0] = own_[255] = true;   // no path has them
    bool other = false;
    for (unsigned byte = 1; byte < 255; ++byte) {
      if (own_[byte]) {
        follow(static_cast<std::uint8_t>(byte));
      } else if (!other) {
        other = true;
        follow(static_cast<std::uint8_t>(byte));
      }
    }
  }

 private:
  std::array<bool, 256> own_{};
};

}  // namespace kerf::proof
