// Outcomes as functions of one observable, combined by Cedar's operators: steps over an ordered domain (addresses,
// ports), and exceptions from a common outcome (endpoints, files).
#pragma once
#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "ir/eval.h"

namespace kerf {

inline Outcome outcome_not(Outcome a) {
  if (a == Outcome::error) return a;
  return a == Outcome::true_ ? Outcome::false_ : Outcome::true_;
}
inline Outcome outcome_and(Outcome a, Outcome b) { return a == Outcome::true_ ? b : a; }
inline Outcome outcome_or(Outcome a, Outcome b) { return a == Outcome::false_ ? b : a; }

// Piecewise constant: `at` holds from each key up to the next. The first key is the least of the domain.
template <class Key>
struct Steps {
  std::vector<std::pair<Key, Outcome>> at;

  void append(const Key& key, Outcome outcome) {
    if (at.empty() || at.back().second != outcome) at.emplace_back(key, outcome);
  }
};

// Sparse: `others` but for `listed`, which is sorted and never lists the outcome of the others.
template <class Key>
struct Exceptions {
  Outcome others = Outcome::false_;
  std::vector<std::pair<Key, Outcome>> listed;

  void append(Key key, Outcome outcome) {
    if (outcome != others) listed.emplace_back(std::move(key), outcome);
  }
};

template <class Key>
Steps<Key> map_outcomes(Steps<Key> steps, Outcome (*f)(Outcome)) {
  Steps<Key> result;
  for (auto& [key, outcome] : steps.at) result.append(key, f(outcome));
  return result;
}

template <class Key>
Exceptions<Key> map_outcomes(Exceptions<Key> map, Outcome (*f)(Outcome)) {
  Exceptions<Key> result{f(map.others), {}};
  for (auto& [key, outcome] : map.listed) result.append(key, f(outcome));
  return result;
}

template <class Key, class F>
Steps<Key> zip_outcomes(const Steps<Key>& a, const Steps<Key>& b, F f) {
  Steps<Key> result;
  std::size_t i = 0, j = 0;
  while (i < a.at.size() || j < b.at.size()) {
    const bool take_a = j == b.at.size() || (i < a.at.size() && a.at[i].first <= b.at[j].first);
    const bool take_b = i == a.at.size() || (j < b.at.size() && b.at[j].first <= a.at[i].first);
    const Key& key = take_a ? a.at[i].first : b.at[j].first;
    if (take_a) ++i;
    if (take_b) ++j;
    result.append(key, f(a.at[i - 1].second, b.at[j - 1].second));
  }
  return result;
}

template <class Key, class F>
Exceptions<Key> zip_outcomes(const Exceptions<Key>& a, const Exceptions<Key>& b, F f) {
  Exceptions<Key> result{f(a.others, b.others), {}};
  std::size_t i = 0, j = 0;
  while (i < a.listed.size() || j < b.listed.size()) {
    const bool take_a = j == b.listed.size() || (i < a.listed.size() && a.listed[i].first <= b.listed[j].first);
    const bool take_b = i == a.listed.size() || (j < b.listed.size() && b.listed[j].first <= a.listed[i].first);
    const Key& key = take_a ? a.listed[i].first : b.listed[j].first;
    result.append(key, f(take_a ? a.listed[i].second : a.others, take_b ? b.listed[j].second : b.others));
    if (take_a) ++i;
    if (take_b) ++j;
  }
  return result;
}

// Of a chain of && or ||, by halves: a chain of n small maps costs n log n.
template <class Map>
Map combine_chain(std::vector<Map> operands, Outcome (*f)(Outcome, Outcome)) {
  while (operands.size() > 1) {
    std::vector<Map> next;
    for (std::size_t i = 0; i + 1 < operands.size(); i += 2) {
      next.push_back(zip_outcomes(operands[i], operands[i + 1], f));
    }
    if (operands.size() % 2 == 1) next.push_back(std::move(operands.back()));
    operands = std::move(next);
  }
  return std::move(operands.front());
}

// `if`: first what each branch would be, as two steps, because three maps meet.
template <class Map>
Map combine_if(const Map& condition, const Map& then_branch, const Map& else_branch) {
  Map taken = zip_outcomes(condition, then_branch, [](Outcome c, Outcome a) {
    return c == Outcome::false_ ? Outcome::false_ : outcome_and(c, a);
  });
  Map other = zip_outcomes(condition, else_branch, [](Outcome c, Outcome b) {
    return c == Outcome::false_ ? b : Outcome::false_;
  });
  return zip_outcomes(taken, other, [](Outcome a, Outcome b) { return outcome_or(a, b); });
}

}  // namespace kerf
