// Environment -> EnvironmentPlan: scopes as nodes, and an index of each block of many rules.
#include "runtime/gateway/plan.h"

#include <algorithm>

namespace kerf::gateway {
namespace {

constexpr std::size_t kListsFrom = 16;   // groups with `in` on principals

}  // namespace

PrincipalLists::PrincipalLists(std::vector<std::pair<std::uint32_t, Entry>> entries) {
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  entries_.reserve(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (i == 0 || entries[i].first != entries[i - 1].first) {
      lists_.add(entries[i].first);
      firsts_.push_back(static_cast<std::uint32_t>(i));
    }
    entries_.push_back(entries[i].second);
  }
  firsts_.push_back(static_cast<std::uint32_t>(entries_.size()));
}

EnvironmentPlan plan_environment(const Table::State& table, const Environment& environment, std::vector<Atom> atoms,
                                 const Store& store, bool indexed) {
  EnvironmentPlan plan;
  plan.source = &environment;
  plan.atoms = std::move(atoms);
  for (std::uint32_t g = 0; indexed && g < environment.groups.size(); ++g) {
    const Group& group = environment.groups[g];
    for (bool forbids : {true, false}) {
      const std::uint32_t first = forbids ? group.first : group.first + group.forbids;
      const std::uint32_t count = forbids ? group.forbids : group.permits;
      if (count < kIndexFrom) continue;
      plan.index_of.insert(block_key(g, forbids), static_cast<std::uint32_t>(plan.indexes.size()));
      plan.indexes.push_back(index_block(plan, std::span(environment.rules).subspan(first, count), first));
    }
  }
  // The table numbers its own scope uids; the store has a node for each.
  std::vector<Node> nodes(table.uids.size());
  for (std::uint32_t i = 0; i < nodes.size(); ++i) nodes[i] = store.find(table.uids.type(i), table.uids.id(i));
  auto translate = [&](ScopeKey key, std::vector<std::uint64_t>& in) -> std::pair<std::uint32_t, unsigned> {
    if (key == kAnyScope) return {0, 0};
    const Node node = nodes[(key - 1) / 2];
    if (key % 2 == 1) return {equal_scope(node), 1};
    if (in.size() <= node / 64) in.resize(node / 64 + 1);
    in[node / 64] |= std::uint64_t{1} << (node % 64);
    return {in_scope(node), 2};
  };
  plan.groups = GroupIndex(environment.groups.size());
  std::vector<std::pair<std::uint32_t, PrincipalLists::Entry>> lists;   // by resource scope
  for (std::uint32_t g = 0; g < environment.groups.size(); ++g) {
    const Group& group = environment.groups[g];
    const auto [principal, principal_kind] = translate(group.principal, plan.principal_in);
    const auto [resource, resource_kind] = translate(group.resource, plan.resource_in);
    plan.shapes[principal_kind] |= static_cast<std::uint8_t>(1u << resource_kind);
    plan.groups.add(pair_key(principal, resource));
    if (principal_kind != 2) continue;
    // Nothing but itself is in an entity without a column.
    const auto column = static_cast<std::uint32_t>(store.entity_cell(nodes[(group.principal - 1) / 2]).number);
    if (column != 0) lists.push_back({resource, {column, g}});
  }
  if (lists.size() >= kListsFrom) plan.by_resource = PrincipalLists(std::move(lists));
  if (indexed) plan.straight = Straight::make(table, plan, nodes, store);
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
