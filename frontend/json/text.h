// JSON as a tree that remembers where everything is written. Strict: RFC 8259, 64-bit integers exact, repeated keys
// and deep nesting refused. Data without places is read with ir/values/json.h.
#pragma once
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/base/diagnostic.h"
#include "ir/base/source.h"
#include "ir/values/json.h"

namespace kerf {

enum class JsonKind { null, boolean, integer, other_number, string, array, object };

struct JsonTag;
using JsonId = Id<JsonTag>;

struct JsonNode {
  JsonKind kind = JsonKind::null;
  bool boolean = false;
  std::uint32_t begin = 0, end = 0;
  std::uint32_t key_begin = 0, key_end = 0;
  JsonId first, next;            // first child; next in the same array or object
  std::int64_t integer = 0;
  std::string_view text;         // string: unescaped; numbers: as written
  std::string_view key;          // in an object
};

class JsonText {
 public:
  // Views into the source's text stay valid as long as `sources`.
  static std::optional<JsonText> parse(const Sources& sources, SourceId source, Diagnostics& diagnostics,
                                       int max_depth = kMaxJsonDepth);

  JsonId root() const { return JsonId(0); }
  const JsonNode& operator[](JsonId id) const { return nodes_[id.index]; }
  Span span(JsonId id) const { return {source_, nodes_[id.index].begin, nodes_[id.index].end}; }
  Span key_span(JsonId id) const { return {source_, nodes_[id.index].key_begin, nodes_[id.index].key_end}; }
  // For what is missing in an object or array: its opening bracket.
  Span open_span(JsonId id) const { return {source_, nodes_[id.index].begin, nodes_[id.index].begin + 1}; }
  JsonId find(JsonId object, std::string_view key) const;

 private:
  friend class JsonTextParser;
  SourceId source_;
  std::vector<JsonNode> nodes_;
  std::deque<std::string> unescaped_;
};

// "an object", "null", "the number 1.5", …
std::string describe(const JsonNode& node);

}  // namespace kerf
