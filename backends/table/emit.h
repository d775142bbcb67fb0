// Module -> table.json (docs/table-format.md): deterministic bytes, the whole policy set.
#pragma once
#include <string>

#include "ir/module.h"

namespace kerf {

inline constexpr int kTableFormat = 1;
inline constexpr std::size_t kMaxTablePaths = 64;   // per policy and environment; past it a condition stays a formula

std::string emit_table(const Module& module, const Sources& sources);

}  // namespace kerf
