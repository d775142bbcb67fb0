// Automata as data: look-up, sets of tests, and the smallest automaton that does the same (J. Hopcroft, An n log n
// algorithm for minimizing states in a finite automaton, 1971).
#include "backends/bpf/automaton.h"

#include <xxhash.h>

#include <algorithm>

namespace kerf::bpf {

std::uint32_t Automaton::next(std::uint32_t state, std::uint8_t byte) const {
  std::span<const Edge> own = edges_of(state);
  auto at = std::lower_bound(own.begin(), own.end(), byte, [](const Edge& edge, std::uint8_t b) { return edge.byte < b; });
  return at != own.end() && at->byte == byte ? at->next : states[state].fallback;
}

const TestSet& Automaton::match(std::string_view text) const {
  std::uint32_t state = start;
  for (char c : text) state = next(state, static_cast<std::uint8_t>(c));
  return matches[states[state].match];
}

std::uint32_t TestSets::intern(TestSet set) {
  std::uint64_t hash = XXH3_64bits(set.data(), set.size() * sizeof set[0]);
  auto [begin, end] = by_hash_.equal_range(hash);
  for (auto it = begin; it != end; ++it) {
    if (sets_[it->second] == set) return it->second;
  }
  auto number = static_cast<std::uint32_t>(sets_.size());
  total_ += set.size();
  sets_.push_back(std::move(set));
  by_hash_.emplace(hash, number);
  return number;
}

std::uint32_t TestSets::add(std::uint32_t set, std::span<const std::uint32_t> more) {
  TestSet sorted(more.begin(), more.end()), both;
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  std::set_union(sets_[set].begin(), sets_[set].end(), sorted.begin(), sorted.end(), std::back_inserter(both));
  return intern(std::move(both));
}

namespace {

// The states in blocks that no text read so far tells apart.
class Partition {
 public:
  explicit Partition(const DenseAutomaton& dense) : members_(dense.match.size()), at_(members_.size()), block_of_(members_.size()) {
    for (std::uint32_t s = 0; s < members_.size(); ++s) members_[s] = s;
    std::stable_sort(members_.begin(), members_.end(), [&](std::uint32_t a, std::uint32_t b) { return dense.match[a] < dense.match[b]; });
    for (std::uint32_t i = 0; i < members_.size(); ++i) {
      if (i == 0 || dense.match[members_[i]] != dense.match[members_[i - 1]]) blocks_.push_back({i, i, 0});
      place(members_[i], i);
      block_of_[members_[i]] = static_cast<std::uint32_t>(blocks_.size() - 1);
      blocks_.back().end = i + 1;
    }
  }
  std::uint32_t block_of(std::uint32_t state) const { return block_of_[state]; }
  std::size_t count() const { return blocks_.size(); }
  std::vector<std::uint32_t> members(std::uint32_t block) const {
    return {members_.begin() + blocks_[block].begin, members_.begin() + blocks_[block].end};
  }
  void mark(std::uint32_t state) {
    Block& block = blocks_[block_of_[state]];
    std::uint32_t first = block.begin + block.marked;
    if (at_[state] < first) return;
    if (block.marked++ == 0) touched_.push_back(block_of_[state]);
    std::uint32_t other = members_[first], from = at_[state];
    place(other, from);
    place(state, first);
  }
  // Parts the blocks in which some but not all states are marked; appends the smaller parts, as new blocks, to `cut_off`.
  void split(std::vector<std::uint32_t>& cut_off) {
    for (std::uint32_t number : touched_) {
      Block& block = blocks_[number];
      std::uint32_t marked = block.marked, middle = block.begin + marked;
      block.marked = 0;
      if (middle == block.end) continue;
      bool marked_smaller = marked <= block.end - middle;
      Block fresh = marked_smaller ? Block{block.begin, middle, 0} : Block{middle, block.end, 0};
      (marked_smaller ? block.begin : block.end) = middle;
      auto cut = static_cast<std::uint32_t>(blocks_.size());
      for (std::uint32_t i = fresh.begin; i < fresh.end; ++i) block_of_[members_[i]] = cut;
      blocks_.push_back(fresh);
      cut_off.push_back(cut);
    }
    touched_.clear();
  }

 private:
  struct Block { std::uint32_t begin, end, marked; };
  void place(std::uint32_t state, std::uint32_t at) {
    members_[at] = state;
    at_[state] = at;
  }
  std::vector<std::uint32_t> members_, at_, block_of_, touched_;
  std::vector<Block> blocks_;
};

// Which states go to a state on a symbol.
class Inverse {
 public:
  explicit Inverse(const DenseAutomaton& dense) : symbols_(dense.symbols), first_(dense.next.size() + 1), from_(dense.next.size()) {
    for (std::size_t i = 0; i < dense.next.size(); ++i) ++first_[key(dense.next[i], i % symbols_) + 1];
    for (std::size_t i = 1; i < first_.size(); ++i) first_[i] += first_[i - 1];
    std::vector<std::uint32_t> fill(first_.begin(), first_.end() - 1);
    for (std::size_t i = 0; i < dense.next.size(); ++i) {
      from_[fill[key(dense.next[i], i % symbols_)]++] = static_cast<std::uint32_t>(i / symbols_);
    }
  }
  std::span<const std::uint32_t> to(std::uint32_t state, std::uint32_t symbol) const {
    std::size_t k = key(state, symbol);
    return {from_.data() + first_[k], first_[k + 1] - first_[k]};
  }

 private:
  std::size_t key(std::uint32_t state, std::size_t symbol) const { return state * std::size_t{symbols_} + symbol; }
  std::uint32_t symbols_;
  std::vector<std::uint32_t> first_, from_;
};

Partition refine(const DenseAutomaton& dense) {
  Partition partition(dense);
  Inverse inverse(dense);
  std::vector<std::uint32_t> waiting;
  for (std::uint32_t b = 0; b < partition.count(); ++b) waiting.push_back(b);
  while (!waiting.empty()) {
    std::uint32_t splitter = waiting.back();
    waiting.pop_back();
    std::vector<std::uint32_t> members = partition.members(splitter);
    for (std::uint32_t symbol = 0; symbol < dense.symbols; ++symbol) {
      for (std::uint32_t state : members) {
        for (std::uint32_t from : inverse.to(state, symbol)) partition.mark(from);
      }
      // What is cut off is the smaller part: if the rest does not wait, the smaller part is enough.
      partition.split(waiting);
    }
  }
  return partition;
}

}  // namespace

Automaton minimise(const DenseAutomaton& dense, std::vector<TestSet> matches) {
  Partition partition = refine(dense);
  constexpr std::uint32_t unseen = 0xffffffffu;
  std::vector<std::uint32_t> number_of(partition.count(), unseen), found;   // by block; states to represent them
  auto number = [&](std::uint32_t state) {
    std::uint32_t& n = number_of[partition.block_of(state)];
    if (n == unseen) {
      n = static_cast<std::uint32_t>(found.size());
      found.push_back(state);
    }
    return n;
  };
  Automaton automaton;
  automaton.matches = std::move(matches);
  automaton.start = number(dense.start);
  for (std::size_t i = 0; i < found.size(); ++i) {
    const std::uint32_t* row = &dense.next[found[i] * std::size_t{dense.symbols}];
    std::uint32_t fallback = number(row[0]);
    auto first = static_cast<std::uint32_t>(automaton.edges.size());
    for (unsigned byte = 0; byte < 256; ++byte) {
      if (dense.symbol_of[byte] == 0) continue;
      std::uint32_t next = number(row[dense.symbol_of[byte]]);
      if (next != fallback) automaton.edges.push_back({static_cast<std::uint8_t>(byte), next});
    }
    automaton.states.push_back({fallback, dense.match[found[i]], first, static_cast<std::uint32_t>(automaton.edges.size()) - first});
  }
  return automaton;
}

}  // namespace kerf::bpf
