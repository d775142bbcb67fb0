// The binding record: what userspace decides for one principal and its facts, in the form the hooks read
// (struct kerf_binding).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/loader/bundle.h"
#include "runtime/loader/facts.h"

namespace kerf::loader {

// The stored entity of a principal type that `text` names, or why it cannot be bound.
LoaderResult<EntityUid> find_principal(const LoadedBundle& bundle, const std::string& text);

struct RecordInput {
  EntityUid principal;
  Facts facts;
  std::uint64_t generation = 0;
  std::uint32_t mode = 0;            // enum kerf_mode
  std::uint64_t now_ns = 0;          // boot time; facts and names whose deadline has passed are left out
  Hosts hosts = {};                  // names of one address: the record is for it alone
  std::uint32_t names = 0;           // … and which these are
};

// Exactly manifest.binding_bytes bytes. One segment for each span between deadlines.
LoaderResult<std::vector<std::uint8_t>> build_record(const LoadedBundle& bundle, const RecordInput& input);

// Can every value that hooks read be stored for this principal? Fine for entities of other types.
LoaderResult<Unit> check_slots(const LoadedBundle& bundle, const EntityUid& principal);

// The environment of a principal type for an event, or none: no applicable action. For a directory that of the
// directory type, else the one of the file type.
const Environment* find_environment(const Manifest& manifest, const std::string& principal_type, std::uint32_t event,
                                    bool directory);

// The facts in force at `now_ns` as context attributes of an environment.
ValueRecord fact_context(const Environment& env, const Facts& facts, std::uint64_t now_ns);

}  // namespace kerf::loader
