// Ranges of keys per row -> one search tree and a class per rank. A sweep over the sorted boundaries toggles rows;
// only the blocks that a boundary touches are built again. The one decision: the base bitmap has a row set iff it
// holds in most ranks, so that "everywhere but" is as cheap as "only there".
#include <fmt/format.h>

#include <algorithm>

#include "backends/bpf/tables.h"
#include "runtime/abi/policy_abi.h"
#include "runtime/kernel/tables.h"

namespace kerf::bpf {
namespace {

constexpr std::size_t kMaxBoundaries = (std::size_t{1} << KERF_ADDRESS_DEPTH) - 1;

struct Toggle {
  Key key;
  std::uint32_t row;
  friend auto operator<=>(const Toggle&, const Toggle&) = default;
};

Key after(Key key) {
  if (++key.low == 0) ++key.high;
  return key;
}

std::vector<Toggle> toggles_of(const std::vector<RangeRow>& rows, Key last) {
  std::vector<Toggle> toggles;
  for (const RangeRow& row : rows) {
    for (const KeyRange& range : row.ranges) {
      toggles.push_back({range.first, row.row});
      if (range.last < last) toggles.push_back({after(range.last), row.row});
    }
  }
  std::sort(toggles.begin(), toggles.end());
  return toggles;
}

std::vector<Key> boundaries_of(const std::vector<Toggle>& toggles) {
  std::vector<Key> keys;
  for (const Toggle& toggle : toggles) {
    if (keys.empty() || keys.back() != toggle.key) keys.push_back(toggle.key);
  }
  return keys;
}

void set_bit(Words& words, std::uint32_t row, bool on) {
  std::uint64_t bit = std::uint64_t{1} << (row & 63);
  words[row / 64] = on ? words[row / 64] | bit : words[row / 64] & ~bit;
}

// In how many of the ranks does the row hold?
bool holds_mostly(const RangeRow& row, const std::vector<Key>& keys, Key last) {
  std::size_t covered = 0;
  for (const KeyRange& range : row.ranges) {
    auto first = std::lower_bound(keys.begin(), keys.end(), range.first) - keys.begin();
    auto end = range.last < last ? std::lower_bound(keys.begin(), keys.end(), after(range.last)) - keys.begin()
                                 : static_cast<std::ptrdiff_t>(keys.size());
    covered += static_cast<std::size_t>(end - first);
  }
  return covered * 2 > keys.size() + 1;
}

// Breadth-first order: in-order position i of the perfect tree goes to its node.
void store_tree(Tables& tables, SearchTable& table, KeyWidth width, const std::vector<Key>& keys, Key last) {
  std::size_t nodes = std::size_t{1} << table.depth;
  std::vector<Key> tree(nodes, last);
  for (std::size_t node = 1; node < nodes; ++node) {
    std::size_t level = 63 - static_cast<std::size_t>(__builtin_clzll(node));
    std::size_t step = std::size_t{1} << (table.depth - level);
    std::size_t position = (node - (std::size_t{1} << level)) * step + step / 2 - 1;
    if (position < keys.size()) tree[node] = keys[position];
  }
  switch (width) {
    case KeyWidth::bits32:
      table.keys = static_cast<std::uint32_t>(tables.keys32.size());
      for (Key key : tree) tables.keys32.push_back(static_cast<std::uint32_t>(key.low));
      return;
    case KeyWidth::bits128:
      table.keys = static_cast<std::uint32_t>(tables.keys128.size());
      for (Key key : tree) tables.keys128.insert(tables.keys128.end(), {key.high, key.low});
      return;
  }
}

class Sweep {
 public:
  Sweep(ClassStore& classes, std::uint32_t base_at, Words words, std::uint32_t blocks)
      : classes_(classes), base_at_(base_at), words_(std::move(words)), list_(blocks), touched_(blocks, true) {}
  void toggle(std::uint32_t row) {
    words_[row / 64] ^= std::uint64_t{1} << (row & 63);
    touched_[row / 4096] = true;
  }
  std::uint32_t current_class() {
    for (std::uint32_t block = 0; block < list_.size(); ++block) {
      if (touched_[block]) list_[block] = classes_.add_block(base_at_, words_, block);
    }
    touched_.assign(list_.size(), false);
    return classes_.add_class(list_);
  }

 private:
  ClassStore& classes_;
  std::uint32_t base_at_;
  Words words_;
  std::vector<std::uint32_t> list_;
  std::vector<bool> touched_;              // by block: since the last class
};

Error too_big(std::string_view what) {
  return {fmt::format("the kernel tables for the {} pass {} MiB; use fewer or more alike conditions on them", what,
                      kMaxTableBytes >> 20)};
}

}  // namespace

Result<SearchTable> build_search(Tables& tables, ClassStore& classes, std::uint32_t blocks, KeyWidth width, Key last,
                                 const std::vector<RangeRow>& rows, std::string_view what) {
  std::vector<Toggle> toggles = toggles_of(rows, last);
  std::vector<Key> keys = boundaries_of(toggles);
  if (keys.size() > kMaxBoundaries) {
    return Error{fmt::format("the policies cut the {} into {} ranges, the kernel tables hold {}", what, keys.size() + 1,
                             kMaxBoundaries + 1)};
  }
  Words base = classes.rows(), words = base;
  for (const RangeRow& row : rows) {
    set_bit(base, row.row, holds_mostly(row, keys, last));
    set_bit(words, row.row, false);
  }
  SearchTable table;
  table.base = classes.add_base(base);
  static_assert(KERF_ADDRESS_DEPTH % KERF_SEARCH_STEP == 0);
  while ((std::size_t{1} << table.depth) - 1 < keys.size()) table.depth += KERF_SEARCH_STEP;
  store_tree(tables, table, width, keys, last);

  Sweep sweep(classes, table.base, std::move(words), blocks);
  std::vector<std::uint32_t> ranks{sweep.current_class()};
  std::size_t next = 0;
  for (Key key : keys) {
    for (; next < toggles.size() && toggles[next].key == key; ++next) sweep.toggle(toggles[next].row);
    ranks.push_back(sweep.current_class());
    if (tables.bytes() > kMaxTableBytes) return too_big(what);
  }
  ranks.resize(std::size_t{1} << table.depth, ranks.back());
  table.ranks = static_cast<std::uint32_t>(tables.ranks.size());
  tables.ranks.insert(tables.ranks.end(), ranks.begin(), ranks.end());
  return table;
}

}  // namespace kerf::bpf
