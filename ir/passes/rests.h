// What is left of a formula for known outcomes of some atoms: what the partitions by an observable share.
#pragma once
#include <string>
#include <unordered_map>
#include <vector>

#include "ir/passes/residual.h"

namespace kerf {

// The atoms of [first, first + count) that the formula still has, less `first`, ascending; the others cost nothing.
std::vector<std::uint32_t> atoms_used(const Residuals& residuals, Residuals::Id root, std::uint32_t first,
                                      std::size_t count);

// What is left for the outcomes of the atoms, remembered while there are few of them.
class Rests {
 public:
  Rests(Residuals& residuals, Residuals::Id root, std::uint32_t first, std::size_t count)
      : known(count, Outcome::false_), residuals_(residuals), root_(root), first_(first) {}

  Residuals::Id rest(const std::vector<std::uint32_t>& used) {
    if (used.size() > kRemembered) return residuals_.specialise(root_, first_, known);
    std::string key;
    for (std::uint32_t atom : used) key.push_back(static_cast<char>(known[atom]));
    auto [it, added] = seen_.try_emplace(std::move(key), 0);
    if (added) it->second = residuals_.specialise(root_, first_, known);
    return it->second;
  }

  std::vector<Outcome> known;   // by atom

 private:
  static constexpr std::size_t kRemembered = 64;
  Residuals& residuals_;
  Residuals::Id root_;
  std::uint32_t first_;
  std::unordered_map<std::string, Residuals::Id> seen_;
};

}  // namespace kerf
