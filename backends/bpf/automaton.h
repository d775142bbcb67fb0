// Path tests as deterministic automata over bytes. An automaton's state says which of its tests hold for the text read
// so far (its match class); states are equal iff they give the same answers for every continuation.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "backends/bpf/bpf.h"

namespace kerf::bpf {

using TestSet = std::vector<std::uint32_t>;   // sorted numbers of tests

struct Automaton {
  struct Edge { std::uint8_t byte; std::uint32_t next; friend auto operator<=>(const Edge&, const Edge&) = default; };
  struct State {
    std::uint32_t fallback;                   // after any byte that has no edge
    std::uint32_t match;                      // index into `matches`
    std::uint32_t first_edge, edge_count;     // sorted by byte; no edge leads to the fallback
  };
  std::uint32_t start = 0;
  std::vector<State> states;
  std::vector<Edge> edges;
  std::vector<TestSet> matches;               // each once

  std::span<const Edge> edges_of(std::uint32_t state) const {
    return {edges.data() + states[state].first_edge, states[state].edge_count};
  }
  bool is_final(std::uint32_t state) const { return states[state].edge_count == 0 && states[state].fallback == state; }
  // Waits for one byte, which can be stored beside it.
  bool is_scan(std::uint32_t state) const { return states[state].edge_count == 1 && states[state].fallback == state; }
  std::uint32_t next(std::uint32_t state, std::uint8_t byte) const;
  const TestSet& match(std::string_view text) const;
};

// Sets of tests, each stored once.
class TestSets {
 public:
  TestSets() { intern({}); }                  // number 0
  std::uint32_t intern(TestSet set);
  std::uint32_t add(std::uint32_t set, std::span<const std::uint32_t> more);
  const TestSet& operator[](std::uint32_t number) const { return sets_[number]; }
  std::size_t total() const { return total_; }
  std::vector<TestSet> take() { return std::move(sets_); }

 private:
  std::vector<TestSet> sets_;
  std::unordered_multimap<std::uint64_t, std::uint32_t> by_hash_;
  std::size_t total_ = 0;
};

inline constexpr std::size_t kMaxPathStates = std::size_t{1} << 23;      // of automaton 0
inline constexpr std::size_t kMaxPatternStates = kMaxAutomatonStates;    // of automata 1 and 2 each, before minimising
inline constexpr std::size_t kMaxMatchMembers = std::size_t{1} << 24;    // tests in all match classes of an automaton

// What automaton 0 can do: files, trees, patterns that are a text with at most one wildcard at its end.
bool is_literal(const PathTest& test);

struct NumberedTest {
  std::uint32_t number;
  const PathTest* test;
};

// Of literal tests. Time and size are linear in their bytes.
Result<Automaton> build_literals(const std::vector<NumberedTest>& tests);

// Of patterns; nothing if they need more than kMaxPatternStates states.
std::optional<Automaton> build_patterns(std::span<const NumberedTest> tests);

struct PatternShares {
  std::vector<Automaton> automata;                          // at most KERF_AUTOMATA - 1
  std::vector<std::vector<NumberedTest>> tests;             // by automaton
  std::vector<Pattern> left;                                // those that fit into none
};
PatternShares share_out_patterns(std::vector<NumberedTest> tests);

struct Shares {
  std::vector<Automaton> automata;                          // 1 to KERF_AUTOMATA
  std::vector<std::uint32_t> automaton_of;                  // by test
};

// `tests`: each once. An Error names the patterns that fit into no automaton.
Result<Shares> share_out(const std::vector<const PathTest*>& tests);

// The same automaton with as few states as there can be, numbered in order of discovery.
struct DenseAutomaton {
  std::uint32_t start = 0, symbols = 1;
  std::array<std::uint8_t, 256> symbol_of{};                // bytes that are treated alike; 0: those in no pattern
  std::vector<std::uint32_t> next;                          // state * symbols + symbol
  std::vector<std::uint32_t> match;
};
Automaton minimise(const DenseAutomaton& dense, std::vector<TestSet> matches);

}  // namespace kerf::bpf
