// Environment -> EnvironmentPlan: rules of each group, forbids first; scopes as nodes.
#include "runtime/gateway/plan.h"

namespace kerf::gateway {
namespace {

// The rules of a group: rows of one policy lie together.
std::vector<Rule> rules_of(const Environment& environment, const Group& group) {
  std::vector<Rule> rules;
  for (std::uint32_t i = 0; i < group.row_count; ++i) {
    const std::uint32_t row = group.first_row + i;
    const std::uint32_t policy = environment.rows[row].policy;
    if (rules.empty() || rules.back().policy != policy) rules.push_back({policy, row, 0, false});
    ++rules.back().count;
  }
  for (std::uint32_t i = 0; i < group.formula_count; ++i) {
    const std::uint32_t formula = group.first_formula + i;
    rules.push_back({environment.formulas[formula].policy, formula, 1, true});
  }
  return rules;
}

}  // namespace

EnvironmentPlan plan_environment(const Table::State& table, const Environment& environment, std::vector<Atom> atoms,
                                 const Store& store, bool indexed) {
  EnvironmentPlan plan;
  plan.source = &environment;
  plan.atoms = std::move(atoms);
  for (const Group& group : environment.groups) {
    std::pair<Block, Block> blocks;
    const std::vector<Rule> rules = rules_of(environment, group);
    for (bool forbid : {true, false}) {
      Block& block = forbid ? blocks.first : blocks.second;
      block.first = static_cast<std::uint32_t>(plan.rules.size());
      for (const Rule& rule : rules) {
        if (table.policies[rule.policy].forbid == forbid) plan.rules.push_back(rule);
      }
      block.count = static_cast<std::uint32_t>(plan.rules.size()) - block.first;
    }
    plan.groups.push_back(blocks);
  }
  for (auto& [forbids, permits] : plan.groups) {
    for (Block* block : {&forbids, &permits}) {
      if (!indexed || block->count < kIndexFrom) continue;
      block->index = static_cast<std::uint32_t>(plan.indexes.size());
      plan.indexes.push_back(index_block(plan, std::span(plan.rules).subspan(block->first, block->count), block->first));
    }
  }
  // The table numbers its own scope uids; the store has a node for each.
  std::vector<Node> nodes(table.uids.size());
  for (const auto& [uid, number] : table.uids) nodes[number] = store.find(uid.type, uid.id);
  plan.rules.shrink_to_fit();
  plan.groups.shrink_to_fit();
  plan.by_scopes.reserve(environment.by_scopes.size());
  auto translate = [&](ScopeKey key, std::vector<std::uint64_t>& in) -> std::pair<std::uint32_t, unsigned> {
    if (key == kAnyScope) return {0, 0};
    const Node node = nodes[(key - 1) / 2];
    if (key % 2 == 1) return {equal_scope(node), 1};
    if (in.size() <= node / 64) in.resize(node / 64 + 1);
    in[node / 64] |= std::uint64_t{1} << (node % 64);
    return {in_scope(node), 2};
  };
  for (const auto& [scopes, group] : environment.by_scopes) {
    const auto [principal, principal_kind] = translate(static_cast<ScopeKey>(scopes >> 32), plan.principal_in);
    const auto [resource, resource_kind] = translate(static_cast<ScopeKey>(scopes), plan.resource_in);
    plan.shapes[principal_kind] |= static_cast<std::uint8_t>(1u << resource_kind);
    plan.by_scopes.insert(pair_key(principal, resource), group);
  }
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
