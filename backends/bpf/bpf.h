// KernelPlan -> policy.bpf.o. Tables are laid out here (data); instructions are emitted by the helper program
// kerf-codegen, which alone links LLVM and is started only if nothing for these events and conditions was made before.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "ir/passes/plan.h"

namespace kerf {

// Layout that the loader needs to build binding records; goes into manifest.json. Field meanings: runtime/abi.
struct EnvLayout {
  std::size_t plan_env;                    // index into KernelPlan::envs
  std::uint32_t row_words, summary_words, forbid_words, permit_words, active_offset, values_offset, value_count;
  std::int32_t refusal_errno;
  std::vector<std::uint32_t> row_of;       // KernelPlan row -> row number in the object
  std::uint32_t rows;
};

struct BpfLayout {
  std::uint32_t segment_words = 0;
  std::uint32_t binding_bytes = 0;         // value size of kerf_bindings
  std::uint64_t governed = 0;              // mask of enum kerf_event_kind: events that some action binds
  std::vector<EnvLayout> envs;
  std::vector<std::string> programs;       // names in the object, in the order of runtime/abi/programs.def
  std::vector<std::string> maps;           // sorted
};

struct BpfObject {
  std::string elf;
  BpfLayout layout;
};

class ObjectTemplates;                     // templates.h

struct CodegenOptions {
  std::string helper;                      // absolute path of kerf-codegen; never from the environment or the cwd
  ObjectTemplates* templates = nullptr;    // null: the helper is started for every object; its bytes are the same either way
};

// `like` patterns that fit into no path automaton beside the others; emit_bpf then fails.
std::vector<Pattern> patterns_past_limits(const KernelPlan& plan);
// The same for those about the executable of the task that acts, which have an automaton of their own.
std::vector<Pattern> executables_past_limits(const Module& module, const KernelPlan& plan);
inline constexpr std::size_t kMaxAutomatonStates = std::size_t{1} << 17;   // of patterns, in each of two automata

// `digest`: 16 bytes, stored in every event record.
Result<BpfObject> emit_bpf(const Module& module, const KernelPlan& plan, const std::array<std::uint8_t, 16>& digest,
                           const CodegenOptions& options);

}  // namespace kerf
