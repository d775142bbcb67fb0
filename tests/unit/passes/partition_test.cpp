// Random formulas over maps of one observable: every value is in one part, whose rest is the formula's for that value.
#include "ir/passes/partition.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <set>

#include "ir/passes/address_set.h"

using namespace kerf;

namespace {

using Rest = Residuals::Id;
constexpr std::uint32_t kFirst = 100, kMaps = 3;   // atoms 100 … 102 are of the observable, 0, 1 and 103 are not
constexpr unsigned kValues = 8;

struct Random {
  std::mt19937 random;
  unsigned pick(unsigned n) { return static_cast<unsigned>(random() % n); }
  Outcome outcome() { return pick(6) == 0 ? Outcome::error : pick(2) == 0 ? Outcome::true_ : Outcome::false_; }
};

template <class Map>
Rest random_formula(Random& random, Residuals& residuals, const std::vector<Map>& maps, int depth) {
  if (depth == 0 || random.pick(5) == 0) {
    const std::uint32_t others[] = {0, 1, kFirst + kMaps};
    if (random.pick(3) == 0) return residuals.atom(others[random.pick(3)], false);
    const std::uint32_t map = random.pick(kMaps);
    return residuals.atom(kFirst + map, can_fail(maps[map]));
  }
  const Rest a = random_formula(random, residuals, maps, depth - 1), b = random_formula(random, residuals, maps, depth - 1);
  switch (random.pick(4)) {
    case 0: return residuals.both(a, b);
    case 1: return residuals.either(a, b);
    case 2: return residuals.choice(a, b, residuals.negation(b));
    default: return residuals.choice(a, random_formula(random, residuals, maps, depth - 1), b);
  }
}

template <class Key>
Steps<Key> random_map(Random& random, const Steps<Key>*, const Key& least, const std::vector<Key>& keys) {
  Steps<Key> map;
  map.append(least, random.outcome());
  for (const Key& key : keys) {
    if (random.pick(2) == 0) map.append(key, random.outcome());
  }
  return map;
}
template <class Key>
Exceptions<Key> random_map(Random& random, const Exceptions<Key>*, const Key&, const std::vector<Key>& keys) {
  Exceptions<Key> map{random.outcome(), {}};
  for (const Key& key : keys) {
    if (random.pick(2) == 0) map.append(key, random.outcome());
  }
  return map;
}

template <class Key>
Outcome at(const Steps<Key>& map, const Key& key) {
  Outcome outcome = map.at.front().second;
  for (const auto& [first, next] : map.at) {
    if (first <= key) outcome = next;
  }
  return outcome;
}
template <class Key>
Outcome at(const Exceptions<Key>& map, const Key& key) {
  for (const auto& [listed, outcome] : map.listed) {
    if (listed == key) return outcome;
  }
  return map.others;
}

// Neighbours are one range.
bool is_joined(const PortSet& set) {
  for (std::size_t i = 1; i < set.size(); ++i) {
    if (set[i - 1].last + 1 >= set[i].first) return false;
  }
  return true;
}
template <class Range>
bool are_joined(const std::vector<Range>& ranges, std::uint8_t family) {
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    AddressKey before{family};
    std::copy_n(ranges[i - 1].last.begin(), family == 0 ? 4 : 16, before.begin() + 1);
    const auto next = next_address(before);
    if (!next || !std::lexicographical_compare(next->begin() + 1, next->end(), ranges[i].first.begin(), ranges[i].first.end())) return false;
  }
  return true;
}
bool is_joined(const AddressSet& set) { return are_joined(set.v4, 0) && are_joined(set.v6, 1); }
bool is_joined(const EndpointSet& set) { return std::adjacent_find(set.listed.begin(), set.listed.end(), std::not_fn(std::less<>())) == set.listed.end(); }

// `keys`: those that maps tell apart, ascending; `probes`: more of them.
template <class Map, class Set, class Key>
void check_partition(Parts<Set> (*partition)(Residuals&, Rest, std::uint32_t, const std::vector<Map>&, const Limits&),
                     const std::vector<Key>& keys, std::vector<Key> probes, const std::function<bool(const Set&, const Key&)>& holds) {
  Random random{std::mt19937(20261126)};
  const Key least = probes.front();
  probes.insert(probes.end(), keys.begin(), keys.end());
  unsigned whole = 0, split = 0;
  for (int i = 0; i < 300; ++i) {
    Residuals residuals;
    std::vector<Map> maps;
    for (std::uint32_t m = 0; m < kMaps; ++m) maps.push_back(random_map(random, static_cast<const Map*>(nullptr), least, keys));
    const Rest root = random_formula(random, residuals, maps, 3);
    Residuals again = residuals, too_little = residuals;
    const auto parts = partition(residuals, root, kFirst, maps, {100, 1'000'000});
    REQUIRE(parts);
    CHECK(partition(again, root, kFirst, maps, {100, residuals.work()}));   // as much as it needs
    std::set<Rest> rests;
    for (const auto& [rest, set] : *parts) {
      CHECK(rests.insert(rest).second);
      CHECK(set.has_value() == (parts->size() > 1));
      if (set) CHECK(is_joined(*set));
    }
    for (const Key& key : probes) {
      std::vector<Outcome> outcomes;
      for (const Map& map : maps) outcomes.push_back(at(map, key));
      const Rest wanted = residuals.specialise(root, kFirst, outcomes);
      for (const auto& [rest, set] : *parts) REQUIRE((!set || holds(*set, key)) == (rest == wanted));
    }
    if (parts->size() < 2) {
      ++whole;
      continue;
    }
    ++split;   // one part more than the limit may be there: often nothing holds in it
    CHECK(partition(residuals, root, kFirst, maps, {parts->size() - 1, 1'000'000}));
    CHECK_FALSE(partition(residuals, root, kFirst, maps, {parts->size() - 2, 1'000'000}));
    CHECK_FALSE(partition(too_little, root, kFirst, maps, {100, again.work() - 1}));
  }
  CHECK(whole > 5);
  CHECK(split > 100);
}

}  // namespace

TEST_CASE("ports are parted by what is left of the formula") {
  std::vector<std::uint32_t> keys;
  for (unsigned i = 0; i < kValues; ++i) keys.push_back(i == kValues - 1 ? 65535 : 1 + i * 3);
  check_partition<PortOutcomes, PortSet, std::uint32_t>(
      partition_ports, keys, {0, 2, 3, 6, 20, 65534}, [](const PortSet& set, const std::uint32_t& port) {
        return std::any_of(set.begin(), set.end(), [&](const PortRange& range) { return range.first <= port && port <= range.last; });
      });
}

TEST_CASE("addresses are parted by what is left of the formula") {
  auto key = [](std::uint8_t family, std::uint8_t last) {
    AddressKey made{};
    made.front() = family;
    made[family == 0 ? 4 : 16] = last;
    return made;
  };
  REQUIRE(key(0, 0) == kFirstAddress);
  std::vector<AddressKey> keys;
  for (unsigned i = 0; i < kValues; ++i) keys.push_back(key(i < kValues / 2 ? 0 : 1, static_cast<std::uint8_t>(i < kValues / 2 ? 1 + 3 * i : 3 * i)));
  check_partition<AddressOutcomes, AddressSet, AddressKey>(
      partition_addresses, keys, {kFirstAddress, key(0, 2), key(0, 255), kFirstV6, key(1, 255)},
      [](const AddressSet& set, const AddressKey& address) { return contains(set, address_of(address)); });
}

TEST_CASE("endpoints are parted by what is left of the formula") {
  std::vector<EndpointKey> keys;
  for (unsigned i = 0; i < kValues; ++i) keys.push_back({i >= 4, {10, static_cast<std::uint8_t>(i / 2)}, static_cast<std::uint16_t>(80 + i % 2)});
  check_partition<EndpointOutcomes, EndpointSet, EndpointKey>(
      partition_endpoints, keys, {{false, {9}, 80}, {false, {10}, 82}, {true, {10}, 80}},
      [](const EndpointSet& set, const EndpointKey& endpoint) { return set.holds(endpoint); });
}

TEST_CASE("maps that are equal have one hash, and can fail where an error is") {
  const PortOutcomes low{{{0, Outcome::true_}, {1024, Outcome::false_}}}, failing{{{0, Outcome::true_}, {1024, Outcome::error}}};
  const PortOutcomes again = low;
  CHECK(same_map(low, again));
  CHECK(hash_of(low) == hash_of(again));
  CHECK_FALSE(same_map(low, failing));
  CHECK_FALSE(can_fail(low));
  CHECK(can_fail(failing));
  CHECK_FALSE(can_fail(AddressOutcomes{{{kFirstAddress, Outcome::true_}, {kFirstV6, Outcome::false_}}}));
  CHECK(can_fail(AddressOutcomes{{{kFirstAddress, Outcome::true_}, {kFirstV6, Outcome::error}}}));
  const EndpointOutcomes none{Outcome::false_, {}}, all{Outcome::true_, {}}, errors{Outcome::error, {}};
  CHECK(same_map(none, EndpointOutcomes{Outcome::false_, {}}));
  CHECK_FALSE(same_map(none, all));
  CHECK_FALSE(can_fail(all));
  CHECK(can_fail(errors));
}
