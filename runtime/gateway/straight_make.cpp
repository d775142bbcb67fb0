// EnvironmentPlan -> Straight, where the environment is small enough and its conditions are of these forms.
#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "runtime/gateway/plan.h"

namespace kerf::gateway {

class StraightMaker {
 public:
  StraightMaker(const EnvironmentPlan& plan, const Store& store) : plan_(plan), source_(*plan.source), store_(store) {}

  bool make(const Table::State& table, const std::vector<Node>& scope_nodes) {
    auto is_large = [](const Group& group) { return std::max(group.forbids, group.permits) >= kAlwaysIndexFrom; };
    if (!source_.steps.empty() || std::any_of(source_.groups.begin(), source_.groups.end(), is_large)) return false;
    out.links_ = plan_.has_lists && std::all_of(source_.groups.begin(), source_.groups.end(), [&](const Group& group) {
      return !is_of_members(group) || is_link(group);
    });
    std::size_t rules = 0, groups = 0;
    for (const Group& group : source_.groups) {
      if (is_beside(group)) continue;
      rules += group.forbids + group.permits;
      ++groups;
    }
    if (rules > Straight::kRules || 2 * groups > Straight::kTests || !add_atoms()) return false;
    for (const Group& group : source_.groups) {
      if (is_beside(group)) continue;
      needs_.clear();
      scope(0, group.principal, scope_nodes);
      scope(2, group.resource, scope_nodes);
      for (const gateway::Rule& rule : source_.rules_of(group)) add_rule(table, rule);
    }
    finish();
    return next_bit_ <= Straight::kTests;
  }
  Straight out;

 private:
  using Test = Straight::Test;

  static bool is_of_members(const Group& group) { return group.principal != kAnyScope && group.principal % 2 == 0; }
  bool is_link(const Group& group) const {
    if (group.forbids != 0 || group.permits != 1) return false;
    const auto rows = source_.rows_of(source_.rules[group.first]);
    return rows.size() == 1 && rows[0].count == 0 && rows[0].then == Outcome::true_;
  }
  bool is_beside(const Group& group) const { return out.links_ && is_of_members(group); }

  // A test of the variable's entity; the same one for all rules that have the scope.
  void scope(std::uint8_t variable, ScopeKey key, const std::vector<Node>& nodes) {
    if (key == kAnyScope) return;
    auto [entry, added] = scopes_.try_emplace({variable, key}, static_cast<std::uint8_t>(next_bit_));
    if (added) out.fixed_.push_back({variable, next_bit_++, key % 2 == 0, store_.entity_cell(nodes[(key - 1) / 2])});
    needs_.push_back({entry->second, Outcome::true_});
  }

  // `needs_` has the group's scopes.
  void add_rule(const Table::State& table, const Rule& rule) {
    Straight::Rule& to = (table.policies[rule.policy].forbid ? out.forbids_ : out.permits_).emplace_back();
    to.policy = rule.policy;
    to.first = static_cast<std::uint32_t>(out.rows_.size());
    for (const Row& from : source_.rows_of(rule)) {
      Straight::Row& row = out.rows_.emplace_back();
      row.first = static_cast<std::uint32_t>(out.needs_.size());
      out.needs_.insert(out.needs_.end(), needs_.begin(), needs_.end());
      bool possible = true;
      for (const Requirement& required : source_.needs_of(from)) {
        out.needs_.push_back({bits_.at(required.atom), required.outcome});
      }
      row.count = static_cast<std::uint32_t>(out.needs_.size()) - row.first;
      for (const Straight::Need& need : std::span(out.needs_).subspan(row.first)) {
        const std::uint64_t flag = std::uint64_t{1} << need.bit;
        const std::uint64_t wanted = need.outcome == Outcome::true_ ? flag : 0;
        if (need.outcome == Outcome::error || ((row.mask & flag) != 0 && (row.wanted & flag) != wanted)) possible = false;
        row.mask |= flag;
        row.wanted |= wanted;
      }
      to.mask |= row.mask;
      ++to.count;
      // A row that wants an error, or both of a test, is satisfied by no bits; where a test errs its needs say the rest.
      if (!possible) row.mask |= kNever, row.wanted |= kNever;
    }
  }

  // The object whose attributes come after `length` of the subject's; its number, or kObjects if there are too many.
  std::uint8_t object(const Subject& subject, std::size_t length) {
    if (length == 0) return subject.variable;
    const std::uint8_t from = object(subject, length - 1);
    if (from == Straight::kObjects) return from;
    const std::pair<std::uint8_t, std::uint32_t> way{from, subject.attributes[length - 1]};
    auto known = objects_.find(way);
    if (known != objects_.end()) return known->second;
    if (Straight::kVariables + out.way_count_ == Straight::kObjects) return Straight::kObjects;
    const auto number = static_cast<std::uint8_t>(Straight::kVariables + out.way_count_);
    out.ways_[out.way_count_++] = {from, way.second};
    return objects_.emplace(way, number).first->second;
  }

  static bool is_variable(const Operand& operand) { return !operand.is_literal && operand.subject.length == 0; }
  static bool is_path(const Operand& operand) { return !operand.is_literal && operand.subject.length != 0; }
  static bool reads_context(const Operand& operand) { return !operand.is_literal && operand.subject.variable == 3; }

  bool add(std::vector<Test>& list, std::uint8_t bit, const Subject& variable, const Subject& path) {
    const Test test{variable.variable, object(path, path.length - 1u), bit, path.attributes[path.length - 1u]};
    list.push_back(test);
    return test.object != Straight::kObjects;
  }

  static bool is_run(const Atom& atom) { return atom.kind == Atom::Kind::in && is_variable(atom.left) && is_path(atom.right); }

  // Gives the atoms that rows name their bits: those of runs first, run by run.
  bool add_atoms() {
    std::set<std::uint32_t> used;
    for (const Requirement& required : source_.requirements) used.insert(required.atom);
    if (used.size() > Straight::kTests) return false;
    std::map<std::pair<std::uint8_t, std::uint8_t>, std::vector<std::uint32_t>> runs;   // variable, object
    for (std::uint32_t number : used) {
      const Atom& atom = plan_.atoms[number];
      if (reads_context(atom.left) || reads_context(atom.right)) return false;
      if (!is_run(atom)) continue;
      const std::uint8_t of = object(atom.right.subject, atom.right.subject.length - 1u);
      if (of == Straight::kObjects) return false;
      runs[{atom.left.subject.variable, of}].push_back(number);
    }
    if (runs.size() > Straight::kRuns) return false;
    for (const auto& [of, atoms] : runs) {
      out.runs_[out.run_count_++] = {of.first, of.second, next_bit_, static_cast<std::uint8_t>(atoms.size())};
      for (std::uint32_t number : atoms) {
        const Subject& path = plan_.atoms[number].right.subject;
        out.attributes_[next_bit_] = path.attributes[path.length - 1u];
        name(number);
      }
    }
    for (std::uint32_t number : used) {
      if (is_run(plan_.atoms[number])) continue;
      const std::uint8_t bit = name(number);
      if (!add_test(plan_.atoms[number], number, bit)) return false;
    }
    return true;
  }
  std::uint8_t name(std::uint32_t atom) {
    out.atoms_[next_bit_] = atom;
    bits_.emplace(atom, next_bit_);
    return next_bit_++;
  }

  bool add_test(const Atom& atom, std::uint32_t number, std::uint8_t bit) {
    const Operand &left = atom.left, &right = atom.right;
    switch (atom.kind) {
      case Atom::Kind::general:
      case Atom::Kind::like: return false;   // may take long, and may not be reached
      case Atom::Kind::truth:
        if (is_path(left)) return add(out.truth_, bit, {}, left.subject);
        break;
      case Atom::Kind::has: {
        const std::uint8_t of = object(left.subject, left.subject.length);
        out.has_.push_back({0, of, bit, atom.attribute});
        return of != Straight::kObjects;
      }
      case Atom::Kind::equal:
        if (is_path(left) && is_variable(right)) return add(out.equal_, bit, right.subject, left.subject);
        if (is_variable(left) && is_path(right)) return add(out.equal_, bit, left.subject, right.subject);
        break;
      case Atom::Kind::in:
        if (is_variable(left) && right.is_literal && right.literal.kind == ValueKind::entity) {
          out.fixed_.push_back({left.subject.variable, bit, true, right.literal});
          return true;
        }
        break;
      case Atom::Kind::contains:
        if (is_path(left) && is_variable(right)) return add(out.contains_, bit, right.subject, left.subject);
        break;
      case Atom::Kind::less:
      case Atom::Kind::less_eq:
      case Atom::Kind::in_range: break;
    }
    out.others_.push_back({number, bit});
    return out.others_.size() <= kMostOthers;
  }

  void finish() {
    out.rest_ = !out.equal_.empty() || !out.contains_.empty() || !out.truth_.empty() || !out.has_.empty() ||
                !out.fixed_.empty() || !out.others_.empty();
    auto by_policy = [](const Straight::Rule& a, const Straight::Rule& b) { return a.policy < b.policy; };
    std::sort(out.forbids_.begin(), out.forbids_.end(), by_policy);
    std::sort(out.permits_.begin(), out.permits_.end(), by_policy);
    for (const Straight::Rule& rule : out.permits_) {
      const Straight::Row& row = out.rows_[rule.first];
      if (rule.count == 1 && row.count == 1 && row.mask == row.wanted && row.mask != 0) out.single_permits_ |= row.mask;
      else out.longer_permits_.push_back(rule);
    }
  }

  static constexpr std::size_t kMostOthers = 4;
  static constexpr std::uint64_t kNever = std::uint64_t{1} << 63;   // the bit of no test
  const EnvironmentPlan& plan_;
  const Environment& source_;
  const Store& store_;
  std::uint8_t next_bit_ = 0;
  std::map<std::uint32_t, std::uint8_t> bits_;   // of atoms
  std::vector<Straight::Need> needs_;
  std::map<std::pair<std::uint8_t, ScopeKey>, std::uint8_t> scopes_;
  std::map<std::pair<std::uint8_t, std::uint32_t>, std::uint8_t> objects_;
};

std::unique_ptr<const Straight> Straight::make(const Table::State& table, const EnvironmentPlan& plan,
                                               const std::vector<Node>& scope_nodes, const Store& store) {
  StraightMaker maker(plan, store);
  if (!maker.make(table, scope_nodes)) return nullptr;
  return std::make_unique<const Straight>(std::move(maker.out));
}

}  // namespace kerf::gateway
