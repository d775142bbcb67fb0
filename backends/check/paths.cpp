// Products of automata over canonical paths. The one decision: only bytes that some part treats in a way of its own are
// followed one by one, and one byte for all the others, so that the work is that of edges and not of 256 bytes a state.
#include "backends/check/paths.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <unordered_set>

#include "backends/check/path_automaton.h"
#include "backends/check/pattern_states.h"
#include "runtime/abi/policy_abi.h"

namespace kerf::proof {

namespace {

constexpr std::size_t kMaxWalk = std::size_t{1} << 24;          // states of a product
constexpr std::size_t kMaxPatternWalk = std::size_t{1} << 21;   // of one that has a pattern
const char* const kTooLarge = "its path automata are too large to compare";

std::size_t hash(std::uint64_t a, std::uint64_t b) {
  const std::uint64_t h = (a * 0x9e3779b97f4a7c15ull ^ b) * 0xff51afd7ed558ccdull;
  return h ^ h >> 32;
}

}  // namespace

std::uint32_t PathClasses::add(PathTestKind kind, const std::string& text) {
  auto [it, fresh] = test_index_.try_emplace(fmt::format("{}{}", static_cast<int>(kind), text), static_cast<std::uint32_t>(tests_.size()));
  if (!fresh) return it->second;
  tests_.push_back({kind, text});
  const std::uint32_t number = it->second;
  switch (kind) {
    case PathTestKind::exact: end_of(text).exact.push_back(number); break;
    case PathTestKind::tree: end_of(text == "/" ? text : text + "/").below.push_back(number); break;
    case PathTestKind::prefix: end_of(text).from.push_back(number); break;
  }
  return number;
}

std::uint32_t PathClasses::add(const Pattern& pattern) {
  auto [it, fresh] = pattern_index_.try_emplace(pattern, static_cast<std::uint32_t>(patterns_.size()));
  if (fresh) patterns_.push_back(pattern);
  return it->second;
}

PathClasses::Ends& PathClasses::end_of(std::string_view text) {
  const std::uint32_t node = trie_.insert(text);
  if (node >= ends_.size()) ends_.resize(node + 1);
  return ends_[node];
}

void PathClasses::begin() {
  for (const char* name : {"kerf:memfd", "kerf:pipe", "kerf:socket", "kerf:anon"}) end_of(name).nameless = true;
  ends_.resize(trie_.size());
  reached_.assign(KERF_EXE_AUTOMATON + 1, {0});
  class_count_.assign(KERF_EXE_AUTOMATON + 1, 1);
  decided_.assign(patterns_.size(), {});
}

std::optional<Error> PathClasses::analyse_executables(const ObjectTables& tables) {
  begin();
  if (tables.path_starts.size() <= KERF_EXE_AUTOMATON) return Error{"it has no automaton of executables"};
  if (auto error = walk_trie(tables, KERF_EXE_AUTOMATON)) return error;
  return walk_patterns(tables, KERF_EXE_AUTOMATON);
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
    if (auto error = walk_patterns(tables, a)) return error;
  }
  return std::nullopt;
}

std::optional<Error> PathClasses::walk_trie(const ObjectTables& tables, std::uint32_t a) {
  points_ = {};
  points_.of_test.resize(tests_.size());
  PathAutomaton automaton(tables, a);
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
    std::size_t operator()(const State& s) const { return hash(std::uint64_t{s.node} << 32 | s.cell, std::uint64_t{s.active} << 8 | static_cast<unsigned>(s.spelling)); }
  };
  std::unordered_map<State, bool, Hash> seen;
  std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>, std::uint32_t> point_index;
  std::vector<State> open{{0, 0, automaton.start(), Spelling::start}};
  std::size_t members = 0;
  auto visit = [&](const State& s) {
    const bool named = s.node != TextTrie::kOff && s.spelling == Spelling::nameless && ends_[s.node].nameless;
    if (!named && !is_path(s.spelling)) return;
    const std::uint32_t match = automaton.match(s.cell);
    const std::uint32_t exact = s.node != TextTrie::kOff && !ends_[s.node].exact.empty() ? s.node : TextTrie::kOff;
    auto [it, fresh] = point_index.try_emplace({exact, s.active, match}, static_cast<std::uint32_t>(points_.classes.size()));
    if (!fresh) return;
    points_.classes.push_back(match);
    points_.of_class[match].push_back(it->second);
    std::vector<std::uint32_t> tests = exact == TextTrie::kOff ? std::vector<std::uint32_t>{} : ends_[exact].exact;
    for (std::uint32_t set = s.active; set != 0; set = active[set].first) tests.push_back(active[set].second);
    for (std::uint32_t test : tests) points_.of_test[test].push_back(it->second);
    members += tests.size() + 1;
    tests_of_point_.push_back(std::move(tests));
  };
  while (!open.empty()) {
    const State s = open.back();
    open.pop_back();
    if (!seen.emplace(s, true).second) continue;
    if (seen.size() > kMaxWalk || members > kMaxWalk) return Error{kTooLarge};
    visit(s);
    if (automaton.bad()) return Error{"a path automaton leaves its tables, or they disagree"};
    Bytes bytes;
    bytes.add(automaton.bytes(s.cell));
    if (s.node != TextTrie::kOff) bytes.add(trie_.bytes(s.node));
    if (s.spelling == Spelling::start) bytes.add('k');
    const std::uint32_t below = s.node == TextTrie::kOff ? s.active : with(s.active, ends_[s.node].below);
    bytes.each([&](std::uint8_t byte) {
      const Spelling spelling = next_spelling(s.spelling, byte);
      const std::uint32_t node = trie_.next(s.node, byte);
      if (spelling == Spelling::dead || (spelling == Spelling::nameless && node == TextTrie::kOff)) return;
      const std::uint32_t now = node == TextTrie::kOff ? below : with(below, ends_[node].from);
      open.push_back({node, now, automaton.next(s.cell, byte), spelling});
    });
  }
  class_count_[a] = points_.classes.empty() ? 1 : *std::max_element(points_.classes.begin(), points_.classes.end()) + 1;
  return std::nullopt;
}

// Those that no automaton before this one decides. Those that multiply with others most easily are walked apart from them:
// texts that are sought everywhere, ends below different beginnings, texts between wildcards.
std::optional<Error> PathClasses::walk_patterns(const ObjectTables& tables, std::uint32_t a) {
  std::vector<std::uint32_t> groups[3];
  for (std::uint32_t number = 0; number < patterns_.size(); ++number) {
    const std::vector<std::string>& pieces = patterns_[number].pieces;
    if (decided_[number].automaton == 0) groups[pieces.size() > 2 ? 2 : pieces[0].empty() ? 0 : 1].push_back(number);
  }
  if (auto error = walk_group(tables, a, {})) return error;   // no pattern: which classes there are
  for (std::vector<std::uint32_t>& group : groups) {
    std::sort(group.begin(), group.end(), [&](std::uint32_t x, std::uint32_t y) { return patterns_[x] < patterns_[y]; });
    if (group.empty()) continue;
    if (auto error = walk_group(tables, a, group)) return error;
  }
  return std::nullopt;
}

// One that is too large is walked by halves. A walk is given up early if a smaller one can follow.
std::optional<Error> PathClasses::walk_group(const ObjectTables& tables, std::uint32_t a, std::span<const std::uint32_t> group) {
  const std::size_t limit =
      group.size() < 2 ? kMaxPatternWalk : together_.value_or(std::min(kMaxPatternWalk, 4 * tables.path_cells.size() + (kMaxPatternWalk >> 5)));
  Result<bool> walked = walk_together(tables, a, group, limit);
  if (!walked) return walked.error();
  if (*walked) return std::nullopt;
  if (group.size() < 2) return Error{kTooLarge};
  const std::size_t half = group.size() / 2;
  if (auto error = walk_group(tables, a, group.first(half))) return error;
  return walk_group(tables, a, group.subspan(half));
}

// In breadth, so that a pattern which this automaton does not decide is soon found not to be, and dropped. False: past the limit.
Result<bool> PathClasses::walk_together(const ObjectTables& tables, std::uint32_t a, std::span<const std::uint32_t> group, std::size_t limit) {
  PatternStates patterns(patterns_, group);
  PathAutomaton automaton(tables, a);
  struct State {
    std::uint32_t patterns, cell, node;   // the last: of the names of nameless objects
    Spelling spelling;
    bool operator==(const State&) const = default;
  };
  struct Hash {
    std::size_t operator()(const State& s) const { return hash(std::uint64_t{s.patterns} << 32 | s.cell, std::uint64_t{s.node} << 8 | static_cast<unsigned>(s.spelling)); }
  };
  std::map<std::uint32_t, std::uint32_t> holding;   // by match class: the list of patterns that hold where it was met first
  std::set<std::pair<std::uint32_t, std::uint32_t>> compared;
  auto visit = [&](std::uint32_t match, std::uint32_t list) {
    auto [first, fresh] = holding.try_emplace(match, list);
    if (first->second == list || !compared.emplace(match, list).second) return;
    const std::vector<std::uint32_t>&x = patterns.list(first->second), &y = patterns.list(list);
    std::vector<std::uint32_t> differ;
    std::set_symmetric_difference(x.begin(), x.end(), y.begin(), y.end(), std::back_inserter(differ));
    for (std::uint32_t pattern : differ) patterns.drop(pattern);
  };
  std::unordered_set<State, Hash> seen;
  std::deque<State> open;
  auto meet = [&](const State& s) {
    if (seen.insert(s).second) open.push_back(s);
  };
  for (meet({patterns.start(), automaton.start(), 0, Spelling::start}); !open.empty(); open.pop_front()) {
    const State s = open.front();
    if (seen.size() > limit || patterns.members() > kMaxWalk) return false;
    const bool named = s.spelling == Spelling::nameless && ends_[s.node].nameless;
    if (named || is_path(s.spelling)) visit(automaton.match(s.cell), patterns.accepted(s.patterns));
    if (automaton.bad()) return Error{"a path automaton leaves its tables, or they disagree"};
    Bytes bytes;
    bytes.add(automaton.bytes(s.cell));
    patterns.add_bytes(s.patterns, bytes);
    if (s.spelling == Spelling::start || s.spelling == Spelling::nameless) bytes.add(trie_.bytes(s.node));
    bytes.each([&](std::uint8_t byte) {
      const Spelling spelling = next_spelling(s.spelling, byte);
      const std::uint32_t node = spelling == Spelling::nameless ? trie_.next(s.node, byte) : 0;
      if (spelling == Spelling::dead || node == TextTrie::kOff) return;
      meet({patterns.next(s.patterns, byte), automaton.next(s.cell, byte), node, spelling});
    });
  }
  if (group.empty()) {
    reached_[a].clear();
    for (const auto& [match, list] : holding) reached_[a].push_back(match);
    class_count_[a] = reached_[a].empty() ? 1 : reached_[a].back() + 1;
  }
  for (std::uint32_t number : group) {
    if (!patterns.is_dropped(number)) decided_[number].automaton = a;
  }
  for (const auto& [match, list] : holding) {
    for (std::uint32_t number : patterns.list(list)) {
      if (!patterns.is_dropped(number)) decided_[number].classes.push_back(match);
    }
  }
  return true;
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
