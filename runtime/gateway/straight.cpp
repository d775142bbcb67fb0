// Request -> bits of tests -> decision.
#include "runtime/gateway/straight.h"

#include <algorithm>

#include "runtime/gateway/engine.h"
#include "runtime/gateway/groups.h"

namespace kerf::gateway {
namespace {

constexpr std::uint64_t bit(std::uint8_t number, bool value) { return static_cast<std::uint64_t>(value) << number; }

}  // namespace

// Of an attribute that is there; 2: an error.
[[gnu::always_inline]] inline unsigned Straight::outcome(Kind kind, const Cell& cell, const Workspace& work, std::size_t variable) {
  const Node node = work.nodes[variable];
  switch (kind) {
    case Kind::member: {
      const Store::Row& of = *work.rows[variable];
      if (cell.kind == ValueKind::entity) return Store::is_in(of, node, cell.data, static_cast<std::uint32_t>(cell.number));
      if (cell.kind != ValueKind::set || cell.data == kNoData || cell.text == kTexts) return 2;
      return cell.text == kNodes && Store::is_in_members(of, node, cell);
    }
    case Kind::equal: return cell.kind == ValueKind::entity && cell.data == node;
    case Kind::contains: return cell.kind == ValueKind::set ? Store::has_member(cell, node, *work.uids[variable]) : 2;
    case Kind::truth: return cell.kind == ValueKind::boolean ? cell.number != 0 : 2;
    case Kind::has: return 1;
  }
  internal_error("a test of no kind");
}

[[gnu::always_inline]] inline Straight::Bits Straight::test(const Store& store, const Names& names, Workspace& work) const {
  Bits bits;
  if (!has_example_ || !test_by_example(store, work, bits)) [[unlikely]] bits = test_by_shape(store, work);
  for (const Fixed& test : fixed_) {
    const Node node = work.nodes[test.variable];
    const bool holds = test.in ? Store::is_in(*work.rows[test.variable], node, test.entity.data, static_cast<std::uint32_t>(test.entity.number))
                               : node == test.entity.data;
    bits.truth |= bit(test.bit, holds);
  }
  if (!others_.empty()) {
    const Bits others = test_others(store, names, work);
    bits.truth |= others.truth;
    bits.error |= others.error;
  }
  return bits;
}

[[gnu::always_inline]] inline bool Straight::test_by_example(const Store& store, const Workspace& work, Bits& bits) const {
  const Object* objects[kObjects];
  std::uint64_t truth = 0, error = known_.error;
  const Placed* test = placed_.data();
  const Placed* const after = test + placed_count_;
  for (const Stop& stop : std::span(stops_.data(), stop_count_)) {
    const Object* object;
    if (stop.object < kVariables) {
      object = &work.rows[stop.object]->object;
    } else {
      const Cell& cell = objects[stop.from]->cells[stop.place];
      if (cell.kind == ValueKind::entity) [[likely]] object = &store.row(cell.data).object;
      else if (cell.kind == ValueKind::record && cell.data != kNoData) object = cell.object;
      else return false;
    }
    if (object->shape != stop.shape) [[unlikely]] return false;
    objects[stop.object] = object;
    const Cell* const cells = object->cells;
    const Store::Row& of = *work.rows[stop.variable];
    const std::uint64_t* const ancestors = of.bits;
    const Node node = work.nodes[stop.variable];
    for (const Placed* const end = test + stop.members; test != end; ++test) {
      const Cell& cell = cells[test->place];
      truth *= 2;
      if (cell.kind == ValueKind::entity && ancestors != nullptr) [[likely]] {
        const auto column = static_cast<std::uint64_t>(cell.number);
        truth |= (ancestors[column / 64] >> (column % 64) & 1) | static_cast<std::uint64_t>(cell.data == node);
        continue;
      }
      const unsigned is = outcome(Kind::member, cell, work, stop.variable);
      truth |= is & 1;
      error |= static_cast<std::uint64_t>(is >> 1) << (after - test - 1);
    }
    for (const Placed* const end = test + stop.others; test != end; ++test) {
      const unsigned is = outcome(test->kind, cells[test->place], work, test->variable);
      truth = truth * 2 + (is & 1);
      error |= static_cast<std::uint64_t>(is >> 1) << (after - test - 1);
    }
  }
  bits = {truth | known_.truth, error};
  return true;
}

[[gnu::noinline]] Straight::Bits Straight::test_by_shape(const Store& store, const Workspace& work) const {
  const Object* objects[kObjects];
  for (std::size_t i = 0; i < kVariables; ++i) objects[i] = &work.rows[i]->object;
  for (std::size_t i = 0; i < way_count_; ++i) {
    const Object* from = objects[ways_[i].from];
    const Cell* cell = from == nullptr ? nullptr : Store::attribute(*from, ways_[i].attribute);
    const Object*& to = objects[kVariables + i];
    to = nullptr;
    if (cell != nullptr && cell->kind == ValueKind::entity) to = &store.row(cell->data).object;
    if (cell != nullptr && cell->kind == ValueKind::record && cell->data != kNoData) to = cell->object;
  }
  Bits bits;
  for (const Test& test : tests_) {
    const Object* object = objects[test.object];
    const Cell* cell = object == nullptr ? nullptr : Store::attribute(*object, test.attribute);
    const unsigned missing = object != nullptr && test.kind == Kind::has ? 0 : 2;
    const unsigned is = cell == nullptr ? missing : outcome(test.kind, *cell, work, test.variable);
    bits.truth |= bit(test.bit, is == 1);
    bits.error |= bit(test.bit, is == 2);
  }
  return bits;
}

Straight::Bits Straight::test_others(const Store& store, const Names& names, Workspace& work) const {
  Bits bits;
  const Asker asker(store, names, work);
  for (const Other& other : others_) {
    const Outcome outcome = asker.ask(work.plan->atoms[other.atom], work.plan->source->atoms[other.atom]);
    bits.truth |= bit(other.bit, outcome == Outcome::true_);
    bits.error |= bit(other.bit, outcome == Outcome::error);
  }
  return bits;
}

// The rows as they would be gone through one after the other, which matters only where a test errs.
Straight::Result Straight::result(const Rule& rule, Bits bits, std::uint32_t& failed) const {
  const bool errs = (bits.error & rule.mask) != 0;
  for (const Row& row : std::span(rows_).subspan(rule.first, rule.count)) {
    if (((bits.truth ^ row.wanted) & row.mask) == 0 && !errs) return Result::satisfied;
    if (!errs) continue;
    bool holds = true;
    for (const Need& need : std::span(needs_).subspan(row.first, row.count)) {
      failed = atoms_[need.bit];
      if (bits.error >> need.bit & 1) return Result::error;
      holds = static_cast<Outcome>(bits.truth >> need.bit & 1) == need.outcome;
      if (!holds) break;
    }
    if (holds) return Result::satisfied;
  }
  return Result::unsatisfied;
}

bool Straight::any_satisfied(const std::vector<Rule>& rules, Bits bits) const {
  std::uint32_t failed = 0;
  return std::any_of(rules.begin(), rules.end(), [&](const Rule& rule) { return result(rule, bits, failed) == Result::satisfied; });
}

bool Straight::allows(const Store& store, const Names& names, Workspace& work) const {
  const Bits bits = test(store, names, work);
  if (bits.error == 0) [[likely]] {
    auto any = [&](const std::vector<Bare>& rows) {
      for (const Bare& row : rows) {
        if (((bits.truth ^ row.wanted) & row.mask) == 0) return true;
      }
      return false;
    };
    if (any(bare_forbids_)) return false;
    if ((bits.truth & single_permits_) != 0 || any(bare_permits_)) return true;
  } else {
    if (any_satisfied(forbids_, bits)) return false;
    if (any_satisfied(permits_, bits)) return true;
  }
  return links_ && has_group_of_members(store, *work.plan, work);
}

void Straight::decide(const Store& store, const Names& names, Workspace& work, Answer& answer) const {
  const Bits bits = test(store, names, work);
  auto run = [&](const std::vector<Rule>& rules) {
    for (const Rule& rule : rules) {
      std::uint32_t failed = 0;
      switch (result(rule, bits, failed)) {
        case Result::unsatisfied: break;
        case Result::satisfied: answer.determining.push_back(rule.policy); break;
        case Result::error: answer.errors.push_back({rule.policy, failed}); break;
      }
    }
  };
  run(forbids_);
  const std::size_t forbidding = answer.determining.size();
  run(permits_);
  if (links_ && forbidding == 0) {
    find_groups_of_members(store, *work.plan, work);
    const Environment& source = *work.plan->source;
    for (std::uint32_t group : work.groups) answer.determining.push_back(source.rules[source.groups[group].first].policy);
    std::sort(answer.determining.begin(), answer.determining.end());
  }
  if (forbidding != 0) answer.determining.resize(forbidding);
  else answer.allow = !answer.determining.empty();
  std::sort(answer.errors.begin(), answer.errors.end(), [](const auto& a, const auto& b) { return a.policy < b.policy; });
}

}  // namespace kerf::gateway
