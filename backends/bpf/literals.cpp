// Files, trees and prefixes -> automaton 0. The keys are read in order, so that the trie of the literals is never there
// as a whole: a node is closed when the last key below it has been read, and closed nodes that agree are one state. The
// one decision: a text that leaves the trie keeps the tests that hold for everything below the last node; each such set
// is one final state.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "backends/bpf/automaton.h"
#include "runtime/abi/policy_abi.h"
#include "runtime/kernel/tables.h"

namespace kerf::bpf {
namespace {

constexpr std::uint32_t kNone = 0xffffffffu;

enum class Mark : std::uint8_t { file, root_tree, prefix };

struct Key {
  std::string_view text;
  Mark mark;
  std::uint32_t test;
};

// Keys that no canonical path can reach or pass are left out.
class Keys {
 public:
  explicit Keys(const std::vector<NumberedTest>& tests) {
    for (const NumberedTest& t : tests) add(t);
    std::ranges::sort(keys_, {}, &Key::text);
  }
  const std::vector<Key>& sorted() const { return keys_; }

 private:
  void add(const NumberedTest& t) {
    if (t.test->pattern) {
      const std::vector<std::string>& pieces = t.test->pattern->pieces;
      add(pieces[0], pieces.size() == 1 ? Mark::file : Mark::prefix, t.number);
      return;
    }
    for (const std::string& file : t.test->files) add(file, Mark::file, t.number);
    for (const std::string& tree : t.test->trees) {
      if (tree == "/") {
        add(tree, Mark::root_tree, t.number);
        continue;
      }
      // No path ends in `/` but the root, so that "properly below" is "begins with": one state with other such prefixes.
      texts_.push_back(std::make_unique<std::string>(tree + "/"));
      add(*texts_.back(), Mark::prefix, t.number);
    }
  }
  void add(std::string_view text, Mark mark, std::uint32_t test) {
    if (text.size() <= KERF_PATH_BYTES) keys_.push_back({text, mark, test});
  }

  std::vector<std::unique_ptr<std::string>> texts_;
  std::vector<Key> keys_;
};

// States of the automaton, equal ones once.
class StateStore {
 public:
  explicit StateStore(Automaton& automaton) : automaton_(automaton), slots_(1024, 0) {}

  std::uint32_t add(std::uint32_t match, std::uint32_t fallback, std::span<const Automaton::Edge> edges) {
    std::uint64_t h = hash(match, fallback, edges), tag = h & kTag;
    std::uint64_t at = h & (slots_.size() - 1);
    for (; slots_[at]; at = (at + 1) & (slots_.size() - 1)) {
      auto state = static_cast<std::uint32_t>(slots_[at] - 1);
      if ((slots_[at] & kTag) == tag && equal(state, match, fallback, edges)) return state;
    }
    auto state = static_cast<std::uint32_t>(automaton_.states.size());
    automaton_.states.push_back({fallback, match, static_cast<std::uint32_t>(automaton_.edges.size()),
                                 static_cast<std::uint32_t>(edges.size())});
    automaton_.edges.insert(automaton_.edges.end(), edges.begin(), edges.end());
    slots_[at] = tag | (state + 1);
    if (++used_ * 2 > slots_.size()) grow();
    return state;
  }
  // The state in which the tests of `match` hold whatever follows.
  std::uint32_t add_final(std::uint32_t match) {
    if (match >= finals_.size()) finals_.resize(match + 1, kNone);
    if (finals_[match] == kNone) {
      finals_[match] = static_cast<std::uint32_t>(automaton_.states.size());
      automaton_.states.push_back({finals_[match], match, static_cast<std::uint32_t>(automaton_.edges.size()), 0});
    }
    return finals_[match];
  }

 private:
  static std::uint64_t hash(std::uint32_t match, std::uint32_t fallback, std::span<const Automaton::Edge> edges) {
    std::uint64_t h = kerf_mix(static_cast<std::uint64_t>(match) << 32 | fallback);
    for (const Automaton::Edge& edge : edges) h = kerf_mix(h ^ (static_cast<std::uint64_t>(edge.byte) << 32 | edge.next));
    return h;
  }
  bool equal(std::uint32_t state, std::uint32_t match, std::uint32_t fallback, std::span<const Automaton::Edge> edges) const {
    const Automaton::State& s = automaton_.states[state];
    std::span<const Automaton::Edge> own = automaton_.edges_of(state);
    return s.match == match && s.fallback == fallback && std::equal(own.begin(), own.end(), edges.begin(), edges.end());
  }
  void grow() {
    std::vector<std::uint64_t> old = std::move(slots_);
    slots_.assign(old.size() * 2, 0);
    for (std::uint64_t entry : old) {
      if (!entry) continue;
      const Automaton::State& s = automaton_.states[static_cast<std::uint32_t>(entry - 1)];
      std::uint64_t at = hash(s.match, s.fallback, automaton_.edges_of(static_cast<std::uint32_t>(entry - 1))) & (slots_.size() - 1);
      while (slots_[at]) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = entry;
    }
  }

  Automaton& automaton_;
  static constexpr std::uint64_t kTag = 0xffffffff00000000u;
  std::vector<std::uint64_t> slots_;   // high half of the hash, state + 1: a look-up seldom reads another state
  std::size_t used_ = 0;
  std::vector<std::uint32_t> finals_;  // by set of tests
};

class Builder {
 public:
  explicit Builder(Automaton& automaton) : automaton_(automaton), states_(automaton) { open({}, 0); }

  // Keys in order. False: a limit is passed.
  bool add(std::string_view text, std::span<const Key> marks) {
    const auto shared = static_cast<std::size_t>(std::ranges::mismatch(text, path_).in1 - text.begin());
    close_to(shared);
    if (text.empty()) open(marks, 0);
    for (std::size_t i = shared; i < text.size(); ++i) {
      path_.push_back(text[i]);
      std::uint32_t inherited = nodes_[depth_ - 1].below;
      open(i + 1 == text.size() ? marks : std::span<const Key>(), inherited);
    }
    return automaton_.states.size() <= kMaxPathStates && sets_.total() <= kMaxMatchMembers;
  }
  void finish() {
    close_to(0);
    automaton_.start = close();
    automaton_.matches = sets_.take();
  }

 private:
  struct Node {
    std::uint32_t match, below;            // sets of tests: if the text ends here, if it goes on elsewhere
    std::vector<Automaton::Edge> edges;
  };

  void open(std::span<const Key> marks, std::uint32_t inherited) {
    TestSet match, below;
    for (const Key& key : marks) {
      if (key.mark != Mark::root_tree) match.push_back(key.test);
      if (key.mark != Mark::file) below.push_back(key.test);
    }
    std::size_t at = path_.size();         // the root may be opened anew, with its marks
    if (nodes_.size() <= at) nodes_.resize(at + 1);
    depth_ = at + 1;
    nodes_[at].edges.clear();
    nodes_[at].match = match.empty() ? inherited : sets_.add(inherited, match);
    nodes_[at].below = below.empty() ? inherited : sets_.add(inherited, below);
  }
  void close_to(std::size_t length) {
    while (path_.size() > length) {
      std::uint32_t state = close();
      auto byte = static_cast<std::uint8_t>(path_.back());
      path_.pop_back();
      --depth_;
      Node& parent = nodes_[depth_ - 1];
      if (state != states_.add_final(parent.below)) parent.edges.push_back({byte, state});
    }
  }
  std::uint32_t close() {
    const Node& node = nodes_[depth_ - 1];
    std::uint32_t fallback = states_.add_final(node.below);
    if (node.edges.empty() && node.match == node.below) return fallback;
    return states_.add(node.match, fallback, node.edges);
  }

  Automaton& automaton_;
  StateStore states_;
  TestSets sets_;
  std::string path_;
  std::vector<Node> nodes_;                // of path_ and its prefixes; kept beyond depth_ for their memory
  std::size_t depth_ = 0;
};

}  // namespace

bool is_literal(const PathTest& test) {
  if (!test.pattern) return true;
  const std::vector<std::string>& pieces = test.pattern->pieces;
  return pieces.size() == 1 || pieces[1].empty();   // none is empty between two others
}

Result<Automaton> build_literals(const std::vector<NumberedTest>& tests) {
  Automaton automaton;
  Builder builder(automaton);
  Keys keys(tests);
  for (std::span<const Key> rest = keys.sorted(); !rest.empty();) {
    const std::string_view text = rest[0].text;
    const std::span<const Key> marks(rest.begin(), std::ranges::find_if(rest, [&](const Key& key) { return key.text != text; }));
    if (!builder.add(text, marks)) {
      return Error{fmt::format("the paths of the policies and entities need more than {} states or {} tests that hold together; "
                               "the one reached is `{}`", kMaxPathStates, kMaxMatchMembers, text)};
    }
    rest = rest.subspan(marks.size());
  }
  builder.finish();
  return automaton;
}

}  // namespace kerf::bpf
