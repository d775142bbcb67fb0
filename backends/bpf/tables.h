// The object's constant tables while they are built; runtime/kernel/tables.h says what they mean.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "backends/bpf/protocol.h"
#include "ir/passes/plan.h"

namespace kerf::bpf {

inline constexpr std::size_t kMaxTableBytes = 60u << 20;   // of all tables together; the loader takes objects of 64 MiB

using Words = std::vector<std::uint64_t>;

struct Tables {
  std::vector<std::uint32_t> envs, rows, keys32, trees, ranks, class_blocks, peer_factors, path_cells, path_starts;
  Words keys64, blocks, words, peer_slots, path_edges;
  std::vector<std::uint8_t> path_bytes;   // by cell
  std::uint32_t automata = 0;             // of the paths of files: the first of `path_starts`

  std::size_t bytes() const;
};

// Stores blocks and classes, equal ones once.
class ClassStore {
 public:
  // `rows`: those that there are; the others hold nowhere.
  ClassStore(Tables& tables, std::uint32_t blocks, Words rows) : tables_(tables), blocks_(blocks), rows_(std::move(rows)) {
    check(rows_.size() == blocks_ * 64u, "rows of another number of blocks");
  }
  const Words& rows() const { return rows_; }
  // Stores a base bitmap of blocks * 64 words; where it begins in `words`.
  std::uint32_t add_base(const Words& base);
  // The block number `block` of `row_words` (blocks * 64 of them) against the base at `base_at`.
  std::uint32_t add_block(std::uint32_t base_at, const Words& row_words, std::uint32_t block);
  std::uint32_t add_class(const std::vector<std::uint32_t>& block_list);

 private:
  std::uint32_t add_packed(std::span<const std::uint64_t> packed);

  Tables& tables_;
  std::uint32_t blocks_;
  Words rows_;
  std::unordered_multimap<std::uint64_t, std::uint32_t> packed_by_hash_, block_by_hash_, class_by_hash_;
};

// A 128-bit key: IPv6 address; IPv4 addresses and ports use `low` alone.
struct Key {
  std::uint64_t high = 0, low = 0;
  friend auto operator<=>(const Key&, const Key&) = default;
};

struct KeyRange { Key first, last; };

// The rows of one dimension: `rows[i]` is row number and its sorted disjoint ranges; rows not listed hold everywhere.
struct RangeRow {
  std::uint32_t row;
  std::vector<KeyRange> ranges;
};

struct SearchTable {
  std::uint32_t keys = 0, depth = 0, ranks = 0, base = 0;
};

// Of 32-bit keys. `last`: the greatest key there is. Fails if a table would pass a documented limit; `what` names it then.
Result<SearchTable> build_search(Tables& tables, ClassStore& classes, std::uint32_t blocks, std::uint32_t last,
                                 const std::vector<RangeRow>& rows, std::string_view what);

struct HalvesTable {
  std::uint32_t trees = 0, base = 0;
};

// Of IPv6 addresses.
Result<HalvesTable> build_halves(Tables& tables, ClassStore& classes, std::uint32_t blocks, const std::vector<RangeRow>& rows);

struct PeerRow {
  std::uint32_t row;
  const EndpointSet* endpoints;
};

struct PeerTable {
  std::uint32_t count = 0, others = 0, seed = 0, factors = 0, factor_shift = 0, slots = 0, slot_shift = 0, base = 0;
};

Result<PeerTable> build_peers(Tables& tables, ClassStore& classes, std::uint32_t blocks, const std::vector<PeerRow>& rows);

Key address_key(const Address& address, bool v6);

}  // namespace kerf::bpf
