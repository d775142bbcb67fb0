// Conditions that need instructions at the hook: the object's own instructions, run on many events and values, beside the
// policy's atoms. Equal answers on all of them are a test and no proof, and are reported as such.
#pragma once
#include <vector>

#include "backends/check/hook_atoms.h"
#include "backends/check/hook_code.h"

namespace kerf::proof {

struct CodeSlot {
  Term expression;              // residual
  std::string type;             // "Long", "Bool", "ipaddr", "datetime", "duration"
};

// Samples that atoms and conditions treat alike are one class.
struct CodeClasses {
  std::vector<std::vector<Outcome>> atoms;      // by class, in the order of the atoms
  std::vector<std::vector<bool>> conditions;    // by class, in the order of the conditions
  std::vector<std::vector<bool>> slot_errs;     // by class, in the order of the slots
  bool could_run = true;                        // false: instructions, or a value that no slot holds, are not understood
  bool refuses = false;                         // the code refuses an event that it should decide
};

inline constexpr std::size_t kCodeSamples = 1024, kMinCodeSamples = 32;   // of a policy in an environment
inline constexpr std::size_t kMaxCodeRuns = 50'000;                       // of all policies, above the least of each

CodeClasses sample_code(HookAtoms& hook, const ObjectTables& object, const std::vector<CodeSlot>& slots, const std::vector<Term>& atoms,
                        const std::vector<std::uint32_t>& conditions, std::size_t samples);

}  // namespace kerf::proof
