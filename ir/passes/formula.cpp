// Three-valued evaluation of a formula, and its paths: the decision tree that Cedar's evaluation order spans, cut at
// false. The one decision: a path asks the first atom that evaluation needs and goes on with what is left of the
// formula, so an atom is asked at most once on a path and parts that cannot be reached are never asked.
#include "ir/passes/formula.h"

#include "ir/base/check.h"
#include "ir/passes/residual.h"

namespace kerf {

namespace {

constexpr std::uint64_t kMaxPathWork = 20'000'000;   // formula nodes visited; past it there are too many paths

Outcome evaluate_node(const Formula::Node& node, const std::vector<Outcome>& values,
                      const std::vector<Outcome>& outcomes) {
  switch (node.kind) {
    case Formula::Kind::constant:
      return node.constant;
    case Formula::Kind::atom:
      return outcomes.at(node.atom);
    case Formula::Kind::not_: {
      Outcome operand = values[node.args[0]];
      if (operand == Outcome::error) return operand;
      return operand == Outcome::true_ ? Outcome::false_ : Outcome::true_;
    }
    case Formula::Kind::and_:
      for (std::uint32_t arg : node.args) {
        if (values[arg] != Outcome::true_) return values[arg];
      }
      return Outcome::true_;
    case Formula::Kind::or_:
      for (std::uint32_t arg : node.args) {
        if (values[arg] != Outcome::false_) return values[arg];
      }
      return Outcome::false_;
    case Formula::Kind::if_:
      if (values[node.args[0]] == Outcome::error) return Outcome::error;
      return values[node.args[values[node.args[0]] == Outcome::true_ ? 1 : 2]];
  }
  internal_error("formula kind");
}

Residuals::Id to_residual(Residuals& residuals, const Formula& formula, const std::vector<bool>& can_error) {
  std::vector<Residuals::Id> ids;
  for (const Formula::Node& node : formula.nodes) {
    switch (node.kind) {
      case Formula::Kind::constant:
        ids.push_back(residuals.constant(node.constant));
        break;
      case Formula::Kind::atom:
        ids.push_back(residuals.atom(node.atom, can_error.at(node.atom)));
        break;
      case Formula::Kind::not_:
        ids.push_back(residuals.negation(ids[node.args[0]]));
        break;
      case Formula::Kind::and_:
      case Formula::Kind::or_: {
        bool conjunction = node.kind == Formula::Kind::and_;
        Residuals::Id rest = residuals.constant(conjunction ? Outcome::true_ : Outcome::false_);
        for (std::size_t i = node.args.size(); i-- > 0;) {
          Residuals::Id operand = ids[node.args[i]];
          rest = conjunction ? residuals.both(operand, rest) : residuals.either(operand, rest);
        }
        ids.push_back(rest);
        break;
      }
      case Formula::Kind::if_:
        ids.push_back(residuals.choice(ids[node.args[0]], ids[node.args[1]], ids[node.args[2]]));
        break;
    }
  }
  return ids.at(formula.root);
}

}  // namespace

std::uint32_t Formula::add_constant(Outcome outcome) {
  nodes.push_back({Kind::constant, outcome, 0, {}});
  return static_cast<std::uint32_t>(nodes.size() - 1);
}

std::uint32_t Formula::add_atom(std::uint32_t atom) {
  nodes.push_back({Kind::atom, Outcome::false_, atom, {}});
  return static_cast<std::uint32_t>(nodes.size() - 1);
}

std::uint32_t Formula::add(Kind kind, std::vector<std::uint32_t> args) {
  for (std::uint32_t arg : args) check(arg < nodes.size(), "formula operands precede users");
  nodes.push_back({kind, Outcome::false_, 0, std::move(args)});
  return static_cast<std::uint32_t>(nodes.size() - 1);
}

Outcome Formula::evaluate(const std::vector<Outcome>& outcomes) const {
  std::vector<Outcome> values;
  values.reserve(nodes.size());
  for (const Node& node : nodes) values.push_back(evaluate_node(node, values, outcomes));
  return values.at(root);
}

std::optional<std::vector<Path>> Formula::paths(std::size_t limit, const std::vector<bool>& can_error) const {
  Residuals residuals;
  Residuals::Id start = to_residual(residuals, *this, can_error);
  return residual_paths(residuals, start, limit, kMaxPathWork);
}

std::optional<std::vector<Path>> residual_paths(Residuals& residuals, Residuals::Id root, std::size_t limit,
                                                std::uint64_t max_work) {
  struct Branch {
    Residuals::Id rest;
    std::size_t depth;          // requirements that hold before this one
    Requirement last;
  };
  std::vector<Path> paths;
  std::vector<Requirement> when;
  std::vector<Branch> stack{{root, 0, {}}};
  const std::uint64_t budget = residuals.work() + max_work;
  std::uint64_t written = 0;    // requirements; memory, so they count four times
  while (!stack.empty()) {
    Branch branch = stack.back();
    stack.pop_back();
    if (residuals.work() + 4 * written > budget) return std::nullopt;
    when.resize(branch.depth > 0 ? branch.depth - 1 : 0);
    if (branch.depth > 0) when.push_back(branch.last);
    if (auto outcome = residuals.outcome(branch.rest)) {
      if (*outcome == Outcome::false_) continue;
      if (paths.size() == limit) return std::nullopt;
      paths.push_back({when, *outcome});
      written += when.size();
      continue;
    }
    Residuals::Id asked = residuals.asked_node(branch.rest);
    std::uint32_t atom = residuals[asked].atom;
    bool fallible = residuals[asked].fallible;
    for (Outcome outcome : {Outcome::error, Outcome::false_, Outcome::true_}) {   // popped in the opposite order
      if (outcome == Outcome::error && !fallible) continue;
      Residuals::Id rest = residuals.specialise(branch.rest, atom, {outcome});
      stack.push_back({rest, branch.depth + 1, {atom, outcome}});
    }
  }
  return paths;
}

// Each node's set of possible outcomes, as bits; atoms are taken to be independent of each other.
bool Formula::can_hold(const std::vector<bool>& can_error) const {
  auto bit = [](Outcome outcome) { return static_cast<std::uint8_t>(1u << static_cast<unsigned>(outcome)); };
  const std::uint8_t f = bit(Outcome::false_), t = bit(Outcome::true_), e = bit(Outcome::error);
  std::vector<std::uint8_t> possible(nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const Node& node = nodes[i];
    auto arg = [&](std::size_t k) { return possible[node.args[k]]; };
    // The first operand that is not `neutral` decides; `stop` ends the chain with itself.
    auto chain = [&](std::uint8_t neutral, std::uint8_t stop) {
      std::uint8_t result = 0;
      bool reached = true;
      for (std::size_t k = 0; k < node.args.size() && reached; ++k) {
        result |= arg(k) & static_cast<std::uint8_t>(stop | e);
        reached = (arg(k) & neutral) != 0;
      }
      return static_cast<std::uint8_t>(result | (reached ? neutral : 0));
    };
    switch (node.kind) {
      case Kind::constant: possible[i] = bit(node.constant); break;
      case Kind::atom: possible[i] = static_cast<std::uint8_t>(f | t | (can_error[node.atom] ? e : 0)); break;
      case Kind::not_:
        possible[i] = static_cast<std::uint8_t>((arg(0) & e) | (arg(0) & f ? t : 0) | (arg(0) & t ? f : 0));
        break;
      case Kind::and_: possible[i] = chain(t, f); break;
      case Kind::or_: possible[i] = chain(f, t); break;
      case Kind::if_:
        possible[i] = static_cast<std::uint8_t>((arg(0) & e) | (arg(0) & t ? arg(1) : 0) | (arg(0) & f ? arg(2) : 0));
        break;
    }
  }
  return (possible[root] & (t | e)) != 0;
}

}  // namespace kerf
