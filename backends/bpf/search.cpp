// Ranges of keys per row -> search trees and a class per rank. A sweep over the sorted boundaries toggles rows;
// only the blocks that a boundary touches are built again. The one decision: the base bitmap has a row set iff it
// holds in most ranks, so that "everywhere but" is as cheap as "only there".
#include <fmt/format.h>

#include <algorithm>
#include <map>

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

// From here on up to the next step: a class, or of high halves of addresses what KERF_LOW_HALF says.
struct Step {
  std::uint64_t start;
  std::uint32_t leads_to;
  friend auto operator<=>(const Step&, const Step&) = default;
};
using Steps = std::vector<Step>;   // ascending, the first starts at 0

std::uint32_t depth_of(const Steps& steps) {
  static_assert(KERF_ADDRESS_DEPTH % KERF_SEARCH_STEP == 0);
  std::uint32_t depth = 0;
  while ((std::size_t{1} << depth) < steps.size()) depth += KERF_SEARCH_STEP;
  return depth;
}

// Breadth-first order: in-order position i of the perfect tree goes to its node.
template <class T>
std::vector<T> tree_of(const Steps& steps, std::uint32_t depth, T last) {
  std::vector<T> tree(std::size_t{1} << depth, last);
  for (std::size_t node = 1; node < tree.size(); ++node) {
    std::size_t level = 63 - static_cast<std::size_t>(__builtin_clzll(node));
    std::size_t step = std::size_t{1} << (depth - level);
    std::size_t position = (node - (std::size_t{1} << level)) * step + step / 2;
    if (position < steps.size()) tree[node] = static_cast<T>(steps[position].start);
  }
  return tree;
}

template <class T>
std::uint32_t append(std::vector<T>& pool, const std::vector<T>& more) {
  const auto at = static_cast<std::uint32_t>(pool.size());
  pool.insert(pool.end(), more.begin(), more.end());
  return at;
}

std::uint32_t store_ranks(Tables& tables, const Steps& steps, std::uint32_t depth) {
  const auto at = static_cast<std::uint32_t>(tables.ranks.size());
  for (const Step& step : steps) tables.ranks.push_back(step.leads_to);
  tables.ranks.resize(at + (std::size_t{1} << depth), steps.back().leads_to);
  return at;
}

// The trees of 64-bit halves, one pair for each list of steps, and keys of each tree once: hosts of many networks are often alike.
class Pairs {
 public:
  explicit Pairs(Tables& tables) : tables_(tables) {}

  std::uint32_t add(const Steps& steps) {
    auto [it, fresh] = pairs_.try_emplace(steps, static_cast<std::uint32_t>(tables_.trees.size() / KERF_TREE_FIELDS / 2));
    if (!fresh) return it->second;
    constexpr std::uint64_t second = std::uint64_t{1} << KERF_HALF_BITS;
    Steps halves[2];
    for (const Step& step : steps) {
      if (step.start > second && halves[1].empty()) halves[1].push_back({0, halves[0].back().leads_to});
      halves[step.start >= second].push_back({step.start & (second - 1), step.leads_to});
    }
    if (halves[1].empty()) halves[1].push_back({0, steps.back().leads_to});
    for (const Steps& half : halves) {
      std::uint32_t fields[KERF_TREE_FIELDS] = {}, depth = depth_of(half);
      fields[KERF_TREE_KEYS] = add_keys(tree_of(half, depth, second - 1));
      fields[KERF_TREE_DEPTH] = depth;
      fields[KERF_TREE_RANKS] = store_ranks(tables_, half, depth);
      tables_.trees.insert(tables_.trees.end(), fields, fields + KERF_TREE_FIELDS);
    }
    return it->second;
  }

 private:
  std::uint32_t add_keys(const Words& keys) {
    auto [it, fresh] = keys_.try_emplace(keys);
    if (fresh) it->second = append(tables_.keys64, keys);
    return it->second;
  }

  Tables& tables_;
  std::map<Steps, std::uint32_t> pairs_;
  std::map<Words, std::uint32_t> keys_;
};

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

// The keys at which some row begins or ends, and the classes: before the first of them, then from each on.
struct Cuts {
  std::vector<Key> keys;
  std::vector<std::uint32_t> classes;
  std::uint32_t base = 0;
};

Result<Cuts> cut(Tables& tables, ClassStore& classes, std::uint32_t blocks, Key last, const std::vector<RangeRow>& rows, std::string_view what) {
  Cuts cuts;
  std::vector<Toggle> toggles = toggles_of(rows, last);
  cuts.keys = boundaries_of(toggles);
  if (cuts.keys.size() > kMaxBoundaries) {
    return Error{fmt::format("the policies cut the {} into {} ranges, the kernel tables hold {}", what, cuts.keys.size() + 1,
                             kMaxBoundaries + 1)};
  }
  Words base = classes.rows(), words = base;
  for (const RangeRow& row : rows) {
    set_bit(base, row.row, holds_mostly(row, cuts.keys, last));
    set_bit(words, row.row, false);
  }
  cuts.base = classes.add_base(base);
  Sweep sweep(classes, cuts.base, std::move(words), blocks);
  cuts.classes.push_back(sweep.current_class());
  std::size_t next = 0;
  for (Key key : cuts.keys) {
    for (; next < toggles.size() && toggles[next].key == key; ++next) sweep.toggle(toggles[next].row);
    cuts.classes.push_back(sweep.current_class());
    if (tables.bytes() > kMaxTableBytes) return too_big(what);
  }
  return cuts;
}

// What starts where: the first of the keys may be 0.
void add_step(Steps& steps, Step step) {
  if (steps.back().start == step.start) steps.back() = step;
  else steps.push_back(step);
}

}  // namespace

Result<SearchTable> build_search(Tables& tables, ClassStore& classes, std::uint32_t blocks, std::uint32_t last,
                                 const std::vector<RangeRow>& rows, std::string_view what) {
  Result<Cuts> cuts = cut(tables, classes, blocks, {0, last}, rows, what);
  if (!cuts) return cuts.error();
  Steps steps{{0, cuts->classes[0]}};
  for (std::size_t i = 0; i < cuts->keys.size(); ++i) add_step(steps, {cuts->keys[i].low, cuts->classes[i + 1]});
  SearchTable table;
  table.depth = depth_of(steps);
  table.keys = append(tables.keys32, tree_of(steps, table.depth, last));
  table.ranks = store_ranks(tables, steps, table.depth);
  table.base = cuts->base;
  return table;
}

// High halves within which something begins or ends have steps of their own, and so the next ones have.
Result<HalvesTable> build_halves(Tables& tables, ClassStore& classes, std::uint32_t blocks, const std::vector<RangeRow>& rows) {
  constexpr std::uint64_t last = ~std::uint64_t{0};
  constexpr std::string_view what = "IPv6 addresses";
  Result<Cuts> cuts = cut(tables, classes, blocks, {last, last}, rows, what);
  if (!cuts) return cuts.error();
  const std::vector<Key>& keys = cuts->keys;
  Pairs pairs(tables);
  Steps steps{{0, cuts->classes[0]}};
  for (std::size_t i = 0; i < keys.size();) {
    const std::uint64_t high = keys[i].high;
    Steps within{{0, cuts->classes[i]}};
    for (; i < keys.size() && keys[i].high == high; ++i) add_step(within, {keys[i].low, cuts->classes[i + 1]});
    if (within.size() == 1) {
      add_step(steps, {high, within[0].leads_to});
      continue;
    }
    add_step(steps, {high, KERF_LOW_HALF | pairs.add(within)});
    if (high != last) add_step(steps, {high + 1, within.back().leads_to});
    if (tables.bytes() > kMaxTableBytes) return too_big(what);
  }
  HalvesTable table{pairs.add(steps), cuts->base};
  if (tables.bytes() > kMaxTableBytes) return too_big(what);
  return table;
}

}  // namespace kerf::bpf
