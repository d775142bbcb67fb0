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
  std::map<std::string, Value> observed;  // by observable name: "endpoint.ip", "file.path", "process.uid", …
  std::map<std::string, Value> facts;     // published facts by NAME; absent: not set
  bool directory = false;                 // file events: the object is itself a directory
  std::vector<std::string> hosts = {};    // network events: names that are known for the address
};

struct Materialised {
  Request request;
  Entities entities;                      // the module's entities merged with what was observed
  std::vector<std::string> open;          // context attributes that no hook observes: any completion must agree
};

// {"event":"net.connect","principal":"Agent::\"a1\"","observed":{"endpoint.ip":"10.0.0.1","endpoint.port":443},
//  "facts":{"delegation_depth":2}}. Addresses are normalised as the kernel does: mapped IPv6 becomes IPv4; of
// net.connect 0.0.0.0 is 127.0.0.1, :: is ::1.
// {"event":"net.socket","observed":{"socket.family":2,"socket.type":1,"socket.protocol":6}} says which socket it is by the
// numbers; the resource is Socket::"inet/stream".
// {"event":"system.mount","observed":{"system.operation":"mount","mount.fs_type":"tmpfs","mount.flags":0}}
// "hosts":["example.com"] are the names that are known for the address; `endpoint.host` follows from them.
// {"event":"file.read","principal":…,"observed":{"file.path":"/srv/a","file.fs_type":"ext4","file.owner":0,
//  "file.mode":420,"file.nlink":1},"directory":false}. `directory.path` instead says that it is a directory. Of what does
// not exist yet owner, mode and nlink are left out; they come together, and `file.setuid` follows from the mode.
Result<KernelEventData> event_from_json(const Schema& schema, const Json& json);
// Fails if the principal is not a stored entity of a `process` type, if no action applies (no-applicable-action), or if
// the kernel would refuse the event because its path is too long, no text or not canonical.
Result<Materialised> materialise(const Module& module, const KernelEventData& event);

// What a hook knows the resource by, of an event whose resource has a text for an id: a path, a kind of socket.
Result<std::string> resource_text(const KernelEventData& event);

}  // namespace kerf
