// seccomp.json: a filter of system calls for each principal. Hostile input like the rest of a bundle.
#pragma once
#include <linux/filter.h>

#include <map>
#include <string_view>
#include <vector>

#include "ir/values/entities.h"
#include "runtime/loader/loader.h"

namespace kerf::loader {

using FilterProgram = std::vector<sock_filter>;

// Those of this machine's architecture.
struct Filters {
  bool governed = false;                       // the bundle governs system calls
  std::vector<FilterProgram> programs;
  std::map<EntityUid, std::size_t> of;         // by principal
};

// Everything is checked, also what is for other architectures: form, size, instructions, jumps, answers. Every principal is
// an entity of the bundle, and every filter of one has the same architectures.
LoaderResult<Filters> read_filters(std::string_view text, const Entities& entities);

// As the mode wants it: `audit` logs instead of refusing (but for other ABIs and calls without a name), `quarantine` refuses
// every call.
FilterProgram filter_for(const FilterProgram& program, std::uint32_t mode);

// In the child before exec; async-signal-safe. no_new_privs must be set. Returns 0 or an errno.
int install_filter(const FilterProgram& program);

}  // namespace kerf::loader
