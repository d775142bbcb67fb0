#include <doctest/doctest.h>

#include <chrono>

#include "ir/values/entities.h"

using namespace kerf;

namespace {

EntityUid node(std::size_t i) { return {"N", std::to_string(i)}; }

Entity entity(EntityUid uid, std::vector<EntityUid> parents) { return {std::move(uid), {}, {}, std::move(parents)}; }

Entities built(std::vector<Entity> entities) {
  auto result = Entities::build(std::move(entities));
  REQUIRE(result.ok());
  return *result;
}

}  // namespace

TEST_CASE("in is reflexive and transitive, also through parents that are not stored") {
  Entities store = built({entity(node(1), {node(2)}), entity(node(2), {node(3)}), entity(node(4), {})});
  CHECK(store.is_in(node(1), node(1)));
  CHECK(store.is_in(node(1), node(2)));
  CHECK(store.is_in(node(1), node(3)));
  CHECK(!store.is_in(node(2), node(1)));
  CHECK(!store.is_in(node(4), node(1)));
  CHECK(store.is_in(node(9), node(9)));
  CHECK(!store.is_in(node(9), node(1)));
  CHECK(!store.is_in(node(3), node(1)));
  CHECK(store.find(node(3)) == nullptr);
  CHECK(store.find(node(2))->parents.size() == 1);
  CHECK(store.ancestors(node(1)) == std::vector{node(2), node(3)});
  CHECK(store.ancestors(node(9)).empty());
  CHECK(store.descendants(node(3)).size() == 2);
  CHECK(store.is_in_any(node(1), *Value::set({Value(node(7)), Value(node(3))}).as_set()));
  CHECK(!store.is_in_any(node(1), *Value::set({Value(node(7)), Value(node(4))}).as_set()));
  CHECK(!store.is_in_any(node(1), {}));
  CHECK(!Entities().is_in(node(1), node(2)));
}

TEST_CASE("cycles and contradictions are refused, repetitions accepted") {
  CHECK(!Entities::build({entity(node(1), {node(1)})}).ok());
  CHECK(!Entities::build({entity(node(1), {node(2)}), entity(node(2), {node(1)}), entity(node(0), {node(1)})}).ok());
  CHECK(!Entities::build({entity(node(1), {node(2)}), entity(node(1), {})}).ok());
  CHECK(built({entity(node(1), {node(2), node(2)}), entity(node(1), {node(2)})}).all().size() == 1);
}

TEST_CASE("with() replaces and adds") {
  Entities store = built({entity(node(1), {node(2)}), entity(node(2), {})});
  auto changed = store.with({entity(node(1), {node(3)}), entity(node(3), {})});
  REQUIRE(changed.ok());
  CHECK(changed->is_in(node(1), node(3)));
  CHECK(!changed->is_in(node(1), node(2)));
  CHECK(store.is_in(node(1), node(2)));
  CHECK(changed->all().size() == 3);
  CHECK(!store.with({entity(node(2), {node(1)})}).ok());
}

TEST_CASE("stored and walked closures agree with reachability on random graphs") {
  std::uint32_t seed = 7;
  auto random = [&](std::uint32_t bound) {
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % bound;
  };
  for (std::uint32_t size : {10u, 80u, 200u}) {
    std::vector<std::vector<bool>> reach(size, std::vector<bool>(size));
    std::vector<Entity> entities;
    for (std::uint32_t i = 0; i < size; ++i) {
      std::vector<EntityUid> parents;
      for (std::uint32_t k = random(4); k > 0 && i > 0; --k) {
        std::uint32_t parent = i - 1 - random(std::min(i, 5u));
        parents.push_back(node(parent));
        reach[i][parent] = true;
        for (std::uint32_t j = 0; j < size; ++j) {
          if (reach[parent][j]) reach[i][j] = true;
        }
      }
      entities.push_back(entity(node(i), std::move(parents)));
    }
    Entities store = built(std::move(entities));
    for (std::uint32_t i = 0; i < size; ++i) {
      std::size_t count = 0;
      for (std::uint32_t j = 0; j < size; ++j) {
        bool expected = i == j || reach[i][j];
        count += reach[i][j];
        if (store.is_in(node(i), node(j)) != expected) FAIL("in differs");
        if (store.is_in_any(node(i), {Value(node(j))}) != expected) FAIL("in any differs");
      }
      CHECK(store.ancestors(node(i)).size() == count);
    }
  }
}

TEST_CASE("a chain of 100,000 is built in near linear time and walked exactly") {
  constexpr std::size_t length = 100'000;
  std::vector<Entity> entities;
  for (std::size_t i = 0; i + 1 < length; ++i) entities.push_back(entity(node(i), {node(i + 1)}));
  auto begin = std::chrono::steady_clock::now();
  Entities store = built(std::move(entities));
  CHECK(store.is_in(node(0), node(length - 1)));
  CHECK(!store.is_in(node(1), node(0)));
  CHECK(store.is_in(node(length - 10), node(length - 1)));
  CHECK(store.ancestors(node(0)).size() == length - 1);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));
}
