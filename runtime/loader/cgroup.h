// One cgroup of ours below <cgroup2>/kerf.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/loader/fd.h"
#include "runtime/loader/loader.h"

namespace kerf::loader {

LoaderResult<Fd> create_cgroup(const std::string& path);   // fails if it exists
LoaderResult<Fd> open_cgroup(const std::string& path);
std::uint64_t cgroup_id(int fd);                           // as the kernel numbers it

// The cgroup of a process as a path below `mount`; nothing if it is gone or out of our sight.
std::optional<std::string> cgroup_of(const std::string& task, const std::string& mount);
bool is_cgroup2(int fd);
// Process ids in it and below it, the outer ones first, at most `most`.
std::vector<std::string> tasks_of(const std::string& path, std::size_t most);
std::optional<std::string> first_task(const std::string& path);

// Is a task in it or below it? A cgroup that is gone has none.
bool cgroup_populated(const std::string& path);
// Removes it and the cgroups below it; all must be empty.
LoaderResult<Unit> remove_cgroup(const std::string& path);

}  // namespace kerf::loader
