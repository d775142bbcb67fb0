// Which tasks belong to which binding, as the kernel's maps say.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "runtime/loader/kernel.h"
#include "runtime/loader/state.h"

namespace kerf::loader {

// Tasks that are in the cgroup or below it, and those that come later, get the binding; first binding wins.
LoaderResult<Unit> tag_cgroup(const Maps& maps, const std::string& pins, std::uint64_t cgroup_id, std::uint32_t binding);
// Nobody gets it any more, and nobody has it any more.
LoaderResult<Unit> untag(const Maps& maps, std::uint64_t cgroup_id, std::uint32_t binding);

// Tells the hooks at which depths bound cgroups lie (kerf_state.cgroup_levels).
LoaderResult<Unit> set_cgroup_levels(const Maps& maps, std::uint64_t levels);
// How far CLOCK_TAI is ahead of the wall clock now (kerf_state.tai_offset_ns). It can change: whatever changes a loaded
// bundle tells the hooks anew, the function above too.
std::uint64_t tai_offset_ns();
LoaderResult<Unit> renew_clock(const Maps& maps);
// How far the cgroup lies below the root that we see. No hook looks deeper than kMaxCgroupDepth.
inline constexpr std::size_t kMaxCgroupDepth = 63;
std::size_t cgroup_depth(std::string_view mount_point, std::string_view cgroup);
// The bit of one cgroup's depth; all bits where our view of the hierarchy is not the kernel's.
std::uint64_t level_bit(std::string_view mount_point, std::string_view cgroup, bool whole_hierarchy);

}  // namespace kerf::loader
