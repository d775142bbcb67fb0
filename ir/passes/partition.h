// Splits a formula by one observable: classes with the same rest of the formula, in order of discovery.
#pragma once
#include <optional>
#include <utility>
#include <vector>

#include "ir/passes/hook_outcomes.h"
#include "ir/passes/residual.h"
#include "ir/passes/resource_outcomes.h"

namespace kerf {

struct Limits {
  std::size_t parts;
  std::uint64_t work;   // of Residuals::work
};

// A set that holds always is nothing. Nothing at all: a limit was hit.
template <class Set>
using Parts = std::optional<std::vector<std::pair<Residuals::Id, std::optional<Set>>>>;

Parts<AddressSet> partition_addresses(Residuals& residuals, Residuals::Id root, std::uint32_t first_atom,
                                      const std::vector<AddressOutcomes>& atoms, const Limits& limits);
Parts<PortSet> partition_ports(Residuals& residuals, Residuals::Id root, std::uint32_t first_atom,
                               const std::vector<PortOutcomes>& atoms, const Limits& limits);
Parts<EndpointSet> partition_endpoints(Residuals& residuals, Residuals::Id root, std::uint32_t first_atom,
                                       const std::vector<EndpointOutcomes>& atoms, const Limits& limits);

// Equality and hash of outcome maps, and whether an error is among the outcomes.
bool can_fail(const AddressOutcomes& map);
bool can_fail(const PortOutcomes& map);
bool can_fail(const EndpointOutcomes& map);
bool same_map(const AddressOutcomes& a, const AddressOutcomes& b);
bool same_map(const PortOutcomes& a, const PortOutcomes& b);
bool same_map(const EndpointOutcomes& a, const EndpointOutcomes& b);
std::uint64_t hash_of(const AddressOutcomes& map);
std::uint64_t hash_of(const PortOutcomes& map);
std::uint64_t hash_of(const EndpointOutcomes& map);

}  // namespace kerf
