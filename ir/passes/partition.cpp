// Sweeps over the boundaries of all atoms of one observable. The one decision: classes are grouped by the interned
// rest of the formula, not by the atoms' outcomes, so differences that do not matter make no rows.
#include "ir/passes/partition.h"

#include <algorithm>
#include <unordered_map>

#include "ir/passes/rests.h"

namespace kerf {

using Rest = Residuals::Id;

namespace {

template <class Key>
struct Change {
  Key key;
  std::uint32_t atom;
  Outcome outcome;
  friend bool operator<(const Change& a, const Change& b) {
    return a.key != b.key ? a.key < b.key : a.atom < b.atom;
  }
};

// Where the changes of another key follow those at `begin`.
template <class Key>
std::size_t end_of_key(const std::vector<Change<Key>>& changes, std::size_t begin) {
  const auto first = changes.begin() + static_cast<std::ptrdiff_t>(begin);
  return static_cast<std::size_t>(std::find_if(first, changes.end(), [&](const Change<Key>& c) { return c.key != first->key; }) - changes.begin());
}

// Calls `add(rest, first, end)` for the intervals between changes; `end` nothing: to the end of the domain.
template <class Key, class Add>
bool sweep(Residuals& residuals, Rest root, std::uint32_t first_atom, const std::vector<Steps<Key>>& atoms,
           const std::vector<std::uint32_t>& used, const Limits& limits, const Add& add) {
  Rests rests(residuals, root, first_atom, atoms.size());
  std::vector<Change<Key>> changes;
  for (std::uint32_t atom : used) {
    for (const auto& [key, outcome] : atoms[atom].at) changes.push_back({key, atom, outcome});
  }
  std::sort(changes.begin(), changes.end());
  std::optional<std::pair<Rest, Key>> open;
  for (std::size_t i = 0; i < changes.size();) {
    const Key key = changes[i].key;
    for (const std::size_t end = end_of_key(changes, i); i < end; ++i) rests.known[changes[i].atom] = changes[i].outcome;
    const Rest rest = rests.rest(used);
    if (residuals.work() > limits.work) return false;
    if (open && open->first == rest) continue;
    if (open && !add(open->first, open->second, std::optional<Key>(key))) return false;
    open = {rest, key};
  }
  return add(open->first, open->second, std::optional<Key>());
}

template <class Set>
class Grouper {
 public:
  explicit Grouper(const Limits& limits) : limits_(limits) {}

  // The set of the part with this rest; nullptr past the limit.
  Set* of(Rest rest) {
    auto [it, added] = index_.try_emplace(rest, parts_.size());
    if (added) {
      if (parts_.size() > limits_.parts) return nullptr;
      parts_.emplace_back(rest, Set{});
    }
    return &*parts_[it->second].second;
  }

  Parts<Set> take() {
    if (parts_.size() == 1) parts_.front().second.reset();   // holds always
    return std::move(parts_);
  }

 private:
  const Limits& limits_;
  std::vector<std::pair<Rest, std::optional<Set>>> parts_;
  std::unordered_map<Rest, std::size_t> index_;
};

template <class Set>
Parts<Set> undivided(Rest root) {
  return std::vector<std::pair<Rest, std::optional<Set>>>{{root, std::nullopt}};
}

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  return (hash ^ value) * 0x100000001b3ull + (hash >> 29);
}
std::uint64_t hash_key(std::uint64_t hash, std::uint32_t key) { return mix(hash, key); }
std::uint64_t hash_key(std::uint64_t hash, const AddressKey& key) {
  for (std::uint8_t byte : key) hash = mix(hash, byte);
  return hash;
}
std::uint64_t hash_key(std::uint64_t hash, const EndpointKey& key) {
  for (std::uint8_t byte : key.address) hash = mix(hash, byte);
  return mix(hash, key.port * 2u + (key.v6 ? 1u : 0u));
}

template <class List>
std::uint64_t hash_list(std::uint64_t hash, const List& list) {
  for (const auto& [key, outcome] : list) hash = mix(hash_key(hash, key), static_cast<std::uint64_t>(outcome));
  return hash;
}

template <class List>
bool has_error(const List& list) {
  return std::any_of(list.begin(), list.end(), [](const auto& entry) { return entry.second == Outcome::error; });
}

}  // namespace

std::vector<std::uint32_t> atoms_used(const Residuals& residuals, Rest root, std::uint32_t first,
                                      std::size_t count) {
  std::vector<std::uint32_t> used;
  std::vector<Rest> open{root};
  std::unordered_map<Rest, bool> seen;
  while (!open.empty()) {
    Rest id = open.back();
    open.pop_back();
    const Residuals::Node& node = residuals[id];
    if (node.kind == Residuals::Kind::constant || node.last_atom < first || node.first_atom >= first + count) continue;
    if (!seen.emplace(id, true).second) continue;
    if (node.kind == Residuals::Kind::atom) {
      used.push_back(node.atom - first);
      continue;
    }
    for (Rest operand : {node.a, node.b, node.c}) open.push_back(operand);
  }
  std::sort(used.begin(), used.end());
  return used;
}

Parts<AddressSet> partition_addresses(Residuals& residuals, Rest root, std::uint32_t first_atom,
                                      const std::vector<AddressOutcomes>& atoms, const Limits& limits) {
  const auto used = atoms_used(residuals, root, first_atom, atoms.size());
  if (used.empty()) return undivided<AddressSet>(root);
  Grouper<AddressSet> groups(limits);
  auto add = [&](Rest rest, const AddressKey& first, const std::optional<AddressKey>& end) {
    AddressSet* set = groups.of(rest);
    if (set) add_range(*set, first, end);
    return set != nullptr;
  };
  if (!sweep(residuals, root, first_atom, atoms, used, limits, add)) return std::nullopt;
  return groups.take();
}

Parts<PortSet> partition_ports(Residuals& residuals, Rest root, std::uint32_t first_atom,
                               const std::vector<PortOutcomes>& atoms, const Limits& limits) {
  const auto used = atoms_used(residuals, root, first_atom, atoms.size());
  if (used.empty()) return undivided<PortSet>(root);
  Grouper<PortSet> groups(limits);
  auto add = [&](Rest rest, std::uint32_t first, const std::optional<std::uint32_t>& end) {
    PortSet* set = groups.of(rest);
    const auto last = static_cast<std::uint16_t>(end ? *end - 1 : 65535);
    if (set) set->push_back({static_cast<std::uint16_t>(first), last});
    return set != nullptr;
  };
  if (!sweep(residuals, root, first_atom, atoms, used, limits, add)) return std::nullopt;
  return groups.take();
}

Parts<EndpointSet> partition_endpoints(Residuals& residuals, Rest root, std::uint32_t first_atom,
                                       const std::vector<EndpointOutcomes>& atoms, const Limits& limits) {
  const auto used = atoms_used(residuals, root, first_atom, atoms.size());
  if (used.empty()) return undivided<EndpointSet>(root);
  Rests rests(residuals, root, first_atom, atoms.size());
  std::vector<Change<EndpointKey>> changes;
  for (std::uint32_t atom : used) {
    rests.known[atom] = atoms[atom].others;
    for (const auto& [key, outcome] : atoms[atom].listed) changes.push_back({key, atom, outcome});
  }
  std::sort(changes.begin(), changes.end());
  const Rest others = rests.rest(used);
  Grouper<EndpointSet> groups(limits);
  EndpointSet common{{}, true};
  groups.of(others);
  for (std::size_t i = 0; i < changes.size();) {
    const std::size_t begin = i, end = end_of_key(changes, begin);
    const EndpointKey key = changes[begin].key;
    for (; i < end; ++i) rests.known[changes[i].atom] = changes[i].outcome;
    const Rest rest = rests.rest(used);
    for (std::size_t j = begin; j < i; ++j) rests.known[changes[j].atom] = atoms[changes[j].atom].others;
    if (residuals.work() > limits.work) return std::nullopt;
    if (rest == others) continue;
    EndpointSet* set = groups.of(rest);
    if (!set) return std::nullopt;
    set->listed.push_back(key);
    common.listed.push_back(key);
  }
  *groups.of(others) = std::move(common);
  return groups.take();
}

bool can_fail(const AddressOutcomes& map) { return has_error(map.at); }
bool can_fail(const PortOutcomes& map) { return has_error(map.at); }
bool can_fail(const EndpointOutcomes& map) { return map.others == Outcome::error || has_error(map.listed); }
bool same_map(const AddressOutcomes& a, const AddressOutcomes& b) { return a.at == b.at; }
bool same_map(const PortOutcomes& a, const PortOutcomes& b) { return a.at == b.at; }
bool same_map(const EndpointOutcomes& a, const EndpointOutcomes& b) {
  return a.others == b.others && a.listed == b.listed;
}
std::uint64_t hash_of(const AddressOutcomes& map) { return hash_list(1, map.at); }
std::uint64_t hash_of(const PortOutcomes& map) { return hash_list(2, map.at); }
std::uint64_t hash_of(const EndpointOutcomes& map) {
  return hash_list(3 + static_cast<std::uint64_t>(map.others), map.listed);
}

}  // namespace kerf
