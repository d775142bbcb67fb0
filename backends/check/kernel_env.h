// An environment of a governed action and event, as the object and its manifest have it.
#pragma once
#include <linux/types.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "backends/check/cases.h"
#include "backends/check/hook_inputs.h"
#include "backends/check/read_manifest.h"
#include "backends/check/row_sets.h"
#include "runtime/abi/policy_abi.h"
#include "runtime/kernel/tables.h"

namespace kerf::proof {

struct Row {
  std::uint32_t number, condition;
  Outcome result;
  const ManifestRow* active;
};

struct Env {
  const ManifestEnvironment* manifest;
  std::vector<std::uint32_t> fields;                 // in kerf_envs
  bool files = false;
  std::unique_ptr<Knowledge> knowledge;
  std::unique_ptr<HookAtoms> atoms;
  std::unique_ptr<Cases> cases;
  std::vector<Term> predicates;
  std::vector<CodeSlot> slots;
  std::vector<std::vector<Row>> rows;                // by policy
  std::optional<Ranks> ip4, ip6, port, numbers;
  std::optional<Peers> peers;
  std::optional<Dimension> dimensions[5];            // IPv4, IPv6, port, endpoint; of files: automata 0 to 2; of both: number

  bool asks(kerf_dimension dimension) const { return fields[KERF_ENV_DIMENSIONS] >> dimension & 1; }
  // Nothing is looked up for an environment without rows.
  bool has_rows() const { return fields[KERF_ENV_BLOCKS] != 0; }
  // Have the first so many been read?
  bool has_dimensions(std::size_t count) const {
    return std::all_of(dimensions, dimensions + count, [](const std::optional<Dimension>& dimension) { return dimension.has_value(); });
  }
};

constexpr std::size_t kNumber = 4;

// The number that events of this kind have at a place.
std::optional<ObservableId> number_at(std::uint32_t offset, std::string_view event);

// What nothing is looked up in: all rows hold.
Dimension everywhere(std::uint32_t blocks);

}  // namespace kerf::proof
