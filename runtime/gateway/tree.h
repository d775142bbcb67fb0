// A JSON tree that table readers walk, from either of two parsers: nlohmann's, whose messages are precise, and simdjson's,
// which is fast. Readers are templates over these two; TapeNode's caller sees to it that what it refuses is asked of the
// other, so the two need to agree on what is accepted only. Private to runtime/gateway.
#pragma once
#include <simdjson.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ir/values/json.h"

namespace kerf::gateway {

class JsonNode {
 public:
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
  std::vector<JsonNode> elements() const {                                              // of an array
    std::vector<JsonNode> list;
    for (const Json& element : *json_) list.emplace_back(element);
    return list;
  }
  std::vector<std::pair<std::string_view, JsonNode>> members() const {                  // of an object, sorted by key
    std::vector<std::pair<std::string_view, JsonNode>> list;
    for (const auto& [key, value] : json_->items()) list.emplace_back(key, JsonNode(value));
    return list;
  }
  std::pair<std::string_view, JsonNode> only() const {                                  // member of an object that has one
    return {json_->begin().key(), JsonNode(json_->begin().value())};
  }

 private:
  const Json* json_;
};

class TapeNode {
 public:
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
  std::vector<TapeNode> elements() const {
    std::vector<TapeNode> list;
    for (simdjson::dom::element element : array()) list.emplace_back(element);
    return list;
  }
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

// True if a key is there twice among sorted members, which only simdjson lets through.
template <class Node>
bool repeats(const std::vector<std::pair<std::string_view, Node>>& members) {
  return std::adjacent_find(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.first == b.first; }) != members.end();
}

}  // namespace kerf::gateway
