// Table + request + entities -> decision. The groups whose scopes hold are found by key, so the cost follows the
// policies that can apply; an atom is computed when the first of them reaches it, and once.
#include <algorithm>

#include "runtime/gateway/table_state.h"

namespace kerf::gateway {
namespace {

class Pass {
 public:
  Pass(const Table::State& table, const Environment& environment, const Request& request, const Entities& entities)
      : table_(table),
        environment_(environment),
        request_(request),
        entities_(entities),
        evaluation_({&request.principal, &request.action, &request.resource, &request.context}, entities,
                    &table.actions),
        outcomes_(environment.atoms.size(), kUnknown) {}

  Decision decide() {
    const std::vector<ScopeKey> principals = scopes_of(request_.principal, environment_.principal_in);
    const std::vector<ScopeKey> resources = scopes_of(request_.resource, environment_.resource_in);
    for (ScopeKey principal : principals) {
      const auto groups = std::ranges::equal_range(environment_.groups, principal, {}, &Group::principal);
      apply_groups(groups, resources);
    }
    Decision decision;
    decision.allow = forbids_.empty() && !permits_.empty();
    decision.determining = std::move(forbids_.empty() ? permits_ : forbids_);
    decision.errors = std::move(failures_);
    std::sort(decision.determining.begin(), decision.determining.end());
    std::sort(decision.errors.begin(), decision.errors.end(),
              [](const auto& a, const auto& b) { return a.policy < b.policy; });
    return decision;
  }

 private:
  static constexpr std::uint8_t kUnknown = 0xff;
  // Up to so many `in` scopes are asked one by one; more are looked up by the entity's ancestors.
  static constexpr std::size_t kFewScopes = 4;

  // The scopes of the environment that hold for `uid`, sorted.
  std::vector<ScopeKey> scopes_of(const EntityUid& uid, const std::vector<std::uint32_t>& in_scopes) const {
    std::vector<ScopeKey> scopes = {kAnyScope};
    const std::uint32_t own = table_.uids.find(uid.type, uid.id);
    if (own != ScopeUids::kNone) scopes.insert(scopes.end(), {equal_scope(own), in_scope(own)});
    if (in_scopes.size() <= kFewScopes) {
      for (const std::uint32_t ancestor : in_scopes) {
        if (ancestor != own && entities_.is_in(uid, table_.uids.uid(ancestor))) scopes.push_back(in_scope(ancestor));
      }
    } else {
      for (const EntityUid& ancestor : entities_.ancestors(uid)) {
        const std::uint32_t known = table_.uids.find(ancestor.type, ancestor.id);
        if (known != ScopeUids::kNone && known != own) scopes.push_back(in_scope(known));
      }
    }
    std::sort(scopes.begin(), scopes.end());
    return scopes;
  }

  // `groups` of one principal scope, `resources` that hold: both ascending.
  void apply_groups(std::span<const Group> groups, const std::vector<ScopeKey>& resources) {
    if (groups.size() <= resources.size()) {
      for (const Group& group : groups) {
        if (std::binary_search(resources.begin(), resources.end(), group.resource)) apply(group);
      }
      return;
    }
    for (ScopeKey resource : resources) {
      const auto group = std::ranges::lower_bound(groups, resource, {}, &Group::resource);
      if (group != groups.end() && group->resource == resource) apply(*group);
    }
  }

  void apply(const Group& group) {
    for (const Rule& rule : environment_.rules_of(group)) {
      if (rule.is_formula) {
        apply_formula(rule);
      } else {
        for (const Row& row : environment_.rows_of(rule)) {
          if (apply_row(rule.policy, row)) break;
        }
      }
    }
  }

  // True if the row settles its policy: it holds, or the way to it met an error.
  bool apply_row(std::uint32_t policy, const Row& row) {
    for (const Requirement& required : environment_.needs_of(row)) {
      const Outcome outcome = outcome_of_atom(required.atom);
      if (outcome == Outcome::error) {
        fail(policy, required.atom);
        return true;
      }
      if (outcome != required.outcome) return false;
    }
    satisfy(policy);
    return true;
  }

  void apply_formula(const Rule& rule) {
    Outcome current = Outcome::false_;
    const std::span<const FormulaStep> steps = environment_.steps_of(rule);
    for (std::uint32_t at = 0; at < steps.size();) {
      const FormulaStep& step = steps[at];
      ++at;
      switch (step.kind) {
        case FormulaStep::Kind::constant: current = static_cast<Outcome>(step.operand); break;
        case FormulaStep::Kind::atom:
          current = outcome_of_atom(step.operand);
          if (current == Outcome::error) return fail(rule.policy, step.operand);
          break;
        case FormulaStep::Kind::flip:
          current = current == Outcome::true_ ? Outcome::false_ : Outcome::true_;
          break;
        case FormulaStep::Kind::jump: at = step.operand; break;
        case FormulaStep::Kind::jump_if_false:
          if (current == Outcome::false_) at = step.operand;
          break;
        case FormulaStep::Kind::jump_if_true:
          if (current == Outcome::true_) at = step.operand;
          break;
      }
    }
    if (current == Outcome::true_) satisfy(rule.policy);
  }

  Outcome outcome_of_atom(std::uint32_t atom) {
    std::uint8_t& known = outcomes_[atom];
    if (known != kUnknown) return static_cast<Outcome>(known);
    EvalResult result = environment_.atoms[atom].evaluate(evaluation_);
    const Outcome outcome = outcome_of(result);
    if (outcome == Outcome::error) {
      errors_.emplace(atom, result.ok() ? type_error("bool", *result) : result.error());
    }
    known = static_cast<std::uint8_t>(outcome);
    return outcome;
  }

  void satisfy(std::uint32_t policy) { (table_.policies[policy].forbid ? forbids_ : permits_).push_back(policy); }
  void fail(std::uint32_t policy, std::uint32_t atom) { failures_.push_back({policy, errors_.at(atom)}); }

  const Table::State& table_;
  const Environment& environment_;
  const Request& request_;
  const Entities& entities_;
  Evaluation evaluation_;
  std::vector<std::uint8_t> outcomes_;
  std::unordered_map<std::uint32_t, EvalError> errors_;
  std::vector<std::uint32_t> permits_, forbids_;
  std::vector<Decision::Failure> failures_;
};

}  // namespace

std::string no_environment(std::string_view principal_type, const EntityUid& action, std::string_view resource_type) {
  return "the request is not valid under the schema: no environment of the table has principal type `" +
         std::string(principal_type) + "`, action `" + to_text(action) + "` and resource type `" + std::string(resource_type) + "`";
}

Result<Decision> Table::decide(const Request& request, const Entities& entities) const {
  auto found = state_->index.find({request.principal.type, request.action.type, request.action.id, request.resource.type});
  if (found == state_->index.end()) {
    return Error{no_environment(request.principal.type, request.action, request.resource.type)};
  }
  return Pass(*state_, *found->second, request, entities).decide();
}

}  // namespace kerf::gateway
