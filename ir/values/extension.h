// Extension constructors and printers (cedar-policy-core extensions/*.rs): strict text forms, canonical output.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "ir/values/value.h"

namespace kerf {

// The same with the official engine's message for bad text, less "error while evaluating `decimal` extension function: ".
Result<Decimal> read_decimal(std::string_view text);
Result<IpAddr> read_ip(std::string_view text);
Result<Datetime> read_datetime(std::string_view text);
Result<Duration> read_duration(std::string_view text);

std::optional<Decimal> parse_decimal(std::string_view text);
std::optional<IpAddr> parse_ip(std::string_view text);
std::optional<Datetime> parse_datetime(std::string_view text);
std::optional<Duration> parse_duration(std::string_view text);

std::string to_text(const Decimal& d);   // canonical argument of the constructor: "1.5"
std::string to_text(const IpAddr& a);    // "10.0.0.1", "10.0.0.0/8"; IPv6 as in RFC 5952; no prefix when it is full
// "2024-01-31" or "2024-01-31T23:59:59.999Z". Years outside 0000 to 9999 have no constructor text: see has_text().
std::string to_text(const Datetime& d);
bool has_text(const Datetime& d);
std::string to_text(const Duration& d);

bool ip_in_range(const IpAddr& address, const IpAddr& range);
bool ip_is_loopback(const IpAddr& a);
bool ip_is_multicast(const IpAddr& a);

}  // namespace kerf
