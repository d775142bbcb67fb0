// Decisions by the emitted object itself: the program kerf_selftest runs the decision function of policy.bpf.o in this
// machine's kernel, on binding records that the loader's own code builds from the manifest.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "driver/pipeline.h"
#include "ir/passes/materialise.h"
#include "tests/semantics/oracle.h"

namespace kerf::test {

std::string kernel_available();   // empty, or which feature is missing
// `elf`: an object in place of the bundle's, with the same maps.
Result<std::vector<Answer>> decide_by_object(const Module& module, const Bundle& bundle, const std::string* elf,
                                             const std::vector<KernelEventData>& events);
// Fails with `kJitGaveUp` if the verifier takes the object and the JIT compiler then does not (ENOTSUPP).
inline constexpr std::string_view kJitGaveUp = "this kernel's JIT compiler gives up on kerf_selftest";
Result<std::vector<Answer>> decide_in_kernel(Program& program, const ProgramText& text, const std::vector<KernelEventData>& events);

}  // namespace kerf::test
