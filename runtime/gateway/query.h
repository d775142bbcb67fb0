// What a decision works on beside the engine: the request in numbers, and memory that is reused, so that deciding does
// not allocate. Private to runtime/gateway; callers hold it through Query.
#pragma once
#include <optional>

#include "runtime/gateway/store.h"
#include "runtime/gateway/table_state.h"

namespace kerf::gateway {

struct Workspace {
  // The request.
  Node nodes[3] = {kNoNode, kNoNode, kNoNode};   // principal, action, resource; not known ones get numbers past the store's
  EntityUid unknown[3];                          // their uids then
  const EntityUid* uids[3] = {nullptr, nullptr, nullptr};
  const ValueRecord* context = nullptr;
  std::uint32_t environment = 0xffffffffu;

  // The context's cells by attribute, filled when first asked for.
  struct Entry {
    Cell cell;
    std::uint32_t stamp = 0;
    bool present = false;
  };
  std::vector<Entry> entries;
  std::uint32_t context_stamp = 0;

  // Outcomes of the environment's atoms, of the decision with this stamp.
  std::vector<std::uint32_t> outcomes;   // stamp << 2 | outcome
  std::uint32_t stamp = 0;

  std::optional<Evaluation> evaluation;  // for atoms that need the general evaluator
  std::vector<std::uint32_t> groups, candidates, permits;
  std::vector<const std::uint64_t*> maps;
  std::vector<std::uint64_t> gathered;   // of the size that the largest block needs
  std::size_t gathered_used = 0;
};

}  // namespace kerf::gateway
