// Cedar's entity, context and request JSON (without a schema), strict: 64-bit integers exact; floats, null and
// repeated keys are errors; nesting is bounded. Schema-directed coercion is in frontend/sema/data.h.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "ir/values/entities.h"
#include "ir/values/value.h"

namespace kerf {

using Json = nlohmann::json;

inline constexpr int kMaxJsonDepth = 256;

// Text to tree; fails on bad JSON, invalid UTF-8, repeated keys and nesting past `max_depth`. The message has line and
// column. Cedar's data has no null; kerf's own formats do.
enum class JsonNull { refuse, accept };
Result<Json> parse_json(std::string_view text, int max_depth = kMaxJsonDepth, JsonNull null = JsonNull::refuse);

// `{"__entity":{type,id}}`, `{"__extn":{fn,arg}}`, `{"__extn":{fn,args}}`, scalars, arrays, objects. As for the official
// reader, other keys inside of an escape do not count, and an object that is not quite an escape (another key beside it,
// no `id`) is a record. `offset` (RFC 110) writes the datetimes that have no constructor text.
Result<Value> value_from_json(const Json& json);
Json value_to_json(const Value& value);  // the explicit forms above

Result<EntityUid> uid_from_json(const Json& json);  // {type,id} or {"__entity":{…}}; other keys do not count
Json uid_to_json(const EntityUid& uid);

Result<std::vector<Entity>> entities_from_json(const Json& json);
Json entities_to_json(const std::vector<Entity>& entities);  // sorted by uid, deterministic

}  // namespace kerf
