// A JSON tree that table readers walk, from either of two parsers: nlohmann's, whose messages are precise, and simdjson's,
// which is fast. Readers are templates over these two, and over TextNode (text_node.h) where a text is long; TapeNode's
// caller sees to it that what it refuses is asked of the other, so the two need to agree on what is accepted only. Private to runtime/gateway.
#pragma once
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ir/values/json.h"

namespace kerf::gateway {

class JsonNode {
 public:
  JsonNode() = default;
  const JsonNode& whole() const { return *this; }
  explicit JsonNode(const Json& json) : json_(&json) {}
  const Json& json() const { return *json_; }
  bool is_object() const { return json_->is_object(); }
  bool is_array() const { return json_->is_array(); }
  bool is_string() const { return json_->is_string(); }
  bool is_boolean() const { return json_->is_boolean(); }
  bool is_null() const { return json_->is_null(); }
  bool is_integer() const { return json_->is_number_integer(); }
  bool is_text(std::string_view text) const { return is_string() && this->text() == text; }
  std::size_t size() const { return json_->size(); }                                    // of an object or an array
  std::string_view text() const { return json_->get_ref<const std::string&>(); }        // of a string
  bool boolean() const { return json_->get<bool>(); }
  std::optional<std::uint64_t> natural() const {                                        // of an integer
    return *json_ < 0 ? std::nullopt : std::optional(json_->get<std::uint64_t>());
  }
  std::string number() const { return json_->dump(); }                                  // of a number, for messages
  std::optional<JsonNode> find(std::string_view key) const {                            // in an object
    auto found = json_->find(key);
    return found == json_->end() ? std::nullopt : std::optional(JsonNode(*found));
  }
  // The members of an object that has just these keys, in their order. False if it has others, or not all.
  template <std::size_t N>
  bool fields(const std::array<std::string_view, N>& keys, std::array<JsonNode, N>& out) const {
    for (std::size_t i = 0; i < N; ++i) {
      const std::optional<JsonNode> field = find(keys[i]);
      if (!field) return false;
      out[i] = *field;
    }
    return size() == N;
  }
  template <class Visit>
  void each(Visit visit) const {                                                        // of an array, until one says false
    for (const Json& element : *json_) {
      if (!visit(JsonNode(element))) return;
    }
  }
  template <class Visit>
  void each_part(Visit visit) const { each(visit); }
  std::vector<std::pair<std::string_view, JsonNode>> members() const {                  // of an object, sorted by key
    std::vector<std::pair<std::string_view, JsonNode>> list;
    for (const auto& [key, value] : json_->items()) list.emplace_back(key, JsonNode(value));
    return list;
  }
  std::pair<std::string_view, JsonNode> only() const {                                  // member of an object that has one
    return {json_->begin().key(), JsonNode(json_->begin().value())};
  }

 private:
  const Json* json_ = nullptr;
};

class TapeNode {
 public:
  TapeNode() = default;
  const TapeNode& whole() const { return *this; }
  explicit TapeNode(simdjson::dom::element element) : element_(element) {}
  bool is_object() const { return element_.is_object(); }
  bool is_array() const { return element_.is_array(); }
  bool is_string() const { return element_.is_string(); }
  bool is_boolean() const { return element_.is_bool(); }
  bool is_null() const { return element_.is_null(); }
  bool is_integer() const { return element_.type() == simdjson::dom::element_type::INT64 || element_.type() == simdjson::dom::element_type::UINT64; }
  bool is_text(std::string_view text) const { return is_string() && this->text() == text; }
  std::size_t size() const { return is_array() ? array().size() : object().size(); }
  std::string_view text() const { return element_.get_string().value_unsafe(); }
  bool boolean() const { return element_.get_bool().value_unsafe(); }
  std::optional<std::uint64_t> natural() const {
    std::uint64_t number = 0;
    if (element_.get_uint64().get(number) != simdjson::SUCCESS) return std::nullopt;
    return number;
  }
  std::string number() const { return simdjson::minify(element_); }
  std::optional<TapeNode> find(std::string_view key) const {
    for (auto member : object()) {
      if (member.key == key) return TapeNode(member.value);
    }
    return std::nullopt;
  }
  // Members mostly come in the order of the keys, whichever is the first.
  template <std::size_t N>
  bool fields(const std::array<std::string_view, N>& keys, std::array<TapeNode, N>& out) const {
    std::array<bool, N> found{};
    std::size_t next = 0, count = 0;
    for (auto member : object()) {
      std::size_t tried = 0;
      for (; tried < N && member.key != keys[next]; ++tried) next = next + 1 == N ? 0 : next + 1;
      if (tried == N || found[next]) return false;
      found[next] = true;
      out[next] = TapeNode(member.value);
      next = next + 1 == N ? 0 : next + 1;
      ++count;
    }
    return count == N;
  }
  template <class Visit>
  void each(Visit visit) const {
    for (simdjson::dom::element element : array()) {
      if (!visit(TapeNode(element))) return;
    }
  }
  template <class Visit>
  void each_part(Visit visit) const { each(visit); }
  std::vector<std::pair<std::string_view, TapeNode>> members() const {
    std::vector<std::pair<std::string_view, TapeNode>> list;
    for (auto member : object()) list.emplace_back(member.key, TapeNode(member.value));
    std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    return list;
  }
  std::pair<std::string_view, TapeNode> only() const {
    auto member = *object().begin();
    return {member.key, TapeNode(member.value)};
  }

 private:
  simdjson::dom::object object() const { return element_.get_object().value_unsafe(); }
  simdjson::dom::array array() const { return element_.get_array().value_unsafe(); }
  simdjson::dom::element element_;
};

template <class Node>
std::vector<Node> elements_of(const Node& array) {
  std::vector<Node> list;
  array.each([&](const Node& element) { return list.push_back(element), true; });
  return list;
}
// Of an array of so many.
template <std::size_t N, class Node>
std::array<Node, N> parts_of(const Node& array) {
  std::array<Node, N> parts;
  std::size_t count = 0;
  array.each([&](const Node& element) { return parts[count++] = element, count < N; });
  return parts;
}

// True if a key is there twice among sorted members, which only simdjson lets through.
template <class Node>
bool repeats(const std::vector<std::pair<std::string_view, Node>>& members) {
  return std::adjacent_find(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.first == b.first; }) != members.end();
}

}  // namespace kerf::gateway
