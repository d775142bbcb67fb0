// Environment -> EnvironmentPlan: scopes as nodes, and an index of each block of many rules.
#include "runtime/gateway/plan.h"

#include <algorithm>
#include <tuple>

namespace kerf::gateway {
namespace {

constexpr std::size_t kListsFrom = 4;   // groups with `in` on principals

// Whether looking up takes less than going through the rules.
bool is_worth_it(const BlockIndex& index, std::size_t rules) {
  return rules >= kAlwaysIndexFrom || index.watches.size() + index.keyed.size() + index.features.size() + index.always.size() <= rules;
}

void add_indexes(EnvironmentPlan& plan) {
  const Environment& environment = *plan.source;
  for (std::uint32_t g = 0; g < environment.groups.size(); ++g) {
    const Group& group = environment.groups[g];
    const std::uint32_t rules = group.forbids + group.permits;
    if (rules < kIndexFrom) continue;
    BlockIndex index = index_block(plan, group);
    if (!is_worth_it(index, rules)) continue;
    plan.index_of.insert(g, static_cast<std::uint32_t>(plan.indexes.size()));
    plan.indexes.push_back(std::move(index));
  }
}

}  // namespace

ScopeLists::ScopeLists(std::vector<Entry> entries) : firsts_{0, 0} {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return std::tie(a.scope, a.column) < std::tie(b.scope, b.column); });
  if (!entries.empty()) lists_.resize(entries.back().scope + 1);
  groups_.reserve(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const bool first = i == 0 || entries[i].scope != entries[i - 1].scope;
    if (first && i != 0) firsts_.push_back(static_cast<std::uint32_t>(blocks_.size()));
    lists_[entries[i].scope] = static_cast<std::uint32_t>(firsts_.size() - 1);
    if (first || blocks_.back().word != entries[i].column / 64) {
      blocks_.push_back({0, entries[i].column / 64, static_cast<std::uint32_t>(i)});
    }
    blocks_.back().columns |= std::uint64_t{1} << (entries[i].column % 64);
    groups_.push_back(entries[i].group);
  }
  firsts_.push_back(static_cast<std::uint32_t>(blocks_.size()));
  firsts_.shrink_to_fit();
  blocks_.shrink_to_fit();
}

EnvironmentPlan plan_environment(const Table::State& table, const Environment& environment, std::vector<Atom> atoms,
                                 const std::vector<Node>& nodes, const Store& store, bool indexed) {
  EnvironmentPlan plan;
  plan.source = &environment;
  plan.atoms = std::move(atoms);
  auto translate = [&](ScopeKey key, std::vector<std::uint64_t>& in) -> std::pair<std::uint32_t, unsigned> {
    if (key == kAnyScope) return {0, 0};
    const Node node = nodes[(key - 1) / 2];
    if (key % 2 == 1) return {equal_scope(node), 1};
    if (in.size() <= node / 64) in.resize(node / 64 + 1);
    in[node / 64] |= std::uint64_t{1} << (node % 64);
    return {in_scope(node), 2};
  };
  plan.groups = GroupIndex(environment.groups.size());
  std::vector<ScopeLists::Entry> by_resource, by_principal;
  auto column_of = [&](ScopeKey key) { return static_cast<std::uint32_t>(store.entity_cell(nodes[(key - 1) / 2]).number); };
  std::size_t principals_in = 0;
  for (std::uint32_t g = 0; g < environment.groups.size(); ++g) {
    const Group& group = environment.groups[g];
    const auto [principal, principal_kind] = translate(group.principal, plan.principal_in);
    const auto [resource, resource_kind] = translate(group.resource, plan.resource_in);
    plan.shapes[principal_kind] |= static_cast<std::uint8_t>(1u << resource_kind);
    plan.groups.add(pair_key(principal, resource));
    if (principal_kind != 2) continue;
    ++principals_in;
    if (const std::uint32_t column = column_of(group.principal); column != 0) {
      by_resource.push_back({resource, column, g});
    }
    if (resource_kind == 2) {
      if (const std::uint32_t of = column_of(group.resource); of != 0) by_principal.push_back({principal, of, g});
    }
  }
  plan.has_lists = principals_in >= kListsFrom;
  if (plan.has_lists) plan.by_resource = ScopeLists(std::move(by_resource)), plan.by_principal = ScopeLists(std::move(by_principal));
  if (indexed) plan.straight = Straight::make(table, plan, nodes, store);
  if (indexed && plan.straight == nullptr) add_indexes(plan);
  return plan;
}

std::uint64_t value_key(const Cell& cell) {
  switch (cell.kind) {
    case ValueKind::string: return cell.text;
    case ValueKind::entity: return cell.data;
    case ValueKind::boolean:
    case ValueKind::long_: return static_cast<std::uint64_t>(cell.number);
    case ValueKind::set:
    case ValueKind::record:
    case ValueKind::decimal:
    case ValueKind::ip:
    case ValueKind::datetime:
    case ValueKind::duration: break;
  }
  internal_error("a value without key");
}

}  // namespace kerf::gateway
