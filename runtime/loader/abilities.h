// What this kernel can run of an object, and what of the bundle's features therefore holds.
#pragma once
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "runtime/loader/features.h"
#include "runtime/loader/manifest.h"

namespace kerf::loader {

struct Abilities {
  std::set<std::string, std::less<>> refused;   // programs of the manifest that this kernel cannot run
  std::set<std::string, std::less<>> needless;  // hooks that are newer than it: it asks at another one of the manifest
  std::set<std::string, std::less<>> unkept;    // features that do not hold here, although their hooks are there
  std::vector<std::string> reasons;             // why, and the way out; lines for a person
};

// Asks the kernel: the list of its security modules, its types, and for each hook a trial load of a program that does
// nothing. Attaches nothing.
Abilities find_abilities(const Manifest& manifest);

// From the text of /sys/kernel/security/lsm: empty if BPF is in the list, else what to boot with.
std::string missing_lsm_parameter(std::string_view list);

// From the text of /proc/kallsyms: is the symbol there, with an address? The walk over a path reads rename_lock.
bool shows_symbol(std::string_view symbols, std::string_view name);

// What will be attached, and what each feature comes to.
struct Enforcement {
  std::vector<const KnownProgram*> programs;    // hooks, probe and iterator to load, in the table's order
  std::vector<std::string> enforced, degraded, waived;   // features
  std::uint64_t waived_guards = 0;              // struct kerf_state
  std::vector<std::string> reasons;
  bool has(std::string_view program) const;
  bool enforces(std::string_view feature) const;
  bool files() const;                           // paths will be looked for, of files or executables: anchors are needed
};
Enforcement plan_enforcement(const Manifest& manifest, const Abilities& abilities);

// Names that are no features at all, before anything is asked of the kernel.
LoaderResult<Unit> check_known_features(const Manifest& manifest, const std::vector<std::string>& accepted);
// Every feature that does not hold must be accepted by its name.
LoaderResult<Unit> check_accepted(const Manifest& manifest, const Enforcement& plan, const std::vector<std::string>& accepted);

}  // namespace kerf::loader
