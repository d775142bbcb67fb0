// programs.def -> rows. The one decision: nothing here lists a program or a feature; only guards are tied to their ABI
// numbers, because only they can be waived.
#include "runtime/loader/features.h"

#include <algorithm>

namespace kerf::loader {
namespace {

constexpr std::string_view kEventNames[] = {"net.connect", "file.read", "file.write", "file.create", "file.delete", "file.rename",
                                            "file.link",   "file.list", "file.stat",  "file.exec",   "lib.load",    "unix.connect",
                                            "unix.bind",   "file.truncate", "file.chmod", "file.chown", "file.mkdir", "file.mknod", "file.symlink", "file.rmdir", "file.ioctl", "file.append", "file.receive",
                                            "net.bind",  "net.listen", "net.accept",  "net.socket",
                                            "system.mount", "system.ptrace", "system.signal", "system.bpf", "system.perf", "system.keyring", "system.module", "system.namespace", "system.capability", "system.io_uring", "system.sysctl", "process.spawn"};
static_assert(std::size(kEventNames) == KERF_EVENT_END);

struct GuardRow {
  kerf_guard guard;
  std::string_view name;       // of the feature, after "guard-"
};
constexpr GuardRow kGuards[] = {{KERF_GUARD_RAW_SOCKET, "raw-socket"}, {KERF_GUARD_PACKET_SOCKET, "packet-socket"},
                                {KERF_GUARD_RENAME, "rename"},         {KERF_GUARD_BPF, "bpf"},
                                {KERF_GUARD_MOUNT, "mount"},           {KERF_GUARD_PTRACE, "ptrace"},
                                {KERF_GUARD_SIGNAL, "signal"},         {KERF_GUARD_PROTECTED_FILE, "protected-file"},
                                {KERF_GUARD_SOURCE_ROUTING, "source-routing"}, {KERF_GUARD_EXE_FILE, "exe-file"}};

}  // namespace

const std::vector<KnownProgram>& known_programs() {
  static const std::vector<KnownProgram> programs = {
#define KERF_PROGRAM(name, section, type, attach, role, events, instead, feature) \
  {#name, section, type, static_cast<bpf_attach_type>(attach), ProgramRole::role, events, instead, feature},
#include "runtime/abi/programs.def"
  };
  return programs;
}

const KnownProgram* find_program(std::string_view name) {
  const auto& all = known_programs();
  auto row = std::find_if(all.begin(), all.end(), [&](const KnownProgram& k) { return name == k.name; });
  return row == all.end() ? nullptr : &*row;
}

bool is_in_object(const KnownProgram& program, std::uint64_t governed) {
  return (program.events & governed) != 0 && (program.instead & governed) == 0;
}

bool attaches_to_cgroup(const KnownProgram& program) {
  return program.type == BPF_PROG_TYPE_CGROUP_SOCK_ADDR || program.type == BPF_PROG_TYPE_CGROUP_SOCK ||
         program.type == BPF_PROG_TYPE_CGROUP_SKB || program.type == BPF_PROG_TYPE_CGROUP_SYSCTL;
}

bool needs_lsm(const KnownProgram& program) {
  return program.type == BPF_PROG_TYPE_LSM || program.type == BPF_PROG_TYPE_TRACING;
}

std::string_view target_of(const KnownProgram& program) {
  std::string_view section = program.section;
  std::size_t slash = section.find('/');
  return slash == std::string_view::npos ? section : section.substr(slash + 1);
}

const std::vector<KnownFeature>& known_features() {
  static const std::vector<KnownFeature> features = {
#define KERF_FEATURE(name, what) {name, what},
#include "runtime/abi/programs.def"
  };
  return features;
}

const KnownFeature* find_feature(std::string_view name) {
  const auto& all = known_features();
  auto row = std::find_if(all.begin(), all.end(), [&](const KnownFeature& f) { return name == f.name; });
  return row == all.end() ? nullptr : &*row;
}

std::optional<std::uint64_t> guard_bit(std::string_view feature) {
  for (const GuardRow& row : kGuards) {
    if (feature.starts_with("guard-") && feature.substr(6) == row.name) return std::uint64_t{1} << row.guard;
  }
  return std::nullopt;
}

bool decides_events(std::string_view feature) { return feature == "guard-rename" || feature == "guard-source-routing"; }

std::string_view event_name(std::uint32_t kind) { return kind < std::size(kEventNames) ? kEventNames[kind] : std::string_view(); }

std::optional<std::uint32_t> find_event_kind(std::string_view name) {
  for (std::uint32_t kind = 0; kind < std::size(kEventNames); ++kind) {
    if (kEventNames[kind] == name) return kind;
  }
  return std::nullopt;
}

std::string_view guard_name(std::uint32_t guard) {
  for (const GuardRow& row : kGuards) {
    if (static_cast<std::uint32_t>(row.guard) == guard) return row.name;
  }
  return {};
}

}  // namespace kerf::loader
