// Several tables of one schema as one, without policies that were removed. Private to runtime/gateway.
#pragma once
#include <memory>
#include <span>

#include "runtime/gateway/table_state.h"

namespace kerf::gateway {

using PolicyBits = std::vector<std::uint64_t>;   // of the policies of a table
inline bool has(const PolicyBits* bits, std::uint32_t policy) { return bits != nullptr && ((*bits)[policy / 64] >> (policy % 64) & 1); }

using Places = std::vector<const Environment*>;   // a table's environments in another's order; null: it has none there, or an empty one

struct TablePart {
  const Table::State* table;
  const PolicyBits* removed;   // null: none
  const Places* places = nullptr;   // null: environments are looked up
};

// Environments are those of the first part, in its order; the others have no more. Policies lie in the order of the parts.
std::unique_ptr<Table::State> merge_tables(std::span<const TablePart> parts);
// To be planned and merged again: without actions, index and environments that have no policies; `places`: in the order of `schema`.
std::unique_ptr<Table::State> merge_later_tables(std::span<const TablePart> parts, const Table::State& schema, Places& places);

}  // namespace kerf::gateway
