// runtime/abi/programs.def as data: every program, what feature it belongs to, which events bring it into an object.
#pragma once
#include <linux/bpf.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "runtime/abi/policy_abi.h"

namespace kerf::loader {

enum class ProgramRole { hook, newer_hook, spare_hook, anchor_probe, iterator, selftest };

struct KnownProgram {
  const char* name;
  const char* section;
  bpf_prog_type type;
  bpf_attach_type attach;
  ProgramRole role;
  std::uint64_t events;       // in an object iff one of them is governed
  std::uint64_t instead;      // and none of these
  std::string_view feature;
};
const std::vector<KnownProgram>& known_programs();
const KnownProgram* find_program(std::string_view name);
bool is_in_object(const KnownProgram& program, std::uint64_t governed);

// Attached to the cgroup of each binding; every other hook is attached once for the object.
bool attaches_to_cgroup(const KnownProgram& program);
// Runs through BPF LSM or a trampoline: these stand and fall together with identity.
bool needs_lsm(const KnownProgram& program);
// What the hook looks for in the kernel's types: "file_open" of "lsm/file_open".
std::string_view target_of(const KnownProgram& program);

struct KnownFeature {
  std::string_view name, what;
};
const std::vector<KnownFeature>& known_features();
const KnownFeature* find_feature(std::string_view name);

// The bit of struct kerf_state::waived_guards; none: the feature is no guard and cannot be waived.
std::optional<std::uint64_t> guard_bit(std::string_view feature);
// A guard whose programs also decide events stays attached when it is waived; the bit alone tells them.
bool decides_events(std::string_view feature);

// Events by name, "file.read"; empty / none if there is no such event.
std::string_view event_name(std::uint32_t kind);
std::optional<std::uint32_t> find_event_kind(std::string_view name);
std::string_view guard_name(std::uint32_t guard);

}  // namespace kerf::loader
