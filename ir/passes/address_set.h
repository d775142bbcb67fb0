// Addresses in one order: all of IPv4, then all of IPv6.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "ir/passes/plan.h"

namespace kerf {

// First byte 0 and four bytes of address (the rest zero), or 1 and sixteen bytes.
using AddressKey = std::array<std::uint8_t, 17>;

inline constexpr AddressKey kFirstAddress{};
inline constexpr AddressKey kFirstV6{1};

AddressKey address_key(const IpAddr& address);     // prefix ignored
IpAddr address_of(const AddressKey& key);          // full prefix
std::optional<AddressKey> next_address(AddressKey key);
AddressKey previous_address(AddressKey key);       // of a key that is not the first of its family

// First and last address of a prefix.
std::pair<AddressKey, AddressKey> prefix_bounds(const IpAddr& range);

// Adds [first, end) to `set`; `end` nothing: to the end of IPv6. Ranges are added in order; neighbours are joined.
void add_range(AddressSet& set, const AddressKey& first, const std::optional<AddressKey>& end);

bool contains(const AddressSet& set, const IpAddr& address);
std::string to_text(const AddressSet& set);        // "10.0.0.0/8, 192.0.2.1-192.0.2.9"

}  // namespace kerf
