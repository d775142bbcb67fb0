// One policy to rows. It becomes a formula over atoms; an atom depends on one thing only: the address, the port, the
// endpoint, the path, userspace values, or code at the hook. The one decision: the formula is split by one observable
// after the other, and classes with the same rest of the formula become one row set, so
// `(ip == A && port == 1) || (ip == B && port == 2) || …` is linear in its length.
#include "ir/passes/plan_policy.h"

#include <algorithm>
#include <iterator>

#include "ir/base/check.h"
#include "ir/eval.h"
#include "ir/passes/approximate.h"
#include "ir/passes/partition.h"
#include "ir/passes/path_partition.h"
#include "ir/passes/rests.h"

namespace kerf {

namespace {

// Atoms of a policy's formula, numbered by what they depend on.
constexpr std::uint32_t kAddressAtoms = 0;
constexpr std::uint32_t kPortAtoms = 1u << 28;
constexpr std::uint32_t kEndpointAtoms = 2u << 28;
constexpr std::uint32_t kPredicateAtoms = 3u << 28;
constexpr std::uint32_t kCodeAtoms = 4u << 28;
constexpr std::uint32_t kSetAtoms = 5u << 28;         // tests of the path that are sets
constexpr std::uint32_t kPatternAtoms = 6u << 28;     // … and those that are patterns
constexpr std::uint32_t kUnknownAtoms = 7u << 28;     // what the kernel cannot know
constexpr std::uint64_t kMaxWork = 100'000'000;   // formula nodes visited for one policy
constexpr std::size_t kMaxUnnamedForms = 81;
constexpr std::size_t kMaxPartitioned = 1u << 20;     // files and trees of the sets of one policy

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

class PolicyPlanner {
 public:
  PolicyPlanner(EnvPlanner& env, const PolicyInEnv& policy)
      : env_(env), policy_(policy), body_(*policy.body), owner_(env.module.policies[policy.policy.index]),
        asked_(approximation_of(owner_, env.options.residual)) {
    for (std::size_t i = 0; i < body_.size(); ++i) decided_.push_back(decide(NodeId(i)));
  }

  PolicyPlan run() {
    Residuals::Id root = build(body_.root);
    if (!refused_ && !names_only_widen(root)) {   // once more, with what hangs on names as something that cannot be known
      names_hidden_ = true;
      unknowns_.clear();
      root = build(body_.root);
    }
    if (env_.shared.out_of_slots) return PolicyPlan::too_many_slots;
    if (refused_) return PolicyPlan::refused;
    return rows(root) ? PolicyPlan::planned : PolicyPlan::too_many_rows;
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

  // What the predicate is for an address that no name is known for, if that is the same for every principal and fact.
  std::optional<Outcome> unnamed(const Predicate& predicate) const {
    const Body& body = env_.env.body(env_.module, predicate.policy);
    for (NodeId part : subtree(body, predicate.node)) {
      if (body[part].op == Op::variable && body.variable(part) == Var::context) return std::nullopt;
    }
    Request request{{env_.request.principal, ""}, env_.request.action, {env_.request.resource, "unnamed"}, {}};
    std::vector<EntityUid> principals;
    for (const Entity& entity : env_.module.entities.all()) {
      if (entity.uid.type == env_.request.principal) principals.push_back(entity.uid);
    }
    if (principals.empty()) principals.push_back(request.principal);   // nobody can be bound
    std::optional<Outcome> common;
    for (const EntityUid& principal : principals) {
      request.principal = principal;
      const Outcome outcome = evaluate_outcome(body, predicate.node, EvalContext{&request, &env_.module.entities});
      if (common && *common != outcome) return std::nullopt;
      common = outcome;
    }
    return common;
  }

  // Whoever connects without a look-up has no name. So names must not take anything away: a forbid that holds for some
  // names holds without them, and a permit that holds without them holds for any.
  bool names_only_widen(Id root) {
    std::vector<Id> unnamed_forms{root};   // for each outcome that a predicate may have without names
    std::vector<std::uint32_t> learned;
    for (std::uint32_t used : atoms_used(residuals_, root, kPredicateAtoms, env_.env.predicates.size())) {
      const Predicate& predicate = env_.env.predicates[used];
      if (predicate.stage != Stage::learn) continue;
      std::vector<Outcome> outcomes{Outcome::false_, Outcome::true_, Outcome::error};
      if (auto outcome = unnamed(predicate)) outcomes = {*outcome};
      learned.push_back(kPredicateAtoms + used);
      std::vector<Id> forms;
      for (Id form : unnamed_forms) {
        for (Outcome outcome : outcomes) forms.push_back(residuals_.specialise(form, kPredicateAtoms + used, {outcome}));
      }
      std::sort(forms.begin(), forms.end());
      forms.erase(std::unique(forms.begin(), forms.end()), forms.end());
      if (forms.size() > kMaxUnnamedForms) return false;
      unnamed_forms = std::move(forms);
    }
    return std::all_of(unnamed_forms.begin(), unnamed_forms.end(), [&](Id without) { return widens(root, without, learned); });
  }

  bool widens(Id root, Id without, const std::vector<std::uint32_t>& learned) {
    const bool forbids = owner_.effect == Effect::forbid;
    const auto paths = residual_paths(residuals_, forbids ? root : without, kMaxRowsPerPolicy, kMaxWork);
    if (!paths) return false;
    return std::all_of(paths->begin(), paths->end(), [&](const Path& path) {
      if (path.result != Outcome::true_) return true;
      Id rest = forbids ? without : root;
      for (const Requirement& known : path.when) {
        const bool name = std::find(learned.begin(), learned.end(), known.atom) != learned.end();
        if (!name) rest = residuals_.specialise(rest, known.atom, {known.outcome});
      }
      return residuals_.outcome(rest) == Outcome::true_;
    });
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
    PathChain(PolicyPlanner& planner, bool conjunction) : planner_(planner), conjunction_(conjunction) {}

    void add(Id id) {
      if (auto set = set_in(id)) {
        if (open_ == kNone) {
          open_ = operands_.size();
          operands_.push_back({id, {}});
        }
        operands_[open_].sets.push_back(*set);
        return;
      }
      if (planner_.residuals_[id].fallible) open_ = kNone;
      operands_.push_back({id, {}});
    }

    std::vector<Id> take() {
      std::vector<Id> ids;
      for (const Operand& operand : operands_) {
        if (operand.sets.size() < 2) {
          ids.push_back(operand.id);
          continue;
        }
        const Id united = planner_.test_atom(planner_.env_.paths.unite(operand.sets));
        ids.push_back(conjunction_ ? planner_.residuals_.negation(united) : united);
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
      Residuals::Node node = planner_.residuals_[id];
      if (conjunction_) {
        if (node.kind != Residuals::Kind::not_) return std::nullopt;
        node = planner_.residuals_[node.a];
      }
      const bool set = node.kind == Residuals::Kind::atom && node.atom >= kSetAtoms && node.atom < kPatternAtoms;
      return set ? std::optional(planner_.sets_[node.atom - kSetAtoms]) : std::nullopt;
    }

    PolicyPlanner& planner_;
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
      refused_ = true;
      env_.refusals.hidden_addresses(policy_, env_.request, blame);
    }
    return map;
  }

  Id address_atom(NodeId id) { return address_atom(address_outcomes(id)); }
  Id address_atom(std::optional<AddressOutcomes> map) {
    if (!map) return hidden_.value_or(residuals_.constant(Outcome::error));
    if (map->at.size() == 1) return residuals_.constant(map->at.front().second);
    const bool fallible = can_fail(*map);
    return residuals_.atom(kAddressAtoms + atom_number(addresses_, address_index_, std::move(*map)), fallible);
  }

  Id port_atom(PortOutcomes map) {
    if (map.at.size() == 1) return residuals_.constant(map.at.front().second);
    const bool fallible = can_fail(map);
    return residuals_.atom(kPortAtoms + atom_number(ports_, port_index_, std::move(map)), fallible);
  }

  Id endpoint_atom(EndpointOutcomes map) {
    if (map.listed.empty()) return residuals_.constant(map.others);
    const bool fallible = can_fail(map);
    return residuals_.atom(kEndpointAtoms + atom_number(endpoints_, endpoint_index_, std::move(map)), fallible);
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
    std::vector<std::uint32_t>& tests = pattern ? patterns_ : sets_;
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
    refused_ = true;
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
    while (number < unknowns_.size() && !same(unknowns_[number])) ++number;
    if (number == unknowns_.size()) unknowns_.push_back({id, print_expr(body_, id), why.span, why.code, why.message, can_error});
    return residuals_.atom(kUnknownAtoms + static_cast<std::uint32_t>(number), can_error);
  }

  // False if there are too many rows.
  bool rows(Id root) {
    const bool good = env_.env.resource == KernelKind::endpoint ? endpoint_rows(root) : path_rows(root);
    if (!good) return false;
    std::move(rows_.begin(), rows_.end(), std::back_inserter(env_.env.rows));
    ApproximatedPolicy approximated{policy_.policy, asked_.value_or(Approximation::floor), {}};
    for (std::uint32_t used : atoms_used(residuals_, root, kUnknownAtoms, unknowns_.size())) approximated.unknowns.push_back(unknowns_[used]);
    if (!approximated.unknowns.empty()) env_.env.approximated.push_back(std::move(approximated));
    return true;
  }

  // Address, then port, then endpoint, then the rest as paths through the formula.
  bool endpoint_rows(Id root) {
    const Limits limits{kMaxRowsPerPolicy, kMaxWork};
    auto by_address = partition_addresses(residuals_, root, kAddressAtoms, addresses_, limits);
    if (!by_address) return false;
    for (auto& [rest_a, addresses] : *by_address) {
      auto by_port = partition_ports(residuals_, rest_a, kPortAtoms, ports_, limits);
      if (!by_port) return false;
      for (auto& [rest_p, ports] : *by_port) {
        auto by_endpoint = partition_endpoints(residuals_, rest_p, kEndpointAtoms, endpoints_, limits);
        if (!by_endpoint) return false;
        for (auto& [rest, endpoints] : *by_endpoint) {
          KernelRow row{policy_.policy, Outcome::true_, addresses, ports, endpoints, {}, {}, {}};
          if (!add_rows(row, rest)) return false;
        }
      }
    }
    return true;
  }

  // Sets of paths first, if there are several; one alone, and patterns, are asked like any other condition.
  bool path_rows(Id root) {
    const auto used = atoms_used(residuals_, root, kSetAtoms, sets_.size());
    std::size_t named = 0;
    for (std::uint32_t set : used) named += env_.paths[sets_[set]].files.size() + env_.paths[sets_[set]].trees.size();
    KernelRow row{policy_.policy, Outcome::true_, {}, {}, {}, {}, {}, {}};
    if (used.size() < 2 || named > kMaxPartitioned) return add_rows(row, root);
    std::vector<const PathTest*> tests;
    for (std::uint32_t test : sets_) tests.push_back(&env_.paths[test]);
    auto parts = partition_paths(residuals_, root, kSetAtoms, tests, Limits{kMaxRowsPerPolicy, kMaxWork});
    if (!parts) return false;
    for (PathPart& part : *parts) {
      row.path.clear();
      for (auto& [test, holds] : part.when) {
        const std::uint32_t number = env_.paths.planned(env_.paths.intern(std::move(test)));
        row.path.push_back({number, holds ? Outcome::true_ : Outcome::false_});
      }
      if (!add_rows(row, part.rest)) return false;
    }
    return true;
  }

  bool add_rows(const KernelRow& shape, Id rest) {
    const std::uint64_t done = residuals_.work();
    if (done > kMaxWork) return false;
    const std::size_t room = kMaxRowsPerPolicy - rows_.size();
    auto paths = unknowns_.empty() ? residual_paths(residuals_, rest, room, kMaxWork - done)
                                   : approximate_paths(residuals_, rest, {kUnknownAtoms, holds_if_possible(owner_.effect, *asked_)}, room, kMaxWork - done);
    if (!paths) return false;
    for (const Path& path : *paths) {
      KernelRow row = shape;
      row.result = path.result;
      for (const Requirement& requirement : path.when) {
        if (requirement.atom >= kPatternAtoms) {
          row.path.push_back({env_.paths.planned(patterns_[requirement.atom - kPatternAtoms]), requirement.outcome});
        } else if (requirement.atom >= kSetAtoms) {
          row.path.push_back({env_.paths.planned(sets_[requirement.atom - kSetAtoms]), requirement.outcome});
        } else if (requirement.atom >= kCodeAtoms) {
          row.code.push_back({requirement.atom - kCodeAtoms, requirement.outcome});
        } else {
          check(requirement.atom >= kPredicateAtoms, "observables are split before paths");
          row.bind.push_back({requirement.atom - kPredicateAtoms, requirement.outcome});
        }
      }
      rows_.push_back(std::move(row));
    }
    return true;
  }

  EnvPlanner& env_;
  const PolicyInEnv& policy_;
  const Body& body_;
  const Policy& owner_;
  const std::optional<Approximation> asked_;                 // what the policy asks for, should it not be exact
  std::vector<Unknown> unknowns_;                            // by atom
  std::optional<Residuals::Id> hidden_;                      // the unknown that the last condition without a map became
  std::vector<std::optional<Outcome>> decided_;              // by node
  Residuals residuals_;
  std::vector<AddressOutcomes> addresses_;
  std::vector<PortOutcomes> ports_;
  std::vector<EndpointOutcomes> endpoints_;
  std::unordered_multimap<std::uint64_t, std::uint32_t> address_index_, port_index_, endpoint_index_;
  std::vector<std::uint32_t> sets_, patterns_;               // numbers of PathTests, by atom
  std::unordered_map<std::uint32_t, std::uint32_t> test_index_;
  std::vector<KernelRow> rows_;
  bool refused_ = false;
  bool names_hidden_ = false;                                // conditions over names are not asked
};

}  // namespace

EnvPlanner::EnvPlanner(const Module& module_in, KernelEnv& env_in, const Endpoints* known_endpoints,
                       const Files* known_files, Refusals& refusals_in, const PlanOptions& options_in)
    : module(module_in), env(env_in), request(module_in.environments[env_in.environment]), refusals(refusals_in), options(options_in),
      shared(module_in, env_in), hook(module_in, request), paths(module_in, env_in) {
  if (known_endpoints) endpoints.emplace(module, request, *known_endpoints);
  if (known_files) files.emplace(module, request, *known_files);
}

PolicyPlan plan_policy(EnvPlanner& env, const PolicyInEnv& policy) { return PolicyPlanner(env, policy).run(); }

}  // namespace kerf
