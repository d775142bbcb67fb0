// Cedar's JSON forms of values, uids and entities, without a schema: only the explicit escapes `__entity` and `__extn`
// make anything but scalars, sets and records. What is an escape and what is a record that looks like one is decided as
// the official reader decides it: an escape is an object with that one key, whose content has the escape's form.
#include "ir/values/json.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/values/extension.h"
#include "ir/values/operations.h"

namespace kerf {

namespace {

const Json* member(const Json& object, const char* key) {
  auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

const std::string* text_member(const Json& object, const char* key) {
  const Json* found = member(object, key);
  return found == nullptr ? nullptr : found->get_ptr<const std::string*>();
}

bool is_uid(const Json& json) {
  return json.is_object() && text_member(json, "type") != nullptr && text_member(json, "id") != nullptr;
}

bool is_call(const Json& json) {
  if (!json.is_object() || text_member(json, "fn") == nullptr) return false;
  const Json* args = member(json, "args");
  return member(json, "arg") != nullptr || (args != nullptr && args->is_array());
}

Result<Value> called(const Json& json) {
  std::vector<Value> values;
  auto add = [&](const Json& arg) -> Status {
    auto value = value_from_json(arg);
    if (!value.ok()) return value.error();
    values.push_back(std::move(value).value());
    return Unit{};
  };
  if (const Json* arg = member(json, "arg")) {
    if (Status added = add(*arg); !added.ok()) return added.error();
  } else {
    for (const Json& one : json["args"]) {
      if (Status added = add(one); !added.ok()) return added.error();
    }
  }
  const std::string& function = *text_member(json, "fn");
  if (!is_extension_function(function) && !is_extension_method(function)) {
    return Error{fmt::format("`{}` is not an extension function", function)};
  }
  EvalResult result = op_call(function, values);
  if (!result.ok()) return Error{result.error().message};
  return std::move(result).value();
}

Result<Value> set_from_json(const Json& json) {
  std::vector<Value> elements;
  elements.reserve(json.size());
  for (const Json& element : json) {
    auto value = value_from_json(element);
    if (!value.ok()) return value.error();
    elements.push_back(std::move(value).value());
  }
  return Value::set(std::move(elements));
}

Result<ValueRecord> members_from_json(const Json& json) {
  ValueRecord record;
  for (const auto& [key, element] : json.items()) {
    auto value = value_from_json(element);
    if (!value.ok()) return Error{fmt::format("in {}: {}", quote(key), value.error().message)};
    record.emplace(key, std::move(value).value());
  }
  return record;
}

Result<Value> object_from_json(const Json& json) {
  if (json.size() == 1) {
    const auto& [key, body] = *json.get_ptr<const Json::object_t*>()->begin();
    if (key == "__expr" && body.is_string()) return Error{"the `__expr` escape is no longer supported"};
    if (key == "__extn" && is_call(body)) return called(body);
    if (key == "__entity" && is_uid(body)) {
      auto uid = uid_from_json(body);
      if (!uid.ok()) return uid.error();
      return Value(std::move(uid).value());
    }
  }
  auto record = members_from_json(json);
  if (!record.ok()) return record.error();
  return Value(std::move(record).value());
}

Json extension_to_json(std::string_view function, std::string text) {
  return {{"__extn", {{"fn", function}, {"arg", std::move(text)}}}};
}

Json datetime_to_json(const Datetime& d) {
  if (has_text(d)) return extension_to_json("datetime", to_text(d));
  Json epoch = extension_to_json("datetime", "1970-01-01");
  Json::array_t args{std::move(epoch), extension_to_json("duration", to_text(Duration{d.ms}))};
  return {{"__extn", {{"fn", "offset"}, {"args", std::move(args)}}}};
}

}  // namespace

Result<Value> value_from_json(const Json& json) {
  switch (json.type()) {
    case Json::value_t::boolean: return Value(json.get<bool>());
    case Json::value_t::number_integer: return Value(json.get<std::int64_t>());
    case Json::value_t::number_unsigned: {
      auto number = json.get<std::uint64_t>();
      if (number > static_cast<std::uint64_t>(INT64_MAX)) return Error{"an integer does not fit in 64 bits"};
      return Value(static_cast<std::int64_t>(number));
    }
    case Json::value_t::string: return Value(json.get<std::string>());
    case Json::value_t::array: return set_from_json(json);
    case Json::value_t::object: return object_from_json(json);
    case Json::value_t::number_float: return Error{"a number has a fraction or an exponent; Cedar has 64-bit integers"};
    case Json::value_t::null: return Error{"`null` is not a Cedar value"};
    case Json::value_t::binary:
    case Json::value_t::discarded: break;
  }
  return Error{"not a JSON value"};
}

Json value_to_json(const Value& value) {
  switch (value.kind()) {
    case ValueKind::boolean: return *value.as_bool();
    case ValueKind::long_: return *value.as_long();
    case ValueKind::string: return *value.as_string();
    case ValueKind::entity: return {{"__entity", uid_to_json(*value.as_entity())}};
    case ValueKind::set: {
      Json::array_t elements;
      for (const Value& element : *value.as_set()) elements.push_back(value_to_json(element));
      return Json(std::move(elements));
    }
    case ValueKind::record: {
      Json::object_t members;
      for (const auto& [key, element] : *value.as_record()) members.emplace(key, value_to_json(element));
      return Json(std::move(members));
    }
    case ValueKind::decimal: return extension_to_json("decimal", to_text(*value.as_decimal()));
    case ValueKind::ip: return extension_to_json("ip", to_text(*value.as_ip()));
    case ValueKind::datetime: return datetime_to_json(*value.as_datetime());
    case ValueKind::duration: return extension_to_json("duration", to_text(*value.as_duration()));
  }
  internal_error("unknown kind of value");
}

Result<EntityUid> uid_from_json(const Json& json) {
  if (json.is_object() && text_member(json, "__expr") != nullptr) return Error{"the `__expr` escape is no longer supported"};
  const Json* wrapped = json.is_object() ? member(json, "__entity") : nullptr;
  const Json& body = wrapped != nullptr && is_uid(*wrapped) ? *wrapped : json;
  if (!is_uid(body)) return Error{"an entity reference looks like {\"type\": \"User\", \"id\": \"alice\"}"};
  const std::string &type = *text_member(body, "type"), &id = *text_member(body, "id");
  if (!is_name(type)) return Error{fmt::format("{} is not the name of an entity type", quote(type))};
  return EntityUid{type, id};
}

Json uid_to_json(const EntityUid& uid) { return {{"type", uid.type}, {"id", uid.id}}; }

namespace {

Result<Entity> entity_from_json(const Json& json) {
  if (!json.is_object()) return Error{"an entity is an object with `uid`, `attrs` and `parents`"};
  const Json* uid_json = member(json, "uid");
  if (uid_json == nullptr) return Error{"an entity has no `uid`"};
  auto uid = uid_from_json(*uid_json);
  if (!uid.ok()) return Error{"in `uid`: " + uid.error().message};
  auto fail = [&](std::string_view what) { return Error{fmt::format("entity `{}`: {}", to_text(*uid), what)}; };
  const Json* attrs_json = member(json, "attrs");
  const Json* parents_json = member(json, "parents");
  const Json* tags_json = member(json, "tags");
  if (attrs_json == nullptr || !attrs_json->is_object()) return fail("`attrs` is not an object");
  if (parents_json == nullptr || !parents_json->is_array()) return fail("`parents` is not an array");
  if (tags_json != nullptr && !tags_json->is_object()) return fail("`tags` is not an object");

  auto attrs = members_from_json(*attrs_json);
  if (!attrs.ok()) return fail("`attrs` " + attrs.error().message);
  Entity entity{*uid, std::move(attrs).value(), {}, {}};
  if (tags_json != nullptr) {
    auto tags = members_from_json(*tags_json);
    if (!tags.ok()) return fail("`tags` " + tags.error().message);
    entity.tags = std::move(tags).value();
  }
  for (const Json& parent_json : *parents_json) {
    auto parent = uid_from_json(parent_json);
    if (!parent.ok()) return fail("`parents`: " + parent.error().message);
    entity.parents.push_back(std::move(parent).value());
  }
  std::sort(entity.parents.begin(), entity.parents.end());
  entity.parents.erase(std::unique(entity.parents.begin(), entity.parents.end()), entity.parents.end());
  return entity;
}

Json members_to_json(const ValueRecord& record) { return value_to_json(Value(record)); }

}  // namespace

Result<std::vector<Entity>> entities_from_json(const Json& json) {
  if (!json.is_array()) return Error{"entities are a JSON array"};
  std::vector<Entity> entities;
  entities.reserve(json.size());
  for (const Json& element : json) {
    auto entity = entity_from_json(element);
    if (!entity.ok()) return entity.error();
    entities.push_back(std::move(entity).value());
  }
  return entities;
}

Json entities_to_json(const std::vector<Entity>& entities) {
  std::vector<const Entity*> sorted;
  for (const Entity& entity : entities) sorted.push_back(&entity);
  std::sort(sorted.begin(), sorted.end(), [](const Entity* a, const Entity* b) { return a->uid < b->uid; });
  Json::array_t array;
  for (const Entity* entity : sorted) {
    Json::array_t parents;
    for (const EntityUid& parent : entity->parents) parents.push_back(uid_to_json(parent));
    Json json = {{"uid", uid_to_json(entity->uid)}, {"attrs", members_to_json(entity->attrs)}, {"parents", std::move(parents)}};
    if (!entity->tags.empty()) json["tags"] = members_to_json(entity->tags);
    array.push_back(std::move(json));
  }
  return Json(std::move(array));
}

}  // namespace kerf
