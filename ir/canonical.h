// The one spelling of ids of kernel-bound types (design 3): dotted IPv4; RFC 5952 IPv6, never IPv4-mapped; plain
// decimal port; absolute paths without `.`, `..`, `//` or trailing slash, of at most 4,096 bytes and 128 components.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ir/kernel_model.h"
#include "ir/values/value.h"

namespace kerf {

std::string endpoint_id(const IpAddr& address, std::uint16_t port);   // "10.0.0.1:443", "[2001:db8::1]:443"
// Accepts the canonical spelling only; addresses that normalise_address() changes have none of their own.
std::optional<std::pair<IpAddr, std::uint16_t>> parse_endpoint_id(std::string_view id);
// What a reader probably meant, for the fix-it: other IPv6 forms, mapped addresses, leading zeros, missing brackets.
std::optional<std::string> suggest_endpoint_id(std::string_view id);

inline constexpr std::size_t kMaxPathBytes = 4096;     // KERF_PATH_BYTES
inline constexpr std::size_t kMaxPathComponents = 128; // KERF_PATH_DEPTH

// Within the limits: a longer path is met by no event.
bool is_canonical_path(std::string_view path);
std::optional<std::string> suggest_path(std::string_view path);
// Ids of files: a canonical path, or one of the objects without a name (`kerf:memfd`).
bool is_canonical_file_id(std::string_view id);
bool is_nameless_object(std::string_view id);
inline constexpr std::size_t kMaxAbstractBytes = 107;   // of a unix socket's abstract name
// `kerf:abstract/NAME`: a unix socket with an abstract name.
bool is_abstract_socket(std::string_view id);
// Ids of sockets: "inet/stream", by the names of socket_names.def.
bool is_socket_id(std::string_view id);
std::string socket_id(std::uint32_t family, std::uint32_t type);
// The event that an id of kind `system` belongs to: "umount", "sysctl/kernel/domainname"; none: it is no such id.
std::optional<KernelEventId> event_of_operation(std::string_view id);
// The id of some resource that is known by its text (has_text_id).
bool is_canonical_text(std::string_view id);
// The proper ancestor directories of a canonical path from "/" down; none of "/" and of objects without a name.
std::vector<std::string> ancestor_directories(std::string_view path);
// `path` is properly below the directory; both canonical.
bool is_below(std::string_view path, std::string_view directory);

// As hooks see addresses: mapped IPv6 becomes IPv4, then 0.0.0.0 is 127.0.0.1 and :: is ::1.
IpAddr normalise_address(IpAddr address);
// The first half of it, for addresses that are bound, listened on or accepted from.
IpAddr unmap_address(IpAddr address);

}  // namespace kerf
