// A name that somebody looked up must not open the way to what the name's owner does not own: addresses of this machine
// and of the networks around it take none, whatever an answer says. The one decision: records are removed before others
// come, so that memory which a hook still reads is never written.
#include "runtime/loader/names.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "ir/values/extension.h"
#include "runtime/loader/failure.h"
#include "runtime/loader/files.h"

namespace kerf::loader {
namespace {

struct Range {
  const char* text;
  const char* what;
};
constexpr Range kProtected[] = {
    {"0.0.0.0/8", "means this machine"},      {"127.0.0.0/8", "is loopback"},         {"10.0.0.0/8", "is private"},
    {"172.16.0.0/12", "is private"},          {"192.168.0.0/16", "is private"},       {"100.64.0.0/10", "is private to a provider"},
    {"169.254.0.0/16", "is link-local, where metadata services are"},                 {"224.0.0.0/3", "is multicast or reserved"},
    {"::/127", "is loopback"},                {"fc00::/7", "is private"},             {"fe80::/10", "is link-local"},
    {"fec0::/10", "is private"},              {"ff00::/8", "is multicast"},
};

// An IPv4 address that a translator takes out of it: 64:ff9b::/96 (RFC 6052) and 2002::/16 (RFC 3056).
std::optional<IpAddr> embedded(const IpAddr& address) {
  auto at = [&](std::size_t begin) {
    IpAddr inner{false, 32, {}};
    std::copy_n(address.bytes.begin() + static_cast<std::ptrdiff_t>(begin), 4, inner.bytes.begin());
    return inner;
  };
  if (ip_in_range(address, *parse_ip("64:ff9b::/96"))) return at(12);
  if (ip_in_range(address, *parse_ip("2002::/16"))) return at(2);
  return std::nullopt;
}

bool is_listed(const LoadedBundle& bundle, const IpAddr& address) {
  const std::string begin = address.v6 ? fmt::format("[{}]:", to_text(address)) : fmt::format("{}:", to_text(address));
  const auto& all = bundle.entities.all();
  return std::any_of(all.begin(), all.end(), [&](const Entity& entity) {
    if (!entity.uid.id.starts_with(begin)) return false;
    const auto& envs = bundle.manifest.environments;
    return std::any_of(envs.begin(), envs.end(), [&](const Environment& env) {
      return env.kind == ResourceKind::endpoint && env.resource == entity.uid.type;
    });
  });
}

kerf_name_key key_of(const IpAddr& address, std::uint32_t binding) {
  auto number = [&](std::size_t begin, std::size_t count) {
    std::uint64_t value = 0;
    for (std::size_t i = begin; i < begin + count; ++i) value = value << 8 | address.bytes[i];
    return value;
  };
  if (!address.v6) return {0, number(0, 4), 0, binding};
  return {number(0, 8), number(8, 8), 1, binding};
}

std::vector<kerf_name_key> keys_of(const Maps& maps, std::uint32_t binding) {
  std::vector<kerf_name_key> keys;
  kerf_name_key at{}, next{};
  for (bool first = true; ::bpf_map_get_next_key(maps.named.get(), first ? nullptr : &at, &next) == 0; first = false) {
    if (next.binding == binding) keys.push_back(next);
    at = next;
  }
  return keys;
}

}  // namespace

LoaderResult<std::vector<NamedRecord>> build_named(const LoadedBundle& bundle, const RecordInput& own, std::uint32_t binding, const Names& names) {
  std::vector<NamedRecord> records;
  for (const auto& [text, named] : names) {
    auto address = parse_ip(text);
    check(address.has_value(), "known addresses are addresses");
    RecordInput input = own;
    input.hosts = named.hosts;
    input.names = named.id;
    auto bytes = build_record(bundle, input);
    if (!bytes) return bytes.error();
    records.push_back({key_of(*address, binding), std::move(*bytes)});
  }
  return records;
}

LoaderResult<Unit> set_named(const Maps& maps, std::uint32_t binding, const std::vector<NamedRecord>& records) {
  if (!maps.named.ok()) return Unit{};   // no policy asks
  std::vector<kerf_name_key> before = keys_of(maps, binding);
  if (before.empty() && records.empty()) return Unit{};
  for (const kerf_name_key& key : before) {
    if (::bpf_map_delete_elem(maps.named.get(), &key) != 0 && errno != ENOENT) return fail(Code::K7604, errno_text(errno));
  }
  if (auto done = grace_period(); !done) return done;
  for (const NamedRecord& record : records) {
    if (::bpf_map_update_elem(maps.named.get(), &record.key, record.bytes.data(), BPF_NOEXIST) != 0) return fail(Code::K7604, errno_text(errno));
  }
  return Unit{};
}

std::optional<IpAddr> parse_address(const std::string& text) {
  auto address = parse_ip(text);
  const bool single = address && address->prefix == (address->v6 ? 128 : 32) && text.find('/') == std::string::npos;
  if (!single) return std::nullopt;
  const auto& bytes = address->bytes;
  const bool mapped = address->v6 && std::all_of(bytes.begin(), bytes.begin() + 10, [](std::uint8_t b) { return b == 0; }) && bytes[10] == 0xff && bytes[11] == 0xff;
  if (!mapped) return *address;
  IpAddr inner{false, 32, {}};
  std::copy_n(bytes.begin() + 12, 4, inner.bytes.begin());
  return inner;
}

std::string why_protected(const LoadedBundle& bundle, const IpAddr& address) {
  if (is_listed(bundle, address)) return {};
  if (auto inner = embedded(address)) return why_protected(bundle, *inner);
  for (const Range& range : kProtected) {
    if (ip_in_range(address, *parse_ip(range.text))) return range.what;
  }
  return {};
}

void drop_expired(Names& names, std::uint64_t now_ns) {
  for (auto& [address, named] : names) std::erase_if(named.hosts, [&](const auto& host) { return host.second <= now_ns; });
  std::erase_if(names, [](const auto& entry) { return entry.second.hosts.empty(); });
}

}  // namespace kerf::loader
