// One walk over all the files and trees that the sets name, outer ones first. The one decision: a class of paths is kept
// as layers, where a path that is in an odd number of a class's layers belongs to it: inside /a, outside /a/b again,
// inside /a/b/c. So a class is a few sets, however deep its parts nest, and the walk is linear in what is named.
#include "ir/passes/path_partition.h"

#include <algorithm>
#include <unordered_map>

#include "ir/base/check.h"
#include "ir/canonical.h"
#include "ir/passes/path_tests.h"
#include "ir/passes/rests.h"

namespace kerf {

namespace {

using Rest = Residuals::Id;

// Named paths in an order in which everything below a directory follows it at once: `/` sorts before all other bytes.
bool before(const std::string& a, const std::string& b) {
  auto rank = [](char c) { return c == '/' ? 0u : static_cast<unsigned>(static_cast<unsigned char>(c)) + 1; };
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                      [&](char x, char y) { return rank(x) < rank(y); });
}

struct Mention {
  const std::string* path;
  bool tree;
  std::uint32_t set;
};

class Walk {
 public:
  Walk(Residuals& residuals, Rest root, std::uint32_t first_atom, const std::vector<const PathTest*>& sets,
       const std::vector<std::uint32_t>& used, const Limits& limits)
      : residuals_(residuals), rests_(residuals, root, first_atom, sets.size()), used_(used), limits_(limits) {
    for (std::uint32_t set : used) {
      for (const std::string& file : sets[set]->files) mentions_.push_back({&file, false, set});
      for (const std::string& tree : sets[set]->trees) mentions_.push_back({&tree, true, set});
    }
    std::sort(mentions_.begin(), mentions_.end(), [](const Mention& a, const Mention& b) {
      return *a.path != *b.path ? before(*a.path, *b.path) : std::pair(a.tree, a.set) < std::pair(b.tree, b.set);
    });
  }

  bool run() {
    inside_ = outermost_ = rests_.rest(used_);
    layers(outermost_);
    for (std::size_t i = 0; i < mentions_.size();) {
      std::size_t end = i;
      while (end < mentions_.size() && *mentions_[end].path == *mentions_[i].path) ++end;
      while (!open_.empty() && !is_below(*mentions_[i].path, *open_.back().path)) leave();
      std::size_t trees = i;
      while (trees < end && !mentions_[trees].tree) ++trees;
      at_file(i, trees);
      if (trees < end) enter(trees, end);
      if (residuals_.work() > limits_.work || order_.size() > limits_.parts) return false;
      i = end;
    }
    return true;
  }

  std::optional<std::vector<PathPart>> parts() {
    std::vector<PathPart> result;
    for (Rest rest : order_) {
      if (residuals_.outcome(rest) == Outcome::false_) continue;
      std::vector<PathTest>& sets = layers_.at(rest);
      for (PathTest& set : sets) set = path_set(std::move(set.files), std::move(set.trees));
      // Outside of all layers, then between the second and the third, …; or from the first layer on.
      for (std::size_t in = rest == outermost_ ? 0 : 1; in <= sets.size(); in += 2) {
        PathPart part{rest, {}};
        if (in > 0) part.when.emplace_back(sets[in - 1], true);
        if (in < sets.size()) part.when.emplace_back(sets[in], false);
        result.push_back(std::move(part));
        if (result.size() > limits_.parts) return std::nullopt;
      }
    }
    return result;
  }

 private:
  struct Open {
    const std::string* path;
    Rest outside;                        // what is left around this directory
    std::vector<std::uint32_t> sets;     // that begin here
  };

  std::vector<PathTest>& layers(Rest rest) {
    auto [it, added] = layers_.try_emplace(rest);
    if (added) order_.push_back(rest);
    return it->second;
  }

  // The layer of the class `rest` that is next inside of where the walk is.
  PathTest& next_layer(Rest rest) {
    std::vector<PathTest>& sets = layers(rest);
    const std::size_t depth = depth_[rest];
    if (sets.size() <= depth) sets.resize(depth + 1);
    return sets[depth];
  }

  void begin_set(std::uint32_t set) {
    check(rests_.known[set] != Outcome::true_, "path_set() leaves out what is below a tree of the set");
    rests_.known[set] = Outcome::true_;
  }

  void at_file(std::size_t begin, std::size_t end) {
    if (begin == end) return;
    for (std::size_t i = begin; i < end; ++i) begin_set(mentions_[i].set);
    const Rest here = rests_.rest(used_);
    for (std::size_t i = begin; i < end; ++i) rests_.known[mentions_[i].set] = Outcome::false_;
    if (here == inside_) return;
    for (Rest rest : {inside_, here}) next_layer(rest).files.push_back(*mentions_[begin].path);
  }

  void enter(std::size_t begin, std::size_t end) {
    Open open{mentions_[begin].path, inside_, {}};
    for (std::size_t i = begin; i < end; ++i) {
      begin_set(mentions_[i].set);
      open.sets.push_back(mentions_[i].set);
    }
    const Rest below = rests_.rest(used_);
    if (below != inside_) {
      for (Rest rest : {inside_, below}) {
        next_layer(rest).trees.push_back(*open.path);
        ++depth_[rest];
      }
    }
    inside_ = below;
    open_.push_back(std::move(open));
  }

  void leave() {
    const Open& open = open_.back();
    if (open.outside != inside_) {
      --depth_[open.outside];
      --depth_[inside_];
    }
    inside_ = open.outside;
    for (std::uint32_t set : open.sets) rests_.known[set] = Outcome::false_;
    open_.pop_back();
  }

  Residuals& residuals_;
  Rests rests_;
  const std::vector<std::uint32_t>& used_;
  const Limits& limits_;
  std::vector<Mention> mentions_;
  std::vector<Open> open_;
  Rest inside_ = 0, outermost_ = 0;
  std::vector<Rest> order_;                                  // classes in order of discovery
  std::unordered_map<Rest, std::vector<PathTest>> layers_;
  std::unordered_map<Rest, std::size_t> depth_;              // layers of a class that the walk is in
};

}  // namespace

std::optional<std::vector<PathPart>> partition_paths(Residuals& residuals, Rest root, std::uint32_t first_atom,
                                                     const std::vector<const PathTest*>& sets, const Limits& limits) {
  const auto used = atoms_used(residuals, root, first_atom, sets.size());
  Walk walk(residuals, root, first_atom, sets, used, limits);
  if (!walk.run()) return std::nullopt;
  return walk.parts();
}

}  // namespace kerf
