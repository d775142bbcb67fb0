// Materialisation: the Cedar request and entity data that a kernel event stands for. Written once; tests, `kerf
// simulate` and the event listener use it, and the official engine judges kernel decisions on it.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "ir/canonical.h"
#include "ir/module.h"
#include "ir/values/json.h"

namespace kerf {

struct KernelEventData {
  KernelEventId event;
  EntityUid principal;
  std::map<std::string, Value> observed;  // by observable name: "endpoint.ip", "endpoint.port", "process.uid", …
  std::map<std::string, Value> facts;     // published facts by NAME; absent: not set
};

struct Materialised {
  Request request;
  Entities entities;                      // the module's entities merged with what was observed
  std::vector<std::string> open;          // context attributes that no hook observes: any completion must agree
};

// {"event":"net.connect","principal":"Agent::\"a1\"","observed":{"endpoint.ip":"10.0.0.1","endpoint.port":443},
//  "facts":{"delegation_depth":2}}. Addresses are normalised as the kernel does: mapped IPv6 becomes IPv4, 0.0.0.0 is
// 127.0.0.1, :: is ::1.
Result<KernelEventData> event_from_json(const Schema& schema, const Json& json);
// Fails if the principal is not a stored entity of a `process` type, or no action applies (no-applicable-action).
Result<Materialised> materialise(const Module& module, const KernelEventData& event);

}  // namespace kerf
