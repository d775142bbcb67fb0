// seccomp.json as data, and an interpreter of its filters.
#pragma once
#include <linux/filter.h>

#include <array>
#include <cstdint>
#include <map>
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
struct FilterRun {
  std::uint32_t answer = 0;   // SECCOMP_RET_…
  unsigned arguments = 0;     // bits of those that were looked at
};
FilterRun run_filter(const Filter& filter, const FilterInput& input);

}  // namespace kerf::proof
