#include "ir/passes/row_cover.h"

#include <algorithm>

namespace kerf {

namespace {

// Sorted and disjoint, both. Ranges that only touch are not put together.
template <class Ranges>
bool ranges_within(const Ranges& inner, const Ranges& outer) {
  return std::all_of(inner.begin(), inner.end(), [&](const auto& range) {
    auto after = std::upper_bound(outer.begin(), outer.end(), range.first, [](const auto& first, const auto& other) { return first < other.first; });
    return after != outer.begin() && range.last <= std::prev(after)->last;
  });
}

bool within(const AddressSet& inner, const AddressSet& outer) {
  return ranges_within(inner.v4, outer.v4) && ranges_within(inner.v6, outer.v6);
}

bool within(const PortSet& inner, const PortSet& outer) { return ranges_within(inner, outer); }

bool within(const EndpointSet& inner, const EndpointSet& outer) {
  if (inner.others && (!outer.others || outer.listed.size() > inner.listed.size())) return false;   // more exceptions
  const std::vector<EndpointKey>& named = inner.others ? outer.listed : inner.listed;
  return std::all_of(named.begin(), named.end(), [&](const EndpointKey& key) { return !inner.holds(key) || outer.holds(key); });
}

// One of the sorted directories, or below one.
bool is_in_any(const std::vector<std::string>& directories, std::string path) {
  while (!std::binary_search(directories.begin(), directories.end(), path)) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos || path == "/") return false;
    path.resize(std::max<std::size_t>(slash, 1));
  }
  return true;
}

// Every path of the one is one of the other.
bool within(const PathTest& inner, const PathTest& outer) {
  if (inner.pattern) return inner == outer;
  return std::all_of(inner.files.begin(), inner.files.end(), [&](const std::string& file) { return outer.holds(file); }) &&
         std::all_of(inner.trees.begin(), inner.trees.end(), [&](const std::string& tree) { return is_in_any(outer.trees, tree); });
}

// Whether what is required of one path test settles the other.
bool settles(const KernelEnv& env, const Requirement& known, const Requirement& asked) {
  if (known == asked) return true;
  if (known.outcome != asked.outcome) return false;
  const bool holds = known.outcome == Outcome::true_;
  return within(env.paths[holds ? known.atom : asked.atom], env.paths[holds ? asked.atom : known.atom]);
}

template <class Part>
bool part_covers(const std::optional<Part>& outer, const std::optional<Part>& inner) {
  return !outer || (inner && within(*inner, *outer));
}

bool contains_all(const std::vector<Requirement>& known, const std::vector<Requirement>& asked) {
  return std::all_of(asked.begin(), asked.end(), [&](const Requirement& r) { return std::find(known.begin(), known.end(), r) != known.end(); });
}

}  // namespace

bool covers(const KernelEnv& env, const KernelRow& outer, const KernelRow& inner) {
  const bool paths = std::all_of(outer.path.begin(), outer.path.end(), [&](const Requirement& asked) {
    return std::any_of(inner.path.begin(), inner.path.end(), [&](const Requirement& known) { return settles(env, known, asked); });
  });
  return paths && part_covers(outer.address, inner.address) && part_covers(outer.port, inner.port) &&
         part_covers(outer.endpoint, inner.endpoint) && contains_all(inner.bind, outer.bind) && contains_all(inner.code, outer.code);
}

}  // namespace kerf
