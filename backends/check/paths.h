// The object's path automata, decoded, against the tests of canonical paths that policies make. A test is elementary: a
// path itself, what is below a directory, what begins with a text, or a pattern. Automata are walked together with a
// trie of the tests (or with patterns) over all canonical paths, so that for every match class it is known which tests hold.
#pragma once
#include <map>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "backends/check/read_object.h"
#include "backends/check/text_trie.h"
#include "ir/base/result.h"
#include "ir/values/pattern.h"

namespace kerf::proof {

enum class PathTestKind : std::uint8_t { exact, tree, prefix };

class PathClasses {
 public:
  // Past so many states, patterns are no longer walked together. Default: some times the automata's.
  explicit PathClasses(std::optional<std::size_t> together = std::nullopt) : together_(together) {}

  // Numbers are by kind and text: equal tests are one. Add all of them before analyse().
  std::uint32_t add(PathTestKind kind, const std::string& text);
  std::uint32_t add(const Pattern& pattern);

  // Fails if an automaton leaves its tables or the walk passes a bound.
  std::optional<Error> analyse(const ObjectTables& tables);
  // Of executables, which have one automaton for all tests and patterns.
  std::optional<Error> analyse_executables(const ObjectTables& tables);

  // A point: paths that all tests and automaton 0 treat alike.
  struct Points {
    std::vector<std::uint32_t> classes;                                    // by point: match class of automaton 0
    std::vector<std::vector<std::uint32_t>> of_test;                       // by test: points where it holds
    std::unordered_map<std::uint32_t, std::vector<std::uint32_t>> of_class;   // by match class
  };
  const Points& points() const { return points_; }

  struct DecidedPattern {
    std::uint32_t automaton = 0;                                           // 0: none decides it
    std::vector<std::uint32_t> classes;                                    // ascending: where it holds
  };
  const DecidedPattern& pattern(std::uint32_t number) const { return decided_.at(number); }
  // Match classes that some canonical path has; of automaton 1 and 2. One class, 0, if there is no such automaton.
  const std::vector<std::uint32_t>& reached(std::uint32_t automaton) const { return reached_.at(automaton); }
  std::uint32_t class_count(std::uint32_t automaton) const { return class_count_.at(automaton); }
  // Match classes of automaton 0, or that of executables, in which the test holds; nothing if some class does not tell.
  std::optional<std::vector<std::uint32_t>> classes_of(std::uint32_t test) const;

  std::string text(std::uint32_t point) const;   // tests that hold there, for messages

 private:
  // What ends at a node of the trie.
  struct Ends {
    std::vector<std::uint32_t> exact;            // tests
    std::vector<std::uint32_t> below, from;      // trees whose directory and slash these are; prefixes
    bool nameless = false;
  };
  struct Test {
    PathTestKind kind;
    std::string text;
  };
  void begin();
  Ends& end_of(std::string_view text);
  std::optional<Error> walk_trie(const ObjectTables& tables, std::uint32_t automaton);
  std::optional<Error> walk_patterns(const ObjectTables& tables, std::uint32_t automaton);
  std::optional<Error> walk_group(const ObjectTables& tables, std::uint32_t automaton, std::span<const std::uint32_t> group);
  Result<bool> walk_together(const ObjectTables& tables, std::uint32_t automaton, std::span<const std::uint32_t> group, std::size_t limit);

  const std::optional<std::size_t> together_;
  TextTrie trie_;
  std::vector<Ends> ends_{1};                    // by node
  std::vector<Test> tests_;
  std::unordered_map<std::string, std::uint32_t> test_index_;
  std::vector<Pattern> patterns_;
  std::map<Pattern, std::uint32_t> pattern_index_;
  std::vector<DecidedPattern> decided_;
  Points points_;
  std::vector<std::vector<std::uint32_t>> tests_of_point_;
  std::vector<std::vector<std::uint32_t>> reached_;
  std::vector<std::uint32_t> class_count_;
};

}  // namespace kerf::proof
