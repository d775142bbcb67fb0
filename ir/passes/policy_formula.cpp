// One policy to a formula, by its syntax.
#include "ir/passes/policy_formula.h"

#include <algorithm>

#include "ir/base/check.h"

namespace kerf {

namespace {

template <class Map>
std::uint32_t atom_number(std::vector<Map>& atoms, std::unordered_multimap<std::uint64_t, std::uint32_t>& index,
                          Map map) {
  const std::uint64_t hash = hash_of(map);
  auto [first, last] = index.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    if (same_map(atoms[it->second], map)) return it->second;
  }
  const std::uint32_t number = static_cast<std::uint32_t>(atoms.size());
  atoms.push_back(std::move(map));
  index.emplace(hash, number);
  return number;
}

class FormulaBuilder {
 public:
  FormulaBuilder(EnvPlanner& env, const PolicyInEnv& policy, std::optional<Approximation> asked, bool names_hidden)
      : env_(env), policy_(policy), body_(*policy.body), asked_(asked), names_hidden_(names_hidden) {
    for (std::size_t i = 0; i < body_.size(); ++i) decided_.push_back(decide(NodeId(i)));
  }

  PolicyFormula run() {
    made_.root = build(body_.root);
    return std::move(made_);
  }

 private:
  using Id = Residuals::Id;
  enum class Part { known, address, port, endpoint, file, path, userspace, several };

  // The outcome of a condition whatever the event and the principal are. More than is folded: `principal.admin && false` is
  // false, because its first operand cannot fail; so a policy for other actions costs an environment nothing.
  std::optional<Outcome> decide(NodeId id) const {
    if (policy_.analysis->folded.known(id)) return policy_.analysis->folded.outcome(id);
    auto of = [&](std::size_t arg) { return decided_[body_.arg(id, arg).index]; };
    auto safe = [&](std::size_t arg) { return !policy_.analysis->can_error[body_.arg(id, arg).index]; };
    switch (body_[id].op) {
      case Op::and_: return decide_chain(of(0), of(1), safe(0), Outcome::true_, Outcome::false_);
      case Op::or_: return decide_chain(of(0), of(1), safe(0), Outcome::false_, Outcome::true_);
      case Op::not_: return of(0) ? std::optional(outcome_not(*of(0))) : std::nullopt;
      case Op::if_:
        if (of(0)) return *of(0) == Outcome::error ? of(0) : of(*of(0) == Outcome::true_ ? 1 : 2);
        return safe(0) && of(1) == of(2) ? of(1) : std::nullopt;
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
      case Op::call: return std::nullopt;
    }
    internal_error("operator");
  }

  static std::optional<Outcome> decide_chain(std::optional<Outcome> first, std::optional<Outcome> second, bool first_safe,
                                             Outcome neutral, Outcome deciding) {
    if (first) return *first == neutral ? second : first;
    return first_safe && second == deciding ? second : std::nullopt;
  }

  bool is_connective(NodeId id) const {
    const Op op = body_[id].op;
    return op == Op::and_ || op == Op::or_ || op == Op::not_ || op == Op::if_ ||
           (op == Op::eq && is_condition(body_.arg(id, 0)) && is_condition(body_.arg(id, 1)));
  }

  Part part(NodeId id) const {
    if (decided_[id.index]) return Part::known;
    const Origins origins = policy_.analysis->origins[id.index];
    if ((origins & ~kUserspace) == 0) return Part::userspace;
    // what hangs on names is asked apart from what does not: names_only_widen() looks at each
    if ((origins & ~kRecorded) == 0 && !names_hidden_ && !is_connective(id)) return Part::userspace;
    if (origins == kFromAddress) return Part::address;
    if (origins == kFromPort) return Part::port;
    if (origins == kFromEndpoint) return Part::endpoint;
    if (origins == kFromFile) return Part::file;
    if ((origins & ~(kFromFile | kFromPath)) == 0) return Part::path;
    return Part::several;
  }

  Id build(NodeId id) {
    switch (part(id)) {
      case Part::known: return residuals_.constant(*decided_[id.index]);
      case Part::userspace: return predicate_atom(id);
      case Part::address: return address_atom(id);
      case Part::port: return port_atom(env_.hook.port(policy_, id));
      case Part::endpoint: return endpoint_atom(env_.endpoints->outcomes(policy_, id));
      case Part::file: return file_condition(env_.files->outcomes(policy_, id));
      case Part::path:
      case Part::several: return build_structure(id);
    }
    internal_error("part");
  }

  Id build_structure(NodeId id) {
    switch (body_[id].op) {
      case Op::and_:
      case Op::or_: return build_chain(id);
      case Op::not_: return residuals_.negation(build(body_.arg(id, 0)));
      case Op::if_: return build_choice(id);
      case Op::eq:
        if (is_condition(body_.arg(id, 0)) && is_condition(body_.arg(id, 1))) return build_equality(id);
        return leaf(id);
      case Op::literal:
      case Op::variable:
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
      case Op::call: return leaf(id);
    }
    internal_error("operator");
  }

  bool is_condition(NodeId id) const { return policy_.analysis->types[id.index].kind == TypeKind::boolean; }

  // `a == b` of Bools is `if a then b else !b`: both are evaluated, left first.
  Id build_equality(NodeId id) {
    Id left = build(body_.arg(id, 0)), right = build(body_.arg(id, 1));
    return residuals_.choice(left, right, residuals_.negation(right));
  }

  Id build_choice(NodeId id) {
    Id condition = build(body_.arg(id, 0));
    if (auto outcome = residuals_.outcome(condition)) {
      if (*outcome == Outcome::error) return condition;
      return build(body_.arg(id, *outcome == Outcome::true_ ? 1 : 2));
    }
    Id then_branch = build(body_.arg(id, 1));
    return residuals_.choice(condition, then_branch, build(body_.arg(id, 2)));
  }

  // One condition that is no connective, and depends on the path or on several things.
  Id leaf(NodeId id) {
    const Origins origins = policy_.analysis->origins[id.index];
    if (names_hidden_ && (origins & kFromHost)) return refuse(id);
    if (body_[id].op == Op::in && origins == (kFromEndpoint | kFromHost)) {   // by what is stored, or by a name
      return residuals_.either(endpoint_atom(env_.endpoints->outcomes(policy_, id)), predicate_atom(id));
    }
    return part(id) == Part::path ? path_condition(id) : code_atom(id);
  }

  Id predicate_atom(NodeId id) {
    return residuals_.atom(kPredicateAtoms + env_.shared.predicate(policy_, id), policy_.analysis->can_error[id.index]);
  }

  // Neighbours that depend on the same observable become one atom.
  Id build_chain(NodeId id) {
    const bool conjunction = body_[id].op == Op::and_;
    const Id deciding = residuals_.constant(conjunction ? Outcome::false_ : Outcome::true_);
    auto nested = [&](NodeId operand) { return part(operand) == Part::several || part(operand) == Part::path; };
    std::vector<NodeId> operands = chain_operands(body_, id, [&](NodeId operand) { return !nested(operand); });
    PathChain built(*this, conjunction);
    for (std::size_t i = 0; i < operands.size();) {
      const Part kind = part(operands[i]);
      std::size_t end = i + 1;
      while (end < operands.size() && part(operands[end]) == kind) ++end;
      const Id next = build_run(kind, operands, i, end, conjunction ? outcome_and : outcome_or);
      built.add(next);
      i = end;
      if (next == deciding || next == residuals_.constant(Outcome::error)) break;   // what follows is not evaluated,
    }                                                                               // so it is not refused either
    Id rest = residuals_.constant(conjunction ? Outcome::true_ : Outcome::false_);
    const std::vector<Id> parts = built.take();
    for (auto it = parts.rbegin(); it != parts.rend(); ++it) {
      rest = conjunction ? residuals_.both(*it, rest) : residuals_.either(*it, rest);
    }
    return rest;
  }

  // The operands [begin, end) of a chain as one; `end` moves to behind those that were taken.
  Id build_run(Part kind, const std::vector<NodeId>& operands, std::size_t begin, std::size_t& end,
               Outcome (*join)(Outcome, Outcome)) {
    switch (kind) {
      case Part::port:
        return port_atom(*run_of<PortOutcomes>(operands, begin, end, join, [&](NodeId operand) {
          return std::optional(env_.hook.port(policy_, operand));
        }));
      case Part::endpoint:
        return endpoint_atom(*run_of<EndpointOutcomes>(operands, begin, end, join, [&](NodeId operand) {
          return std::optional(env_.endpoints->outcomes(policy_, operand));
        }));
      case Part::file:
        return file_condition(*run_of<FileOutcomes>(operands, begin, end, join, [&](NodeId operand) {
          return std::optional(env_.files->outcomes(policy_, operand));
        }));
      case Part::address:
        return address_atom(run_of<AddressOutcomes>(operands, begin, end, join,
                                                    [&](NodeId operand) { return address_outcomes(operand); }));
      case Part::known:
      case Part::path:
      case Part::userspace:
      case Part::several:
        end = begin + 1;
        return build(operands[begin]);
    }
    internal_error("part");
  }

  // The operands of a chain, with sets of paths that meet made one: `a || b` of sets is one set, and so is `!a && !b`,
  // also over operands between them, as long as those cannot fail: their order is free then.
  class PathChain {
   public:
    PathChain(FormulaBuilder& builder, bool conjunction) : builder_(builder), conjunction_(conjunction) {}

    void add(Id id) {
      if (auto set = set_in(id)) {
        if (open_ == kNone) {
          open_ = operands_.size();
          operands_.push_back({id, {}});
        }
        operands_[open_].sets.push_back(*set);
        return;
      }
      if (builder_.residuals_[id].fallible) open_ = kNone;
      operands_.push_back({id, {}});
    }

    std::vector<Id> take() {
      std::vector<Id> ids;
      for (const Operand& operand : operands_) {
        if (operand.sets.size() < 2) {
          ids.push_back(operand.id);
          continue;
        }
        const Id united = builder_.test_atom(builder_.env_.paths.unite(operand.sets));
        ids.push_back(conjunction_ ? builder_.residuals_.negation(united) : united);
      }
      return ids;
    }

   private:
    struct Operand {
      Id id;
      std::vector<std::uint32_t> sets;
    };

    // The set that the operand asks for: `a` of a disjunction, `!a` of a conjunction.
    std::optional<std::uint32_t> set_in(Id id) const {
      Residuals::Node node = builder_.residuals_[id];
      if (conjunction_) {
        if (node.kind != Residuals::Kind::not_) return std::nullopt;
        node = builder_.residuals_[node.a];
      }
      const bool set = node.kind == Residuals::Kind::atom && node.atom >= kSetAtoms && node.atom < kPatternAtoms;
      return set ? std::optional(builder_.made_.sets[node.atom - kSetAtoms]) : std::nullopt;
    }

    FormulaBuilder& builder_;
    const bool conjunction_;
    std::vector<Operand> operands_;
    static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
    std::size_t open_ = kNone;   // the operand that further sets join
  };

  // Nothing if the first has no map; `end` moves to the first that has none.
  template <class Map, class Of>
  std::optional<Map> run_of(const std::vector<NodeId>& operands, std::size_t begin, std::size_t& end,
                            Outcome (*join)(Outcome, Outcome), const Of& outcomes_of) {
    std::vector<Map> maps;
    for (std::size_t i = begin; i < end; ++i) {
      std::optional<Map> map = outcomes_of(operands[i]);
      if (!map) {
        end = std::max(i, begin + 1);
        break;
      }
      maps.push_back(std::move(*map));
    }
    if (maps.empty()) return std::nullopt;
    return combine_chain(std::move(maps), join);
  }

  std::optional<AddressOutcomes> address_outcomes(NodeId id) {
    NodeId blame;
    auto map = env_.hook.address(policy_, id, blame);
    if (!map && asked_) {
      hidden_ = unknown(id, env_.refusals.why_hidden(policy_, env_.request, blame));
    } else if (!map) {
      made_.refused = true;
      env_.refusals.hidden_addresses(policy_, env_.request, blame);
    }
    return map;
  }

  Id address_atom(NodeId id) { return address_atom(address_outcomes(id)); }
  Id address_atom(std::optional<AddressOutcomes> map) {
    if (!map) return hidden_.value_or(residuals_.constant(Outcome::error));
    if (map->at.size() == 1) return residuals_.constant(map->at.front().second);
    const bool fallible = can_fail(*map);
    return residuals_.atom(kAddressAtoms + atom_number(made_.addresses, address_index_, std::move(*map)), fallible);
  }

  Id port_atom(PortOutcomes map) {
    if (map.at.size() == 1) return residuals_.constant(map.at.front().second);
    const bool fallible = can_fail(map);
    return residuals_.atom(kPortAtoms + atom_number(made_.ports, port_index_, std::move(map)), fallible);
  }

  Id endpoint_atom(EndpointOutcomes map) {
    if (map.listed.empty()) return residuals_.constant(map.others);
    const bool fallible = can_fail(map);
    return residuals_.atom(kEndpointAtoms + atom_number(made_.endpoints, endpoint_index_, std::move(map)), fallible);
  }

  Id file_condition(const FileOutcomes& map) {
    std::vector<std::string> keys[3];
    for (const auto& [key, outcome] : map.listed) keys[static_cast<std::size_t>(outcome)].push_back(key);
    auto among = [&](Outcome outcome) {
      return path_answer(env_.paths.answer(path_set(std::move(keys[static_cast<std::size_t>(outcome)]), {})));
    };
    Id rest = residuals_.constant(map.others);
    for (Outcome outcome : {Outcome::error, Outcome::false_, Outcome::true_}) {
      if (outcome != map.others) rest = residuals_.choice(among(outcome), residuals_.constant(outcome), rest);
    }
    return rest;
  }

  Id path_condition(NodeId id) {
    if (auto answer = env_.paths.leaf(policy_, id)) return path_answer(*answer);
    return refuse(id);
  }

  Id path_answer(const PathTests::Answer& answer) {
    return answer.constant ? residuals_.constant(*answer.constant) : test_atom(answer.test);
  }

  Id test_atom(std::uint32_t test) {
    const bool pattern = env_.paths[test].pattern.has_value();
    std::vector<std::uint32_t>& tests = pattern ? made_.patterns : made_.sets;
    auto [it, added] = test_index_.try_emplace(test, static_cast<std::uint32_t>(tests.size()));
    if (added) tests.push_back(test);
    return residuals_.atom((pattern ? kPatternAtoms : kSetAtoms) + it->second, false);
  }

  Id code_atom(NodeId id) {
    if (!(policy_.analysis->origins[id.index] & kNotInKernel)) {
      if (auto number = env_.shared.code(policy_, id)) {
        return residuals_.atom(kCodeAtoms + *number, policy_.analysis->can_error[id.index]);
      }
      if (env_.shared.out_of_slots) return residuals_.constant(Outcome::error);
    }
    return refuse(id);
  }

  Id refuse(NodeId id) {
    const bool name = names_hidden_ && (policy_.analysis->origins[id.index] & kFromHost);
    if (asked_) return unknown(id, name ? env_.refusals.why_name(policy_, env_.request, id) : env_.refusals.why(policy_, env_.request, id));
    made_.refused = true;
    if (name) env_.refusals.evaded_name(policy_, env_.request, id);
    else env_.refusals.report(policy_, env_.request, id);
    // An open atom: what follows is looked at too, and its refusals are reported together with this one.
    return residuals_.atom(kUnknownAtoms, true);
  }

  // Equal conditions are one unknown, so `u || !u` holds where `u` cannot fail.
  Id unknown(NodeId id, const Diagnostic& why) {
    const bool can_error = policy_.analysis->can_error[id.index];   // behind a guard it cannot, before it can
    std::size_t number = 0;
    auto same = [&](const Unknown& other) { return other.can_error == can_error && same_tree(body_, other.node, body_, id); };
    while (number < made_.unknowns.size() && !same(made_.unknowns[number])) ++number;
    if (number == made_.unknowns.size()) made_.unknowns.push_back({id, print_expr(body_, id), why.span, why.code, why.message, can_error});
    return residuals_.atom(kUnknownAtoms + static_cast<std::uint32_t>(number), can_error);
  }

  EnvPlanner& env_;
  const PolicyInEnv& policy_;
  const Body& body_;
  const std::optional<Approximation> asked_;
  const bool names_hidden_;
  PolicyFormula made_;
  Residuals& residuals_ = made_.residuals;
  std::optional<Residuals::Id> hidden_;                      // the unknown that the last condition without a map became
  std::vector<std::optional<Outcome>> decided_;              // by node
  std::unordered_multimap<std::uint64_t, std::uint32_t> address_index_, port_index_, endpoint_index_;
  std::unordered_map<std::uint32_t, std::uint32_t> test_index_;
};

}  // namespace

PolicyFormula build_formula(EnvPlanner& env, const PolicyInEnv& policy, std::optional<Approximation> asked, bool names_hidden) {
  return FormulaBuilder(env, policy, asked, names_hidden).run();
}

}  // namespace kerf
