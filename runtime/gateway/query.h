// What a decision works on beside the engine: the request in numbers, and memory that is reused, so that deciding does
// not allocate. Private to runtime/gateway; callers hold it through Query.
#pragma once
#include <memory>
#include <optional>

#include "runtime/gateway/reach.h"
#include "runtime/gateway/table_state.h"

namespace kerf::gateway {

struct EnvironmentPlan;
class Straight;

struct Workspace {
  // The request.
  Node nodes[3] = {kNoNode, kNoNode, kNoNode};   // principal, action, resource; not known ones get numbers past the store's
  EntityUid unknown[3];                          // their uids then
  const EntityUid* uids[3] = {nullptr, nullptr, nullptr};
  const ValueRecord* context = nullptr;          // null: the request is a text, and was not read as values yet
  const Store::Row* rows[3] = {nullptr, nullptr, nullptr};   // theirs, of the engine that set the request
  std::uint32_t environment = 0xffffffffu;
  const EnvironmentPlan* plan = nullptr;         // its plan; null: no environment fits
  const Straight* usual = nullptr;               // the plan's, if it alone decides and its usual way may be tried
  const Reach::Of* reach = nullptr;              // the principal's there; null if that is not known

  // A request that came as text (request_json.cpp).
  struct Scanner;
  std::unique_ptr<Scanner, void (*)(Scanner*)> scanner{nullptr, nullptr};
  std::string_view text;
  Request request;                               // the text as values, when it had to be read so
  const ValueRecord& whole_context();            // of any request

  // The context's cells by attribute, filled when first asked for. Those of a text are entered while it is read, and
  // completed when first asked for: `text` has still to be looked up, `value` needs the text to be read as values.
  enum class Pending : std::uint8_t { none, text, value };
  struct Entry {
    Cell cell;
    std::uint32_t stamp = 0;
    bool present = false;
    Pending pending = Pending::none;
    Value held;                                  // an extension value of a text
  };
  std::vector<Entry> entries;
  std::uint32_t context_stamp = 0;

  // Outcomes of the environment's atoms, of the decision with this stamp.
  std::vector<std::uint32_t> outcomes;   // stamp << 2 | outcome
  std::uint32_t stamp = 0;

  std::optional<Evaluation> evaluation;  // for atoms that need the general evaluator
  std::vector<std::uint32_t> groups, candidates, permits;
  struct Resolved {
    const Cell* cell = nullptr;          // null: there is none
    Cell own;                            // that it is, if it lies nowhere else
  };
  Cell own[2];                           // of the operands that are being looked at, if they lie nowhere else
  std::vector<Resolved> resolved;        // of a block's watches, in order
  std::vector<const std::uint64_t*> maps;
  std::vector<std::uint64_t> gathered;   // of the size that the largest block needs
  std::size_t gathered_used = 0;
};

}  // namespace kerf::gateway
