// Automata and their tables say of every text what PathTest::holds says, and have no two states that do the same.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>

#include "backends/bpf/path_tables.h"
#include "paths.h"
#include "runtime/abi/policy_abi.h"
#include "runtime/kernel/tables.h"

using namespace kerf;
using namespace kerf::bpf;
using namespace kerf::test;

namespace {

// The tables as the hooks read them (runtime/kernel/match.h).
class TableReader {
 public:
  explicit TableReader(const std::vector<Automaton>& automata) : automata_(automata) {
    auto error = store_automata(tables, automata);
    REQUIRE_FALSE(error.has_value());
  }
  std::uint32_t run(std::size_t automaton, std::string_view text) const {
    std::uint32_t state = tables.path_starts[automaton];
    for (char c : text) state = next(state, static_cast<std::uint8_t>(c));
    return state;
  }
  const TestSet& match(std::size_t automaton, std::string_view text) const {
    std::uint32_t state = run(automaton, text);
    if (is_single(tables.path_cells.at(state))) state = tables.path_cells[state] & KERF_CELL_REST;
    REQUIRE_FALSE(is_single(tables.path_cells.at(state)));
    return automata_[automaton].matches[tables.path_cells.at(state + KERF_NODE_MATCH)];
  }
  Tables tables;

 private:
  static std::uint32_t kind(std::uint32_t cell) { return cell >> KERF_CELL_SHIFT; }
  static bool is_single(std::uint32_t cell) { return KERF_CELL_IS_SINGLE(kind(cell)); }
  std::uint32_t next(std::uint32_t state, std::uint8_t byte) const {
    std::uint32_t cell = tables.path_cells.at(state), rest = cell & KERF_CELL_REST;
    REQUIRE(tables.path_bytes.at(state) == (is_single(cell) ? kind(cell) : KERF_CELL_FINAL));   // eight of these are compared at once
    if (kind(cell) == KERF_CELL_FINAL) return state;
    if (kind(cell) == KERF_CELL_SCAN) return tables.path_cells.at(state + KERF_SCAN_BYTE) == byte ? rest : state;
    if (is_single(cell)) return kind(cell) == byte ? state + 1 : rest;
    std::uint64_t entry = tables.path_edges.at(rest + byte);
    return entry >> 32 == state ? static_cast<std::uint32_t>(entry) : tables.path_cells.at(state + KERF_NODE_FALLBACK);
  }
  const std::vector<Automaton>& automata_;
};

std::vector<const PathTest*> pointers(const std::vector<PathTest>& tests) {
  std::vector<const PathTest*> result;
  for (const PathTest& test : tests) result.push_back(&test);
  return result;
}

TestSet holding(const std::vector<PathTest>& tests, const std::vector<std::uint32_t>& automaton_of, std::uint32_t automaton,
                std::string_view text) {
  TestSet set;
  for (std::uint32_t i = 0; i < tests.size(); ++i) {
    if (automaton_of[i] == automaton && tests[i].holds(text)) set.push_back(i);
  }
  return set;
}

std::size_t wrong_answers(const std::vector<PathTest>& tests, const Shares& shares, const std::vector<std::string>& texts) {
  TableReader reader(shares.automata);
  std::size_t wrong = 0;
  for (const std::string& text : texts) {
    for (std::uint32_t a = 0; a < shares.automata.size(); ++a) {
      TestSet expected = holding(tests, shares.automaton_of, a, text);
      bool good = shares.automata[a].match(text) == expected && reader.match(a, text) == expected;
      if (!good && wrong++ < 3) MESSAGE("automaton " << a << " on " << text.substr(0, 200));
    }
  }
  return wrong;
}

// How many different states there are, by refining until nothing changes.
std::size_t distinct_states(const Automaton& automaton) {
  std::vector<std::uint32_t> block(automaton.states.size());
  for (std::size_t s = 0; s < block.size(); ++s) block[s] = automaton.states[s].match;
  for (std::size_t count = 0;;) {
    std::map<std::vector<std::uint32_t>, std::uint32_t> number;
    std::vector<std::uint32_t> refined;
    for (std::uint32_t s = 0; s < block.size(); ++s) {
      std::vector<std::uint32_t> signature{block[s]};
      for (unsigned byte = 0; byte < 256; ++byte) signature.push_back(block[automaton.next(s, static_cast<std::uint8_t>(byte))]);
      refined.push_back(number.emplace(std::move(signature), static_cast<std::uint32_t>(number.size())).first->second);
    }
    if (number.size() == count) return count;
    count = number.size();
    block = refined;
  }
}

Shares share(const std::vector<PathTest>& tests) {
  Result<Shares> shares = share_out(pointers(tests));
  if (!shares) FAIL(shares.error().message);
  return std::move(*shares);
}

bool same_below(const std::vector<PathTest>& tests, const std::string& a, const std::string& b) {
  Shares shares = share(tests);
  TableReader reader(shares.automata);
  for (std::size_t i = 0; i < shares.automata.size(); ++i) {
    if (reader.run(i, a + "/") != reader.run(i, b + "/")) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("random tests: automata and tables say what the tests say") {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    std::vector<PathTest> tests = random_tests(random, 1 + random() % 25);
    Shares shares = share(tests);
    CHECK(wrong_answers(tests, shares, interesting_paths(tests, 60, random)) == 0);
    for (const Automaton& automaton : shares.automata) {
      if (automaton.states.size() < 1500) CHECK(distinct_states(automaton) == automaton.states.size());
    }
  }
}

TEST_CASE("edges of literals, trees and prefixes") {
  std::string longest = "/" + std::string(KERF_PATH_BYTES - 1, 'n');
  std::vector<PathTest> tests{files({"/"}), files({}, {"/"}), files({"/a"}), files({}, {"/a"}), files({"/a", "/a/b"}, {"/c"}),
                              files({}, {"/a/b"}), pattern({"/a", ""}), pattern({"/a/", ""}), pattern({"", ""}), pattern({"/a"}),
                              files({}), files({longest}), files({longest + "n"}), pattern({longest, ""}), files({"/é"}, {"/é"}),
                              pattern({"/\xc3\xa9", ""}), files({"kerf:memfd"}), files({std::string("/a\0b", 4)})};
  std::vector<std::string> texts{"/", "/a", "/ab", "/a/", "/a/b", "/a/bc", "/a/b/c", "/c", "/c/", "/c/d", "/b", longest,
                                 longest.substr(0, longest.size() - 1), "/é", "/é/x", "/é/é", "/è", "kerf:memfd", "kerf:memfd2",
                                 "kerf:", "k", "a", std::string("/a\0b", 4), std::string("/a\0", 3)};
  CHECK(wrong_answers(tests, share(tests), texts) == 0);
}

TEST_CASE("a literal has no wildcard but at its end") {
  for (const PathTest& test : {files({"/a"}), pattern({"/a"}), pattern({"/a", ""}), pattern({"", ""})}) CHECK(is_literal(test));
  for (const PathTest& test : {pattern({"/a", "b"}), pattern({"", "b"}), pattern({"", "b", ""})}) CHECK_FALSE(is_literal(test));
}

TEST_CASE("a state that only its own byte keeps where it is") {
  // From the start: b stays, anything else goes on; then b is a match, anything else stays.
  DenseAutomaton dense;
  dense.symbols = 2;
  dense.symbol_of['b'] = 1;
  dense.next = {1, 0, 1, 2, 1, 1};
  dense.match = {0, 0, 1};
  const std::vector<Automaton> automata{minimise(dense, {{}, {0}})};
  REQUIRE(automata[0].states.size() == 3);
  TableReader reader(automata);
  for (const char* text : {"", "b", "bb", "bbbb", "a", "ab", "bbab", "bbabb", "aabab", "bbba"}) {
    CAPTURE(text);
    std::uint32_t state = 0;
    for (char c : std::string_view(text)) state = dense.next[state * 2 + (c == 'b')];
    CHECK(automata[0].match(text) == (state == 2 ? TestSet{0} : TestSet{}));
    CHECK(reader.match(0, text) == (state == 2 ? TestSet{0} : TestSet{}));
  }
}

TEST_CASE("rows of edges lie in one another's gaps") {
  std::vector<PathTest> tests;
  for (int i = 0; i < 512; ++i) {
    std::string name = "/";
    for (int bit = 0; bit < 9; ++bit) name += i >> bit & 1 ? 'z' : 'a';
    tests.push_back(files({name}));
  }
  const Shares shares = share(tests);
  const TableReader reader(shares.automata);
  CHECK(shares.automata[0].edges.size() == 1023);
  CHECK(reader.tables.path_edges.size() < 2000);
}

TEST_CASE("patterns: pieces that overlap themselves and each other") {
  std::vector<PathTest> tests{pattern({"", "aab", ""}), pattern({"", "aa", "ab"}), pattern({"a", "a"}), pattern({"", "abab", "ab", ""}),
                              pattern({"/", "/", "/", "x"}), pattern({"", ".pem"}), pattern({"/a", ".pem"}), pattern({"", "é", ""}),
                              pattern({"a", "b", "a", "b"})};
  std::vector<std::string> texts;
  std::mt19937_64 random(1);
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    static const char* const parts[] = {"a", "a", "b", "ab", "/", "x", ".pem", "é", "\xc3", "aab"};
    for (std::size_t n = 1 + random() % 12; n-- > 0;) text += parts[random() % std::size(parts)];
    texts.push_back(text);
  }
  Shares shares = share(tests);
  CHECK(wrong_answers(tests, shares, texts) == 0);
  for (const Automaton& automaton : shares.automata) CHECK(distinct_states(automaton) == automaton.states.size());
}

TEST_CASE("a pattern that ends where another goes on to a wildcard") {
  std::vector<PathTest> tests{pattern({"", "a"}), pattern({"", "ab", ""}), pattern({"/c"}), pattern({"/c", "d", ""}), pattern({"/c", "d"})};
  const Shares shares = share(tests);
  CHECK(wrong_answers(tests, shares, {"a", "ab", "aba", "abxa", "abxab", "/c", "/cd", "/cdd", "/cdxd", "/cdxa", "/cabd"}) == 0);
}

TEST_CASE("states that agree are one, however many there are") {
  auto below = [](std::vector<std::string> directories) {
    std::mt19937_64 random(6);
    std::vector<std::string> names;
    for (int i = 0; i < 3000; ++i) {
      const std::string name = fmt::format("{:06x}", random() & 0xffffff);
      for (const std::string& directory : directories) names.push_back(directory + name);
    }
    return share({files(std::move(names))}).automata[0].states.size();
  };
  const std::size_t once = below({"/a/"});
  CHECK(once > 1000);   // past the first size of the index of states
  CHECK(below({"/a/", "/b/"}) == once);
}

TEST_CASE("directories that are treated alike have one state") {
  std::vector<PathTest> tests{files({"/ws/a/secret", "/ws/b/secret", "/ws/c/other"}, {"/in", "/out"}), files({}, {"/ws"}),
                              files({"/ws/d/secret"}), pattern({"/ws/e", ".pem"})};
  CHECK(same_below(tests, "/ws/x", "/ws/y"));
  CHECK(same_below(tests, "/ws/x", "/ws/x/y/z"));
  CHECK(same_below(tests, "/ws/a", "/ws/b"));
  CHECK(same_below(tests, "/in", "/out"));
  CHECK(same_below(tests, "/in/x", "/out/x/y"));
  CHECK(same_below(tests, "/in/x", "/out"));
  CHECK(same_below(tests, "/x", "/y/z"));
  CHECK_FALSE(same_below(tests, "/ws/a", "/ws/x"));
  CHECK_FALSE(same_below(tests, "/ws/a", "/ws/c"));
  CHECK_FALSE(same_below(tests, "/ws/a", "/ws/d"));
  CHECK_FALSE(same_below(tests, "/ws/x", "/x"));
  CHECK_FALSE(same_below(tests, "/ws/x", "/ws/e"));
  CHECK_FALSE(same_below(tests, "/in", "/in2"));
}

TEST_CASE("100,000 files, 10,000 tests: linear size") {
  std::vector<std::string> names;
  std::mt19937_64 random(4);
  std::size_t bytes = 0;
  for (int i = 0; i < 100000; ++i) names.push_back(fmt::format("/data/{:016x}{:016x}{:08x}", random(), random(), random() & 0xffffffff));
  for (const std::string& name : names) bytes += name.size();
  std::vector<PathTest> tests{files(names)};
  for (int i = 0; i < 10000; ++i) tests.push_back(i % 2 ? files({fmt::format("/home/user{}/file{}", i, i)}) : files({}, {fmt::format("/home/user{}", i)}));
  auto start = std::chrono::steady_clock::now();
  Shares shares = share(tests);
  TableReader reader(shares.automata);
  double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  fmt::print("{} random names, {} bytes: {} states, {} table bytes, {:.0f} ms\n", names.size(), bytes, shares.automata[0].states.size(),
             reader.tables.bytes(), ms);
  CHECK(shares.automata[0].states.size() < bytes);
  CHECK(reader.tables.bytes() < 6 * bytes);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < names.size(); i += 97) {
    wrong += reader.match(0, names[i]) != TestSet{0};
    wrong += !reader.match(0, names[i] + "0").empty();
    wrong += !reader.match(0, names[i].substr(0, names[i].size() - 1)).empty();
  }
  for (std::uint32_t i = 0; i < 10000; ++i) {
    wrong += reader.match(0, fmt::format("/home/user{}{}", i, i % 2 ? fmt::format("/file{}", i) : "/x")) != TestSet{i + 1};
    wrong += !reader.match(0, fmt::format("/home/user{}", i)).empty();
  }
  CHECK(wrong == 0);
}

TEST_CASE("what stands before a wildcard that is passed makes no states") {
  std::mt19937_64 random(5);
  std::vector<std::string> pieces{""};
  std::size_t letters = 0;
  for (int word = 0; word < 150; ++word) {
    pieces.emplace_back();
    for (int i = 0; i < 20; ++i, ++letters) pieces.back() += random() % 2 ? 'a' : 'b';
  }
  pieces.emplace_back();
  const PathTest test = pattern(pieces);
  const std::vector<NumberedTest> tests{{0, &test}};
  const std::optional<Automaton> automaton = build_patterns(tests);
  REQUIRE(automaton);
  CHECK(automaton->states.size() == letters + 1);
}

TEST_CASE("1,000 patterns that do not multiply fit") {
  std::vector<PathTest> tests;
  for (int i = 0; i < 1000; ++i) tests.push_back(i % 2 ? pattern({fmt::format("/home/user{}/", i), fmt::format(".key{}", i)}) : pattern({"", fmt::format("/conf{}.d/x", i)}));
  std::mt19937_64 random(2);
  auto start = std::chrono::steady_clock::now();
  Shares shares = share(tests);
  double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  TableReader reader(shares.automata);
  fmt::print("1,000 patterns: {} automata, {} states, {} table bytes, {:.0f} ms\n", shares.automata.size() - 1,
             shares.automata[1].states.size(), reader.tables.bytes(), ms);
  CHECK(shares.automata.size() == 3);   // what ends alike in one, what also begins alike in the other
  CHECK(reader.tables.bytes() < 250'000);
  CHECK(wrong_answers(tests, shares, interesting_paths(tests, 300, random)) == 0);
}

TEST_CASE("patterns that would fit into one automaton take two where that is less") {
  for (int count : {50, 100, 200}) {
    CAPTURE(count);
    std::vector<PathTest> tests;
    for (int i = 0; i < count; ++i) tests.push_back(i % 2 ? pattern({fmt::format("/home/user{}/", i), fmt::format(".key{}", i)}) : pattern({"", fmt::format("/conf{}.d/x", i)}));
    std::vector<NumberedTest> numbered;
    for (std::uint32_t i = 0; i < tests.size(); ++i) numbered.push_back({i, &tests[i]});
    const std::optional<Automaton> one = build_patterns(numbered);
    const Shares shares = share(tests);
    if (!one || one->states.size() <= 4096) continue;   // few enough: nothing is sought
    REQUIRE(shares.automata.size() == 3);
    CHECK(shares.automata[1].states.size() + shares.automata[2].states.size() < one->states.size());
  }
}

TEST_CASE("many ends lie apart from the patterns that multiply them") {
  std::vector<PathTest> tests;
  for (int i = 0; i < 300; ++i) tests.push_back(pattern({"", fmt::format("/conf{}.d", i)}));
  for (int i = 0; i < 4; ++i) {
    tests.push_back(pattern({fmt::format("/home/{}/", i), fmt::format(".key{}", i)}));
    tests.push_back(pattern({"", fmt::format("x{}", i), ""}));
  }
  const Shares shares = share(tests);
  REQUIRE(shares.automata.size() == 3);
  CHECK(shares.automata[1].states.size() + shares.automata[2].states.size() < 2000);
}

TEST_CASE("patterns that multiply are spread over two automata; past both they are named") {
  std::vector<PathTest> tests;
  auto middle = [](int i) { return pattern({"", fmt::format("{:02}", i), ""}); };
  for (int i = 10; i < 34; ++i) tests.push_back(middle(i));
  Shares shares = share(tests);
  REQUIRE(shares.automata.size() == 3);
  CHECK(shares.automata[1].states.size() <= kMaxPatternStates);
  std::mt19937_64 random(8);
  CHECK(wrong_answers(tests, shares, interesting_paths(tests, 100, random)) == 0);

  for (int i = 34; i < 90; ++i) tests.push_back(middle(i));
  Result<Shares> none = share_out(pointers(tests));
  REQUIRE_FALSE(none.ok());
  CHECK(none.error().message.find(" more do not fit into the 131072 states") != std::string::npos);
  KernelPlan plan;
  plan.envs.resize(1);
  plan.envs[0].paths = tests;
  std::vector<Pattern> left = patterns_past_limits(plan);
  CHECK(none.error().message.find(fmt::format(" and {} more do not fit into", left.size() - 8)) != std::string::npos);
  CHECK(std::count(left.begin(), left.end(), *middle(89).pattern) == 1);
  CHECK(std::count(left.begin(), left.end(), *middle(10).pattern) == 0);
}

TEST_CASE("hostile sizes end in an error or in an answer") {
  std::vector<PathTest> tests{pattern({"", std::string(1 << 20, 'a'), ""})};
  Result<Shares> one_too_long = share_out(pointers(tests));
  REQUIRE_FALSE(one_too_long.ok());
  CHECK(one_too_long.error().message.find(" more") == std::string::npos);   // all of them are named
  const PatternShares nothing = share_out_patterns({{0, &tests[0]}});
  CHECK(nothing.automata.empty());
  CHECK(nothing.left.size() == 1);
  tests = {files({"/" + std::string(1 << 20, 'a')}, {"/" + std::string(1 << 20, 'b')}), pattern({std::string(1 << 20, 'a'), ""})};
  Shares shares = share(tests);
  CHECK(shares.automata[0].states.size() < 10);   // no path is that long

  // Trees in trees, each a test of its own: the sets that hold together grow with the square.
  tests.clear();
  std::string path;
  for (int i = 0; i < 2000; ++i) tests.push_back(files({}, {path += "/d"}));
  shares = share(tests);
  CHECK(shares.automata[0].match(path + "/x").size() == 2000);
  tests.clear();
  for (int i = 0; i < 40; ++i) {
    std::string way = fmt::format("/{}", i);
    for (int k = 0; k < 2000; ++k) tests.push_back(files({}, {way += "/d"}));
  }
  Result<Shares> too_many = share_out(pointers(tests));
  CHECK_FALSE(too_many.ok());
}
