// Names that are known for addresses -> records of a binding that are in force for these addresses alone.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "runtime/loader/kernel.h"
#include "runtime/loader/record.h"
#include "runtime/loader/state.h"

namespace kerf::loader {

struct NamedRecord {
  kerf_name_key key;
  std::vector<std::uint8_t> bytes;
};

// `own`: what the binding's own record is built from; the two belong together.
LoaderResult<std::vector<NamedRecord>> build_named(const LoadedBundle& bundle, const RecordInput& own, std::uint32_t binding, const Names& names);
// Those of the binding become these. In between none of them is in force: as if no name were known, which allows no more.
LoaderResult<Unit> set_named(const Maps& maps, std::uint32_t binding, const std::vector<NamedRecord>& records);

// As hooks see the address; a mapped one is IPv4.
std::optional<IpAddr> parse_address(const std::string& text);
// Why nobody may give the address a name: it leads to this machine or into its own network, and no endpoint of the
// entities has it. Empty: it may have one.
std::string why_protected(const LoadedBundle& bundle, const IpAddr& address);
void drop_expired(Names& names, std::uint64_t now_ns);

}  // namespace kerf::loader
