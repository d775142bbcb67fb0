// Small helpers for reading objects strictly: every failure says where. Private to runtime/gateway.
#pragma once
#include <cstdint>
#include <limits>
#include <span>
#include <string>

#include "ir/base/result.h"
#include "runtime/gateway/text_node.h"

namespace kerf::gateway {

// Exactly these keys, all of them; each once, because there are no more members than keys.
template <class Node>
Status expect_keys(const Node& node, std::span<const std::string_view> keys) {
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

// The same, and the members in the order of the keys.
template <std::size_t N, class Node>
Result<std::array<Node, N>> read_fields(const Node& node, const std::array<std::string_view, N>& keys) {
  std::array<Node, N> fields;
  if (node.is_object() && node.fields(keys, fields)) return fields;
  Status status = expect_keys(node, std::span<const std::string_view>(keys));
  check(!status.ok(), "an object's keys");
  return status.error();
}

template <std::size_t N>
Result<std::array<TextNode, N>> read_fields(const TextNode& node, const std::array<std::string_view, N>& keys) {
  std::array<TextNode, N> fields;
  if (node.is_object() && node.fields(keys, fields)) return fields;
  return Error{"an object's keys"};
}

template <class Node>
Result<std::string> read_string(const Node& value, const char* key) {
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
  const auto fields = read_fields<2>(node, {"type", "id"});
  if (!fields.ok()) return fields.error();
  Result<std::string> type = read_string((*fields)[0], "type");
  if (!type.ok()) return type.error();
  Result<std::string> id = read_string((*fields)[1], "id");
  if (!id.ok()) return id.error();
  return EntityUid{*std::move(type), *std::move(id)};
}

inline std::string at_position(const char* key, std::size_t position) { return std::string(key) + "[" + std::to_string(position) + "]: "; }

template <class Node, class Read, class Each>
Status each_of(const Node& array, const char* key, Read read, Each each) {
  if (!array.is_array()) return Error{"`" + std::string(key) + "` must be an array"};
  std::size_t position = 0;
  Status status = Unit{};
  each(array, [&](const auto& element) {
    status = read(element);
    position += status.ok();
    return status.ok();
  });
  if (status.ok()) return status;
  return Error{at_position(key, position) + status.error().message};
}

// Applies `read(element)` to every element of the array; a failure is told with key and position.
template <class Node, class Read>
Status read_each(const Node& array, const char* key, Read read) {
  return each_of(array, key, read, [](const Node& node, auto visit) { node.each(visit); });
}
// The same of elements that may be long.
template <class Node, class Read>
Status read_each_part(const Node& array, const char* key, Read read) {
  return each_of(array, key, read, [](const Node& node, auto visit) { node.each_part(visit); });
}

}  // namespace kerf::gateway
