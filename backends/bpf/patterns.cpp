// `like` patterns -> automata 1 and 2, by subset construction over the trie of their pieces. Positions that alike
// beginnings share are one node of the trie. The one decision: after a wildcard nothing before it matters to the
// pattern, so such positions are dropped from a set; a set then holds few positions, however many the patterns.
#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <map>

#include "backends/bpf/automaton.h"
#include "runtime/abi/policy_abi.h"

namespace kerf::bpf {
namespace {

constexpr std::uint32_t kNone = 0xffffffffu;
constexpr std::size_t kMaxMembers = std::size_t{1} << 25;   // positions in all sets of one construction
constexpr std::size_t kFewStates = 4096;                    // no cut is looked for that has fewer
constexpr std::size_t kNamed = 8;                           // patterns that an error names

struct Position {
  bool star = false;                       // any byte stays here
  std::map<std::uint8_t, std::uint32_t> next;
  std::uint32_t star_child = kNone;        // the wildcard that follows here, reached with no byte
  TestSet tests;                           // whose pattern ends here
  std::uint32_t covered_by = kNone;        // a wildcard that everything from here on passes through
};

class PatternTrie {
 public:
  explicit PatternTrie(std::span<const NumberedTest> tests) : positions_(1) {
    for (const NumberedTest& t : tests) add(t);
    for (Position& p : positions_) std::sort(p.tests.begin(), p.tests.end());
    for (std::size_t i = positions_.size(); i-- > 0;) find_cover(positions_[i]);   // children come after parents
  }
  const Position& operator[](std::uint32_t i) const { return positions_[i]; }

 private:
  void add(const NumberedTest& t) {
    const std::vector<std::string>& pieces = t.test->pattern->pieces;
    std::uint32_t at = 0;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      if (i > 0) at = star_after(at);
      for (char c : pieces[i]) at = child(at, static_cast<std::uint8_t>(c));
    }
    positions_[at].tests.push_back(t.number);
  }
  std::uint32_t star_after(std::uint32_t at) {
    if (positions_[at].star_child == kNone) {
      positions_[at].star_child = static_cast<std::uint32_t>(positions_.size());
      positions_.emplace_back().star = true;
    }
    return positions_[at].star_child;
  }
  std::uint32_t child(std::uint32_t at, std::uint8_t byte) {
    auto [it, fresh] = positions_[at].next.emplace(byte, static_cast<std::uint32_t>(positions_.size()));
    std::uint32_t to = it->second;
    if (fresh) positions_.emplace_back();
    return to;
  }
  void find_cover(Position& p) {
    std::size_t ways = p.next.size() + (p.star_child != kNone);
    if (ways != 1 || !p.tests.empty()) return;
    p.covered_by = p.star_child != kNone ? p.star_child : positions_[p.next.begin()->second].covered_by;
  }

  std::vector<Position> positions_;
};

using Subset = std::vector<std::uint32_t>;   // sorted positions

// Sets of positions, each once, one behind the other.
class Subsets {
 public:
  Subsets() : slots_(1024, 0) {}
  std::size_t size() const { return end_.size(); }
  std::size_t total() const { return pool_.size(); }
  std::span<const std::uint32_t> operator[](std::uint32_t i) const {
    std::size_t begin = i ? end_[i - 1] : 0;
    return {pool_.data() + begin, end_[i] - begin};
  }
  // The set's number, and whether it is new.
  std::pair<std::uint32_t, bool> add(const Subset& subset) {
    std::size_t at = hash(subset) & (slots_.size() - 1);
    for (; slots_[at]; at = (at + 1) & (slots_.size() - 1)) {
      std::span<const std::uint32_t> there = (*this)[slots_[at] - 1];
      if (std::equal(there.begin(), there.end(), subset.begin(), subset.end())) return {slots_[at] - 1, false};
    }
    pool_.insert(pool_.end(), subset.begin(), subset.end());
    end_.push_back(pool_.size());
    slots_[at] = static_cast<std::uint32_t>(end_.size());
    if (end_.size() * 2 > slots_.size()) grow();
    return {static_cast<std::uint32_t>(end_.size() - 1), true};
  }

 private:
  static std::uint64_t hash(std::span<const std::uint32_t> subset) {
    return XXH3_64bits(subset.data(), subset.size_bytes());
  }
  void grow() {
    slots_.assign(slots_.size() * 2, 0);
    for (std::uint32_t i = 0; i < end_.size(); ++i) {
      std::size_t at = hash((*this)[i]) & (slots_.size() - 1);
      while (slots_[at]) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = i + 1;
    }
  }
  std::vector<std::uint32_t> pool_, slots_;   // slots: number + 1
  std::vector<std::size_t> end_;
};

class SubsetConstruction {
 public:
  explicit SubsetConstruction(std::span<const NumberedTest> tests) : trie_(tests) {
    for (const NumberedTest& t : tests) {
      for (const std::string& piece : t.test->pattern->pieces) {
        for (char c : piece) dense_.symbol_of[static_cast<std::uint8_t>(c)] = 1;
      }
    }
    for (std::uint8_t& symbol : dense_.symbol_of) {
      if (symbol) symbol = static_cast<std::uint8_t>(dense_.symbols++);   // 0xff is in no text: 255 symbols at most
    }
  }

  std::optional<Automaton> run() {
    Subset first{0};
    if (trie_[0].star_child != kNone) first.push_back(trie_[0].star_child);
    dense_.start = add(first);
    for (std::uint32_t state = 0; state < subsets_.size(); ++state) {
      expand(state);
      if (subsets_.size() > kMaxPatternStates || subsets_.total() > kMaxMembers || sets_.total() > kMaxMatchMembers) return std::nullopt;
    }
    return minimise(dense_, sets_.take());
  }

 private:
  // Changes `subset`.
  std::uint32_t add(Subset& subset) {
    std::sort(subset.begin(), subset.end());
    subset.erase(std::unique(subset.begin(), subset.end()), subset.end());
    drop_covered(subset);
    auto [state, fresh] = subsets_.add(subset);
    if (!fresh) return state;
    TestSet tests;
    for (std::uint32_t p : subset) tests.insert(tests.end(), trie_[p].tests.begin(), trie_[p].tests.end());
    std::sort(tests.begin(), tests.end());
    dense_.match.push_back(sets_.intern(std::move(tests)));
    return state;
  }
  void drop_covered(Subset& subset) {
    whole_ = subset;
    std::erase_if(subset, [&](std::uint32_t p) {
      return trie_[p].covered_by != kNone && std::binary_search(whole_.begin(), whole_.end(), trie_[p].covered_by);
    });
  }
  void expand(std::uint32_t state) {
    Subset stars;
    for (std::uint32_t p : subsets_[state]) {
      if (trie_[p].star) stars.push_back(p);
      for (auto [byte, to] : trie_[p].next) {
        Subset& reached = reached_[byte];
        reached.push_back(to);
        if (trie_[to].star_child != kNone) reached.push_back(trie_[to].star_child);
      }
    }
    Subset other = stars;
    std::size_t row = dense_.next.size();
    dense_.next.resize(row + dense_.symbols, add(other));
    for (std::size_t byte = 0; byte < reached_.size(); ++byte) {
      if (reached_[byte].empty()) continue;
      reached_[byte].insert(reached_[byte].end(), stars.begin(), stars.end());
      dense_.next[row + dense_.symbol_of[byte]] = add(reached_[byte]);
      reached_[byte].clear();
    }
  }

  PatternTrie trie_;
  DenseAutomaton dense_;
  TestSets sets_;
  Subsets subsets_;
  std::array<Subset, 256> reached_;        // empty but while a state is expanded
  Subset whole_;
};

std::size_t states_of(const PatternShares& shares) {
  std::size_t states = 0;
  for (const Automaton& automaton : shares.automata) states += automaton.states.size();
  return states;
}

// The first `count` tests in one automaton, the others in another; nothing if they do not fit.
std::optional<PatternShares> cut_at(std::span<const NumberedTest> tests, std::size_t count) {
  PatternShares shares;
  for (std::span<const NumberedTest> part : {tests.first(count), tests.subspan(count)}) {
    if (part.empty()) continue;
    std::optional<Automaton> automaton = build_patterns(part);
    if (!automaton) return std::nullopt;
    shares.automata.push_back(std::move(*automaton));
    shares.tests.emplace_back(part.begin(), part.end());
  }
  return shares;
}

// What multiplies with what: texts that are sought everywhere, ends below different beginnings, and texts between
// wildcards, each of which can double the states alone.
std::size_t danger(const Pattern& pattern) {
  if (pattern.pieces.size() > 2) return pattern.pieces.size();
  return pattern.pieces[0].empty() ? 0 : 1;
}

void sort_by_danger(std::vector<NumberedTest>& patterns) {
  std::sort(patterns.begin(), patterns.end(), [](const NumberedTest& a, const NumberedTest& b) {
    const Pattern &x = *a.test->pattern, &y = *b.test->pattern;
    return danger(x) != danger(y) ? danger(x) < danger(y) : x < y;
  });
}

// Where patterns of one danger end and those of the next begin, and everything in one.
std::vector<std::size_t> natural_cuts(std::span<const NumberedTest> tests) {
  std::vector<std::size_t> cuts{tests.size()};
  for (std::size_t i = 1; i < tests.size(); ++i) {
    std::size_t before = danger(*tests[i - 1].test->pattern), after = danger(*tests[i].test->pattern);
    if (std::min<std::size_t>(before, 3) != std::min<std::size_t>(after, 3)) cuts.push_back(i);
  }
  return cuts;
}

struct Fit {
  std::size_t count = 0;                   // so many of the tests, from the first on, are in one automaton
  std::optional<Automaton> automaton;
};

Fit longest_fit(std::span<const NumberedTest> tests) {
  Fit fit;
  std::size_t too_many = tests.size();     // or not: that is tried first
  for (std::size_t probe = tests.size(); probe > fit.count; probe = fit.count + (too_many - fit.count) / 2) {
    if (auto automaton = build_patterns(tests.first(probe))) fit = {probe, std::move(automaton)};
    else too_many = probe;
  }
  return fit;
}

// One automaton after the other takes as many as it can.
PatternShares fill_up(std::span<const NumberedTest> left) {
  PatternShares shares;
  while (shares.automata.size() + 1 < KERF_AUTOMATA) {
    Fit fit = longest_fit(left);
    if (fit.count == 0) break;
    shares.automata.push_back(std::move(*fit.automaton));
    std::span<const NumberedTest> taken = left.first(fit.count);
    shares.tests.emplace_back(taken.begin(), taken.end());
    left = left.subspan(fit.count);
  }
  for (const NumberedTest& t : left) shares.left.push_back(*t.test->pattern);
  return shares;
}

Error too_many_states(const std::vector<Pattern>& left) {
  std::string names;
  const std::size_t named = std::min(left.size(), kNamed);
  for (std::size_t i = 0; i < named; ++i) names += (i ? ", " : "") + to_text(left[i]);
  if (named < left.size()) names += fmt::format(" and {} more", left.size() - named);
  return {fmt::format("the patterns {} do not fit into the {} states of a path automaton", names, kMaxPatternStates)};
}

}  // namespace

std::optional<Automaton> build_patterns(std::span<const NumberedTest> tests) { return SubsetConstruction(tests).run(); }

PatternShares share_out_patterns(std::vector<NumberedTest> tests) {
  static_assert(KERF_AUTOMATA == 3, "patterns have two automata");
  if (tests.empty()) return {};
  sort_by_danger(tests);
  std::optional<PatternShares> best;
  for (std::size_t cut : natural_cuts(tests)) {
    std::optional<PatternShares> shares = cut_at(tests, cut);
    if (shares && (!best || states_of(*shares) < states_of(*best))) best = std::move(shares);
    if (best && states_of(*best) <= kFewStates) break;
  }
  return best ? std::move(*best) : fill_up(tests);
}

Result<Shares> share_out(const std::vector<const PathTest*>& tests) {
  std::vector<NumberedTest> literals, patterns;
  for (std::uint32_t i = 0; i < tests.size(); ++i) (is_literal(*tests[i]) ? literals : patterns).push_back({i, tests[i]});
  Result<Automaton> first = build_literals(literals);
  if (!first) return first.error();
  PatternShares rest = share_out_patterns(std::move(patterns));
  if (!rest.left.empty()) return too_many_states(rest.left);

  Shares shares;
  shares.automaton_of.assign(tests.size(), 0);
  shares.automata.push_back(std::move(*first));
  for (std::uint32_t i = 0; i < rest.automata.size(); ++i) {
    shares.automata.push_back(std::move(rest.automata[i]));
    for (const NumberedTest& t : rest.tests[i]) shares.automaton_of[t.number] = i + 1;
  }
  return shares;
}

}  // namespace kerf::bpf
