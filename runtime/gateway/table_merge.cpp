// Tables -> table. Atoms that are alike become one, so that what is merged is as good as what is compiled together.
#include "runtime/gateway/table_merge.h"

#include <algorithm>
#include <map>

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
  Merger(std::span<const TablePart> parts, Places* later) : parts_(parts), later_(later), out_(std::make_unique<Table::State>()) {}

  std::unique_ptr<Table::State> merge(const Table::State& schema) {
    if (later_ == nullptr) out_->actions = schema.actions;
    for (const TablePart& part : parts_) {
      std::vector<std::uint32_t>& numbers = policies_.emplace_back(part.table->policies.size(), kNone);
      for (std::uint32_t p = 0; p < numbers.size(); ++p) {
        if (has(part.removed, p)) continue;
        numbers[p] = static_cast<std::uint32_t>(out_->policies.size());
        out_->policies.push_back(part.table->policies[p]);
      }
    }
    for (std::size_t i = 0; i < schema.environments.size(); ++i) merge(schema.environments[i], i);
    return std::move(out_);
  }

 private:
  static constexpr std::uint32_t kNone = 0xffffffffu;
  struct Source {
    std::size_t part;
    const Environment* environment;
    const Group* group;
  };

  // The part's environment of these types and this action, or null. Tables of one schema have them at the same places.
  static const Environment* find(const TablePart& part, const EnvironmentKey& key, const Environment& first, std::size_t place) {
    const Table::State& table = *part.table;
    if (part.places != nullptr) return (*part.places)[place];
    if (place < table.environments.size() && table.environments[place].is_of(first)) return &table.environments[place];
    auto found = table.index.find(key);
    return found == table.index.end() ? nullptr : found->second;
  }

  void merge(const Environment& first, std::size_t place) {
    const EnvironmentKey key{first.principal, first.action.type, first.action.id, first.resource};
    std::map<std::pair<ScopeKey, ScopeKey>, std::vector<Source>> groups;
    for (std::size_t part = 0; part < parts_.size(); ++part) {
      const Environment* from = find(parts_[part], key, first, place);
      if (from == nullptr) continue;
      for (const Group& group : from->groups) {
        if (lives(part, *from, group)) groups[{scope(part, group.principal), scope(part, group.resource)}].push_back({part, from, &group});
      }
    }
    if (later_ != nullptr) later_->push_back(nullptr);
    if (later_ != nullptr && groups.empty()) return;
    environment_ = &out_->environments.emplace_back();
    environment_->principal = first.principal;
    environment_->resource = first.resource;
    environment_->action = first.action;
    known_.clear();
    RuleWriter writer(*environment_);
    for (const auto& [scopes, sources] : groups) {
      writer.begin_group(scopes.first, scopes.second);
      for (const Source& source : sources) {
        for (const Rule& rule : source.environment->rules_of(*source.group)) add(writer, source, rule);
      }
      writer.end_group();
    }
    writer.finish();
    if (later_ != nullptr) later_->back() = environment_;
    else out_->index.emplace(EnvironmentKey{environment_->principal, environment_->action.type, environment_->action.id, environment_->resource}, environment_);
  }

  bool lives(std::size_t part, const Environment& from, const Group& group) const {
    const std::span<const Rule> rules = from.rules_of(group);
    return std::any_of(rules.begin(), rules.end(), [&](const Rule& rule) { return policies_[part][rule.policy] != kNone; });
  }

  ScopeKey scope(std::size_t part, ScopeKey key) {
    if (key == kAnyScope) return key;
    const ScopeUids& from = parts_[part].table->uids;
    const std::uint32_t number = (key - 1) / 2, known = out_->uids.add(from.type(number), from.id(number));
    return key % 2 == 1 ? equal_scope(known) : in_scope(known);
  }

  void add(RuleWriter& writer, const Source& source, const Rule& rule) {
    const Environment& from = *source.environment;
    const std::uint32_t policy = policies_[source.part][rule.policy];
    if (policy == kNone) return;
    writer.begin_rule(policy, out_->policies[policy].forbid, rule.is_formula);
    if (rule.is_formula) {
      for (FormulaStep step : from.steps_of(rule)) {
        if (step.kind == FormulaStep::Kind::atom) step.operand = atom(from, step.operand);
        environment_->steps.push_back(step);
      }
      return;
    }
    for (const Row& row : from.rows_of(rule)) {
      writer.begin_row(row.then);
      for (const Requirement& required : from.needs_of(row)) {
        environment_->requirements.push_back({atom(from, required.atom), required.outcome});
      }
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
  Places* later_;   // null: all of the environments are to be there, and what finds them
  std::unique_ptr<Table::State> out_;
  std::vector<std::vector<std::uint32_t>> policies_;       // of each part: its policies' numbers in the whole, or kNone
  Environment* environment_ = nullptr;
  std::unordered_multimap<std::uint64_t, std::uint32_t> known_;   // atoms of the environment by hash
};

}  // namespace

std::unique_ptr<Table::State> merge_tables(std::span<const TablePart> parts) { return Merger(parts, nullptr).merge(*parts.front().table); }
std::unique_ptr<Table::State> merge_later_tables(std::span<const TablePart> parts, const Table::State& schema, Places& places) {
  return Merger(parts, &places).merge(schema);
}

}  // namespace kerf::gateway
