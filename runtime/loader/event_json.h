// One event record -> one JSON object, schema "kerf.event" version 1 (docs/running.md).
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/abi/policy_abi.h"
#include "runtime/gateway/table.h"
#include "runtime/loader/bundle.h"
#include "runtime/loader/events.h"
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
  std::optional<Lists> complete(const Event& event, const Environment& env, const EntityUid& principal, const Facts& facts,
                                const std::vector<std::string>& hosts = {});

 private:
  std::optional<Lists> decide(const Event& event, const Environment& env, const EntityUid& principal, const Facts& facts,
                              const std::vector<std::string>& hosts);

  const LoadedBundle& bundle_;
  std::optional<gateway::Table> table_;
  bool unusable_ = false;
  std::uint64_t spent_ns_ = 0, since_ns_ = 0;
};

struct EventSource {
  const LoadedBundle& bundle;
  std::string binding;        // name of the loaded bundle
  EntityUid principal;
  Facts facts;
  std::vector<std::string> hosts = {};   // those of the address when it happened
  std::uint64_t lost = 0;     // events of the bundle so far
};

// Sizes and versions of a record as it came out of the ring; nothing if it is not one.
std::optional<Event> read_event(const void* bytes, std::size_t size);

// The entities that an event adds to the stored ones: the resource with what was observed, and for files its directories.
std::vector<Entity> observed_entities(const LoadedBundle& bundle, const Environment& env, const Event& event,
                                      const std::vector<std::string>& hosts = {});
// The names that the event's record says were known, if they still are what they were.
std::vector<std::string> hosts_of(const Event& event, const Names& names);

// `wall_minus_boot_ns`: to turn the event's boot time into wall time.
Json event_to_json(const Event& event, const EventSource& source, Completer& completer,
                   std::int64_t wall_minus_boot_ns);

// The object as one line of ASCII: what a terminal shows cannot be more than it says.
std::string event_line(const Event& event, const EventSource& source, Completer& completer);

// Now, in wall time, is what this boot time was: "2026-01-02T03:04:05.000000006Z".
std::string wall_time_text(std::uint64_t boot_ns);

}  // namespace kerf::loader
