// A table's environment, arranged for deciding: groups by scope in numbers, forbids before permits, and an index where a
// group has many policies. Private to runtime/gateway.
//
// The index of a block only leaves out policies that cannot be satisfied and cannot err, and says for the rest whether
// they are satisfied for certain; all others are evaluated row by row. A policy is left out when one of its *needed*
// literals (those that every row starts with) does not hold. That is exact unless an earlier literal errs; whether one
// can is seen from the subjects that they read (`Watch`): if one fails, the policies that may meet it are evaluated.
#pragma once
#include <bit>

#include "runtime/gateway/straight.h"

namespace kerf::gateway {

// A subject and the kinds of value that its atoms accept: if it has none of them, they err.
struct Watch {
  static constexpr std::uint32_t kNone = 0xffffffffu;
  Subject subject;
  std::uint16_t kinds = 0;
  struct Use {
    std::uint32_t guard = 0xffffffffu;  // an atom `has` that comes before: if false, these do not get so far
    std::vector<std::uint32_t> rules;
  };
  std::vector<Use> uses;
};

// Policies by the value that one subject must equal, or by the literal begin or end of a pattern that it must match.
struct Keyed {
  Subject subject;
  std::uint32_t watch = Watch::kNone;   // of the same subject
  bool is_like = false;
  ValueKind kind = ValueKind::string;
  FlatMap lists;                        // key -> list
  std::vector<std::vector<std::uint32_t>> rules;
  std::vector<std::size_t> prefixes, suffixes;   // lengths that occur, ascending
  std::vector<std::uint32_t> unanchored;         // patterns without literal begin and end
};

// One dimension of the bitmaps over a block's dense rules. A bit is set where the dimension does not exclude the rule.
struct Feature {
  enum class Kind : std::uint8_t { truth, value, order, members, ranges } kind = Kind::truth;
  Subject subject;
  std::uint32_t watch = Watch::kNone;            // of the same subject
  std::uint32_t atom = 0;                        // truth: map 0 if it is false, 1 if true
  ValueKind value_kind = ValueKind::string;
  FlatMap classes;                               // value: key -> map, map 0 for all others. members, ranges: key -> map,
                                                 // map 0 for rules that do not use the feature
  std::vector<std::int64_t> bounds;              // order: map = number of bounds <= value
  std::vector<std::uint8_t> prefixes;            // ranges: lengths that occur, ascending
  std::vector<std::uint64_t> maps;               // `words` each
};

// Of the forbids and the permits of a group: what both ask for is looked up once.
struct BlockIndex {
  static constexpr std::uint32_t kNoRule = 0xffffffffu;
  std::vector<std::uint32_t> always;
  std::vector<Keyed> keyed;
  std::vector<Watch> watches;
  // Rules, by bit; first forbids, then, from a word of their own on, permits. Bits that are left over have kNoRule.
  std::vector<std::uint32_t> dense;
  std::vector<Feature> features;
  std::vector<std::uint64_t> exact;              // bits of rules that the features decide alone
  bool all_exact = false;
  std::size_t words = 0, forbid_words = 0;
  std::uint32_t first_permit = 0;                // of the environment's rules; those before it are forbids
};

// 0: any; else the node, for `==` or for `in`.
constexpr std::uint64_t pair_key(std::uint32_t principal, std::uint32_t resource) {
  return static_cast<std::uint64_t>(principal) << 32 | resource;
}

// Groups of the table by their scopes as nodes.
class GroupIndex {
 public:
  static constexpr std::uint32_t kNone = NumberSet::kNone;
  explicit GroupIndex(std::size_t groups = 0) { keys_.reserve(groups); }
  void add(std::uint64_t key) {   // of the next group
    keys_.push_back(key);
    numbers_.add(static_cast<std::uint32_t>(keys_.size() - 1), [&](std::uint32_t group) { return hash(keys_[group]); });
  }
  std::uint32_t find(std::uint64_t key) const {
    return numbers_.find(hash(key), [&](std::uint32_t group) { return keys_[group] == key; });
  }
  std::size_t bytes() const { return keys_.capacity() * sizeof(std::uint64_t) + numbers_.bytes(); }

 private:
  static std::uint64_t hash(std::uint64_t key) { return mix(key, 0x9e3779b97f4a7c15u); }
  std::vector<std::uint64_t> keys_;
  NumberSet numbers_;
};

// Of the scopes of one variable: the groups, by the columns (store.h) of the other variable's scopes, which are `in` an entity. That
// one's row says which of 64 groups' scopes hold.
class ScopeLists {
 public:
  struct Entry {
    std::uint32_t scope, column, group;
  };
  struct Block {
    std::uint64_t columns = 0;   // of the row's `word`
    std::uint32_t word, first;   // where the groups of these columns are
  };
  ScopeLists() = default;
  explicit ScopeLists(std::vector<Entry> entries);
  std::span<const Block> of(std::uint32_t scope) const {
    if (scope >= lists_.size()) return {};
    const std::uint32_t list = lists_[scope];
    return std::span(blocks_).subspan(firsts_[list], firsts_[list + 1] - firsts_[list]);
  }
  // Adds the groups whose entity the row is in.
  void add(std::span<const Block> list, const std::uint64_t* row, std::vector<std::uint32_t>& groups) const {
    for (const Block& block : list) {
      for (std::uint64_t bits = row[block.word] & block.columns; bits != 0; bits &= bits - 1) {
        groups.push_back(groups_[block.first + static_cast<unsigned>(std::popcount(block.columns & ((bits & -bits) - 1)))]);
      }
    }
  }
  bool has_any(std::uint32_t scope, const std::uint64_t* row) const {
    if (scope >= lists_.size() || lists_[scope] == 0) return false;
    const std::uint32_t* ends = &firsts_[lists_[scope]];
    for (const Block *block = &blocks_[ends[0]], *end = block + (ends[1] - ends[0]); block != end; ++block) {
      if ((row[block->word] & block->columns) != 0) return true;
    }
    return false;
  }
  std::size_t bytes() const {
    return (lists_.capacity() + firsts_.capacity() + groups_.capacity()) * sizeof(std::uint32_t) + blocks_.capacity() * sizeof(Block);
  }

 private:
  std::vector<std::uint32_t> lists_;        // by scope; 0 is the empty list
  std::vector<std::uint32_t> firsts_;       // of each list, and the end
  std::vector<Block> blocks_;
  std::vector<std::uint32_t> groups_;
};

struct EnvironmentPlan {
  const Environment* source = nullptr;
  std::vector<Atom> atoms;
  GroupIndex groups;
  // Where there are many scopes `in` on principals: of those with a column, by resource scope; and by principal scope, where
  // the resource is `in` something with a column. A request takes the side that is in less.
  ScopeLists by_resource, by_principal;
  bool has_lists = false;
  std::vector<BlockIndex> indexes;
  FlatMap index_of;                     // group -> index, where there is one
  // Kinds of resource scopes (bits: any, ==, in) that occur with each kind of principal scope.
  std::array<std::uint8_t, 3> shapes{};
  std::vector<std::uint64_t> principal_in, resource_in;   // bits of nodes in `in` scopes
  std::unique_ptr<const Straight> straight;               // for small environments
};

inline constexpr std::uint32_t kIndexFrom = 8, kAlwaysIndexFrom = 24;   // rules of a group; between the two if it asks little

std::uint64_t value_key(const Cell& cell);        // of Bool, Long, String, entity
// `nodes`: of the table's own numbers of the entities in its scopes. Without an index: for policies that came when the texts had
// their numbers, so that others have none.
EnvironmentPlan plan_environment(const Table::State& table, const Environment& environment, std::vector<Atom> atoms,
                                 const std::vector<Node>& nodes, const Store& store, bool indexed = true);
BlockIndex index_block(const EnvironmentPlan& plan, const Group& group);

}  // namespace kerf::gateway
