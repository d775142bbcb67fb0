// policy.bpf.o as it is on disk: the constant tables of its hooks, by symbol (runtime/kernel/tables.h says what they mean).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ir/base/result.h"

namespace kerf::proof {

// A table is empty if no instruction refers to it.
struct ObjectTables {
  std::vector<std::uint32_t> envs, rows, keys32, ranks, class_blocks, peer_shifts, path_cells, path_starts;
  std::vector<std::uint64_t> keys128, blocks, words, peer_slots, path_edges;
  std::string bundle_digest;
};

Result<ObjectTables> read_object(std::string_view bytes);

}  // namespace kerf::proof
