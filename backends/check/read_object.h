// policy.bpf.o as it is on disk: the constant tables of its hooks, by symbol (runtime/kernel/tables.h says what they mean).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ir/base/result.h"

namespace kerf::proof {

// A table that the optimiser has put into the instructions is not there: it does so if all elements are 0, or all ones. It
// is read as the value that lets the hook go on; with the other one, the hook would refuse every event.
template <class T>
class ConstTable {
 public:
  explicit ConstTable(T folded = 0) : folded_(folded) {}
  ConstTable(std::vector<T> values) : values_(std::move(values)), there_(true) {}
  std::uint64_t size() const { return there_ ? values_.size() : std::uint64_t{1} << 40; }
  T operator[](std::uint64_t i) const { return there_ ? values_[i] : folded_; }

 private:
  std::vector<T> values_;
  bool there_ = false;
  T folded_ = 0;
};

struct ObjectTables {
  ConstTable<std::uint32_t> envs, rows, keys32, ranks, class_blocks, peer_shifts, path_cells, path_starts;
  ConstTable<std::uint64_t> keys128, blocks, peer_slots, path_edges, words{~std::uint64_t{0}};
  std::string bundle_digest;
};

Result<ObjectTables> read_object(std::string_view bytes);

}  // namespace kerf::proof
