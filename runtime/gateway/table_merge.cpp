// Tables -> table. Atoms that are alike become one, so that what is merged is as good as what is compiled together.
#include "runtime/gateway/table_merge.h"

#include <unordered_set>

#include "runtime/gateway/hash.h"
#include "runtime/gateway/program.h"

namespace kerf::gateway {
namespace {

bool same(const Program& a, const Program& b) {
  auto same_step = [](const Instruction& x, const Instruction& y) { return x.code == y.code && x.a == y.a && x.b == y.b; };
  auto same_pattern = [](const Pattern& x, const Pattern& y) { return x.pieces == y.pieces; };
  return std::equal(a.code.begin(), a.code.end(), b.code.begin(), b.code.end(), same_step) && a.names == b.names &&
         a.literals == b.literals && std::equal(a.patterns.begin(), a.patterns.end(), b.patterns.begin(), b.patterns.end(), same_pattern);
}

std::uint64_t hash_of(const Value& value) {
  if (const std::string* text = value.as_string()) return hash_text(*text);
  if (const EntityUid* uid = value.as_entity()) return hash_uid(uid->type, uid->id);
  if (const std::int64_t* number = value.as_long()) return static_cast<std::uint64_t>(*number);
  return static_cast<std::uint64_t>(value.kind());
}

std::uint64_t hash_of(const Program& program) {
  std::uint64_t hash = program.code.size();
  auto add = [&](std::uint64_t word) { hash = mix(hash ^ word, 0x9e3779b97f4a7c15u); };
  for (const Instruction& step : program.code) add(static_cast<std::uint64_t>(step.code) << 56 ^ static_cast<std::uint64_t>(step.a) << 28 ^ step.b);
  for (const std::string& name : program.names) add(hash_text(name));
  for (const Value& literal : program.literals) add(hash_of(literal));
  for (const Pattern& pattern : program.patterns) {
    for (const std::string& piece : pattern.pieces) add(hash_text(piece));
  }
  return hash;
}

class Merger {
 public:
  explicit Merger(std::span<const TablePart> parts) : parts_(parts), out_(std::make_unique<Table::State>()) {}

  std::unique_ptr<Table::State> merge() {
    const Table::State& first = *parts_.front().table;
    out_->actions = first.actions;
    out_->action_entities = first.action_entities;
    for (const TablePart& part : parts_) {
      std::vector<std::uint32_t>& numbers = policies_.emplace_back(part.table->policies.size(), kNone);
      for (std::uint32_t p = 0; p < numbers.size(); ++p) {
        if (has(part.removed, p)) continue;
        numbers[p] = static_cast<std::uint32_t>(out_->policies.size());
        out_->policies.push_back(part.table->policies[p]);
      }
      std::vector<const EntityUid*>& uids = uids_.emplace_back(part.table->uids.size());
      for (const auto& [uid, number] : part.table->uids) uids[number] = &uid;
    }
    for (const Environment& environment : first.environments) merge(environment);
    return std::move(out_);
  }

 private:
  static constexpr std::uint32_t kNone = 0xffffffffu;
  struct Source {
    std::size_t part;
    const Environment* environment;
    const Group* group;
  };

  void merge(const Environment& first) {
    environment_ = &out_->environments.emplace_back();
    environment_->principal = first.principal;
    environment_->resource = first.resource;
    environment_->action = first.action;
    known_.clear();
    in_principals_.clear();
    in_resources_.clear();
    const EnvironmentKey key{environment_->principal, environment_->action.type, environment_->action.id, environment_->resource};
    std::vector<std::pair<std::uint64_t, std::vector<Source>>> groups;
    std::unordered_map<std::uint64_t, std::size_t> places;
    for (std::size_t part = 0; part < parts_.size(); ++part) {
      auto found = parts_[part].table->index.find(key);
      if (found == parts_[part].table->index.end()) continue;
      const Environment& from = *found->second;
      for (const auto& [scopes, number] : from.by_scopes) {
        const Group& group = from.groups[number];
        if (!lives(part, from, group)) continue;
        const ScopeKey principal = scope(part, static_cast<ScopeKey>(scopes >> 32), environment_->principal_in, in_principals_);
        const ScopeKey resource = scope(part, static_cast<ScopeKey>(scopes), environment_->resource_in, in_resources_);
        auto [place, added] = places.emplace(scope_pair(principal, resource), groups.size());
        if (added) groups.push_back({place->first, {}});
        groups[place->second].second.push_back({part, &from, &group});
      }
    }
    for (const auto& [scopes, sources] : groups) emit(scopes, sources);
    out_->index.emplace(key, environment_);
  }

  bool lives(std::size_t part, const Environment& from, const Group& group) const {
    auto lives = [&](std::uint32_t policy) { return policies_[part][policy] != kNone; };
    for (std::uint32_t r = 0; r < group.row_count; ++r) {
      if (lives(from.rows[group.first_row + r].policy)) return true;
    }
    for (std::uint32_t f = 0; f < group.formula_count; ++f) {
      if (lives(from.formulas[group.first_formula + f].policy)) return true;
    }
    return false;
  }

  ScopeKey scope(std::size_t part, ScopeKey key, std::vector<const ScopeUid*>& in_scopes, std::unordered_set<ScopeKey>& seen) {
    if (key == kAnyScope) return key;
    const ScopeUid& known = *out_->uids.emplace(*uids_[part][(key - 1) / 2], static_cast<std::uint32_t>(out_->uids.size())).first;
    if (key % 2 == 1) return equal_scope(known.second);
    if (seen.insert(in_scope(known.second)).second) in_scopes.push_back(&known);
    return in_scope(known.second);
  }

  void emit(std::uint64_t scopes, const std::vector<Source>& sources) {
    const auto number = static_cast<std::uint32_t>(environment_->groups.size());
    environment_->by_scopes.emplace(scopes, number);
    environment_->by_principal[static_cast<ScopeKey>(scopes >> 32)].emplace_back(static_cast<ScopeKey>(scopes), number);
    Group& group = environment_->groups.emplace_back();
    group.first_row = static_cast<std::uint32_t>(environment_->rows.size());
    group.first_formula = static_cast<std::uint32_t>(environment_->formulas.size());
    for (const Source& source : sources) {
      for (std::uint32_t r = 0; r < source.group->row_count; ++r) add_row(source, source.environment->rows[source.group->first_row + r]);
    }
    group.row_count = static_cast<std::uint32_t>(environment_->rows.size()) - group.first_row;
    for (const Source& source : sources) {
      for (std::uint32_t f = 0; f < source.group->formula_count; ++f) {
        add_formula(source, source.environment->formulas[source.group->first_formula + f]);
      }
    }
    group.formula_count = static_cast<std::uint32_t>(environment_->formulas.size()) - group.first_formula;
  }

  void add_row(const Source& source, const Row& row) {
    const std::uint32_t policy = policies_[source.part][row.policy];
    if (policy == kNone) return;
    environment_->rows.push_back({policy, static_cast<std::uint32_t>(environment_->requirements.size()), row.count, row.then});
    for (std::uint32_t i = 0; i < row.count; ++i) {
      const Requirement& required = source.environment->requirements[row.first + i];
      environment_->requirements.push_back({atom(*source.environment, required.atom), required.outcome});
    }
  }

  void add_formula(const Source& source, const FormulaRule& formula) {
    const std::uint32_t policy = policies_[source.part][formula.policy];
    if (policy == kNone) return;
    environment_->formulas.push_back({policy, static_cast<std::uint32_t>(environment_->steps.size()), formula.count});
    for (std::uint32_t i = 0; i < formula.count; ++i) {
      FormulaStep step = source.environment->steps[formula.first + i];
      if (step.kind == FormulaStep::Kind::atom) step.operand = atom(*source.environment, step.operand);
      environment_->steps.push_back(step);
    }
  }

  std::uint32_t atom(const Environment& from, std::uint32_t number) {
    const Expr& expr = from.atoms[number];
    const std::uint64_t hash = hash_of(expr.program());
    auto [at, end] = known_.equal_range(hash);
    for (; at != end; ++at) {
      if (same(environment_->atoms[at->second].program(), expr.program())) return at->second;
    }
    const auto added = static_cast<std::uint32_t>(environment_->atoms.size());
    known_.emplace(hash, added);
    environment_->atoms.push_back(expr);
    return added;
  }

  std::span<const TablePart> parts_;
  std::unique_ptr<Table::State> out_;
  std::vector<std::vector<std::uint32_t>> policies_;       // of each part: its policies' numbers in the whole, or kNone
  std::vector<std::vector<const EntityUid*>> uids_;        // of each part, by number
  Environment* environment_ = nullptr;
  std::unordered_multimap<std::uint64_t, std::uint32_t> known_;   // atoms of the environment by hash
  std::unordered_set<ScopeKey> in_principals_, in_resources_;
};

}  // namespace

std::unique_ptr<Table::State> merge_tables(std::span<const TablePart> parts) { return Merger(parts).merge(); }

}  // namespace kerf::gateway
