// Keys that both the index and the look-up compute, and the look-up itself. Private to runtime/gateway.
#pragma once
#include "runtime/gateway/plan.h"

namespace kerf::gateway {

inline constexpr std::uint64_t kRollStart = 0xcbf29ce484222325u;
constexpr std::uint64_t roll(std::uint64_t hash, char c) { return (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u; }
constexpr std::uint64_t finish_affix(std::uint64_t hash, bool prefix) { return hash * 2 + (prefix ? 1 : 0); }
constexpr std::uint64_t affix_key(std::string_view affix, bool prefix) {
  std::uint64_t hash = kRollStart;
  for (char c : affix) hash = roll(hash, c);
  return finish_affix(hash, prefix);
}
// The network of an IPv4 address, exact.
constexpr std::uint64_t range_key(const IpAddr& address, std::uint8_t prefix) {
  const std::uint32_t bits = static_cast<std::uint32_t>(address.bytes[0]) << 24 | static_cast<std::uint32_t>(address.bytes[1]) << 16 |
                             static_cast<std::uint32_t>(address.bytes[2]) << 8 | address.bytes[3];
  return static_cast<std::uint64_t>(prefix) << 32 | (prefix == 0 ? 0 : bits >> (32 - prefix) << (32 - prefix));
}

}  // namespace kerf::gateway
