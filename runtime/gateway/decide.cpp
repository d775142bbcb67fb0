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
                    &table.action_entities),
        outcomes_(environment.atoms.size(), kUnknown) {}

  Decision decide() {
    const std::vector<ScopeKey> principals = scopes_of(request_.principal, environment_.principal_in);
    const std::vector<ScopeKey> resources = scopes_of(request_.resource, environment_.resource_in);
    for (ScopeKey principal : principals) {
      auto bucket = environment_.by_principal.find(principal);
      if (bucket != environment_.by_principal.end()) apply_bucket(principal, bucket->second, resources);
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
  std::vector<ScopeKey> scopes_of(const EntityUid& uid, const std::vector<const ScopeUid*>& in_scopes) const {
    std::vector<ScopeKey> scopes = {kAnyScope};
    if (auto known = table_.uids.find(uid); known != table_.uids.end()) {
      scopes.push_back(equal_scope(known->second));
      scopes.push_back(in_scope(known->second));
    }
    if (in_scopes.size() <= kFewScopes) {
      for (const ScopeUid* ancestor : in_scopes) {
        if (ancestor->first != uid && entities_.is_in(uid, ancestor->first)) scopes.push_back(in_scope(ancestor->second));
      }
    } else {
      for (const EntityUid& ancestor : entities_.ancestors(uid)) {
        auto known = table_.uids.find(ancestor);
        if (known != table_.uids.end() && ancestor != uid) scopes.push_back(in_scope(known->second));
      }
    }
    std::sort(scopes.begin(), scopes.end());
    return scopes;
  }

  void apply_bucket(ScopeKey principal, const std::vector<std::pair<ScopeKey, std::uint32_t>>& bucket,
                    const std::vector<ScopeKey>& resources) {
    if (bucket.size() <= resources.size()) {
      for (const auto& [resource, group] : bucket) {
        if (std::binary_search(resources.begin(), resources.end(), resource)) apply(environment_.groups[group]);
      }
      return;
    }
    for (ScopeKey resource : resources) {
      auto group = environment_.by_scopes.find(scope_pair(principal, resource));
      if (group != environment_.by_scopes.end()) apply(environment_.groups[group->second]);
    }
  }

  void apply(const Group& group) {
    const std::uint32_t end = group.first_row + group.row_count;
    for (std::uint32_t row = group.first_row; row < end;) {
      const std::uint32_t policy = environment_.rows[row].policy;
      bool settled = false;
      for (; row < end && environment_.rows[row].policy == policy; ++row) {
        if (!settled) settled = apply_row(environment_.rows[row]);
      }
    }
    for (std::uint32_t i = 0; i < group.formula_count; ++i) apply_formula(environment_.formulas[group.first_formula + i]);
  }

  // True if the row settles its policy: it holds, or the way to it met an error.
  bool apply_row(const Row& row) {
    for (std::uint32_t i = 0; i < row.count; ++i) {
      const Requirement& required = environment_.requirements[row.first + i];
      const Outcome outcome = outcome_of_atom(required.atom);
      if (outcome == Outcome::error) {
        fail(row.policy, required.atom);
        return true;
      }
      if (outcome != required.outcome) return false;
    }
    satisfy(row.policy);
    return true;
  }

  void apply_formula(const FormulaRule& rule) {
    Outcome current = Outcome::false_;
    for (std::uint32_t at = 0; at < rule.count;) {
      const FormulaStep& step = environment_.steps[rule.first + at];
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
