// table.json against the program: first what must be the same one by one (policies, actions, environments), then every
// policy in every environment as a function of its atoms. Decisions combine the policies' outcomes by effect alone, so
// equal functions and equal effects are equal decisions.
#include <fmt/format.h>

#include <algorithm>

#include "backends/check/check.h"
#include "backends/check/conditions.h"
#include "backends/check/read_table.h"
#include "backends/check/report.h"
#include "backends/check/shapes.h"

namespace kerf::proof {

namespace {

// What the table says of one policy, as a diagram over the policy's atoms.
class Place {
 public:
  Place(Conditions& conditions, Terms& terms, const std::vector<Term>& atoms, const TablePlace& place)
      : conditions_(conditions), diagrams_(conditions.diagrams), terms_(terms), atoms_(atoms), place_(place) {}

  Diagram diagram() {
    const Diagram principal = scope(Var::principal, place_.principal);
    const Diagram resource = scope(Var::resource, place_.resource);
    const Diagram rest = place_.formula ? formula(*place_.formula) : rows();
    return diagrams_.both(principal, diagrams_.both(resource, rest));
  }

 private:
  Diagram scope(Var var, const ScopeConstraint& constraint) {
    if (constraint.kind == ScopeConstraint::Kind::any) return Diagrams::kTrue;
    const Op op = constraint.kind == ScopeConstraint::Kind::eq ? Op::eq : Op::in;
    return conditions_.of(terms_.add_node(op, {terms_.add_variable(var), terms_.add_literal(Value(constraint.uid))}));
  }

  Diagram atom(std::uint32_t number) { return conditions_.of(atoms_[number]); }

  // The first row that settles it, from the last to the first.
  Diagram rows() {
    Diagram rest = Diagrams::kFalse;
    for (auto row = place_.rows.rbegin(); row != place_.rows.rend(); ++row) {
      const Diagram others = rest;
      rest = Diagrams::of(row->then);
      for (auto pair = row->when.rbegin(); pair != row->when.rend(); ++pair) {
        auto on = [&](Outcome outcome) {
          if (outcome == pair->second) return rest;
          return outcome == Outcome::error ? Diagrams::kError : others;
        };
        rest = diagrams_.select(atom(pair->first), on(Outcome::false_), on(Outcome::true_), on(Outcome::error));
      }
    }
    return rest;
  }

  Diagram formula(const TableFormula& f) {
    using Kind = TableFormula::Kind;
    switch (f.kind) {
      case Kind::constant: return Diagrams::of(f.constant);
      case Kind::atom: return atom(f.atom);
      case Kind::not_: return diagrams_.negation(formula(f.args[0]));
      case Kind::and_:
      case Kind::or_: {
        std::vector<Diagram> operands;   // atoms are met from left to right
        for (const TableFormula& arg : f.args) operands.push_back(formula(arg));
        return diagrams_.fold(operands, f.kind == Kind::and_);
      }
      case Kind::if_: {
        const Diagram condition = formula(f.args[0]), on_true = formula(f.args[1]);
        return diagrams_.select(condition, formula(f.args[2]), on_true, Diagrams::kError);
      }
    }
    internal_error("formula kind");
  }

  Conditions& conditions_;
  Diagrams& diagrams_;
  Terms& terms_;
  const std::vector<Term>& atoms_;
  const TablePlace& place_;
};

// The same of a formula, as it is written.
class PlaceShape {
 public:
  PlaceShape(Shapes& shapes, Terms& terms, const std::vector<Term>& atoms) : shapes_(shapes), terms_(terms), atoms_(atoms) {}

  Shapes::Shape of(const TablePlace& place) {
    const Shapes::Shape parts[] = {scope(Var::principal, place.principal), scope(Var::resource, place.resource), formula(*place.formula)};
    return shapes_.chain(true, parts);
  }

 private:
  Shapes::Shape scope(Var var, const ScopeConstraint& constraint) {
    if (constraint.kind == ScopeConstraint::Kind::any) return static_cast<Shapes::Shape>(Outcome::true_);
    const Op op = constraint.kind == ScopeConstraint::Kind::eq ? Op::eq : Op::in;
    return shapes_.of(terms_.add_node(op, {terms_.add_variable(var), terms_.add_literal(Value(constraint.uid))}));
  }

  Shapes::Shape formula(const TableFormula& f) {
    using Kind = TableFormula::Kind;
    std::vector<Shapes::Shape> args;
    for (const TableFormula& arg : f.args) args.push_back(formula(arg));
    switch (f.kind) {
      case Kind::constant: return static_cast<Shapes::Shape>(f.constant);
      case Kind::atom: return shapes_.of(atoms_[f.atom]);
      case Kind::not_: return shapes_.negation(args[0]);
      case Kind::and_:
      case Kind::or_: return shapes_.chain(f.kind == Kind::and_, args);
      case Kind::if_: return shapes_.choice(args[0], args[1], args[2]);
    }
    internal_error("formula kind");
  }

  Shapes& shapes_;
  Terms& terms_;
  const std::vector<Term>& atoms_;
};

class TableCheck {
 public:
  TableCheck(const Module& module, const CheckOptions& options, Diagnostics& diagnostics)
      : module_(module), options_(options), report_(module, diagnostics) {}

  Proved run(const DecodedTable& table) {
    same_policies(table);
    same_actions(table);
    if (!same_environments(table)) return proved_;
    for (const Policy& policy : module_.policies) conditions_.push_back(terms_.add(policy.body));
    for (const TableEnvironment& env : table.environments) check(env);
    return proved_;
  }

 private:
  void same_policies(const DecodedTable& table) {
    if (table.policies.size() != module_.policies.size()) {
      return report_.whole("policies", fmt::format("there are {} instead of {}", table.policies.size(), module_.policies.size()));
    }
    for (std::size_t i = 0; i < module_.policies.size(); ++i) {
      const Policy& policy = module_.policies[i];
      const TablePolicy& other = table.policies[i];
      auto annotations = policy.annotations;
      std::sort(annotations.begin(), annotations.end());
      if (other.id != policy.id) report_.whole("policies", fmt::format("number {} is `{}` instead of `{}`", i, other.id, policy.id));
      if (other.effect != policy.effect) report_.whole("policies", fmt::format("the effect of `{}` is another one", policy.id));
      if (other.annotations != annotations) report_.whole("policies", fmt::format("annotations of `{}` are others", policy.id));
    }
  }

  void same_actions(const DecodedTable& table) {
    std::vector<std::pair<EntityUid, std::vector<EntityUid>>> expected, found = table.actions;
    for (const auto& [uid, action] : module_.schema.actions) expected.emplace_back(uid, std::vector(action.parents.begin(), action.parents.end()));
    for (auto& [uid, parents] : found) std::sort(parents.begin(), parents.end());
    std::sort(found.begin(), found.end());
    if (found != expected) report_.whole("actions", "the hierarchy is not the schema's");
  }

  bool same_environments(const DecodedTable& table) {
    std::vector<RequestEnv> found;
    for (const TableEnvironment& env : table.environments) found.push_back(env.request);
    std::sort(found.begin(), found.end());
    const std::vector<RequestEnv> expected = module_.schema.environments();
    if (found == expected) return true;
    report_.whole("environments", fmt::format("there are {}, the schema has {}; or they are others", found.size(), expected.size()));
    return false;
  }

  void check(const TableEnvironment& env) {
    Knowledge knowledge(terms_, module_, env.request, Setting::table);
    std::vector<Term> atoms;
    const std::vector<Term>& terms = terms_.add_all(*env.body);
    for (NodeId atom : env.atoms) atoms.push_back(terms[atom.index]);
    auto place = env.places.begin();
    for (std::uint32_t i = 0; i < module_.policies.size(); ++i) {
      const TablePlace* own = place != env.places.end() && place->policy == i ? &*place++ : nullptr;
      ++proved_.policies;
      if (!own && !knowledge.may_apply(conditions_[i])) continue;   // never satisfied, and it has no place
      compare(knowledge, env, atoms, PolicyId(i), own);
    }
    ++proved_.environments;
  }

  void compare(Knowledge& knowledge, const TableEnvironment& env, const std::vector<Term>& atoms, PolicyId policy,
               const TablePlace* place) {
    Conditions conditions(knowledge, options_.max_nodes);
    Diagrams& diagrams = conditions.diagrams;
    const Diagram source = conditions.of(conditions_[policy.index]);
    const Diagram table = place ? Place(conditions, terms_, atoms, *place).diagram() : Diagrams::kFalse;
    if (!diagrams.overflown() && source == table) return;
    if (diagrams.overflown() && same_shape(knowledge, atoms, policy, place)) return;
    auto example = diagrams.example(diagrams.difference(source, table));
    if (diagrams.overflown() || !example) return report_.too_large(policy, env.request, options_.max_nodes);
    report_.difference(Code::K7701, policy, env.request, conditions.text(*example), diagrams.outcome(source, *example),
                       diagrams.outcome(table, *example));
  }

  // A formula that was kept because its rows would be too many often has a diagram that is too large as well.
  bool same_shape(Knowledge& knowledge, const std::vector<Term>& atoms, PolicyId policy, const TablePlace* place) {
    if (!place || !place->formula) return false;
    Shapes shapes(knowledge);
    return shapes.of(conditions_[policy.index]) == PlaceShape(shapes, terms_, atoms).of(*place);
  }

  const Module& module_;
  const CheckOptions& options_;
  Report report_;
  Terms terms_;
  std::vector<Term> conditions_;           // by policy
  Proved proved_;
};

}  // namespace

Proved check_table(const Module& module, std::string_view bytes, Diagnostics& diagnostics, const CheckOptions& options) {
  Result<DecodedTable> table = read_table(bytes);
  if (!table) {
    diagnostics.report(Code::K7703, {}, "table.json", table.error().message);
    return {};
  }
  return TableCheck(module, options, diagnostics).run(*table);
}

}  // namespace kerf::proof
