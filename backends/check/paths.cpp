// Products of automata over canonical paths. The one decision: only bytes that some part treats in a way of its own are
// followed one by one, and one byte for all the others, so that the work is that of edges and not of 256 bytes a state.
#include "backends/check/paths.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/types.h>

#include <algorithm>
#include <array>
#include <map>

#include "ir/base/check.h"
#include "ir/canonical.h"
#include "runtime/abi/policy_abi.h"
#include "runtime/kernel/tables.h"

namespace kerf::proof {

namespace {

constexpr std::size_t kMaxWalk = std::size_t{1} << 24;   // states of a product
constexpr std::uint32_t kOffTrie = ~0u;

// Spelling of canonical paths: no empty component, none that is `.` or `..`, no slash at the end but in "/".
enum class Spelling : std::uint8_t { start, root, slash, dot, dots, name, nameless, dead };

Spelling next_spelling(Spelling at, std::uint8_t byte) {
  switch (at) {
    case Spelling::start: return byte == '/' ? Spelling::root : byte == 'k' ? Spelling::nameless : Spelling::dead;
    case Spelling::root:
    case Spelling::slash: return byte == '/' ? Spelling::dead : byte == '.' ? Spelling::dot : Spelling::name;
    case Spelling::dot: return byte == '/' ? Spelling::dead : byte == '.' ? Spelling::dots : Spelling::name;
    case Spelling::dots: return byte == '/' ? Spelling::dead : Spelling::name;
    case Spelling::name: return byte == '/' ? Spelling::slash : Spelling::name;
    case Spelling::nameless: return byte == '/' ? Spelling::dead : Spelling::nameless;
    case Spelling::dead: return Spelling::dead;
  }
  internal_error("spelling");
}

bool is_path(Spelling at) { return at == Spelling::root || at == Spelling::name; }

// One automaton in the object's tables, read as path_next() and path_match() of runtime/kernel/match.h do. That hooks take
// several bytes at once is the same as one after the other if, for every state that is met, kerf_path_bytes agrees with it.
class Automaton {
 public:
  // Without tables all texts are in one state.
  explicit Automaton(const ObjectTables& tables) : tables_(tables), absent_(tables.path_starts.empty()) {}

  bool valid(std::uint32_t state) const {
    if (std::uint64_t{state} + KERF_NODE_CELLS > tables_.path_cells.size() || std::uint64_t{state} + 8 > tables_.path_bytes.size()) return false;
    const std::uint32_t kind = tables_.path_cells[state] >> KERF_CELL_SHIFT;
    return tables_.path_bytes[state] == (is_single(kind) ? kind : KERF_CELL_FINAL);
  }
  bool bad() const { return bad_; }

  std::uint32_t next(std::uint32_t state, std::uint8_t byte) {
    if (absent_) return state;
    if (!valid(state)) return bad_ = true, state;
    const std::uint32_t cell = tables_.path_cells[state], kind = cell >> KERF_CELL_SHIFT, rest = cell & KERF_CELL_REST;
    if (kind == KERF_CELL_FINAL) return state;
    if (kind == KERF_CELL_SCAN) return tables_.path_cells[state + KERF_SCAN_BYTE] == byte ? rest : state;
    if (kind != KERF_CELL_NODE) return kind == byte ? state + 1 : rest;
    // Whatever the byte: those without an edge are followed by one of them only.
    if (std::uint64_t{rest} + 255 >= tables_.path_edges.size()) return bad_ = true, state;
    const std::uint64_t entry = tables_.path_edges[rest + byte];
    return entry >> 32 == state ? static_cast<std::uint32_t>(entry) : tables_.path_cells[state + KERF_NODE_FALLBACK];
  }

  std::uint32_t match(std::uint32_t state) {
    if (absent_) return 0;
    if (!valid(state)) return bad_ = true, 0;
    const std::uint32_t cell = tables_.path_cells[state], kind = cell >> KERF_CELL_SHIFT;
    if (is_single(kind)) state = cell & KERF_CELL_REST;
    if (!valid(state)) return bad_ = true, 0;
    return tables_.path_cells[state + KERF_NODE_MATCH];
  }

  // Bytes with an edge of their own.
  const std::vector<std::uint8_t>& bytes(std::uint32_t state) {
    auto [it, fresh] = bytes_.try_emplace(state);
    if (!fresh || !valid(state)) return it->second;
    const std::uint32_t cell = tables_.path_cells[state], kind = cell >> KERF_CELL_SHIFT, rest = cell & KERF_CELL_REST;
    if (kind == KERF_CELL_FINAL) return it->second;
    if (kind == KERF_CELL_SCAN) {
      const std::uint32_t awaited = tables_.path_cells[state + KERF_SCAN_BYTE];   // the hook looks for its lowest byte, over all of it
      if (awaited > 0xff) bad_ = true;
      return it->second.push_back(static_cast<std::uint8_t>(awaited)), it->second;
    }
    if (kind != KERF_CELL_NODE) return it->second.push_back(static_cast<std::uint8_t>(kind)), it->second;
    for (std::uint32_t byte = 1; byte < 255; ++byte) {
      const std::uint64_t edge = std::uint64_t{rest} + byte;
      if (edge < tables_.path_edges.size() && tables_.path_edges[edge] >> 32 == state) it->second.push_back(static_cast<std::uint8_t>(byte));
    }
    return it->second;
  }

 private:
  static bool is_single(std::uint32_t kind) { return kind != KERF_CELL_NODE && kind != KERF_CELL_SCAN && kind != KERF_CELL_FINAL; }

  const ObjectTables& tables_;
  const bool absent_;
  bool bad_ = false;
  std::unordered_map<std::uint32_t, std::vector<std::uint8_t>> bytes_;
};

// A pattern as an automaton: the text before the first wildcard, then each piece at its first place, the last one at the
// end (D. Knuth, J. Morris, V. Pratt, Fast pattern matching in strings, 1977). State: piece << 16 | bytes of it read.
class PatternWalk {
 public:
  static constexpr std::uint32_t kDead = ~0u;
  explicit PatternWalk(const Pattern& pattern) : pieces_(pattern.pieces) {
    for (const std::string& piece : pieces_) {
      std::vector<std::uint32_t> border(piece.size() + 1, 0);
      for (std::size_t i = 1, k = 0; i < piece.size(); ++i) {
        while (k > 0 && piece[i] != piece[k]) k = border[k];
        if (piece[i] == piece[k]) ++k;
        border[i + 1] = static_cast<std::uint32_t>(k);
      }
      borders_.push_back(std::move(border));
      for (char c : piece) bytes_.push_back(static_cast<std::uint8_t>(c));
    }
    std::sort(bytes_.begin(), bytes_.end());
    bytes_.erase(std::unique(bytes_.begin(), bytes_.end()), bytes_.end());
  }
  std::uint32_t start() const { return settle(0, 0); }
  const std::vector<std::uint8_t>& bytes() const { return bytes_; }

  std::uint32_t next(std::uint32_t state, std::uint8_t byte) const {
    if (state == kDead) return kDead;
    const std::uint32_t piece = state >> 16;
    std::uint32_t read = state & 0xffff;
    const std::string& text = pieces_[piece];
    if (piece == 0) return static_cast<std::uint8_t>(text[read]) == byte ? settle(0, read + 1) : kDead;
    if (read == text.size()) read = borders_[piece][read];   // of the last piece: perhaps it ends later
    while (read > 0 && static_cast<std::uint8_t>(text[read]) != byte) read = borders_[piece][read];
    if (!text.empty() && static_cast<std::uint8_t>(text[read]) == byte) ++read;
    return settle(piece, read);
  }
  bool accepts(std::uint32_t state) const {
    return state != kDead && state >> 16 == pieces_.size() - 1 && (state & 0xffff) == pieces_.back().size();
  }

 private:
  // A piece that is read whole makes room for the next one, but for the last.
  std::uint32_t settle(std::uint32_t piece, std::uint32_t read) const {
    if (read == pieces_[piece].size() && piece + 1 < pieces_.size()) return (piece + 1) << 16;
    return piece << 16 | read;
  }

  const std::vector<std::string>& pieces_;
  std::vector<std::vector<std::uint32_t>> borders_;
  std::vector<std::uint8_t> bytes_;
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

}  // namespace

std::uint32_t PathClasses::add(PathTestKind kind, const std::string& text) {
  auto [it, fresh] = test_index_.try_emplace(fmt::format("{}{}", static_cast<int>(kind), text), static_cast<std::uint32_t>(tests_.size()));
  if (!fresh) return it->second;
  tests_.push_back({kind, text});
  const std::uint32_t number = it->second;
  switch (kind) {
    case PathTestKind::exact: trie_[insert(text)].exact.push_back(number); break;
    case PathTestKind::tree: trie_[insert(text == "/" ? text : text + "/")].below.push_back(number); break;
    case PathTestKind::prefix: trie_[insert(text)].from.push_back(number); break;
  }
  return number;
}

std::uint32_t PathClasses::add(const Pattern& pattern) {
  auto found = std::find(patterns_.begin(), patterns_.end(), pattern);
  if (found == patterns_.end()) found = patterns_.insert(patterns_.end(), pattern);
  return static_cast<std::uint32_t>(found - patterns_.begin());
}

std::uint32_t PathClasses::insert(std::string_view text) {
  std::uint32_t node = 0;
  for (char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    auto [it, fresh] = children_.try_emplace(std::uint64_t{node} << 8 | byte, static_cast<std::uint32_t>(trie_.size()));
    if (fresh) {
      trie_[node].bytes.push_back(byte);
      trie_.emplace_back();
    }
    node = it->second;
  }
  return node;
}

std::uint32_t PathClasses::step(std::uint32_t node, std::uint8_t byte) const {
  if (node == kOffTrie) return kOffTrie;
  auto child = children_.find(std::uint64_t{node} << 8 | byte);
  return child == children_.end() ? kOffTrie : child->second;
}

void PathClasses::begin() {
  for (const char* name : {"kerf:memfd", "kerf:pipe", "kerf:socket", "kerf:anon"}) trie_[insert(name)].nameless = true;
  reached_.assign(KERF_EXE_AUTOMATON + 1, {0});
  class_count_.assign(KERF_EXE_AUTOMATON + 1, 1);
  decided_.assign(patterns_.size(), {});
}

std::optional<Error> PathClasses::analyse_executables(const ObjectTables& tables) {
  begin();
  if (tables.path_starts.size() <= KERF_EXE_AUTOMATON) return Error{"it has no automaton of executables"};
  if (auto error = walk_trie(tables, KERF_EXE_AUTOMATON)) return error;
  for (std::uint32_t number = 0; number <= patterns_.size(); ++number) {
    bool decided = false;
    if (auto error = walk_pattern(tables, KERF_EXE_AUTOMATON, number, decided)) return error;
  }
  return std::nullopt;
}

std::optional<std::vector<std::uint32_t>> PathClasses::classes_of(std::uint32_t test) const {
  const std::vector<std::uint32_t>& here = points_.of_test.at(test);   // ascending
  std::vector<std::uint32_t> classes;
  for (std::uint32_t point : here) classes.push_back(points_.classes[point]);
  std::sort(classes.begin(), classes.end());
  classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
  for (std::uint32_t match : classes) {
    const std::vector<std::uint32_t>& all = points_.of_class.at(match);
    if (!std::includes(here.begin(), here.end(), all.begin(), all.end())) return std::nullopt;
  }
  return classes;
}

std::optional<Error> PathClasses::analyse(const ObjectTables& tables) {
  begin();
  if (auto error = walk_trie(tables, 0)) return error;
  for (std::uint32_t a = 1; a < KERF_AUTOMATA; ++a) {
    if (a >= tables.path_starts.size() || tables.path_starts[a] == 0) break;   // cell 0 is of automaton 0
    for (std::uint32_t number = 0; number <= patterns_.size(); ++number) {     // the last: no pattern, for the classes alone
      bool decided = false;
      if (auto error = walk_pattern(tables, a, number, decided)) return error;
    }
  }
  return std::nullopt;
}

std::optional<Error> PathClasses::walk_trie(const ObjectTables& tables, std::uint32_t a) {
  points_ = {};
  points_.of_test.resize(tests_.size());
  Automaton automaton(tables);
  // What holds wherever the text goes on: a chain of tests, one more than another.
  std::vector<std::pair<std::uint32_t, std::uint32_t>> active{{0, 0}};   // before it, test
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> active_index;
  auto with = [&](std::uint32_t set, const std::vector<std::uint32_t>& more) {
    for (std::uint32_t test : more) {
      auto [it, fresh] = active_index.try_emplace({set, test}, static_cast<std::uint32_t>(active.size()));
      if (fresh) active.push_back({set, test});
      set = it->second;
    }
    return set;
  };
  struct State {
    std::uint32_t node, active, cell;
    Spelling spelling;
    auto operator<=>(const State&) const = default;
  };
  struct Hash {
    std::size_t operator()(const State& s) const {
      std::uint64_t h = (std::uint64_t{s.node} << 32 | s.cell) * 0x9e3779b97f4a7c15ull ^ (std::uint64_t{s.active} << 8 | static_cast<unsigned>(s.spelling));
      h *= 0xff51afd7ed558ccdull;
      return h ^ h >> 32;
    }
  };
  std::unordered_map<State, bool, Hash> seen;
  std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>, std::uint32_t> point_index;
  std::vector<State> open{{0, 0, tables.path_starts.empty() ? 0 : tables.path_starts[a], Spelling::start}};
  std::size_t members = 0;
  auto visit = [&](const State& s) {
    const bool named = s.node != kOffTrie && s.spelling == Spelling::nameless && trie_[s.node].nameless;
    if (!named && !is_path(s.spelling)) return;
    const std::uint32_t match = automaton.match(s.cell);
    const std::uint32_t exact = s.node != kOffTrie && !trie_[s.node].exact.empty() ? s.node : kOffTrie;
    auto [it, fresh] = point_index.try_emplace({exact, s.active, match}, static_cast<std::uint32_t>(points_.classes.size()));
    if (!fresh) return;
    points_.classes.push_back(match);
    points_.of_class[match].push_back(it->second);
    std::vector<std::uint32_t> tests = exact == kOffTrie ? std::vector<std::uint32_t>{} : trie_[exact].exact;
    for (std::uint32_t set = s.active; set != 0; set = active[set].first) tests.push_back(active[set].second);
    for (std::uint32_t test : tests) points_.of_test[test].push_back(it->second);
    members += tests.size() + 1;
    tests_of_point_.push_back(std::move(tests));
  };
  while (!open.empty()) {
    const State s = open.back();
    open.pop_back();
    if (!seen.emplace(s, true).second) continue;
    if (seen.size() > kMaxWalk || members > kMaxWalk) return Error{"its path automata are too large to compare"};
    visit(s);
    if (automaton.bad()) return Error{"a path automaton leaves its tables, or they disagree"};
    Bytes bytes;
    bytes.add(automaton.bytes(s.cell));
    if (s.node != kOffTrie) bytes.add(trie_[s.node].bytes);
    if (s.spelling == Spelling::start) bytes.add('k');
    const std::uint32_t below = s.node == kOffTrie ? s.active : with(s.active, trie_[s.node].below);
    bytes.each([&](std::uint8_t byte) {
      const Spelling spelling = next_spelling(s.spelling, byte);
      const std::uint32_t node = step(s.node, byte);
      if (spelling == Spelling::dead || (spelling == Spelling::nameless && node == kOffTrie)) return;
      const std::uint32_t now = node == kOffTrie ? below : with(below, trie_[node].from);
      open.push_back({node, now, automaton.next(s.cell, byte), spelling});
    });
  }
  class_count_[a] = points_.classes.empty() ? 1 : *std::max_element(points_.classes.begin(), points_.classes.end()) + 1;
  return std::nullopt;
}

std::optional<Error> PathClasses::walk_pattern(const ObjectTables& tables, std::uint32_t a, std::uint32_t number, bool& decided) {
  static const Pattern none{{"", ""}};
  const PatternWalk pattern(number < patterns_.size() ? patterns_[number] : none);
  Automaton automaton(tables);
  struct State {
    std::uint32_t pattern, cell;
    Spelling spelling;
    std::uint32_t node;   // of the names of nameless objects
    auto operator<=>(const State&) const = default;
  };
  std::map<State, bool> seen;
  std::map<std::uint32_t, unsigned> answers;   // by match class: 1 holds, 2 does not
  std::vector<State> open{{pattern.start(), tables.path_starts[a], Spelling::start, 0}};
  while (!open.empty()) {
    const State s = open.back();
    open.pop_back();
    if (!seen.emplace(s, true).second) continue;
    if (seen.size() > kMaxWalk / 8) return Error{"its path automata are too large to compare"};
    const bool named = s.spelling == Spelling::nameless && trie_[s.node].nameless;
    if (named || is_path(s.spelling)) answers[automaton.match(s.cell)] |= pattern.accepts(s.pattern) ? 1 : 2;
    if (automaton.bad()) return Error{"a path automaton leaves its tables, or they disagree"};
    Bytes bytes;
    bytes.add(automaton.bytes(s.cell));
    bytes.add(pattern.bytes());
    if (s.spelling == Spelling::start || s.spelling == Spelling::nameless) bytes.add(trie_[s.node].bytes);
    bytes.each([&](std::uint8_t byte) {
      const Spelling spelling = next_spelling(s.spelling, byte);
      const std::uint32_t node = spelling == Spelling::nameless ? step(s.node, byte) : 0;
      if (spelling == Spelling::dead || node == kOffTrie) return;
      open.push_back({pattern.next(s.pattern, byte), automaton.next(s.cell, byte), spelling, node});
    });
  }
  decided = std::all_of(answers.begin(), answers.end(), [](const auto& answer) { return answer.second != 3; });
  if (number == patterns_.size()) {
    reached_[a].clear();
    for (const auto& [match, answer] : answers) reached_[a].push_back(match);
    class_count_[a] = reached_[a].empty() ? 1 : reached_[a].back() + 1;
    return std::nullopt;
  }
  if (!decided || decided_[number].automaton != 0) return std::nullopt;
  decided_[number].automaton = a;
  for (const auto& [match, answer] : answers) {
    if (answer == 1) decided_[number].classes.push_back(match);
  }
  return std::nullopt;
}

std::string PathClasses::text(std::uint32_t point) const {
  std::vector<std::string> names;
  for (std::uint32_t test : tests_of_point_.at(point)) {
    const char* form = tests_[test].kind == PathTestKind::exact ? "is {}" : tests_[test].kind == PathTestKind::tree ? "is below {}" : "begins with {}";
    names.push_back(fmt::format(fmt::runtime(form), tests_[test].text));
  }
  return names.empty() ? "is none that a policy names" : fmt::format("{}", fmt::join(names, " and "));
}

}  // namespace kerf::proof
