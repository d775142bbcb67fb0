// Whoever connects without a look-up has no name. So names must not take anything away: a forbid that holds for some names
// holds without them, and a permit that holds without them holds for any.
#include <algorithm>

#include "ir/eval.h"
#include "ir/passes/policy_formula.h"
#include "ir/passes/rests.h"

namespace kerf {

namespace {

constexpr std::size_t kMaxUnnamedForms = 81;

// What the predicate is for an address that no name is known for, if that is the same for every principal and fact.
std::optional<Outcome> unnamed(const EnvPlanner& env, const Predicate& predicate) {
  const Body& body = env.env.body(env.module, predicate.policy);
  for (NodeId part : subtree(body, predicate.node)) {
    if (body[part].op == Op::variable && body.variable(part) == Var::context) return std::nullopt;
  }
  Request request{{env.request.principal, ""}, env.request.action, {env.request.resource, "unnamed"}, {}};
  std::vector<EntityUid> principals;
  for (const Entity& entity : env.module.entities.all()) {
    if (entity.uid.type == env.request.principal) principals.push_back(entity.uid);
  }
  if (principals.empty()) principals.push_back(request.principal);   // nobody can be bound
  std::optional<Outcome> common;
  for (const EntityUid& principal : principals) {
    request.principal = principal;
    const Outcome outcome = evaluate_outcome(body, predicate.node, EvalContext{&request, &env.module.entities});
    if (common && *common != outcome) return std::nullopt;
    common = outcome;
  }
  return common;
}

// `without`: what the formula is without names.
bool widens(Effect effect, PolicyFormula& formula, Residuals::Id without, const std::vector<std::uint32_t>& learned) {
  Residuals& residuals = formula.residuals;
  const bool forbids = effect == Effect::forbid;
  const auto paths = residual_paths(residuals, forbids ? formula.root : without, kMaxRowsPerPolicy, kMaxWork);
  if (!paths) return false;
  return std::all_of(paths->begin(), paths->end(), [&](const Path& path) {
    if (path.result != Outcome::true_) return true;
    Residuals::Id rest = forbids ? without : formula.root;
    for (const Requirement& known : path.when) {
      const bool name = std::find(learned.begin(), learned.end(), known.atom) != learned.end();
      if (!name) rest = residuals.specialise(rest, known.atom, {known.outcome});
    }
    return residuals.outcome(rest) == Outcome::true_;
  });
}

}  // namespace

bool names_only_widen(const EnvPlanner& env, Effect effect, PolicyFormula& formula) {
  Residuals& residuals = formula.residuals;
  std::vector<Residuals::Id> unnamed_forms{formula.root};   // for each outcome that a predicate may have without names
  std::vector<std::uint32_t> learned;
  for (std::uint32_t used : atoms_used(residuals, formula.root, kPredicateAtoms, env.env.predicates.size())) {
    const Predicate& predicate = env.env.predicates[used];
    if (predicate.stage != Stage::learn) continue;
    std::vector<Outcome> outcomes{Outcome::false_, Outcome::true_, Outcome::error};
    if (auto outcome = unnamed(env, predicate)) outcomes = {*outcome};
    learned.push_back(kPredicateAtoms + used);
    std::vector<Residuals::Id> forms;
    for (Residuals::Id form : unnamed_forms) {
      for (Outcome outcome : outcomes) forms.push_back(residuals.specialise(form, kPredicateAtoms + used, {outcome}));
    }
    std::sort(forms.begin(), forms.end());
    forms.erase(std::unique(forms.begin(), forms.end()), forms.end());
    if (forms.size() > kMaxUnnamedForms) return false;
    unnamed_forms = std::move(forms);
  }
  return std::all_of(unnamed_forms.begin(), unnamed_forms.end(), [&](Residuals::Id without) { return widens(effect, formula, without, learned); });
}

}  // namespace kerf
