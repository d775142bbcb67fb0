// Extension constructors: strict text to value, and back to the one canonical text. ip() is here; decimal is short
// enough to be here too; datetime and duration are in time.cpp. Messages are the official engine's.
#include "ir/values/extension.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <span>

namespace kerf {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool all_digits(std::string_view text) { return std::all_of(text.begin(), text.end(), is_digit); }

template <class T>
std::optional<T> accepted(Result<T> result) {
  if (!result.ok()) return std::nullopt;
  return result.value();
}

// Groups as Rust's standard library reads them: up to `limit` of 1 to 4 hex digits with single colons between.
std::size_t read_groups(std::string_view& text, std::span<std::uint16_t> groups) {
  std::size_t count = 0;
  while (count < groups.size()) {
    std::string_view rest = text;
    if (count > 0) {
      if (!rest.starts_with(':')) break;
      rest.remove_prefix(1);
    }
    std::uint32_t group = 0;
    std::size_t digits = 0;
    for (; digits < rest.size(); ++digits) {
      char c = rest[digits];
      bool hex = is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
      if (!hex) break;
      group = group * 16 + static_cast<std::uint32_t>(is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
      if (digits == 4) return count;
    }
    if (digits == 0) break;
    groups[count++] = static_cast<std::uint16_t>(group);
    text = rest.substr(digits);
  }
  return count;
}

std::optional<IpAddr> ipv6_address(std::string_view text) {
  std::array<std::uint16_t, 8> groups{};
  std::size_t head = read_groups(text, groups);
  if (head < 8) {
    if (!text.starts_with("::")) return std::nullopt;
    text.remove_prefix(2);
    std::array<std::uint16_t, 7> tail{};
    std::size_t count = read_groups(text, std::span(tail).first(7 - head));
    std::copy_n(tail.begin(), count, groups.end() - static_cast<std::ptrdiff_t>(count));
  }
  if (!text.empty()) return std::nullopt;
  IpAddr address{true, 128, {}};
  for (std::size_t i = 0; i < 8; ++i) {
    address.bytes[2 * i] = static_cast<std::uint8_t>(groups[i] >> 8);
    address.bytes[2 * i + 1] = static_cast<std::uint8_t>(groups[i] & 0xff);
  }
  return address;
}

std::optional<IpAddr> ipv4_address(std::string_view text) {
  IpAddr address{false, 32, {}};
  const char *at = text.data(), *const end = at + text.size();
  auto digit = [&] { return at == end ? 10u : static_cast<unsigned>(static_cast<unsigned char>(*at)) - '0'; };   // above 9: none
  for (std::size_t i = 0; i < 4; ++i) {
    if (i > 0 && (at == end || *at++ != '.')) return std::nullopt;
    unsigned number = digit();
    if (number > 9) return std::nullopt;
    ++at;
    for (int more = 0; number != 0 && more < 2 && digit() <= 9; ++more, ++at) number = number * 10 + digit();   // a 0 stands alone
    if (number > 255) return std::nullopt;
    address.bytes[i] = static_cast<std::uint8_t>(number);
  }
  return at == end ? std::optional(address) : std::nullopt;
}

std::optional<IpAddr> address_of(std::string_view text) {
  if (auto v4 = ipv4_address(text)) return v4;
  return ipv6_address(text);
}

Result<std::uint8_t> read_prefix(std::string_view text, int limit, std::size_t limit_digits) {
  if (text.size() > limit_digits) {
    return Error{fmt::format("error parsing prefix: string length {} is too large", text.size())};
  }
  if (!all_digits(text)) return Error{fmt::format("error parsing prefix `{}`: encountered non-digit", text)};
  if (text.size() > 1 && text[0] == '0') return Error{fmt::format("error parsing prefix `{}`: leading zero(s)", text)};
  if (text.empty()) return Error{"error parsing prefix from the string ``: cannot parse integer from empty string"};
  int prefix = 0;
  for (char c : text) prefix = prefix * 10 + (c - '0');
  if (prefix > 255) {
    return Error{fmt::format("error parsing prefix from the string `{}`: number too large to fit in target type", text)};
  }
  if (prefix > limit) return Error{fmt::format("error parsing prefix: {} is larger than the limit {}", prefix, limit)};
  return static_cast<std::uint8_t>(prefix);
}

}  // namespace

Result<IpAddr> read_ip(std::string_view text) {
  if (std::optional<IpAddr> plain = ipv4_address(text)) return *plain;   // most are
  constexpr std::size_t longest = 43;  // eight groups of four, seven colons, and "/128"
  if (text.size() > longest) {
    return Error{fmt::format("error parsing IP address from string `{}`: string length is too large", text)};
  }
  if (std::count(text.begin(), text.end(), ':') >= 2 && std::count(text.begin(), text.end(), '.') >= 2) {
    return Error{fmt::format("error parsing IP address from string: We do not accept IPv4 embedded in IPv6 (e.g., "
                             "::ffff:127.0.0.1). Found: `{}`", text)};
  }
  std::size_t slash = text.find('/');
  std::optional<IpAddr> address = address_of(text.substr(0, slash));
  if (slash == std::string_view::npos) {
    if (!address) return Error{fmt::format("invalid IP address: {}", text)};
    return *address;
  }
  if (!address) {
    return Error{fmt::format("error parsing IP address from the string `{}`: invalid IP address syntax",
                             text.substr(0, slash))};
  }
  auto prefix = address->v6 ? read_prefix(text.substr(slash + 1), 128, 3) : read_prefix(text.substr(slash + 1), 32, 2);
  if (!prefix.ok()) return prefix.error();
  address->prefix = *prefix;
  return *address;
}

std::string to_text(const IpAddr& a) {
  std::string out;
  if (!a.v6) {
    out = fmt::format("{}.{}.{}.{}", a.bytes[0], a.bytes[1], a.bytes[2], a.bytes[3]);
    return a.prefix == 32 ? out : fmt::format("{}/{}", out, a.prefix);
  }
  auto group = [&](std::size_t i) { return a.bytes[2 * i] << 8 | a.bytes[2 * i + 1]; };
  // RFC 5952: the longest run of two or more zero groups, the first of equals, becomes `::`.
  std::size_t run_begin = 8, run_length = 1;
  for (std::size_t i = 0; i < 8; ++i) {
    std::size_t end = i;
    while (end < 8 && group(end) == 0) ++end;
    if (end - i > run_length) {
      run_begin = i;
      run_length = end - i;
    }
    if (end > i) i = end;
  }
  for (std::size_t i = 0; i < 8; ++i) {
    if (i == run_begin) {
      out += "::";
      i += run_length - 1;
      continue;
    }
    if (!out.empty() && out.back() != ':') out += ':';
    out += fmt::format("{:x}", group(i));
  }
  return a.prefix == 128 ? out : fmt::format("{}/{}", out, a.prefix);
}

namespace {

// True if the first `bits` of both addresses are equal.
bool same_network(const IpAddr& a, const IpAddr& b, int bits) {
  int whole = bits / 8;
  if (!std::equal(a.bytes.begin(), a.bytes.begin() + whole, b.bytes.begin())) return false;
  if (bits % 8 == 0) return true;
  int mask = 0xff00 >> (bits % 8) & 0xff;
  return (a.bytes[static_cast<std::size_t>(whole)] & mask) == (b.bytes[static_cast<std::size_t>(whole)] & mask);
}

}  // namespace

bool ip_in_range(const IpAddr& address, const IpAddr& range) {
  return address.v6 == range.v6 && address.prefix >= range.prefix && same_network(address, range, range.prefix);
}

bool ip_is_loopback(const IpAddr& a) {
  IpAddr loopback{a.v6, static_cast<std::uint8_t>(a.v6 ? 128 : 8), {}};
  loopback.bytes[a.v6 ? 15 : 0] = a.v6 ? 1 : 127;
  return ip_in_range(a, loopback);
}

bool ip_is_multicast(const IpAddr& a) {
  IpAddr multicast{a.v6, static_cast<std::uint8_t>(a.v6 ? 8 : 4), {}};
  multicast.bytes[0] = a.v6 ? 0xff : 0xe0;
  return ip_in_range(a, multicast);
}

// Where Unicode's other runs of ten decimal digits (general category Nd) begin.
constexpr char32_t kDigitRuns[] = {
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0, 0xf20,
    0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0,
    0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0,
    0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0,
    0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
};

bool is_any_digit(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  const auto* after = std::upper_bound(std::begin(kDigitRuns), std::end(kDigitRuns), c);
  return after != std::begin(kDigitRuns) && c - after[-1] < 10;
}

// The first scalar of a text that is not empty; taken off it. Strings are valid UTF-8.
char32_t take_scalar(std::string_view& text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const std::size_t size = std::min<std::size_t>(text.size(), lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4);
  char32_t scalar = size == 1 ? lead : lead & (0x7fu >> size);
  for (std::size_t i = 1; i < size; ++i) scalar = scalar << 6 | (static_cast<unsigned char>(text[i]) & 0x3fu);
  text.remove_prefix(size);
  return scalar;
}

// Digits of any script: the official reader takes them for a number, and then finds none in it.
bool all_any_digits(std::string_view text) {
  if (text.empty()) return false;
  while (!text.empty()) {
    if (!is_any_digit(take_scalar(text))) return false;
  }
  return true;
}

Result<Decimal> read_decimal(std::string_view text) {
  Error malformed{fmt::format("`{}` is not a well-formed decimal value", text)};
  Error overflow{"overflow when converting to decimal"};
  bool negative = text.starts_with('-');
  std::string_view digits = text.substr(negative ? 1 : 0);
  std::size_t dot = digits.find('.');
  if (dot == std::string_view::npos) return malformed;
  std::string_view whole = digits.substr(0, dot);
  std::string_view fraction = digits.substr(dot + 1);
  if (!all_any_digits(whole) || !all_any_digits(fraction)) return malformed;
  if (!all_digits(whole) || !all_digits(fraction)) return overflow;
  std::int64_t value = 0;
  auto append = [&](std::string_view more) {
    for (char c : more) {
      std::int64_t digit = negative ? -(c - '0') : c - '0';
      if (__builtin_mul_overflow(value, std::int64_t{10}, &value)) return false;
      if (__builtin_add_overflow(value, digit, &value)) return false;
    }
    return true;
  };
  // The official order: a whole part that is too large is told before a fraction that is too long.
  const std::int64_t scale = 10000;
  std::int64_t scaled = 0;
  if (!append(whole) || __builtin_mul_overflow(value, scale, &scaled)) return overflow;
  if (fraction.size() > 4) return Error{fmt::format("too many digits after the decimal in `{}`", text)};
  value = 0;
  append(fraction);
  for (std::size_t i = fraction.size(); i < 4; ++i) value *= 10;
  if (__builtin_add_overflow(scaled, value, &value)) return overflow;
  return Decimal{value};
}

std::string to_text(const Decimal& d) {
  // Unsigned negation: the magnitude of the least value does not fit in 63 bits.
  auto magnitude = static_cast<std::uint64_t>(d.ten_thousandths);
  if (d.ten_thousandths < 0) magnitude = 0 - magnitude;
  std::string fraction = fmt::format("{:04}", magnitude % 10000);
  while (fraction.size() > 1 && fraction.back() == '0') fraction.pop_back();
  return fmt::format("{}{}.{}", d.ten_thousandths < 0 ? "-" : "", magnitude / 10000, fraction);
}

std::optional<Decimal> parse_decimal(std::string_view text) { return accepted(read_decimal(text)); }
std::optional<IpAddr> parse_ip(std::string_view text) {
  if (std::optional<IpAddr> plain = ipv4_address(text)) return plain;   // without a detour
  return accepted(read_ip(text));
}
std::optional<Datetime> parse_datetime(std::string_view text) { return accepted(read_datetime(text)); }
std::optional<Duration> parse_duration(std::string_view text) { return accepted(read_duration(text)); }

}  // namespace kerf
