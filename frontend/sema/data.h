// Entity and request JSON against a schema: implicit and explicit coercions, conformance, canonical ids (K6xxx).
#pragma once
#include <string_view>

#include "ir/base/diagnostic.h"
#include "ir/schema.h"
#include "ir/values/entities.h"

namespace kerf {

// Reads Cedar's entity JSON; spans point into the JSON text. The schema's action entities are added. Entities of
// kernel-bound types must have canonical ids, must not store a value that contradicts what a hook observes, and must
// not have stored parents of directory or file type (design 2 and 3).
Entities read_entities(const Sources& sources, SourceId source, const Schema& schema, Diagnostics& diagnostics);

// Without a schema: explicit forms only, no actions added. Nothing after a report (K6032, without places).
std::optional<Entities> read_untyped_entities(const Sources& sources, SourceId source, Diagnostics& diagnostics);

// `context` is JSON text (an object), or empty for no context. Validates action, types and context when `validate`;
// the context is always read with the schema's types.
struct RequestText {
  std::string principal, action, resource;   // entity literals as text
  SourceId context;                          // a source with a JSON object; not valid: empty context
};
// The same without a schema: nothing is validated.
std::optional<Request> read_untyped_request(const Sources& sources, const RequestText& text, Diagnostics& diagnostics);
std::optional<Request> read_request(const Sources& sources, const RequestText& text, const Schema& schema,
                                    bool validate, Diagnostics& diagnostics);

}  // namespace kerf
