// Patterns that are walked together, against one after the other.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/types.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <tuple>

#include "backends/check/paths.h"
#include "backends/check/pattern_states.h"
#include "driver/verify.h"
#include "runtime/abi/policy_abi.h"
#include "runtime/kernel/tables.h"

using namespace kerf;
using namespace kerf::proof;

namespace {

using Random = std::mt19937;
const std::string kAlphabet = "/ab.";

std::uint32_t below(Random& random, std::uint32_t count) { return static_cast<std::uint32_t>(random() % count); }

std::string some_text(Random& random, std::size_t longest) {
  std::string text;
  for (std::size_t left = below(random, static_cast<std::uint32_t>(longest) + 1); left > 0; --left) text += kAlphabet[below(random, 4)];
  return text;
}

Pattern some_pattern(Random& random, std::size_t longest) {
  Pattern made;
  made.pieces = {below(random, 2) ? "" : "/" + some_text(random, longest)};
  for (std::size_t stars = 1 + below(random, 3); stars > 0; --stars) {
    std::string piece = some_text(random, longest);
    if (stars > 1 && piece.empty()) piece = "a";             // two wildcards in a row are one
    made.pieces.push_back(std::move(piece));
  }
  return made;
}

std::vector<Pattern> some_patterns(Random& random, std::size_t most, std::size_t longest) {
  std::set<Pattern> made;
  for (std::size_t left = 1 + below(random, static_cast<std::uint32_t>(most)); left > 0; --left) made.insert(some_pattern(random, longest));
  return {made.begin(), made.end()};
}

// By itself: which places of the pattern, a `*` being one, the text can have led to.
std::set<std::size_t> places_after(const std::string& pattern, const std::set<std::size_t>& from, std::uint8_t byte) {
  std::set<std::size_t> to;
  for (std::size_t at : from) {
    if (at < pattern.size() && pattern[at] == '*') to.insert(at);
    else if (at < pattern.size() && static_cast<std::uint8_t>(pattern[at]) == byte) to.insert(at + 1);
  }
  for (std::size_t at = 0; at < pattern.size(); ++at) {
    if (pattern[at] == '*' && to.contains(at)) to.insert(at + 1);
  }
  return to;
}

// An object's tables of path automata, each made state by state.
class Tables {
 public:
  Tables() {
    made_.path_cells = {KERF_CELL_FINAL << KERF_CELL_SHIFT, 0};
    made_.path_starts = {0, 0, 0, 0};
  }

  void add(std::uint32_t number, const std::vector<Pattern>& patterns) {
    std::vector<std::string> texts;
    for (const Pattern& p : patterns) texts.push_back(fmt::format("{}", fmt::join(p.pieces, "*")));
    using Places = std::vector<std::set<std::size_t>>;
    Places start;
    for (const std::string& text : texts) start.push_back(text.front() == '*' ? std::set<std::size_t>{0, 1} : std::set<std::size_t>{0});
    std::map<Places, std::uint32_t> numbers{{start, 0}};
    std::vector<Places> states{start};
    std::map<std::vector<bool>, std::uint32_t> classes{{std::vector<bool>(texts.size(), false), 0}};
    const auto first = static_cast<std::uint32_t>(made_.path_cells.size());
    for (std::size_t i = 0; i < states.size(); ++i) {
      auto led = [&](std::uint8_t byte) {
        Places to;
        for (std::size_t p = 0; p < texts.size(); ++p) to.push_back(places_after(texts[p], states[i][p], byte));
        auto [it, fresh] = numbers.try_emplace(to, static_cast<std::uint32_t>(states.size()));
        if (fresh) states.push_back(to);
        return first + it->second * KERF_NODE_CELLS;
      };
      std::vector<bool> holding;
      for (std::size_t p = 0; p < texts.size(); ++p) holding.push_back(states[i][p].contains(texts[p].size()));
      const auto edges = static_cast<std::uint32_t>(made_.path_edges.size()), state = first + static_cast<std::uint32_t>(i) * KERF_NODE_CELLS;
      made_.path_edges.resize(edges + 256, ~std::uint64_t{0});
      const std::uint32_t fallback = led('x');
      for (char c : kAlphabet) {
        const auto byte = static_cast<std::uint8_t>(c);
        if (led(byte) != fallback) made_.path_edges[edges + byte] = std::uint64_t{state} << 32 | led(byte);
      }
      made_.path_cells.insert(made_.path_cells.end(), {KERF_CELL_NODE << KERF_CELL_SHIFT | edges, classes.try_emplace(holding, classes.size()).first->second, fallback});
    }
    made_.path_starts[number] = first;
    nodes_.emplace_back(first, static_cast<std::uint32_t>(states.size()));
  }

  // One class, or where one byte leads, is as that of some other state.
  void spoil(Random& random) {
    auto [first, count] = nodes_[below(random, static_cast<std::uint32_t>(nodes_.size()))];
    const std::uint32_t state = first + below(random, count) * KERF_NODE_CELLS, other = first + below(random, count) * KERF_NODE_CELLS;
    if (below(random, 2)) made_.path_cells[state + KERF_NODE_MATCH] = made_.path_cells[other + KERF_NODE_MATCH];
    else made_.path_edges[made_.path_cells[state] + static_cast<std::uint8_t>(kAlphabet[below(random, 4)])] = std::uint64_t{state} << 32 | other;
  }

  const ObjectTables& done() {
    made_.path_bytes.assign(made_.path_cells.size() + 8, KERF_CELL_FINAL);
    return made_;
  }

 private:
  ObjectTables made_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> nodes_;   // by automaton: first state, how many
};

// In which match classes of the automaton some canonical path is that the pattern matches, and one that it does not.
struct Answers {
  std::set<std::uint32_t> holds, fails;
  bool decided() const {
    return std::none_of(holds.begin(), holds.end(), [&](std::uint32_t match) { return fails.contains(match); });
  }
};

// All states of the one pattern, the automaton and the spelling. Names of nameless objects are followed as texts.
Answers answers_of(const ObjectTables& object, std::uint32_t a, const Pattern& pattern) {
  const std::set<std::string> nameless{"kerf:memfd", "kerf:pipe", "kerf:socket", "kerf:anon"};
  const std::string text = fmt::format("{}", fmt::join(pattern.pieces, "*")), bytes = kAlphabet + "kerf:mdpisocktanon";
  using State = std::tuple<std::uint32_t, Spelling, std::set<std::size_t>, std::string>;
  PathAutomaton automaton(object, a);
  Answers made;
  std::vector<State> open{{automaton.start(), Spelling::start, text.front() == '*' ? std::set<std::size_t>{0, 1} : std::set<std::size_t>{0}, ""}};
  std::set<State> seen(open.begin(), open.end());
  while (!open.empty()) {
    const auto [cell, spelling, places, name] = open.back();
    open.pop_back();
    if (is_path(spelling) || nameless.contains(name)) (places.contains(text.size()) ? made.holds : made.fails).insert(automaton.match(cell));
    for (char c : bytes) {
      const auto byte = static_cast<std::uint8_t>(c);
      const Spelling next = next_spelling(spelling, byte);
      const std::string longer = next == Spelling::nameless ? name + c : "";
      if (next == Spelling::dead || longer.size() > 11) continue;
      State to{automaton.next(cell, byte), next, places_after(text, places, byte), longer};
      if (!longer.empty() && std::none_of(nameless.begin(), nameless.end(), [&](const std::string& n) { return n.starts_with(longer); })) continue;
      if (seen.insert(to).second) open.push_back(to);
    }
  }
  return made;
}

}  // namespace

TEST_CASE("patterns that are read together answer as each alone, with some dropped on the way") {
  Random random(41);
  std::size_t matched = 0;
  for (int round = 0; round < 1500; ++round) {
    const std::vector<Pattern> all = some_patterns(random, 12, 6);
    std::vector<std::uint32_t> group;
    for (std::uint32_t i = 0; i < all.size(); ++i) {
      if (below(random, 5) > 0) group.push_back(i);
    }
    PatternStates states(all, group);
    for (int texts = 0; texts < 40; ++texts) {
      if (!group.empty() && texts % 10 == 9) states.drop(group[below(random, static_cast<std::uint32_t>(group.size()))]);
      const std::string text = "/" + some_text(random, 12);
      std::uint32_t state = states.start();
      for (char c : text) {
        std::set<std::uint8_t> followed;
        Bytes bytes;
        states.add_bytes(state, bytes);
        bytes.each([&](std::uint8_t byte) { followed.insert(byte); });
        const std::uint32_t other = states.next(state, 1);
        for (std::uint8_t byte : {'/', 'a', 'b', '.', 'x'}) {
          if (!followed.contains(byte)) CHECK(states.next(state, byte) == other);
        }
        state = states.next(state, static_cast<std::uint8_t>(c));
      }
      std::vector<std::uint32_t> expected, got;
      for (std::uint32_t number : group) {
        if (!states.is_dropped(number) && matches(all[number], text)) expected.push_back(number);
      }
      for (std::uint32_t number : states.list(states.accepted(state))) {
        if (!states.is_dropped(number)) got.push_back(number);
      }
      CHECK_MESSAGE(got == expected, text);
      matched += expected.size();
    }
  }
  CHECK(matched > 1000);
}

TEST_CASE("what is dropped no longer tells texts apart") {
  const std::vector<Pattern> all{{{"", "a", ""}}, {{"", "b"}}, {{"/", "ab"}}};
  PatternStates states(all, std::vector<std::uint32_t>{0, 1, 2});
  auto after = [&](std::uint32_t state, std::string_view text) {
    for (char c : text) state = states.next(state, static_cast<std::uint8_t>(c));
    return state;
  };
  const std::uint32_t without = after(states.start(), "/x"), with = after(states.start(), "/xaa");
  CHECK(after(without, "..") != after(with, ".."));
  states.drop(0);
  CHECK(after(without, "..") == after(with, ".."));
  CHECK(after(without, "b") != after(with, "."));
  states.drop(1);
  states.drop(2);
  CHECK(after(without, "b") == after(with, "."));
}

TEST_CASE("a pattern is decided by the first automaton whose classes tell it, in those where it holds") {
  Random random(42);
  std::size_t decided = 0, undecided = 0, later = 0;
  for (int round = 0; round < 800; ++round) {
    std::vector<Pattern> first = some_patterns(random, 3, 2), second = some_patterns(random, 2, 2), all = first;
    all.insert(all.end(), second.begin(), second.end());
    if (below(random, 2)) all.push_back(some_pattern(random, 2));             // perhaps in none
    Tables tables;
    tables.add(1, first);
    if (below(random, 3)) tables.add(2, second);
    if (below(random, 2)) tables.spoil(random);
    const ObjectTables& object = tables.done();

    PathClasses classes(below(random, 2) ? std::optional<std::size_t>(4) : std::nullopt);   // one by one, or not
    std::vector<std::uint32_t> numbers;
    for (const Pattern& pattern : all) numbers.push_back(classes.add(pattern));
    REQUIRE(!classes.analyse(object));

    for (std::size_t i = 0; i < all.size(); ++i) {
      std::uint32_t expected = 0;
      Answers answers;
      for (std::uint32_t a : {1u, 2u}) {
        if (object.path_starts[a] == 0 || expected != 0) continue;
        answers = answers_of(object, a, all[i]);
        if (answers.decided()) expected = a;
        std::set<std::uint32_t> met = answers.holds;
        met.insert(answers.fails.begin(), answers.fails.end());
        CHECK(std::ranges::equal(classes.reached(a), met));
        CHECK(classes.class_count(a) == *met.rbegin() + 1);
      }
      const PathClasses::DecidedPattern& got = classes.pattern(numbers[i]);
      CHECK_MESSAGE(got.automaton == expected, to_text(all[i]));
      if (got.automaton == expected && expected != 0) CHECK(std::ranges::equal(got.classes, answers.holds));
      ++(expected == 0 ? undecided : decided);
      later += expected == 2;
    }
  }
  CHECK(decided > 1000);
  CHECK(undecided > 400);
  CHECK(later > 200);
}

TEST_CASE("the patterns of ten thousand policies are proved, and one of them that is another is found") {
  const char* const schema = R"(@kernel("process") entity Agent;
@kernel("file") entity File { @kernel("file.path") path: String };
@kernel("file.read") action read appliesTo { principal: Agent, resource: File };)";
  auto program = [&](std::size_t changed) {
    std::string policies;
    for (std::size_t i = 0; i < 10'000; ++i) {
      const char* form = i % 2 ? "*.x{}" : "/home/u{}/*.txt";
      policies += fmt::format("permit (principal, action, resource) when {{ resource.path like \"{}\" }};\n", fmt::format(fmt::runtime(form), i == changed ? 20'000 : i));
    }
    return ProgramText{{{"p.cedar", policies}}, InputFile{"s.cedarschema", schema}, InputFile{"e.json", "[]"}};
  };
  const ProgramText text = program(10'000);
  Program checked = check_program(text);
  std::optional<Artefacts> made = compile_program(checked, text, {KERF_BINARY_DIR "/kerf-codegen"});
  REQUIRE(made);
  for (std::size_t changed : {4711u, 4712u}) {
    Program other = check_program(program(changed));
    prove(other, made->bundle.files);
    std::vector<std::string> found;
    for (const Diagnostic& d : other.diagnostics.all()) {
      if (d.severity == Severity::error) found.push_back(d.message);
    }
    CHECK(found.size() == 2);                                // in the table, and in the object
    for (const std::string& message : found) CHECK_MESSAGE(message.find(fmt::format("policy{}`", changed)) != std::string::npos, message);
  }
}
