// Cuts the policies of one environment into atoms. The one decision: two atoms are one if their trees are equal,
// wherever they stand; decided parts are folded before the cut, so that equal conditions look equal.
#include "ir/passes/atoms.h"

#include <algorithm>
#include <unordered_map>

#include "ir/base/check.h"
#include "ir/passes/fold.h"

namespace kerf {

namespace {

class Cutter {
 public:
  Cutter(const Module& module, std::size_t environment) : module_(module) {
    result_.environment = environment;
  }

  EnvironmentAtoms run() {
    for (std::size_t i = 0; i < module_.policies.size(); ++i) cut(PolicyId(i));
    return std::move(result_);
  }

 private:
  void cut(PolicyId policy) {
    const Body& body = module_.policies[policy.index].body;
    Folded folded = fold(module_, body, module_.environments[result_.environment], FoldWith::request_types);
    PolicyFormula cut{policy, {}};
    cut.formula.root = build(policy, folded, body.root, cut.formula);
    const Formula::Node& root = cut.formula.nodes[cut.formula.root];
    if (root.kind == Formula::Kind::constant && root.constant == Outcome::false_) return;
    result_.policies.push_back(std::move(cut));
  }

  static bool is_constant(const Formula& formula, std::uint32_t node, Outcome outcome) {
    return formula.nodes[node].kind == Formula::Kind::constant && formula.nodes[node].constant == outcome;
  }

  std::uint32_t build(PolicyId policy, const Folded& folded, NodeId id, Formula& formula) {
    if (auto outcome = folded.outcome(id); outcome && *outcome != Outcome::error) return formula.add_constant(*outcome);
    const Body& body = module_.policies[policy.index].body;
    switch (body[id].op) {
      case Op::and_:
      case Op::or_: return build_chain(policy, folded, id, formula);
      case Op::not_: return formula.add(Formula::Kind::not_, {build(policy, folded, body.arg(id, 0), formula)});
      case Op::if_: {
        if (auto condition = folded.outcome(body.arg(id, 0)); condition && *condition != Outcome::error) {
          return build(policy, folded, body.arg(id, *condition == Outcome::true_ ? 1 : 2), formula);
        }
        std::vector<std::uint32_t> args;
        for (NodeId arg : body.args(id)) args.push_back(build(policy, folded, arg, formula));
        return formula.add(Formula::Kind::if_, std::move(args));
      }
      case Op::literal:
      case Op::variable:
      case Op::eq:
      case Op::less:
      case Op::less_eq:
      case Op::add:
      case Op::sub:
      case Op::mul:
      case Op::neg:
      case Op::in:
      case Op::is:
      case Op::has_attr:
      case Op::get_attr:
      case Op::has_tag:
      case Op::get_tag:
      case Op::like:
      case Op::contains:
      case Op::contains_all:
      case Op::contains_any:
      case Op::is_empty:
      case Op::set:
      case Op::record:
      case Op::call: return formula.add_atom(atom(policy, folded, id));
    }
    internal_error("operator");
  }

  // Right-nested and two operands each, what is neutral left out, nothing after what decides.
  std::uint32_t build_chain(PolicyId policy, const Folded& folded, NodeId id, Formula& formula) {
    const Body& body = module_.policies[policy.index].body;
    const bool conjunction = body[id].op == Op::and_;
    const Outcome neutral = conjunction ? Outcome::true_ : Outcome::false_;
    std::vector<std::uint32_t> operands;
    for (NodeId operand : chain_operands(body, id, [](NodeId) { return false; })) {
      std::uint32_t built = build(policy, folded, operand, formula);
      if (is_constant(formula, built, neutral)) continue;
      operands.push_back(built);
      if (formula.nodes[built].kind == Formula::Kind::constant) break;
    }
    if (operands.empty()) return formula.add_constant(neutral);
    std::uint32_t rest = operands.back();
    for (std::size_t i = operands.size() - 1; i-- > 0;) {
      rest = formula.add(conjunction ? Formula::Kind::and_ : Formula::Kind::or_, {operands[i], rest});
    }
    return rest;
  }

  std::uint32_t atom(PolicyId policy, const Folded& folded, NodeId id) {
    const Body& body = module_.policies[policy.index].body;
    const std::uint64_t hash = tree_hash(body, id);
    auto [first, last] = index_.equal_range(hash);
    for (auto it = first; it != last; ++it) {
      const Atom& other = result_.atoms[it->second];
      if (same_tree(module_.policies[other.policy.index].body, other.node, body, id)) return it->second;
    }
    const std::uint32_t number = static_cast<std::uint32_t>(result_.atoms.size());
    result_.atoms.push_back({policy, id, folded.known(id) || can_error(body, folded, id)});
    index_.emplace(hash, number);
    return number;
  }

  // By operators alone: every reading of an attribute can fail, and every operator whose row says so.
  static bool can_error(const Body& body, const Folded& folded, NodeId id) {
    std::vector<NodeId> open{id};
    while (!open.empty()) {
      NodeId node = open.back();
      open.pop_back();
      if (folded.value(node)) continue;
      if (folded.known(node) || op_row(body[node].op).fallible) return true;
      for (NodeId arg : body.args(node)) open.push_back(arg);
    }
    return false;
  }

  const Module& module_;
  EnvironmentAtoms result_;
  std::unordered_multimap<std::uint64_t, std::uint32_t> index_;
};

}  // namespace

EnvironmentAtoms cut_atoms(const Module& module, std::size_t environment) {
  check(environment < module.environments.size(), "environment in range");
  return Cutter(module, environment).run();
}

}  // namespace kerf
