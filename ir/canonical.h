// The one spelling of ids of kernel-bound types (design 3): dotted IPv4; RFC 5952 IPv6, never IPv4-mapped; plain
// decimal port; absolute paths without `.`, `..`, `//` or trailing slash.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ir/values/value.h"

namespace kerf {

std::string endpoint_id(const IpAddr& address, std::uint16_t port);   // "10.0.0.1:443", "[2001:db8::1]:443"
// Accepts the canonical spelling only; addresses that normalise_address() changes have none of their own.
std::optional<std::pair<IpAddr, std::uint16_t>> parse_endpoint_id(std::string_view id);
// What a reader probably meant, for the fix-it: other IPv6 forms, mapped addresses, leading zeros, missing brackets.
std::optional<std::string> suggest_endpoint_id(std::string_view id);

bool is_canonical_path(std::string_view path);
std::optional<std::string> suggest_path(std::string_view path);

// As hooks see addresses: mapped IPv6 becomes IPv4, then 0.0.0.0 is 127.0.0.1 and :: is ::1.
IpAddr normalise_address(IpAddr address);

}  // namespace kerf
