// Request -> bits of tests -> decision.
#include "runtime/gateway/straight.h"

#include <algorithm>

#include "runtime/gateway/engine.h"
#include "runtime/gateway/groups.h"

// With shifts that set no flags, where the machine has them. Sanitizers cannot run the choice, which the loader makes before them.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define KERF_FAST __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define KERF_FAST
#endif

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

std::uint64_t Straight::test_fixed(const Workspace& work) const {
  std::uint64_t truth = 0;
  for (const Fixed& test : fixed_) {
    const Node node = work.nodes[test.variable];
    const bool holds = test.in ? Store::is_in(*work.rows[test.variable], node, test.entity.data, static_cast<std::uint32_t>(test.entity.number))
                               : node == test.entity.data;
    truth |= bit(test.bit, holds);
  }
  return truth;
}

bool Straight::fits_example(const Workspace& work) const {
  if (!has_example_) return false;
  for (std::size_t i = 0; i < kVariables; ++i) {
    const Store::Row& row = *work.rows[i];
    if (row.bits == nullptr || (shapes_[i] != nullptr && row.object.shape != shapes_[i])) return false;
  }
  return true;
}

[[gnu::noinline]] Straight::Bits Straight::test(const Store& store, Workspace& work) const {
  Bits bits;
  std::uint64_t truth, sufficient;
  if (fits_example(work) && test_by_example<Extent::all>(example_, store, work, truth, sufficient)) bits = {truth | sufficient << other_count_ | known_.truth, known_.error};
  else bits = test_by_shape(store, work);
  bits.truth |= test_fixed(work);
  if (!others_.empty()) {
    const Bits others = test_others(store, work);
    bits.truth |= others.truth;
    bits.error |= others.error;
  }
  return bits;
}

namespace {
const Cell& cell_at(const Cell* cells, std::uint32_t offset) {
  return *reinterpret_cast<const Cell*>(reinterpret_cast<const char*>(cells) + offset);
}
// Whether it is odd. An entity's own column is among its ancestors'; nothing is in column 0, that of an entity without one.
std::uint64_t is_in_column(const std::uint64_t* ancestors, const Cell& entity) {
  const auto column = static_cast<std::uint64_t>(entity.number);
  return ancestors[column / 64] >> (column % 64);
}
}  // namespace

// Of the kinds of values that the example has there; the variables of members have bits of ancestors.
[[gnu::always_inline]] inline std::uint64_t Straight::test_placed(const Placed& test, const Cell& cell, const Workspace& work) {
  if (test.kind == Kind::truth) return static_cast<std::uint64_t>(cell.number);
  const Node node = work.nodes[test.variable];
  if (test.kind == Kind::equal) return cell.data == node;
  if (test.kind == Kind::contains) return Store::has_node(cell, node);
  const Store::Row& of = *work.rows[test.variable];   // a member
  return test.is_set ? Store::is_in_columns(of, node, cell) : (is_in_column(of.bits, cell) & 1) | static_cast<std::uint64_t>(cell.data == node);
}

template <Straight::Extent kExtent>
[[gnu::always_inline]] inline bool Straight::test_by_example(const Program& program, const Store& store, const Workspace& work, std::uint64_t& truth, std::uint64_t& sufficient) const {
  const Object* objects[kObjects];
  truth = sufficient = 0;
  const Placed* test = program.placed.data();
  for (const Stop *stop = program.stops.data(), *const last = stop + program.stop_count; stop != last; ++stop) {
    const Object* object;
    if (stop->object < kVariables) {
      object = &work.rows[stop->object]->object;
    } else {
      const Cell& cell = cell_at(objects[stop->from]->cells, stop->offset);
      if (stop->is_record) [[unlikely]] object = cell.object;
      else object = &store.row(cell.data).object;
      if (object->shape != stop->shape) [[unlikely]] return false;
    }
    objects[stop->object] = object;
    const Cell* const cells = object->cells;
    auto count = [&](std::uint64_t is) {
      if (kExtent == Extent::all) sufficient = sufficient * 2 + (is & 1);
      else sufficient |= is;
    };
    if (stop->entities != 0) [[likely]] {
      const std::uint64_t* const ancestors = work.rows[stop->variable]->bits;
      const Placed* const end = test + stop->entities;
      do count(is_in_column(ancestors, cell_at(cells, test->offset)));
      while (++test != end);
    }
    if (kExtent == Extent::entities) continue;
    if (stop->sets != 0) {
      const Store::Row& of = *work.rows[stop->variable];
      const Node node = work.nodes[stop->variable];
      const Placed* const end = test + stop->sets;
      do count(Store::is_in_columns(of, node, cell_at(cells, test->offset)));
      while (++test != end);
    }
    for (const Placed* const end = test + stop->others; test != end; ++test) {
      truth = truth * 2 + test_placed(*test, cell_at(cells, test->offset), work);
    }
  }
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

Straight::Bits Straight::test_others(const Store& store, Workspace& work) const {
  Bits bits;
  const Asker asker(store, store.names(), work);
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

// All calls are the last thing, so that the usual ways save few registers, and that of entities none.
KERF_FAST bool Straight::allows_by_all(const Straight& straight, const Store& store, Workspace& work) {
  std::uint64_t truth, sufficient;
  if (!straight.test_by_example<Extent::decision>(straight.example_, store, work, truth, sufficient)) [[unlikely]] return work.usual->allows(store, work);
  if (!straight.only_single_) return straight.allows_by_rows(truth, sufficient, straight.links_, store, work);
  if (((truth & straight.single_permits_) | (sufficient & 1)) != 0) return true;
  return straight.links_ && has_group_of_members(store, *work.plan, work);
}

KERF_FAST bool Straight::allows_by_entities(const Straight& straight, const Store& store, Workspace& work) {
  std::uint64_t truth, sufficient;
  if (!straight.test_by_example<Extent::entities>(straight.example_, store, work, truth, sufficient)) [[unlikely]] return work.usual->allows(store, work);
  return (sufficient & 1) != 0;
}

KERF_FAST bool Straight::allows_by_reach(const Straight& straight, const Store& store, Workspace& work) {
  if (work.reach == nullptr) [[unlikely]] return allows_by_all(straight, store, work);
  std::uint64_t truth, sufficient;
  if (!straight.test_by_example<Extent::decision>(straight.rest_, store, work, truth, sufficient)) [[unlikely]] return work.usual->allows(store, work);
  const bool reached = work.reach->has(*work.rows[2], work.nodes[2]);
  sufficient |= static_cast<std::uint64_t>(reached);
  if (!straight.only_single_) return straight.allows_by_rows(truth, sufficient, false, store, work);
  return ((truth & straight.single_permits_) | (sufficient & 1)) != 0;
}

[[gnu::noinline]] bool Straight::allows(const Store& store, Workspace& work) const {
  const Bits bits = test(store, work);
  if (any_satisfied(forbids_, bits)) return false;
  if (any_satisfied(permits_, bits)) return true;
  return links_ && has_group_of_members(store, *work.plan, work);
}

// `truth` of what is placed.
[[gnu::noinline]] bool Straight::allows_by_rows(std::uint64_t truth, std::uint64_t sufficient, bool links, const Store& store, Workspace& work) const {
  if (!fixed_.empty()) truth |= test_fixed(work);
  auto any = [&](const std::vector<Bare>& rows) {
    for (const Bare& row : rows) {
      if (((truth ^ row.wanted) & row.mask) == 0) return true;
    }
    return false;
  };
  auto any_erring = [&](const std::vector<Rule>& rules) {
    return !rules.empty() && any_satisfied(rules, {truth | known_.truth, known_.error});
  };
  if (any(bare_forbids_) || any_erring(erring_forbids_)) return false;
  if (((truth & single_permits_) | (sufficient & 1)) != 0 || any(bare_permits_) || any_erring(erring_permits_)) return true;
  return links && has_group_of_members(store, *work.plan, work);
}

void Straight::decide(const Store& store, Workspace& work, Answer& answer) const {
  const Bits bits = test(store, work);
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
