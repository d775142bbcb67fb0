// policy.bpf.o as it is on disk: the constant tables of its hooks, by symbol (runtime/kernel/tables.h says what they mean).
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ir/base/result.h"

namespace kerf::proof {

// A table is empty if no instruction refers to it.
struct ObjectTables {
  std::vector<std::uint32_t> envs, rows, keys32, trees, ranks, class_blocks, peer_factors, path_cells, path_starts;
  std::vector<std::uint64_t> keys64, blocks, words, peer_slots, path_edges;
  std::vector<std::uint8_t> path_bytes;
  std::string bundle_digest;
  std::map<std::string, std::uint64_t> told;         // what hooks are told of the policies, by symbol
  // Section .text, which holds kerf_code and what it calls: its bytes, where functions begin, and calls by place.
  std::string text;
  std::map<std::string, std::uint64_t> functions;
  std::map<std::uint64_t, std::uint64_t> calls;      // offset of the call -> offset of the function
};

Result<ObjectTables> read_object(std::string_view bytes);

}  // namespace kerf::proof
