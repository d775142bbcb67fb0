// Request -> bits of tests -> decision.
#include "runtime/gateway/straight.h"

#include <algorithm>

#include "runtime/gateway/engine.h"
#include "runtime/gateway/groups.h"

namespace kerf::gateway {
namespace {

constexpr std::uint64_t bit(std::uint8_t number, bool value) { return static_cast<std::uint64_t>(value) << number; }

// Of a cell that the loop over runs does not decide; 2: an error.
unsigned in_cell(const Store::Row& of, Node descendant, const Cell* cell) {
  if (cell == nullptr) return 2;
  if (cell->kind == ValueKind::entity) return Store::is_in(of, descendant, cell->data, static_cast<std::uint32_t>(cell->number));
  if (cell->kind != ValueKind::set || cell->data == kNoData || cell->text == kTexts) return 2;
  return cell->text == kNodes && Store::is_in_members(of, descendant, *cell);
}

}  // namespace

inline Straight::Bits Straight::test(const Store& store, const Names& names, Workspace& work) const {
  const Object* objects[kObjects];
  for (std::size_t i = 0; i < kVariables; ++i) objects[i] = &work.rows[i]->object;
  std::uint32_t bad = 0;   // objects that are none
  for (std::size_t i = 0; i < way_count_; ++i) {
    const Object& from = *objects[ways_[i].from];
    const Object*& to = objects[kVariables + i];
    const std::uint16_t place = from.shape[ways_[i].attribute];
    const Cell* cell = place == 0 ? nullptr : from.cells + (place - 1);
    if (cell != nullptr && cell->kind == ValueKind::entity) {
      to = &store.row(cell->data).object;
    } else if (cell != nullptr && cell->kind == ValueKind::record && cell->data != kNoData) {
      to = cell->object;
    } else {
      to = &store.no_object();
      bad |= 1u << (kVariables + i);
    }
  }
  Bits bits;
  const std::uint32_t* attribute = attributes_.data();
  for (std::size_t r = 0; r < run_count_; ++r) {
    const Run run = runs_[r];
    const Object& object = *objects[run.object];
    const Store::Row& of = *work.rows[run.variable];
    std::uint64_t truth = 0;
    for (unsigned i = 0; i < run.count; ++i, ++attribute) {
      const std::uint16_t place = object.shape[*attribute];
      const Cell* cell = place == 0 ? nullptr : object.cells + (place - 1);
      if (cell != nullptr && cell->kind == ValueKind::entity && cell->number != 0 && of.bits != nullptr) [[likely]] {
        const auto column = static_cast<std::uint64_t>(cell->number);
        truth |= (of.bits[column / 64] >> (column % 64) & 1) << i;
        continue;
      }
      const unsigned outcome = in_cell(of, work.nodes[run.variable], cell);
      truth |= static_cast<std::uint64_t>(outcome & 1) << i;
      bits.error |= static_cast<std::uint64_t>(outcome >> 1) << (run.bit + i);
    }
    bits.truth |= truth << run.bit;
  }
  if (rest_) test_rest(store, names, work, objects, bad, bits);
  return bits;
}

void Straight::test_rest(const Store& store, const Names& names, Workspace& work, const Object* const* objects, std::uint32_t bad,
                         Bits& bits) const {
  auto cell_of = [&](const Test& test) -> const Cell* {
    const std::uint16_t place = objects[test.object]->shape[test.attribute];
    return place == 0 ? nullptr : objects[test.object]->cells + (place - 1);
  };
  for (const Fixed& test : fixed_) {
    const Node node = work.nodes[test.variable];
    const bool holds = test.in ? Store::is_in(*work.rows[test.variable], node, test.entity.data, static_cast<std::uint32_t>(test.entity.number))
                               : node == test.entity.data;
    bits.truth |= bit(test.bit, holds);
  }
  for (const Test& test : has_) {
    const bool error = bad >> test.object & 1;
    bits.truth |= bit(test.bit, !error && cell_of(test) != nullptr);
    bits.error |= bit(test.bit, error);
  }
  for (const Test& test : equal_) {
    const Cell* cell = cell_of(test);
    bits.truth |= bit(test.bit, cell != nullptr && cell->kind == ValueKind::entity && cell->data == work.nodes[test.variable]);
    bits.error |= bit(test.bit, cell == nullptr);
  }
  for (const Test& test : truth_) {
    const Cell* cell = cell_of(test);
    const bool error = cell == nullptr || cell->kind != ValueKind::boolean;
    bits.truth |= bit(test.bit, !error && cell->number != 0);
    bits.error |= bit(test.bit, error);
  }
  for (const Test& test : contains_) {
    const Cell* cell = cell_of(test);
    const bool error = cell == nullptr || cell->kind != ValueKind::set;
    bits.truth |= bit(test.bit, !error && Store::has_member(*cell, work.nodes[test.variable], *work.uids[test.variable]));
    bits.error |= bit(test.bit, error);
  }
  if (others_.empty()) return;
  const Asker asker(store, names, work);
  for (const Other& other : others_) {
    const Outcome outcome = asker.ask(work.plan->atoms[other.atom], work.plan->source->atoms[other.atom]);
    bits.truth |= bit(other.bit, outcome == Outcome::true_);
    bits.error |= bit(other.bit, outcome == Outcome::error);
  }
}

// The rows as they would be gone through one after the other, which matters only where a test errs.
Straight::Result Straight::result(const Rule& rule, const Bits& bits, std::uint32_t& failed) const {
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

bool Straight::allows(const Store& store, const Names& names, Workspace& work) const {
  const Bits bits = test(store, names, work);
  std::uint32_t failed = 0;
  for (const Rule& rule : forbids_) {
    if (result(rule, bits, failed) == Result::satisfied) return false;
  }
  if ((bits.truth & single_permits_) != 0) return true;
  for (const Rule& rule : longer_permits_) {
    if (result(rule, bits, failed) == Result::satisfied) return true;
  }
  if (!links_) return false;
  find_groups_of_members(store, *work.plan, work);
  return !work.groups.empty();
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
