// Formulas of a table (docs/table-format.md) into steps. Private to runtime/gateway.
#pragma once
#include "runtime/gateway/table_state.h"

namespace kerf::gateway {

// Appends to `steps`; atoms must be below `atom_count`.
Status read_formula(const Json& json, std::size_t atom_count, std::vector<FormulaStep>& steps);

}  // namespace kerf::gateway
