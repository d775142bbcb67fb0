// What this machine offers: where cgroups and pins live, which privileges we hold.
#pragma once
#include <string>
#include <string_view>

#include "runtime/loader/loader.h"

namespace kerf::loader {

struct Mounts {
  std::string cgroup2, bpffs;   // mount points; empty: none
};
// From the text of /proc/mounts. Hybrid systems mount cgroup2 at /sys/fs/cgroup/unified.
Mounts parse_mounts(std::string_view mounts);

struct Host {
  std::string cgroups, pins, states;   // our directories: <cgroup2>/kerf, <bpffs>/kerf, /run/kerf
  bool mounted_bpffs = false;          // we did it, just now
};
// Creates our directories, and mounts a BPF file system at /sys/fs/bpf if the machine has none.
LoaderResult<Host> open_host();
// Only looks: directories may be missing (then nothing was ever bound).
LoaderResult<Host> find_host();

std::string cgroup_mount(const Host& host);

// Names what is missing: "CAP_BPF, CAP_NET_ADMIN".
LoaderResult<Unit> check_privileges();

// The kerf binding that this process itself runs in, from the text of /proc/self/cgroup; empty if none.
std::string binding_of_cgroup(std::string_view proc_cgroup);

std::string boot_id();

}  // namespace kerf::loader
