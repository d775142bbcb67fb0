// Small helpers for reading objects strictly: every failure says where. Private to runtime/gateway.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>

#include "ir/base/result.h"
#include "runtime/gateway/tree.h"

namespace kerf::gateway {

// Exactly these keys, all of them; each once, because there are no more members than keys.
template <class Node>
Status expect_keys(const Node& node, std::initializer_list<std::string_view> keys) {
  if (!node.is_object()) return Error{"an object is expected"};
  for (std::string_view key : keys) {
    if (!node.find(key)) return Error{"the key `" + std::string(key) + "` is missing"};
  }
  if (node.size() == keys.size()) return Unit{};
  for (const auto& [name, value] : node.members()) {
    if (std::find(keys.begin(), keys.end(), name) == keys.end()) return Error{"unknown key " + quote(std::string(name))};
  }
  return Error{"a key is there twice"};
}

template <class Node>
Result<std::string> read_string(const Node& object, const char* key) {
  const Node value = *object.find(key);
  if (!value.is_string()) return Error{"`" + std::string(key) + "` must be a string"};
  return std::string(value.text());
}

// An unsigned number below `limit`.
template <class Node>
Result<std::uint32_t> read_index(const Node& value, const char* what, std::size_t limit) {
  const std::optional<std::uint64_t> number = value.is_integer() ? value.natural() : std::nullopt;
  if (!number) return Error{"`" + std::string(what) + "` must be a number without sign"};
  if (*number >= limit) {
    return Error{"`" + std::string(what) + "` is " + std::to_string(*number) + ", but must be below " + std::to_string(limit)};
  }
  return static_cast<std::uint32_t>(*number);
}

template <class Node>
Result<EntityUid> read_plain_uid(const Node& node) {
  if (Status keys = expect_keys(node, {"type", "id"}); !keys.ok()) return keys.error();
  Result<std::string> type = read_string(node, "type");
  if (!type.ok()) return type.error();
  Result<std::string> id = read_string(node, "id");
  if (!id.ok()) return id.error();
  return EntityUid{*std::move(type), *std::move(id)};
}

// Applies `read(element)` to every element of the array `object[key]`; a failure is told with key and position.
template <class Node, class Read>
Status read_each(const Node& object, const char* key, Read read) {
  const Node array = *object.find(key);
  if (!array.is_array()) return Error{"`" + std::string(key) + "` must be an array"};
  std::size_t position = 0;
  for (const Node& element : array.elements()) {
    Status status = read(element);
    if (!status.ok()) {
      return Error{std::string(key) + "[" + std::to_string(position) + "]: " + status.error().message};
    }
    ++position;
  }
  return Unit{};
}

}  // namespace kerf::gateway
