// Search trees that leave their tables, are not in order, or say of several halves what holds in one.
#include <doctest/doctest.h>
#include <linux/types.h>

#include "backends/check/row_sets.h"
#include "runtime/abi/policy_abi.h"
#include "runtime/kernel/tables.h"

using namespace kerf::proof;

namespace {

constexpr std::uint64_t kTop = std::uint64_t{1} << 63;

// Pair 0, of high halves: 3 is the class up to 5, at 5 the low halves of pair 1 count, from 6 on it is 4; with the first bit 7.
// Pair 1: 8 up to 2^63, then 9.
ObjectTables tables() {
  ObjectTables made;
  made.keys64 = {0, kTop - 1, 6, kTop - 1, 5, kTop - 1, kTop - 1, kTop - 1};
  made.ranks = {3, KERF_LOW_HALF | 1, 4, 4, 4, 4, 4, 4, 7, 8, 9};
  made.trees = {0, 3, 0, 0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 0, 10, 0};
  return made;
}

}  // namespace

TEST_CASE("classes of IPv6 addresses are read as hooks search them") {
  const auto ranks = read_halves(tables(), 0);
  REQUIRE(ranks);
  CHECK(ranks->starts == std::vector<Key>{{0, 0}, {5, 0}, {5, kTop}, {6, 0}, {kTop - 1, 0}, {kTop, 0}});
  CHECK(ranks->classes == std::vector<std::uint32_t>{3, 8, 9, 4, 4, 7});
}

TEST_CASE("trees may be as deep as the most bounds make them, and not deeper") {
  for (std::uint32_t depth : {21u, 24u}) {
    ObjectTables made;
    made.keys64.assign(1u << depth, kTop - 1);
    made.ranks.assign(1u << depth, 3);
    made.trees = {0, depth, 0, 0, 0, 0, 0, 0};
    CHECK(read_halves(made, 0).has_value() == (depth == 21));
  }
}

TEST_CASE("trees that leave their tables, or are not in order") {
  CHECK_FALSE(read_halves(tables(), 2));
  auto refused = [](auto change) {
    ObjectTables changed = tables();
    change(changed);
    return !read_halves(changed, 0);
  };
  CHECK_FALSE(refused([](ObjectTables&) {}));
  CHECK(refused([](ObjectTables& t) { t.keys64.pop_back(); }));
  CHECK(refused([](ObjectTables& t) { t.ranks.pop_back(); }));
  CHECK(refused([](ObjectTables& t) { t.trees.pop_back(); }));
  CHECK(refused([](ObjectTables& t) { t.trees[KERF_TREE_KEYS] = 1; }));
  CHECK(refused([](ObjectTables& t) { t.trees[KERF_TREE_DEPTH] = 2; }));
  CHECK(refused([](ObjectTables& t) { t.trees[KERF_TREE_DEPTH] = 63; }));
  CHECK(refused([](ObjectTables& t) { t.trees[KERF_TREE_RANKS] = 4; }));
  CHECK(refused([](ObjectTables& t) { std::swap(t.keys64[2], t.keys64[4]); }));
  CHECK(refused([](ObjectTables& t) { t.keys64[7] = kTop; }));                       // of the other tree
  CHECK(refused([](ObjectTables& t) { t.trees[KERF_TREE_FIELDS + KERF_TREE_DEPTH] = 3; t.ranks.resize(32); t.keys64[7] = kTop; }));
  CHECK(refused([](ObjectTables& t) { t.ranks[1] = KERF_LOW_HALF | 2; }));
  CHECK(refused([](ObjectTables& t) { t.ranks[0] = KERF_LOW_HALF | 1; }));           // up to 5
  CHECK(refused([](ObjectTables& t) { t.ranks[8] = KERF_LOW_HALF | 1; }));           // all with the first bit
  CHECK(refused([](ObjectTables& t) { t.keys64[2] = 7; }));                          // 5 and 6
  CHECK_FALSE(refused([](ObjectTables& t) { t.ranks[7] = KERF_LOW_HALF | 1; }));     // the last without the first bit
}

TEST_CASE("endpoints are found where a look-up comes, and in tables that it does not leave") {
  std::vector<std::uint32_t> env(KERF_ENV_FIELDS);
  env[KERF_ENV_PEER_COUNT] = 1;
  env[KERF_ENV_PEER_OTHERS] = 5;
  env[KERF_ENV_PEER_FACTOR_SHIFT] = env[KERF_ENV_PEER_SLOT_SHIFT] = 63;
  const std::uint64_t tail = 443 | 1u << 16 | KERF_PEER_USED, hash = kerf_peer_hash(0, 1, 2, tail);
  ObjectTables made;
  made.peer_factors = {1, 1};
  made.peer_slots.resize(2 * KERF_PEER_FIELDS);
  auto put = [&](std::uint64_t slot) {
    const std::uint64_t entry[] = {1, 2, tail, 6};
    std::copy(std::begin(entry), std::end(entry), made.peer_slots.begin() + static_cast<std::ptrdiff_t>(slot * KERF_PEER_FIELDS));
  };
  put(hash >> 63);
  auto read = read_peers(made, env);
  REQUIRE(read);
  CHECK(read->listed == std::vector<Endpoint>{{true, {1, 2}, 443}});
  CHECK(read->classes == std::vector<std::uint32_t>{5, 6});
  put(1 - (hash >> 63));                                                             // there too, where nothing looks
  CHECK(read_peers(made, env)->listed.size() == 1);
  for (auto [field, value] : {std::pair(KERF_ENV_PEER_FACTOR_SHIFT, 62u), {KERF_ENV_PEER_SLOT_SHIFT, 62u}, {KERF_ENV_PEER_FACTOR_SHIFT, 64u}, {KERF_ENV_PEER_SLOT_SHIFT, 64u},
                              {KERF_ENV_PEER_FACTOR_SHIFT, 0u}, {KERF_ENV_PEER_SLOT_SHIFT, 0u}, {KERF_ENV_PEER_FACTORS, 1u}, {KERF_ENV_PEER_SLOTS, 1u}}) {
    CAPTURE(field);
    CAPTURE(value);
    std::vector<std::uint32_t> changed = env;
    changed[field] = value;
    CHECK_FALSE(read_peers(made, changed));
  }
}
