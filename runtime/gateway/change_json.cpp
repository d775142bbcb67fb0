// JSON text -> EntityChange, strict: a key that is not known could have been meant to matter.
#include "runtime/gateway/editor.h"
#include "runtime/gateway/strict_json.h"

namespace kerf::gateway {
namespace {

Status read_uid(const JsonNode& node, EntityUid& uid) {
  Result<EntityUid> read = uid_from_json(node.json());
  if (!read.ok()) return read.error();
  uid = *std::move(read);
  return Unit{};
}

Status read_uids(const JsonNode& object, const char* key, std::vector<EntityUid>& uids) {
  return read_each(*object.find(key), key, [&](const JsonNode& element) { return read_uid(element, uids.emplace_back()); });
}

Status read_edges(const JsonNode& object, const char* key, std::vector<EntityChange::Edges>& list) {
  return read_each(*object.find(key), key, [&](const JsonNode& element) -> Status {
    const auto fields = read_fields<2>(element, {"uid", "parents"});
    if (!fields.ok()) return fields.error();
    EntityChange::Edges& edges = list.emplace_back();
    if (Status uid = read_uid((*fields)[0], edges.uid); !uid.ok()) return uid;
    return read_uids(element, "parents", edges.parents);
  });
}

Status read_part(const Json& object, const std::string& key, EntityChange& change) {
  const JsonNode json(object);
  if (key == "remove") return read_uids(json, "remove", change.remove);
  if (key == "removeParents") return read_edges(json, "removeParents", change.remove_parents);
  if (key == "addParents") return read_edges(json, "addParents", change.add_parents);
  if (key != "upsert") return Error{"unknown key " + quote(key)};
  Result<std::vector<Entity>> entities = entities_from_json(object["upsert"]);
  if (!entities.ok()) return Error{"upsert: " + entities.error().message};
  change.upsert = *std::move(entities);
  return Unit{};
}

}  // namespace

Result<EntityChange> read_entity_change(std::string_view text) {
  Result<Json> json = parse_json(text);
  if (!json.ok()) return json.error();
  if (!json->is_object()) return Error{"a change of entities is a JSON object"};
  EntityChange change;
  for (const auto& [key, part] : json->items()) {
    if (Status status = read_part(*json, key, change); !status.ok()) return status.error();
  }
  return change;
}

}  // namespace kerf::gateway
