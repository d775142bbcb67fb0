// One cgroup of ours below <cgroup2>/kerf.
#pragma once
#include <cstdint>
#include <string>

#include "runtime/loader/fd.h"
#include "runtime/loader/loader.h"

namespace kerf::loader {

LoaderResult<Fd> create_cgroup(const std::string& path);   // fails if it exists
LoaderResult<Fd> open_cgroup(const std::string& path);
std::uint64_t cgroup_id(int fd);                           // as the kernel numbers it

// Is a task in it or below it? A cgroup that is gone has none.
bool cgroup_populated(const std::string& path);
// Removes it and the cgroups below it; all must be empty.
LoaderResult<Unit> remove_cgroup(const std::string& path);

}  // namespace kerf::loader
