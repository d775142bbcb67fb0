// The one decision: a single operator, `select`, with one memo. What it costs is bounded by nodes and by depth; past a
// bound everything answers false and `overflown()` says so, which callers must treat as "not proved".
#include "backends/check/diagram.h"

#include <algorithm>

#include "ir/base/check.h"

namespace kerf::proof {

namespace {

constexpr unsigned kMaxDepth = 20'000;

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
  return hash ^ hash >> 29;
}

}  // namespace

std::size_t Diagrams::KeyHash::operator()(const Key& key) const {
  return mix(mix(mix(mix(1, key.condition), key.on_false), key.on_true), key.on_error);
}

std::uint32_t Diagrams::add_variable(std::uint32_t values) {
  check(values >= 1, "a variable has a value");
  values_.push_back(values);
  return static_cast<std::uint32_t>(values_.size() - 1);
}

Diagram Diagrams::branch(std::uint32_t variable, Diagram otherwise, std::span<const Case> all) {
  std::vector<Case> kept;
  for (const Case& c : all) {
    check(c.first < values_.at(variable), "a value of the variable");
    if (c.second != otherwise) kept.push_back(c);
  }
  if (kept.empty()) return otherwise;
  std::uint64_t hash = mix(mix(7, variable), otherwise);
  for (const Case& c : kept) hash = mix(mix(hash, c.first), c.second);
  auto [first, last] = unique_.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    const Node& other = node(it->second);
    if (other.variable == variable && other.otherwise == otherwise && std::ranges::equal(cases(it->second), kept)) return it->second;
  }
  if (overflown_ || nodes_.size() + cases_.size() / 8 >= max_nodes_) return overflown_ = true, kFalse;
  nodes_.push_back({variable, otherwise, static_cast<std::uint32_t>(cases_.size()), static_cast<std::uint32_t>(kept.size())});
  cases_.insert(cases_.end(), kept.begin(), kept.end());
  const auto made = static_cast<Diagram>(nodes_.size() + kError);
  unique_.emplace(hash, made);
  return made;
}

Diagram Diagrams::child(Diagram d, std::uint32_t variable, std::uint32_t value) const {
  if (variable_of(d) != variable) return d;
  const std::span<const Case> own = cases(d);
  auto at = std::lower_bound(own.begin(), own.end(), value, [](const Case& c, std::uint32_t wanted) { return c.first < wanted; });
  return at != own.end() && at->first == value ? at->second : node(d).otherwise;
}

Diagram Diagrams::fold(std::span<const Diagram> operands, bool conjunction) {
  if (operands.empty()) return conjunction ? kTrue : kFalse;
  if (operands.size() == 1) return operands[0];
  const std::size_t half = operands.size() / 2;
  const Diagram left = fold(operands.first(half), conjunction), right = fold(operands.subspan(half), conjunction);
  return conjunction ? both(left, right) : either(left, right);
}

Diagram Diagrams::select(Diagram condition, Diagram on_false, Diagram on_true, Diagram on_error) {
  return select(Key{condition, on_false, on_true, on_error}, 0);
}

Diagram Diagrams::select(const Key& key, unsigned depth) {
  if (key.condition == kFalse) return key.on_false;
  if (key.condition == kTrue) return key.on_true;
  if (key.condition == kError) return key.on_error;
  if (key.on_false == kFalse && key.on_true == kTrue && key.on_error == kError) return key.condition;
  if (key.on_false == key.on_true && key.on_true == key.on_error) return key.on_false;
  if (auto known = selected_.find(key); known != selected_.end()) return known->second;
  if (overflown_ || depth > kMaxDepth || selected_.size() > 4 * max_nodes_) return overflown_ = true, kFalse;
  const Diagram made = select_anew(key, depth);
  selected_.emplace(key, made);
  return made;
}

Diagram Diagrams::select_anew(const Key& key, unsigned depth) {
  const std::uint32_t variable = std::min({variable_of(key.condition), variable_of(key.on_false), variable_of(key.on_true),
                                           variable_of(key.on_error)});
  auto at = [&](std::uint32_t value) {
    return select(Key{child(key.condition, variable, value), child(key.on_false, variable, value),
                      child(key.on_true, variable, value), child(key.on_error, variable, value)},
                  depth + 1);
  };
  std::vector<std::uint32_t> listed;
  for (Diagram d : {key.condition, key.on_false, key.on_true, key.on_error}) {
    if (variable_of(d) != variable) continue;
    for (const Case& c : cases(d)) listed.push_back(c.first);
  }
  std::sort(listed.begin(), listed.end());
  listed.erase(std::unique(listed.begin(), listed.end()), listed.end());
  const Diagram otherwise = at(0);
  std::vector<Case> made;
  for (std::uint32_t value : listed) made.emplace_back(value, at(value));
  return branch(variable, otherwise, made);
}

Diagram Diagrams::difference(Diagram a, Diagram b) {
  if (a == b) return kFalse;
  return select(a, select(b, kFalse, kTrue, kTrue), select(b, kTrue, kFalse, kTrue), select(b, kTrue, kTrue, kFalse));
}

std::optional<std::vector<Choice>> Diagrams::example(Diagram d) const {
  if (d == kFalse) return std::nullopt;
  std::vector<Choice> choices;
  while (!is_constant(d)) {   // reduced: not all branches of a node are false
    Case next{0, node(d).otherwise};
    if (next.second == kFalse) next = cases(d).front();
    choices.push_back({node(d).variable, next.first});
    d = next.second;
  }
  return choices;
}

std::optional<Outcome> Diagrams::decided(Diagram d, std::span<const Choice> choices) const {
  while (!is_constant(d)) {
    auto chosen = std::find_if(choices.begin(), choices.end(), [&](const Choice& choice) { return choice.variable == node(d).variable; });
    if (chosen == choices.end()) return std::nullopt;
    d = child(d, chosen->variable, chosen->value);
  }
  return static_cast<Outcome>(d);
}

Outcome Diagrams::outcome(Diagram d, std::span<const Choice> choices) const {
  while (!is_constant(d)) {
    std::uint32_t value = 0;
    for (const Choice& choice : choices) {
      if (choice.variable == node(d).variable) value = choice.value;
    }
    d = child(d, node(d).variable, value);
  }
  return static_cast<Outcome>(d);
}

}  // namespace kerf::proof
