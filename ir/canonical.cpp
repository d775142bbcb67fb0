// Canonical ids. parse_endpoint_id() accepts a text only if printing what it read gives the text back, so there is one
// spelling by construction; suggestions are looser readings that are printed canonically.
#include "ir/canonical.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <vector>

#include "ir/values/extension.h"

namespace kerf {

namespace {

bool is_mapped(const IpAddr& address) {
  if (!address.v6 || address.bytes[10] != 0xff || address.bytes[11] != 0xff) return false;
  return std::all_of(address.bytes.begin(), address.bytes.begin() + 10, [](std::uint8_t byte) { return byte == 0; });
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// A number up to `limit` that may have leading zeros.
std::optional<std::uint32_t> loose_number(std::string_view text, std::uint32_t limit) {
  if (!all_digits(text)) return std::nullopt;
  std::uint32_t number = 0;
  for (char c : text) {
    number = number * 10 + static_cast<std::uint32_t>(c - '0');
    if (number > limit) return std::nullopt;
  }
  return number;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    std::size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::optional<IpAddr> loose_ipv4(std::string_view text) {
  std::vector<std::string_view> octets = split(text, '.');
  if (octets.size() != 4) return std::nullopt;
  IpAddr address;
  for (std::size_t i = 0; i < 4; ++i) {
    auto octet = loose_number(octets[i], 255);
    if (!octet) return std::nullopt;
    address.bytes[i] = static_cast<std::uint8_t>(*octet);
  }
  return address;
}

// IPv6, also with a dotted tail.
std::optional<IpAddr> loose_ipv6(std::string_view text) {
  if (text.find('/') != std::string_view::npos) return std::nullopt;
  std::size_t colon = text.rfind(':');
  if (colon != std::string_view::npos && text.find('.', colon) != std::string_view::npos) {
    auto tail = loose_ipv4(text.substr(colon + 1));
    if (!tail) return std::nullopt;
    std::string hex = fmt::format("{}{:x}:{:x}", text.substr(0, colon + 1), tail->bytes[0] << 8 | tail->bytes[1],
                                  tail->bytes[2] << 8 | tail->bytes[3]);
    return loose_ipv6(hex);
  }
  auto address = parse_ip(text);
  return address && address->v6 ? address : std::nullopt;
}

struct Endpoint {
  std::string_view address, port;
};

// "address:port" or "[address]:port".
std::optional<Endpoint> cut(std::string_view id) {
  std::size_t colon = id.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view address = id.substr(0, colon);
  if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
  return Endpoint{address, id.substr(colon + 1)};
}

}  // namespace

std::string endpoint_id(const IpAddr& address, std::uint16_t port) {
  IpAddr host = address;
  host.prefix = host.v6 ? 128 : 32;
  return fmt::format(fmt::runtime(host.v6 ? "[{}]:{}" : "{}:{}"), to_text(host), port);
}

std::optional<std::pair<IpAddr, std::uint16_t>> parse_endpoint_id(std::string_view id) {
  auto endpoint = cut(id);
  if (!endpoint || endpoint->address.find('/') != std::string_view::npos) return std::nullopt;
  auto address = parse_ip(endpoint->address);
  auto port = loose_number(endpoint->port, 65535);
  if (!address || !port || normalise_address(*address) != *address) return std::nullopt;
  if (endpoint_id(*address, static_cast<std::uint16_t>(*port)) != id) return std::nullopt;
  return std::pair(*address, static_cast<std::uint16_t>(*port));
}

std::optional<std::string> suggest_endpoint_id(std::string_view id) {
  while (!id.empty() && id.front() == ' ') id.remove_prefix(1);
  while (!id.empty() && id.back() == ' ') id.remove_suffix(1);
  auto endpoint = cut(id);
  if (!endpoint) return std::nullopt;
  auto port = loose_number(endpoint->port, 65535);
  std::optional<IpAddr> address = loose_ipv4(endpoint->address);
  if (!address) address = loose_ipv6(endpoint->address);
  if (!address || !port) return std::nullopt;
  return endpoint_id(normalise_address(*address), static_cast<std::uint16_t>(*port));
}

namespace {

// The components of an absolute path, `.` and empty ones left out, `..` resolved by name; "/" has none.
std::vector<std::string_view> components(std::string_view path) {
  std::vector<std::string_view> result;
  for (std::string_view part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      result.push_back(part);
    } else if (!result.empty()) {
      result.pop_back();
    }
  }
  return result;
}

}  // namespace

bool is_canonical_path(std::string_view path) { return suggest_path(path) == path; }

std::optional<std::string> suggest_path(std::string_view path) {
  if (!path.starts_with('/') || path.find('\0') != std::string_view::npos) return std::nullopt;
  const std::vector<std::string_view> parts = components(path);
  std::string result;
  for (std::string_view part : parts) {
    result += '/';
    result += part;
  }
  if (result.size() > kMaxPathBytes || parts.size() > kMaxPathComponents) return std::nullopt;
  return result.empty() ? "/" : result;
}

bool is_nameless_object(std::string_view id) {
  return id == "kerf:memfd" || id == "kerf:pipe" || id == "kerf:socket" || id == "kerf:anon" || is_abstract_socket(id);
}

bool is_abstract_socket(std::string_view id) {
  constexpr std::string_view prefix = "kerf:abstract/";
  return id.starts_with(prefix) && id.size() > prefix.size() && id.size() <= prefix.size() + kMaxAbstractBytes &&
         id.find('\0') == std::string_view::npos;
}

bool is_canonical_file_id(std::string_view id) { return is_canonical_path(id) || is_nameless_object(id); }

namespace {

struct NumberName {
  std::uint32_t number;
  std::string_view name;
};
constexpr NumberName kFamilies[] = {
#define KERF_FAMILY(number, name) {number, name},
#include "ir/values/socket_names.def"
};
constexpr NumberName kSocketTypes[] = {
#define KERF_SOCKET_TYPE(number, name) {number, name},
#include "ir/values/socket_names.def"
};
constexpr std::string_view kOtherName = "other";

std::string_view name_in(std::span<const NumberName> names, std::uint32_t number) {
  for (const NumberName& row : names) {
    if (row.number == number) return row.name;
  }
  return kOtherName;
}

bool is_in(std::span<const NumberName> names, std::string_view text) {
  return text == kOtherName || std::any_of(names.begin(), names.end(), [&](const NumberName& row) { return row.name == text; });
}

}  // namespace

bool is_socket_id(std::string_view id) {
  const std::size_t slash = id.find('/');
  return slash != std::string_view::npos && is_in(kFamilies, id.substr(0, slash)) && is_in(kSocketTypes, id.substr(slash + 1));
}

std::string socket_id(std::uint32_t family, std::uint32_t type) {
  return fmt::format("{}/{}", name_in(kFamilies, family), name_in(kSocketTypes, type));
}

namespace {

constexpr std::pair<KernelEventId, std::string_view> kOperations[] = {
#define KERF_SYSTEM(event, row, name, id, what) {KernelEventId::row, id},
#include "ir/values/system_names.def"
};
constexpr std::string_view kSysctl = "sysctl/";
constexpr std::size_t kMaxSysctlBytes = 255;

}  // namespace

std::optional<KernelEventId> event_of_operation(std::string_view id) {
  for (const auto& [event, name] : kOperations) {
    if (name == id) return event;
  }
  const bool variable = id.starts_with(kSysctl) && id.size() > kSysctl.size() && id.size() <= kSysctl.size() + kMaxSysctlBytes &&
                        id.find('\0') == std::string_view::npos;
  return variable ? std::optional(KernelEventId::system_sysctl) : std::nullopt;
}

bool is_canonical_text(std::string_view id) { return is_canonical_file_id(id) || is_socket_id(id) || event_of_operation(id); }

std::vector<std::string> ancestor_directories(std::string_view path) {
  std::vector<std::string> result;
  if (!path.starts_with('/') || path == "/") return result;
  result.emplace_back("/");
  for (std::size_t at = path.find('/', 1); at != std::string_view::npos; at = path.find('/', at + 1)) {
    result.emplace_back(path.substr(0, at));
  }
  return result;
}

bool is_below(std::string_view path, std::string_view directory) {
  if (directory == "/") return path.size() > 1 && path.front() == '/';
  return path.size() > directory.size() + 1 && path.starts_with(directory) && path[directory.size()] == '/';
}

IpAddr unmap_address(IpAddr address) {
  if (is_mapped(address) && address.prefix >= 96) {
    IpAddr inner{false, static_cast<std::uint8_t>(address.prefix - 96), {}};
    std::copy_n(address.bytes.begin() + 12, 4, inner.bytes.begin());
    address = inner;
  }
  return address;
}

IpAddr normalise_address(IpAddr address) {
  address = unmap_address(address);
  bool zero = std::all_of(address.bytes.begin(), address.bytes.end(), [](std::uint8_t byte) { return byte == 0; });
  if (zero && !address.v6 && address.prefix == 32) {
    address.bytes = {127, 0, 0, 1};
  } else if (zero && address.v6 && address.prefix == 128) {
    address.bytes[15] = 1;
  }
  return address;
}

}  // namespace kerf
