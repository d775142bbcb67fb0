// The one decision: a path carries the set of what the formula may be, one rest for each choice of the unknown atoms that
// it has asked. So an unknown that is asked twice has one outcome, and what is known is asked at most once.
#include "ir/passes/approximate.h"

#include <algorithm>

namespace kerf {

namespace {

using Rests = std::vector<Residuals::Id>;   // ascending, each once

constexpr std::size_t kMaxRests = 4096;     // of one path; past it there are too many paths

class Paths {
 public:
  Paths(Residuals& residuals, const UnknownAtoms& unknown, std::size_t limit, std::uint64_t max_work)
      : residuals_(residuals), unknown_(unknown), limit_(limit), budget_(residuals.work() + max_work) {}

  std::optional<std::vector<Path>> run(Residuals::Id root) {
    std::vector<Branch> stack;
    stack.push_back({{root}, 0, {}});
    std::vector<Requirement> when;
    while (!stack.empty()) {
      Branch branch = std::move(stack.back());
      stack.pop_back();
      when.resize(branch.depth > 0 ? branch.depth - 1 : 0);
      if (branch.depth > 0) when.push_back(branch.last);
      if (!ask_unknown(branch.rests) || over()) return std::nullopt;
      if (auto outcome = decided(branch.rests)) {
        if (*outcome == Outcome::false_) continue;
        if (paths_.size() == limit_) return std::nullopt;
        paths_.push_back({when, *outcome});
        written_ += when.size();
        continue;
      }
      const Residuals::Node asked = residuals_[residuals_.asked_node(branch.rests.back())];   // constants come first
      for (Outcome outcome : {Outcome::error, Outcome::false_, Outcome::true_}) {   // popped in the opposite order
        if (outcome == Outcome::error && !asked.fallible) continue;
        Rests rests;
        for (Residuals::Id rest : branch.rests) rests.push_back(residuals_.specialise(rest, asked.atom, {outcome}));
        sort(rests);
        stack.push_back({std::move(rests), branch.depth + 1, {asked.atom, outcome}});
      }
    }
    return std::move(paths_);
  }

 private:
  struct Branch {
    Rests rests;
    std::size_t depth;          // requirements that hold before this one
    Requirement last;
  };

  static void sort(Rests& rests) {
    std::sort(rests.begin(), rests.end());
    rests.erase(std::unique(rests.begin(), rests.end()), rests.end());
  }

  bool over() const { return residuals_.work() + 4 * written_ > budget_; }

  // Until every rest asks a known atom, or is decided. False if there are too many.
  bool ask_unknown(Rests& rests) {
    Rests open = std::move(rests);
    rests.clear();
    while (!open.empty()) {
      const Residuals::Id rest = open.back();
      open.pop_back();
      const bool constant = residuals_.outcome(rest).has_value();
      const Residuals::Node asked = constant ? Residuals::Node{} : residuals_[residuals_.asked_node(rest)];
      if (constant || asked.atom < unknown_.first) {
        rests.push_back(rest);
        continue;
      }
      for (Outcome outcome : {Outcome::error, Outcome::false_, Outcome::true_}) {
        if (outcome == Outcome::error && !asked.fallible) continue;
        open.push_back(residuals_.specialise(rest, asked.atom, {outcome}));
      }
      if (open.size() + rests.size() > kMaxRests || over()) return false;
    }
    sort(rests);
    return true;
  }

  // Nothing: it depends on what is known.
  std::optional<Outcome> decided(const Rests& rests) const {
    bool may[3] = {false, false, false}, open = false;
    for (Residuals::Id rest : rests) {
      if (auto outcome = residuals_.outcome(rest)) may[static_cast<std::size_t>(*outcome)] = true;
      else open = true;
    }
    const bool is_false = may[0], is_true = may[1], errs = may[2];
    if (unknown_.if_possible && is_true) return Outcome::true_;
    if (!unknown_.if_possible && (is_false || (is_true && errs))) return Outcome::false_;
    if (open) return std::nullopt;
    if (is_true) return Outcome::true_;
    return is_false ? Outcome::false_ : Outcome::error;
  }

  Residuals& residuals_;
  const UnknownAtoms unknown_;
  const std::size_t limit_;
  const std::uint64_t budget_;
  std::uint64_t written_ = 0;    // requirements; memory, so they count four times
  std::vector<Path> paths_;
};

}  // namespace

std::optional<std::vector<Path>> approximate_paths(Residuals& residuals, Residuals::Id root, const UnknownAtoms& unknown,
                                                   std::size_t limit, std::uint64_t max_work) {
  return Paths(residuals, unknown, limit, max_work).run(root);
}

}  // namespace kerf
