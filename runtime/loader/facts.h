// Published facts of one binding: values with an optional deadline on the boot clock.
#pragma once
#include <map>
#include <string>

#include "ir/values/value.h"
#include "runtime/loader/manifest.h"

namespace kerf::loader {

inline constexpr std::uint64_t kNoDeadline = ~std::uint64_t{0};

struct Fact {
  Value value;
  std::uint64_t until_ns = kNoDeadline;   // boot time
};
using Facts = std::map<std::string, Fact>;  // by NAME

// Names that are known for an address, each with a deadline.
using Hosts = std::map<std::string, std::uint64_t>;
struct NamedAddress {
  std::uint32_t id = 0;                     // another one whenever the names change
  Hosts hosts;
};
using Names = std::map<std::string, NamedAddress>;   // by the address's text

// `text`: a Cedar literal: 3, true, "x", ip("10.0.0.1"), Agent::"a1". It must have the type of the fact.
LoaderResult<Value> parse_fact(const Manifest& manifest, const std::string& name, const std::string& text);
// Facts that another bundle published: those that this one reads must have its type.
LoaderResult<Unit> check_facts(const Manifest& manifest, const Facts& facts);
LoaderResult<Unit> check_fact_name(const Manifest& manifest, const std::string& name);

std::uint64_t boot_time_ns();

}  // namespace kerf::loader
