// Bitmaps of rows -> blocks and classes, each stored once. The one decision: a block holds only the words in which it
// differs from its dimension's base, so that a row costs what it asks for and not the number of all rows.
#include "backends/bpf/tables.h"

#include <xxhash.h>

#include <algorithm>

#include "runtime/abi/policy_abi.h"
#include "runtime/kernel/tables.h"

namespace kerf::bpf {
namespace {

template <class T>
std::uint64_t hash_of(const T* data, std::size_t count) {
  return XXH3_64bits(data, count * sizeof(T));
}

// The index of an equal run in `pool`, or where it now begins. Hashes find candidates, the content decides.
template <class T>
std::uint32_t intern(std::vector<T>& pool, std::unordered_multimap<std::uint64_t, std::uint32_t>& index,
                     std::span<const T> run) {
  std::uint64_t hash = hash_of(run.data(), run.size());
  auto [begin, end] = index.equal_range(hash);
  for (auto it = begin; it != end; ++it) {
    if (it->second + run.size() <= pool.size() && std::equal(run.begin(), run.end(), pool.begin() + it->second)) return it->second;
  }
  auto at = static_cast<std::uint32_t>(pool.size());
  pool.insert(pool.end(), run.begin(), run.end());
  index.emplace(hash, at);
  return at;
}

}  // namespace

std::size_t Tables::bytes() const {
  return 4 * (envs.size() + rows.size() + keys32.size() + trees.size() + ranks.size() + class_blocks.size() + peer_factors.size() +
              path_cells.size() + path_starts.size()) +
         8 * (keys64.size() + blocks.size() + words.size() + peer_slots.size() + path_edges.size()) + path_bytes.size();
}

std::uint32_t ClassStore::add_base(const Words& base) {
  check(base.size() == blocks_ * 64u, "base bitmap of another size");
  return intern(tables_.words, packed_by_hash_, std::span<const std::uint64_t>(base));
}

std::uint32_t ClassStore::add_packed(std::span<const std::uint64_t> packed) {
  if (packed.empty()) return 0;
  return intern(tables_.words, packed_by_hash_, packed);
}

std::uint32_t ClassStore::add_block(std::uint32_t base_at, const Words& row_words, std::uint32_t block) {
  std::uint64_t nonzero = 0, own = 0, packed[64];
  std::size_t count = 0;
  for (std::size_t w = 0; w < 64; ++w) {
    std::uint64_t word = row_words[block * 64 + w];
    if (word) nonzero |= std::uint64_t{1} << w;
    if (word != tables_.words[base_at + block * 64 + w]) {
      own |= std::uint64_t{1} << w;
      packed[count++] = word;
    }
  }
  std::uint64_t entry[KERF_BLOCK_FIELDS];
  entry[KERF_BLOCK_NONZERO] = nonzero;
  entry[KERF_BLOCK_OWN] = own;
  entry[KERF_BLOCK_WORDS] = add_packed({packed, count});
  return intern(tables_.blocks, block_by_hash_, std::span<const std::uint64_t>(entry));
}

std::uint32_t ClassStore::add_class(const std::vector<std::uint32_t>& block_list) {
  check(block_list.size() == blocks_ && blocks_ <= 32, "class with another number of blocks");
  std::vector<std::uint32_t> entry{0};
  entry.insert(entry.end(), block_list.begin(), block_list.end());
  for (std::uint32_t block = 0; block < blocks_; ++block) {
    if (tables_.blocks[block_list[block] + KERF_BLOCK_NONZERO]) entry[0] |= 1u << block;
  }
  return intern(tables_.class_blocks, class_by_hash_, std::span<const std::uint32_t>(entry));
}

Key address_key(const Address& address, bool v6) {
  auto number = [&](std::size_t from, std::size_t count) {
    std::uint64_t value = 0;
    for (std::size_t i = from; i < from + count; ++i) value = value << 8 | address[i];
    return value;
  };
  if (!v6) return {0, number(0, 4)};
  return {number(0, 8), number(8, 8)};
}

}  // namespace kerf::bpf
