// Small helpers for reading objects strictly: every failure says where. Private to runtime/gateway.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>

#include "ir/base/result.h"
#include "ir/values/json.h"

namespace kerf::gateway {

// Exactly these keys, all of them.
inline Status expect_keys(const Json& json, std::initializer_list<const char*> keys) {
  if (!json.is_object()) return Error{"an object is expected"};
  for (const char* key : keys) {
    if (!json.contains(key)) return Error{"the key `" + std::string(key) + "` is missing"};
  }
  if (json.size() == keys.size()) return Unit{};
  for (const auto& [name, value] : json.items()) {
    bool known = false;
    for (const char* key : keys) known = known || name == key;
    if (!known) return Error{"unknown key " + quote(name)};
  }
  return Unit{};
}

inline Result<std::string> read_string(const Json& object, const char* key) {
  const Json& value = object[key];
  if (!value.is_string()) return Error{"`" + std::string(key) + "` must be a string"};
  return value.get<std::string>();
}

// An unsigned number below `limit`.
inline Result<std::uint32_t> read_index(const Json& value, const char* what, std::size_t limit) {
  if (!value.is_number_integer() || value < 0) return Error{"`" + std::string(what) + "` must be a number without sign"};
  const auto number = value.get<std::uint64_t>();
  if (number >= limit) {
    return Error{"`" + std::string(what) + "` is " + std::to_string(number) + ", but must be below " +
                 std::to_string(limit)};
  }
  return static_cast<std::uint32_t>(number);
}

inline Result<EntityUid> read_plain_uid(const Json& json) {
  if (Status keys = expect_keys(json, {"type", "id"}); !keys.ok()) return keys.error();
  Result<std::string> type = read_string(json, "type");
  if (!type.ok()) return type.error();
  Result<std::string> id = read_string(json, "id");
  if (!id.ok()) return id.error();
  return EntityUid{*std::move(type), *std::move(id)};
}

// Applies `read(element)` to every element of the array `object[key]`; a failure is told with key and position.
template <class Read>
Status read_each(const Json& object, const char* key, Read read) {
  const Json& array = object[key];
  if (!array.is_array()) return Error{"`" + std::string(key) + "` must be an array"};
  std::size_t position = 0;
  for (const Json& element : array) {
    Status status = read(element);
    if (!status.ok()) {
      return Error{std::string(key) + "[" + std::to_string(position) + "]: " + status.error().message};
    }
    ++position;
  }
  return Unit{};
}

}  // namespace kerf::gateway
