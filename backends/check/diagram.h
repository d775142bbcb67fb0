// Decision diagrams with Cedar's three outcomes: ordered, reduced, hash-consed. Two functions over the same variables are
// equal iff their numbers are. A variable has two values or more: an atom's outcomes, or the classes of an observable.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "ir/eval.h"

namespace kerf::proof {

using Diagram = std::uint32_t;

inline constexpr std::size_t kMaxDiagramNodes = std::size_t{1} << 18;   // of one policy in one environment

struct Choice {
  std::uint32_t variable, value;
};

class Diagrams {
 public:
  explicit Diagrams(std::size_t max_nodes = kMaxDiagramNodes) : max_nodes_(max_nodes) {}

  static constexpr Diagram of(Outcome outcome) { return static_cast<Diagram>(outcome); }
  static constexpr Diagram kFalse = 0, kTrue = 1, kError = 2;   // as Outcome
  static constexpr bool is_constant(Diagram d) { return d <= kError; }

  // Variables are asked in the order in which they are added.
  std::uint32_t add_variable(std::uint32_t values);
  // By the variable's value: `otherwise` for value 0 and those not listed. Sorted by value.
  using Case = std::pair<std::uint32_t, Diagram>;
  Diagram branch(std::uint32_t variable, Diagram otherwise, std::span<const Case> cases);
  // `on_false`, `on_true` or `on_error` by the outcome of `condition`: every operator of Cedar is this one.
  Diagram select(Diagram condition, Diagram on_false, Diagram on_true, Diagram on_error);
  Diagram negation(Diagram a) { return select(a, kTrue, kFalse, kError); }
  // Of a chain, left to right; halves first, which keeps chains over one variable cheap.
  Diagram fold(std::span<const Diagram> operands, bool conjunction);
  Diagram both(Diagram a, Diagram b) { return select(a, kFalse, b, kError); }
  Diagram either(Diagram a, Diagram b) { return select(a, b, kTrue, kError); }

  // True where the outcomes differ, else false.
  Diagram difference(Diagram a, Diagram b);
  // Values of the variables on the way to an outcome that is not false; nothing if the diagram is false.
  std::optional<std::vector<Choice>> example(Diagram d) const;
  Outcome outcome(Diagram d, std::span<const Choice> choices) const;   // variables not chosen have value 0
  std::optional<Outcome> decided(Diagram d, std::span<const Choice> choices) const;   // nothing: it asks others too

  // The first variable that a diagram asks, and what is left for one of its values.
  std::uint32_t variable_of(Diagram d) const { return is_constant(d) ? ~0u : node(d).variable; }
  Diagram child(Diagram d, std::uint32_t variable, std::uint32_t value) const;
  std::uint32_t values_of(std::uint32_t variable) const { return values_[variable]; }

  // The limit was passed: all diagrams made since are meaningless.
  bool overflown() const { return overflown_; }
  std::size_t size() const { return nodes_.size(); }

 private:
  // Value 0 stands for most of the others, so that a variable of many values costs what differs from it.
  struct Node {
    std::uint32_t variable;
    Diagram otherwise;
    std::uint32_t first_case, case_count;
  };
  struct Key {
    Diagram condition, on_false, on_true, on_error;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const;
  };

  const Node& node(Diagram d) const { return nodes_[d - kError - 1]; }
  std::span<const Case> cases(Diagram d) const { return {cases_.data() + node(d).first_case, node(d).case_count}; }
  Diagram select_anew(const Key& key, unsigned depth);
  Diagram select(const Key& key, unsigned depth);

  std::size_t max_nodes_;
  bool overflown_ = false;
  std::vector<std::uint32_t> values_;   // by variable
  std::vector<Node> nodes_;
  std::vector<Case> cases_;
  std::unordered_multimap<std::uint64_t, Diagram> unique_;
  std::unordered_map<Key, Diagram, KeyHash> selected_;
};

}  // namespace kerf::proof
