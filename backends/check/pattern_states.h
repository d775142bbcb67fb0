// Patterns read along one text, all together. A pattern is its text before the first wildcard, then each piece at its
// first place, the last one at the end (D. Knuth, J. Morris, V. Pratt, Fast pattern matching in strings, 1977). Few of
// them are in the middle of something at once: a state is the place in the trie of first pieces, which piece each begun
// pattern waits for, and how much of it has been read where that is more than nothing.
#pragma once
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "backends/check/path_automaton.h"
#include "backends/check/text_trie.h"
#include "ir/values/pattern.h"

namespace kerf::proof {

// Lists of numbers, each once. List 0 is empty.
class Lists {
 public:
  Lists() { add({}); }
  std::uint32_t add(const std::vector<std::uint32_t>& list);
  const std::vector<std::uint32_t>& operator[](std::uint32_t number) const { return *lists_[number]; }
  std::size_t members() const { return members_; }

 private:
  struct Hash {
    std::size_t operator()(const std::vector<std::uint32_t>& list) const;
  };
  std::unordered_map<std::vector<std::uint32_t>, std::uint32_t, Hash> numbers_;
  std::vector<const std::vector<std::uint32_t>*> lists_;
  std::size_t members_ = 0;
};

class PatternStates {
 public:
  // Of `all`, those in `group`. Each has a wildcard. Their texts are not copied.
  PatternStates(const std::vector<Pattern>& all, std::span<const std::uint32_t> group);

  std::uint32_t start();
  std::uint32_t next(std::uint32_t state, std::uint8_t byte);
  void add_bytes(std::uint32_t state, Bytes& to) const;   // that lead to other states than most do
  // Number of the list of patterns, ascending, that the text matches. Some may be dropped.
  std::uint32_t accepted(std::uint32_t state) const { return states_[state].accepted; }
  const std::vector<std::uint32_t>& list(std::uint32_t number) const { return lists_[number]; }

  // The pattern matters no more: states that are met from here on do without it.
  void drop(std::uint32_t pattern);
  bool is_dropped(std::uint32_t pattern) const { return dropped_[pattern]; }

  std::size_t members() const { return lists_.members() + states_.size(); }

 private:
  // A piece behind a wildcard. Its positions are numbers from `first` on: so many bytes of it are read.
  struct Piece {
    std::uint32_t pattern, first;
    const std::string* text;
    bool last;
  };
  struct State {
    std::uint32_t node, waiting, reading, accepted;   // lists of pieces and of positions
    bool operator==(const State& s) const { return node == s.node && waiting == s.waiting && reading == s.reading; }
  };
  struct StateHash {
    std::size_t operator()(const State& s) const;
  };
  // What a list of pieces waits for: by first byte, and those that match at once and for ever.
  struct Waiting {
    std::vector<std::pair<std::uint8_t, std::uint32_t>> by_byte;
    std::vector<std::uint8_t> bytes;
    std::vector<std::uint32_t> matched;        // patterns
    std::size_t drops = 0;                     // how many patterns were dropped when it was made
  };

  void add(std::uint32_t number, const Pattern& pattern);
  void find_borders(const std::string& text);
  std::uint32_t state(std::uint32_t node, std::uint32_t waiting);   // and positions_
  const Waiting& waiting(std::uint32_t list);
  std::uint32_t advance(std::uint32_t position, std::uint8_t byte) const;
  void reach(std::uint32_t piece, std::uint32_t read);

  std::vector<Piece> pieces_;
  std::vector<std::uint32_t> piece_of_, border_;      // by position
  TextTrie trie_;                                     // of first pieces
  std::vector<std::vector<std::uint32_t>> begun_{1};  // by node: pieces that are waited for from there on
  std::vector<bool> dropped_;                         // by pattern
  std::size_t drops_ = 0;
  Lists lists_;
  std::unordered_map<std::uint32_t, Waiting> waiting_;          // by list
  std::vector<State> states_;
  std::unordered_map<State, std::uint32_t, StateHash> state_index_;
  std::vector<std::uint32_t> positions_, done_;       // of the step that is being made: read, and pieces that are read whole
};

}  // namespace kerf::proof
