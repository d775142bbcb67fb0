// seccomp.json as data, and an interpreter of its filters.
#pragma once
#include <linux/filter.h>

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ir/base/result.h"
#include "ir/values/entities.h"

namespace kerf::proof {

struct Filter {
  std::string arch;
  std::vector<sock_filter> program;   // every jump goes forward and stays inside, and the last step answers
};

struct DecodedFilters {
  std::vector<Filter> filters;
  std::map<EntityUid, std::map<std::string, std::size_t>> principals;   // filters by architecture
};

Result<DecodedFilters> read_filters(std::string_view bytes);

// What a filter sees: struct seccomp_data.
struct FilterInput {
  std::uint32_t arch = 0, number = 0;
  std::array<std::uint64_t, 6> args{};
};
// By argument: the numbers that a run compares its words with, a high word shifted to its place.
using Compared = std::array<std::set<std::uint64_t>, 6>;
// SECCOMP_RET_…; what the run compares is added to `compared`. `entry`: the first step that answers or loads from the arguments.
std::uint32_t run_filter(const Filter& filter, const FilterInput& input, Compared* compared = nullptr, std::size_t* entry = nullptr);

}  // namespace kerf::proof
