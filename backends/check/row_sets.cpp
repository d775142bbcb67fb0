// Tables -> sets of rows, exactly as runtime/kernel/decide.h looks things up. Each distinct block is decoded once, so the
// work is that of what the tables hold.
#include "backends/check/row_sets.h"

#include <linux/types.h>

#include <algorithm>
#include <bit>

#include "runtime/abi/policy_abi.h"
#include "runtime/kernel/tables.h"

namespace kerf::proof {

namespace {

// Rows of a block, from 0 to 4095, that are not as in the base.
class Blocks {
 public:
  Blocks(const ObjectTables& tables, std::uint32_t base_at) : tables_(tables), base_at_(base_at) {}

  const std::vector<std::uint16_t>* of(std::uint32_t entry, std::uint32_t block) {
    auto [it, fresh] = known_.try_emplace({entry, block});
    if (fresh && !decode(entry, block, it->second)) return nullptr;
    return &it->second;
  }
  // A block in which no row can hold: those that the base has are not as in the base.
  const std::vector<std::uint16_t>& none(std::uint32_t block) {
    auto [it, fresh] = empty_.try_emplace(block);
    for (std::uint32_t w = 0; fresh && w < 64; ++w) {
      for (std::uint64_t word = tables_.words[base_at_ + block * 64u + w]; word != 0; word &= word - 1) {
        it->second.push_back(static_cast<std::uint16_t>(w * 64 + static_cast<unsigned>(std::countr_zero(word))));
      }
    }
    return it->second;
  }

 private:
  bool decode(std::uint32_t entry, std::uint32_t block, std::vector<std::uint16_t>& rows) const {
    if (std::uint64_t{entry} + KERF_BLOCK_FIELDS > tables_.blocks.size()) return false;
    const std::uint64_t nonzero = tables_.blocks[entry + KERF_BLOCK_NONZERO], own = tables_.blocks[entry + KERF_BLOCK_OWN];
    std::uint64_t next = tables_.blocks[entry + KERF_BLOCK_WORDS];
    for (std::uint32_t w = 0; w < 64; ++w) {
      const std::uint64_t at = std::uint64_t{base_at_} + block * 64u + w;
      if (at >= tables_.words.size()) return false;
      std::uint64_t word = tables_.words[at];
      if (own >> w & 1) {
        if (next >= tables_.words.size()) return false;
        word = tables_.words[next++];
      }
      if (!(nonzero >> w & 1)) word = 0;   // the summary rules it out
      for (std::uint64_t other = word ^ tables_.words[at]; other != 0; other &= other - 1) {
        rows.push_back(static_cast<std::uint16_t>(w * 64 + static_cast<unsigned>(std::countr_zero(other))));
      }
    }
    return true;
  }

  const ObjectTables& tables_;
  std::uint32_t base_at_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::vector<std::uint16_t>> known_;
  std::map<std::uint32_t, std::vector<std::uint16_t>> empty_;
};

}  // namespace

bool Dimension::holds(std::uint32_t row, std::uint32_t point) const {
  return base[row] != std::binary_search(exceptions[row].begin(), exceptions[row].end(), point);
}

std::optional<Dimension> read_dimension(const ObjectTables& tables, std::uint32_t blocks, std::uint32_t base_at,
                                        const std::vector<std::uint32_t>& classes) {
  Dimension made;
  const std::size_t rows = std::size_t{blocks} * 4096;
  if (std::uint64_t{base_at} + rows / 64 > tables.words.size()) return std::nullopt;
  for (std::size_t row = 0; row < rows; ++row) made.base.push_back(tables.words[base_at + row / 64] >> (row & 63) & 1);
  made.exceptions.resize(rows);
  Blocks decoded(tables, base_at);
  for (std::uint32_t point = 0; point < classes.size(); ++point) {
    for (std::uint32_t block = 0; block < blocks; ++block) {
      const std::uint64_t at = std::uint64_t{classes[point]} + 1 + block;
      if (at >= tables.class_blocks.size() || block >= 32) return std::nullopt;
      const bool some = tables.class_blocks[classes[point]] >> block & 1;
      const std::vector<std::uint16_t>* others = some ? decoded.of(tables.class_blocks[at], block) : &decoded.none(block);
      if (!others) return std::nullopt;
      for (std::uint16_t row : *others) made.exceptions[block * 4096u + row].push_back(point);
    }
  }
  return made;
}

std::uint32_t Ranks::of(const Key& key) const {
  return static_cast<std::uint32_t>(std::upper_bound(starts.begin(), starts.end(), key) - starts.begin() - 1);
}

namespace {

// Adds the ranks of a tree over `keys`, each with `offset` added.
template <class T>
bool add_ranks(const ObjectTables& tables, const std::vector<T>& pool, std::uint64_t keys, std::uint32_t depth, std::uint64_t ranks, std::uint64_t offset, Ranks& to) {
  if (depth > KERF_ADDRESS_DEPTH + KERF_SEARCH_STEP || depth % KERF_SEARCH_STEP != 0) return false;
  const std::uint64_t nodes = std::uint64_t{1} << depth;
  if (ranks + nodes > tables.ranks.size()) return false;
  if (depth > 0 && keys + nodes > pool.size()) return false;   // a tree without keys has no table either
  to.starts.push_back({0, offset});
  to.classes.push_back(tables.ranks[ranks]);
  for (std::uint64_t rank = 1; rank < nodes; ++rank) {
    // In order: the node before rank r is that of level depth - 1 - (trailing zeros of r).
    const int level = static_cast<int>(depth) - 1 - std::countr_zero(rank);
    const std::uint64_t node = (std::uint64_t{1} << level) + (rank >> (static_cast<int>(depth) - level));
    const Key key{0, pool[keys + node] + offset};
    if (key < to.starts.back()) return false;
    if (key == to.starts.back()) {   // no key has the rank before this one
      to.classes.back() = tables.ranks[ranks + rank];
    } else {
      to.starts.push_back(key);
      to.classes.push_back(tables.ranks[ranks + rank]);
    }
  }
  return true;
}

// Halves of addresses, as numbers.
std::optional<Ranks> read_pair(const ObjectTables& tables, std::uint64_t pair) {
  Ranks made;
  for (std::uint64_t second : {0u, 1u}) {
    const std::uint64_t at = (pair * 2 + second) * KERF_TREE_FIELDS;
    if (at + KERF_TREE_FIELDS > tables.trees.size()) return std::nullopt;
    const std::uint32_t* tree = &tables.trees[at];
    if (!add_ranks(tables, tables.keys64, tree[KERF_TREE_KEYS], tree[KERF_TREE_DEPTH], tree[KERF_TREE_RANKS], second << KERF_HALF_BITS, made)) return std::nullopt;
    // What the sign of a difference says is wrong for greater keys; and the first half must not reach into the second.
    if (second == 0 && made.starts.back().low >> KERF_HALF_BITS != 0) return std::nullopt;
  }
  return made;
}

}  // namespace

std::optional<Ranks> read_ranks(const ObjectTables& tables, std::uint32_t keys, std::uint32_t depth, std::uint32_t ranks) {
  Ranks made;
  if (!add_ranks(tables, tables.keys32, keys, depth, ranks, 0, made)) return std::nullopt;
  return made;
}

std::optional<Ranks> read_halves(const ObjectTables& tables, std::uint32_t pair) {
  const std::optional<Ranks> high = read_pair(tables, pair);
  if (!high) return std::nullopt;
  Ranks made;
  for (std::size_t i = 0; i < high->starts.size(); ++i) {
    const std::uint64_t start = high->starts[i].low;
    if (!(high->classes[i] & KERF_LOW_HALF)) {
      made.starts.push_back({start, 0});
      made.classes.push_back(high->classes[i]);
      continue;
    }
    const std::uint64_t end = i + 1 < high->starts.size() ? high->starts[i + 1].low : 0;   // 0: 2^64
    const std::optional<Ranks> low = read_pair(tables, high->classes[i] & ~KERF_LOW_HALF);
    if (!low || end - start != 1) return std::nullopt;
    for (std::size_t j = 0; j < low->starts.size(); ++j) {
      made.starts.push_back({start, low->starts[j].low});
      made.classes.push_back(low->classes[j]);
    }
  }
  return made;
}

std::uint32_t Peers::of(const Endpoint& endpoint) const {
  auto at = std::lower_bound(listed.begin(), listed.end(), endpoint);
  return at != listed.end() && *at == endpoint ? static_cast<std::uint32_t>(at - listed.begin() + 1) : 0;
}

std::optional<Peers> read_peers(const ObjectTables& tables, std::span<const std::uint32_t> env) {
  std::vector<std::pair<Endpoint, std::uint32_t>> found;
  if (env[KERF_ENV_PEER_COUNT] != 0) {
    const std::uint32_t factor_shift = env[KERF_ENV_PEER_FACTOR_SHIFT], slot_shift = env[KERF_ENV_PEER_SLOT_SHIFT];
    if (std::min(factor_shift, slot_shift) <= 32 || std::max(factor_shift, slot_shift) > 63) return std::nullopt;
    const std::uint64_t first = env[KERF_ENV_PEER_SLOTS], count = std::uint64_t{1} << (64 - slot_shift);
    const std::uint64_t factors = env[KERF_ENV_PEER_FACTORS], factor_count = std::uint64_t{1} << (64 - factor_shift);
    if ((first + count) * KERF_PEER_FIELDS > tables.peer_slots.size() || factors + factor_count > tables.peer_factors.size()) return std::nullopt;
    for (std::uint64_t slot = 0; slot < count; ++slot) {
      auto entry = [&](unsigned field) { return tables.peer_slots[(first + slot) * KERF_PEER_FIELDS + field]; };
      const std::uint64_t tail = entry(KERF_PEER_TAIL);
      if (!(tail & KERF_PEER_USED) || tail >> 33 || (tail >> 17 & 0x7fff)) continue;   // no event has such a tail
      const std::uint64_t hash = kerf_peer_hash(env[KERF_ENV_PEER_SEED], entry(KERF_PEER_HIGH), entry(KERF_PEER_LOW), tail);
      const std::uint64_t factor = tables.peer_factors[factors + (hash >> factor_shift)];
      if (hash * factor >> slot_shift != slot) continue;   // no look-up comes here
      found.push_back({{(tail >> 16 & 1) != 0, {entry(KERF_PEER_HIGH), entry(KERF_PEER_LOW)}, static_cast<std::uint16_t>(tail)},
                       static_cast<std::uint32_t>(entry(KERF_PEER_CLASS))});
    }
  }
  std::sort(found.begin(), found.end());
  Peers made;
  made.classes.push_back(env[KERF_ENV_PEER_OTHERS]);
  for (const auto& [endpoint, own] : found) {
    made.listed.push_back(endpoint);
    made.classes.push_back(own);
  }
  return made;
}

}  // namespace kerf::proof
