// Formulas of a table (docs/table-format.md) into steps. Private to runtime/gateway.
#pragma once
#include "runtime/gateway/table_state.h"

namespace kerf::gateway {

// Appends to `steps`; atoms must be below `atom_count`. Node: tree.h.
template <class Node>
Status read_formula(const Node& node, std::size_t atom_count, std::vector<FormulaStep>& steps);

}  // namespace kerf::gateway
