// The generated code of the object, run instruction by instruction: does condition N hold for this event and these values?
#pragma once
#include <optional>
#include <span>

#include "backends/check/read_object.h"

namespace kerf::proof {

enum class CodeAnswer { fails, holds, refuses };

// `seen`: struct kerf_seen; `values`: KERF_VALUE_SLOTS of struct kerf_value. Nothing: it has instructions that conditions
// do not have, or reads elsewhere.
std::optional<CodeAnswer> run_condition(const ObjectTables& object, std::uint32_t condition, std::span<const std::uint8_t> seen,
                                        std::span<const std::uint8_t> values);

}  // namespace kerf::proof
