// Address keys and sets. The one decision: IPv4 and IPv6 form one ordered domain, so that a piecewise function over
// addresses is one list; ranges never cross from one family into the other.
#include "ir/passes/address_set.h"

#include <algorithm>

#include "ir/values/extension.h"

namespace kerf {

namespace {

std::size_t last_byte(const AddressKey& key) { return key[0] == 0 ? 4 : 16; }

Address raw(const AddressKey& key) {
  Address address{};
  std::copy(key.begin() + 1, key.end(), address.begin());
  return address;
}

Address last_of_family(bool v6) {
  Address address{};
  std::fill(address.begin(), address.begin() + (v6 ? 16 : 4), 0xff);
  return address;
}

// `first` is the least of its family only if there is no range yet.
void add_family_range(std::vector<AddressRange>& ranges, const AddressKey& first, const Address& last) {
  if (!ranges.empty() && ranges.back().last == raw(previous_address(first))) {
    ranges.back().last = last;
  } else {
    ranges.push_back({raw(first), last});
  }
}

// The prefix length if the range is exactly one prefix.
std::optional<int> as_prefix(const AddressRange& range, int bits) {
  int length = 0;
  while (length < bits && ((range.first[length / 8] ^ range.last[length / 8]) >> (7 - length % 8) & 1) == 0) ++length;
  for (int bit = length; bit < bits; ++bit) {
    int mask = 1 << (7 - bit % 8);
    if ((range.first[bit / 8] & mask) != 0 || (range.last[bit / 8] & mask) == 0) return std::nullopt;
  }
  return length;
}

std::string range_text(const AddressRange& range, bool v6) {
  auto ip = [&](const Address& address, int prefix) {
    return to_text(IpAddr{v6, static_cast<std::uint8_t>(prefix), address});
  };
  const int bits = v6 ? 128 : 32;
  if (auto prefix = as_prefix(range, bits)) return ip(range.first, *prefix);
  return ip(range.first, bits) + "-" + ip(range.last, bits);
}

}  // namespace

AddressKey address_key(const IpAddr& address) {
  AddressKey key{};
  key[0] = address.v6 ? 1 : 0;
  std::copy(address.bytes.begin(), address.bytes.begin() + (address.v6 ? 16 : 4), key.begin() + 1);
  return key;
}

IpAddr address_of(const AddressKey& key) {
  return IpAddr{key[0] != 0, static_cast<std::uint8_t>(key[0] == 0 ? 32 : 128), raw(key)};
}

std::optional<AddressKey> next_address(AddressKey key) {
  for (std::size_t i = last_byte(key); i > 0; --i) {
    if (++key[i] != 0) return key;
  }
  if (key[0] == 0) return kFirstV6;
  return std::nullopt;
}

AddressKey previous_address(AddressKey key) {
  std::size_t i = last_byte(key);
  while (key.at(i) == 0) key.at(i--) = 0xff;   // not the first: some byte is not 0
  --key.at(i);
  return key;
}

std::pair<AddressKey, AddressKey> prefix_bounds(const IpAddr& range) {
  AddressKey first = address_key(range), last = first;
  const int bits = range.v6 ? 128 : 32;
  for (int bit = range.prefix; bit < bits; ++bit) {
    const std::uint8_t mask = static_cast<std::uint8_t>(1 << (7 - bit % 8));
    first[1 + bit / 8] &= static_cast<std::uint8_t>(~mask);
    last[1 + bit / 8] |= mask;
  }
  return {first, last};
}

void add_range(AddressSet& set, const AddressKey& first, const std::optional<AddressKey>& end) {
  const bool ends_in_v4 = end && (*end)[0] == 0;
  if (first[0] == 0) {
    add_family_range(set.v4, first, ends_in_v4 ? raw(previous_address(*end)) : last_of_family(false));
  }
  if (ends_in_v4 || (end && *end == kFirstV6)) return;
  add_family_range(set.v6, first[0] == 0 ? kFirstV6 : first, end ? raw(previous_address(*end)) : last_of_family(true));
}

bool contains(const AddressSet& set, const IpAddr& address) {
  const std::vector<AddressRange>& ranges = address.v6 ? set.v6 : set.v4;
  const Address key = raw(address_key(address));
  auto it = std::upper_bound(ranges.begin(), ranges.end(), key,
                             [](const Address& a, const AddressRange& range) { return a < range.first; });
  return it != ranges.begin() && key <= std::prev(it)->last;
}

std::string to_text(const AddressSet& set) {
  std::string text;
  auto add = [&](const std::vector<AddressRange>& ranges, bool v6) {
    for (const AddressRange& range : ranges) {
      if (!text.empty()) text += ", ";
      text += range_text(range, v6);
    }
  };
  add(set.v4, false);
  add(set.v6, true);
  return text;
}

}  // namespace kerf
