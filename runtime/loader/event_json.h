// One event record -> one JSON object, schema "kerf.event" version 1 (docs/running.md).
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/abi/policy_abi.h"
#include "runtime/gateway/table.h"
#include "runtime/loader/bundle.h"
#include "runtime/loader/facts.h"

namespace kerf::loader {

// All determining and erring policies of an event, when the record had no room for them: the table decides the
// materialised event again. Nothing, if the manifest does not say how, if the table disagrees with what the record
// holds, or if completing has taken more than its share of time.
class Completer {
 public:
  explicit Completer(const LoadedBundle& bundle) : bundle_(bundle) {}
  struct Lists {
    std::vector<std::uint32_t> determining, errors;
  };
  std::optional<Lists> complete(const kerf_event_record& event, const Environment& env, const EntityUid& principal,
                                const Facts& facts);

 private:
  std::optional<Lists> decide(const kerf_event_record& event, const Environment& env, const EntityUid& principal, const Facts& facts);

  const LoadedBundle& bundle_;
  std::optional<gateway::Table> table_;
  bool unusable_ = false;
  std::uint64_t spent_ns_ = 0, since_ns_ = 0;
};

struct EventSource {
  const LoadedBundle& bundle;
  std::string binding;        // run id
  EntityUid principal;
  Facts facts;
};

// Sizes and versions of a record as it came out of the ring; nothing if it is not one.
std::optional<kerf_event_record> read_event(const void* bytes, std::size_t size);

// `wall_minus_boot_ns`: to turn the event's boot time into wall time.
Json event_to_json(const kerf_event_record& event, const EventSource& source, Completer& completer,
                   std::int64_t wall_minus_boot_ns);

}  // namespace kerf::loader
