// Interned three-valued formulas. Every rule below keeps Cedar's left-to-right order: an operand is dropped only if it
// cannot be reached, or cannot change the outcome because it cannot fail. The one decision: right-nested chains, so
// that taking off the first operand shares the rest and a long chain costs no recursion.
#include "ir/passes/residual.h"

#include <algorithm>

namespace kerf {

namespace {

constexpr std::uint32_t kNoAtom = 0xffffffffu;

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash ^= value + 0x9e3779b97f4a7c15ull + (hash << 6) + (hash >> 2);
  return hash * 0xff51afd7ed558ccdull;
}

}  // namespace

Residuals::Residuals() {
  for (Outcome outcome : {Outcome::false_, Outcome::true_, Outcome::error}) {
    nodes_.push_back({Kind::constant, outcome == Outcome::error, outcome, kNoAtom, 0, 0, 0, kNoAtom, 0});
  }
}

std::optional<Outcome> Residuals::outcome(Id id) const {
  if (nodes_[id].kind != Kind::constant) return std::nullopt;
  return nodes_[id].constant;
}

Residuals::Id Residuals::intern(Kind kind, std::uint32_t atom, Id a, Id b, Id c, bool fallible) {
  std::uint64_t key = mix(mix(mix(mix(static_cast<std::uint64_t>(kind), atom), a), b), c);
  auto [first, last] = index_.equal_range(key);
  for (auto it = first; it != last; ++it) {
    const Node& node = nodes_[it->second];
    if (node.kind == kind && node.atom == atom && node.a == a && node.b == b && node.c == c) return it->second;
  }
  Node node{kind, fallible, Outcome::false_, atom, a, b, c, kNoAtom, 0};
  if (kind == Kind::atom) {
    node.first_atom = node.last_atom = atom;
  } else {
    for (Id operand : {a, b, c}) {   // the range of a constant is empty
      node.first_atom = std::min(node.first_atom, nodes_[operand].first_atom);
      node.last_atom = std::max(node.last_atom, nodes_[operand].last_atom);
    }
  }
  nodes_.push_back(node);
  Id id = static_cast<Id>(nodes_.size() - 1);
  index_.emplace(key, id);
  return id;
}

Residuals::Id Residuals::atom(std::uint32_t atom, bool fallible) {
  return intern(Kind::atom, atom, 0, 0, 0, fallible);
}

Residuals::Id Residuals::negation(Id operand) {
  const Node node = nodes_[operand];
  if (node.kind == Kind::constant) {
    if (node.constant == Outcome::error) return operand;
    return constant(node.constant == Outcome::true_ ? Outcome::false_ : Outcome::true_);
  }
  if (node.kind == Kind::not_) return node.a;
  return intern(Kind::not_, kNoAtom, operand, 0, 0, node.fallible);
}

// `and_`: true is neutral, false decides; `or_`: the other way round. An error decides both.
Residuals::Id Residuals::chain(Kind kind, Id first, Id second) {
  const Id neutral = constant(kind == Kind::and_ ? Outcome::true_ : Outcome::false_);
  const Id deciding = constant(kind == Kind::and_ ? Outcome::false_ : Outcome::true_);
  if (second == neutral) return first;
  std::vector<Id> operands;   // those of `first`, taken off its chain
  while (nodes_[first].kind == kind) {
    operands.push_back(nodes_[first].a);
    first = nodes_[first].b;
  }
  operands.push_back(first);
  Id rest = second;
  for (auto it = operands.rbegin(); it != operands.rend(); ++it) {
    Id operand = *it;
    if (operand == neutral) continue;
    if (nodes_[operand].kind == Kind::constant) {
      rest = operand;
    } else if (rest == neutral || rest == operand) {
      rest = operand;
    } else if (rest == deciding && !nodes_[operand].fallible) {
      rest = deciding;
    } else {
      rest = intern(kind, kNoAtom, operand, rest, 0, nodes_[operand].fallible || nodes_[rest].fallible);
    }
  }
  return rest;
}

Residuals::Id Residuals::both(Id first, Id second) { return chain(Kind::and_, first, second); }
Residuals::Id Residuals::either(Id first, Id second) { return chain(Kind::or_, first, second); }

Residuals::Id Residuals::choice(Id condition, Id then_branch, Id else_branch) {
  const Node node = nodes_[condition];
  if (node.kind == Kind::constant) {
    if (node.constant == Outcome::error) return condition;
    return node.constant == Outcome::true_ ? then_branch : else_branch;
  }
  if (node.kind == Kind::not_) return choice(node.a, else_branch, then_branch);
  if (then_branch == else_branch && !node.fallible) return then_branch;
  if (else_branch == constant(Outcome::false_)) return both(condition, then_branch);
  if (then_branch == constant(Outcome::true_)) return either(condition, else_branch);
  bool fallible = node.fallible || nodes_[then_branch].fallible || nodes_[else_branch].fallible;
  return intern(Kind::if_, kNoAtom, condition, then_branch, else_branch, fallible);
}

Residuals::Id Residuals::asked_node(Id id) const {
  while (nodes_[id].kind != Kind::atom) id = nodes_[id].a;
  return id;
}

Residuals::Id Residuals::specialise(Id root, std::uint32_t first_known, const std::vector<Outcome>& known) {
  std::unordered_map<Id, Id> done;
  return specialise_node(root, first_known, known, done);
}

Residuals::Id Residuals::specialise_node(Id id, std::uint32_t first_known, const std::vector<Outcome>& known,
                                         std::unordered_map<Id, Id>& done) {
  const Node node = nodes_[id];
  ++work_;
  if (node.kind == Kind::constant) return id;
  const std::uint64_t end = std::uint64_t{first_known} + known.size();
  if (node.last_atom < first_known || node.first_atom >= end) return id;
  if (node.kind == Kind::atom) return constant(known[node.atom - first_known]);
  if (auto it = done.find(id); it != done.end()) return it->second;
  Id result = id;
  switch (node.kind) {
    case Kind::constant:
    case Kind::atom:
      break;
    case Kind::not_:
      result = negation(specialise_node(node.a, first_known, known, done));
      break;
    case Kind::and_:
    case Kind::or_:
      result = specialise_chain(id, first_known, known, done);
      break;
    case Kind::if_: {
      Id condition = specialise_node(node.a, first_known, known, done);
      if (condition == constant(Outcome::error)) {
        result = condition;
      } else if (condition == constant(Outcome::true_)) {
        result = specialise_node(node.b, first_known, known, done);
      } else if (condition == constant(Outcome::false_)) {
        result = specialise_node(node.c, first_known, known, done);
      } else {
        Id then_branch = specialise_node(node.b, first_known, known, done);
        result = choice(condition, then_branch, specialise_node(node.c, first_known, known, done));
      }
      break;
    }
  }
  done.emplace(id, result);
  return result;
}

// Walks the chain instead of recursing into it, and stops where an operand decides.
Residuals::Id Residuals::specialise_chain(Id id, std::uint32_t first_known, const std::vector<Outcome>& known,
                                          std::unordered_map<Id, Id>& done) {
  const Kind kind = nodes_[id].kind;
  const Id neutral = constant(kind == Kind::and_ ? Outcome::true_ : Outcome::false_);
  const std::uint64_t end = std::uint64_t{first_known} + known.size();
  std::vector<Id> operands;
  Id rest = id;
  for (;;) {
    const Node node = nodes_[rest];
    bool untouched = node.kind == Kind::constant || node.last_atom < first_known || node.first_atom >= end;
    if (untouched) break;
    if (node.kind != kind) {
      rest = specialise_node(rest, first_known, known, done);
      break;
    }
    Id operand = specialise_node(node.a, first_known, known, done);
    ++work_;
    rest = node.b;
    if (operand == neutral) continue;
    if (nodes_[operand].kind == Kind::constant) {
      rest = operand;
      break;
    }
    operands.push_back(operand);
  }
  for (auto it = operands.rbegin(); it != operands.rend(); ++it) rest = chain(kind, *it, rest);
  return rest;
}

}  // namespace kerf
