// Several tables of one schema as one, without policies that were removed. Private to runtime/gateway.
#pragma once
#include <memory>
#include <span>

#include "runtime/gateway/table_state.h"

namespace kerf::gateway {

using PolicyBits = std::vector<std::uint64_t>;   // of the policies of a table
inline bool has(const PolicyBits* bits, std::uint32_t policy) { return bits != nullptr && ((*bits)[policy / 64] >> (policy % 64) & 1); }

struct TablePart {
  const Table::State* table;
  const PolicyBits* removed;   // null: none
};

// Environments are those of the first part, in its order; the others have no more. Policies lie in the order of the parts.
std::unique_ptr<Table::State> merge_tables(std::span<const TablePart> parts);

}  // namespace kerf::gateway
