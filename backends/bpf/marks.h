// Numbers that the decision's instructions depend on, by their marks (runtime/kernel/marks.h).
#pragma once
#include <array>
#include <cstdint>

#include "runtime/kernel/marks.h"

namespace kerf::bpf {

inline constexpr std::array<const char*, KERF_MARKS> kMarkedNumbers{
#define KERF_MARKED(name) #name,
#include "runtime/kernel/numbers.def"
};

// Is the constant of an instruction a mark, or within a mark's room?
inline bool is_mark(std::uint32_t constant) { return constant - (KERF_MARK_BASE - KERF_MARK_ROOM) < std::uint32_t{KERF_MARKS} * KERF_MARK_STEP; }

// Of such a constant.
inline const char* number_of_mark(std::uint32_t constant) {
  return kMarkedNumbers[(constant - (KERF_MARK_BASE - KERF_MARK_ROOM)) / KERF_MARK_STEP];
}
inline std::int32_t difference_to_mark(std::uint32_t constant) {
  return static_cast<std::int32_t>((constant - (KERF_MARK_BASE - KERF_MARK_ROOM)) % KERF_MARK_STEP) - KERF_MARK_ROOM;
}

}  // namespace kerf::bpf
