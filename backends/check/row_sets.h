// The object's classes, decoded: in which classes of a dimension does a row hold? A class is a list of blocks against a
// base bitmap (runtime/kernel/tables.h); what is stored here is where a row differs from its base.
#pragma once
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "backends/check/read_object.h"

namespace kerf::proof {

// One dimension of an environment: points are ranks, endpoints or match classes.
struct Dimension {
  std::vector<bool> base;                             // by row
  std::vector<std::vector<std::uint32_t>> exceptions; // by row: ascending points where it is not as in the base
  bool holds(std::uint32_t row, std::uint32_t point) const;
};

// `classes`: by point. Nothing: an index leaves its table; the hook would refuse.
std::optional<Dimension> read_dimension(const ObjectTables& tables, std::uint32_t blocks, std::uint32_t base_at,
                                        const std::vector<std::uint32_t>& classes);

struct Key {
  std::uint64_t high = 0, low = 0;
  friend auto operator<=>(const Key&, const Key&) = default;
};

// Where ranks begin: starts[r] is the first key of rank r; ranks without keys are left out. Nothing: the tree is not sorted
// or leaves its table.
struct Ranks {
  std::vector<Key> starts;                            // ascending, the first is 0
  std::vector<std::uint32_t> classes;
  std::uint32_t of(const Key& key) const;             // the index in starts
};
std::optional<Ranks> read_ranks(const ObjectTables& tables, std::uint32_t keys, std::uint32_t depth, std::uint32_t ranks);
// Of IPv6 addresses, by the pair of trees of their high halves. Nothing too where one pair would serve several high halves.
std::optional<Ranks> read_halves(const ObjectTables& tables, std::uint32_t pair);

struct Endpoint {
  bool v6 = false;
  Key address;
  std::uint16_t port = 0;
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

// Endpoints that a look-up finds, with their classes; the first class is that of all others.
struct Peers {
  std::vector<Endpoint> listed;                       // ascending; point i + 1
  std::vector<std::uint32_t> classes;
  std::uint32_t of(const Endpoint& endpoint) const;   // its point; 0: others
};
std::optional<Peers> read_peers(const ObjectTables& tables, std::span<const std::uint32_t> env);

}  // namespace kerf::proof
