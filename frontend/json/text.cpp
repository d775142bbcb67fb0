// JSON text to a flat tree with places. One pass, one node for each value, strings unescaped only when they have
// escapes. The first syntax error ends it; repeated keys are all reported.
#include "frontend/json/text.h"

#include <algorithm>
#include <charconv>
#include <tuple>


namespace kerf {

constexpr int kMaxRepeated = 100;  // reports

class JsonTextParser {
 public:
  JsonTextParser(JsonText& out, std::string_view text, int max_depth, Diagnostics& diagnostics)
      : out_(out), text_(text), max_depth_(max_depth), diagnostics_(diagnostics) {}

  bool run() {
    skip_space();
    JsonId root;
    if (!value(root, 0)) return false;
    skip_space();
    if (at_ != text_.size()) return fail("nothing more is expected here");
    return repeated_ == 0;
  }

 private:
  bool fail(std::string_view what) { return fail(what, at_, std::min(at_ + 1, text_.size())); }

  bool fail(std::string_view what, std::size_t begin, std::size_t end) {
    diagnostics_.report(Code::K6001, place(begin, end), what);
    return false;
  }

  Span place(std::size_t begin, std::size_t end) const {
    return {out_.source_, static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)};
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r')) {
      ++at_;
    }
  }

  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  bool value(JsonId& id, int depth) {
    if (depth > max_depth_) {
      diagnostics_.report(Code::K8001, place(at_, at_ + 1), max_depth_);
      return false;
    }
    if (at_ >= text_.size()) return fail("the text ends where a value is expected");
    id = JsonId(out_.nodes_.size());
    out_.nodes_.emplace_back();
    node(id).begin = static_cast<std::uint32_t>(at_);
    const bool good = value_of(id, depth);
    node(id).end = static_cast<std::uint32_t>(at_);
    return good;
  }

  bool value_of(JsonId id, int depth) {
    const char c = text_[at_];
    if (c == '{') return object(id, depth);
    if (c == '[') return array(id, depth);
    if (c == '"') {
      node(id).kind = JsonKind::string;
      std::string_view content;
      if (!string(content)) return false;
      node(id).text = content;
      return true;
    }
    if (c == '-' || (c >= '0' && c <= '9')) return number(id);
    return word(id);
  }

  bool word(JsonId id) {
    auto is = [&](std::string_view w) {
      if (text_.substr(at_, w.size()) != w) return false;
      at_ += w.size();
      return true;
    };
    if (is("null")) return true;
    if (is("true")) {
      node(id).kind = JsonKind::boolean;
      node(id).boolean = true;
      return true;
    }
    if (is("false")) {
      node(id).kind = JsonKind::boolean;
      return true;
    }
    return fail("a value is expected");
  }

  bool digits() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return at_ != begin;
  }

  bool number(JsonId id) {
    const std::size_t begin = at_;
    bool whole = true;
    take('-');
    if (!take('0') && !digits()) return fail("a digit is expected");
    if (take('.')) {
      whole = false;
      if (!digits()) return fail("a digit is expected");
    }
    if (take('e') || take('E')) {
      whole = false;
      if (!take('+')) take('-');
      if (!digits()) return fail("a digit is expected");
    }
    const std::string_view spelled = text_.substr(begin, at_ - begin);
    std::int64_t integer = 0;
    auto [end, error] = std::from_chars(spelled.data(), spelled.data() + spelled.size(), integer);
    // `-0` is a float to JSON readers that know both; Cedar's refuses it.
    const bool exact = whole && error == std::errc() && end == spelled.data() + spelled.size() && spelled != "-0";
    node(id).kind = exact ? JsonKind::integer : JsonKind::other_number;
    node(id).integer = integer;
    node(id).text = spelled;
    return true;
  }

  bool string(std::string_view& content) {
    const std::size_t begin = ++at_;
    while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\') {
      if (static_cast<unsigned char>(text_[at_]) < 0x20) return fail("control characters must be escaped in strings");
      ++at_;
    }
    if (at_ < text_.size() && text_[at_] == '"') {
      content = text_.substr(begin, at_++ - begin);
      return true;
    }
    std::string& buffer = out_.unescaped_.emplace_back(text_.substr(begin, at_ - begin));
    if (!rest_of_string(buffer)) return false;
    content = buffer;
    return true;
  }

  bool rest_of_string(std::string& buffer) {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        return true;
      }
      if (static_cast<unsigned char>(c) < 0x20) return fail("control characters must be escaped in strings");
      if (c == '\\') {
        if (!escape(buffer)) return false;
      } else {
        buffer.push_back(c);
        ++at_;
      }
    }
    return fail("the string does not end");
  }

  bool escape(std::string& buffer) {
    const std::size_t begin = at_++;
    const char c = at_ < text_.size() ? text_[at_++] : '\0';
    constexpr std::string_view from = "\"\\/bfnrt", to = "\"\\/\b\f\n\r\t";
    if (const std::size_t index = c == '\0' ? from.npos : from.find(c); index != from.npos) {
      buffer.push_back(to[index]);
      return true;
    }
    std::uint32_t unit = 0;
    if (c != 'u' || !hex4(unit)) return fail("this is not an escape of JSON", begin, at_);
    if (unit >= 0xdc00 && unit <= 0xdfff) return fail("half of a surrogate pair", begin, at_);
    if (unit >= 0xd800 && unit <= 0xdbff) {
      std::uint32_t low = 0;
      if (!take('\\') || !take('u') || !hex4(low) || low < 0xdc00 || low > 0xdfff) {
        return fail("half of a surrogate pair", begin, at_);
      }
      unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    }
    append_utf8(buffer, unit);
    return true;
  }

  bool hex4(std::uint32_t& unit) {
    if (at_ + 4 > text_.size()) return false;
    auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + at_ + 4, unit, 16);
    if (error != std::errc() || end != text_.data() + at_ + 4) return false;
    at_ += 4;
    return true;
  }

  static void append_utf8(std::string& buffer, std::uint32_t c) {
    if (c < 0x80) {
      buffer.push_back(static_cast<char>(c));
      return;
    }
    if (c < 0x800) {
      buffer.push_back(static_cast<char>(0xc0 | (c >> 6)));
    } else {
      if (c < 0x10000) {
        buffer.push_back(static_cast<char>(0xe0 | (c >> 12)));
      } else {
        buffer.push_back(static_cast<char>(0xf0 | (c >> 18)));
        buffer.push_back(static_cast<char>(0x80 | ((c >> 12) & 0x3f)));
      }
      buffer.push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3f)));
    }
    buffer.push_back(static_cast<char>(0x80 | (c & 0x3f)));
  }

  bool array(JsonId id, int depth) {
    node(id).kind = JsonKind::array;
    ++at_;
    skip_space();
    if (take(']')) return true;
    JsonId last;
    while (true) {
      JsonId child;
      skip_space();
      if (!value(child, depth + 1)) return false;
      link(id, last, child);
      skip_space();
      if (take(']')) return true;
      if (!take(',')) return fail("`,` or `]` is expected");
    }
  }

  bool object(JsonId id, int depth) {
    node(id).kind = JsonKind::object;
    ++at_;
    skip_space();
    if (take('}')) return true;
    JsonId last;
    while (true) {
      JsonId child;
      if (!member(child, depth)) return false;
      link(id, last, child);
      skip_space();
      if (take('}')) break;
      if (!take(',')) return fail("`,` or `}` is expected");
    }
    check_keys(id);
    return true;
  }

  bool member(JsonId& child, int depth) {
    skip_space();
    const std::size_t begin = at_;
    if (at_ >= text_.size() || text_[at_] != '"') return fail("a key in quotation marks is expected");
    std::string_view key;
    if (!string(key)) return false;
    const std::size_t end = at_;
    skip_space();
    if (!take(':')) return fail("`:` is expected");
    skip_space();
    if (!value(child, depth + 1)) return false;
    node(child).key = key;
    node(child).key_begin = static_cast<std::uint32_t>(begin);
    node(child).key_end = static_cast<std::uint32_t>(end);
    return true;
  }

  void link(JsonId parent, JsonId& last, JsonId child) {
    (last.valid() ? node(last).next : node(parent).first) = child;
    last = child;
  }

  void check_keys(JsonId object) {
    keys_.clear();
    for (JsonId child = node(object).first; child.valid(); child = node(child).next) keys_.push_back(child);
    std::sort(keys_.begin(), keys_.end(), [&](JsonId a, JsonId b) {
      return std::tie(node(a).key, a) < std::tie(node(b).key, b);
    });
    for (std::size_t i = 1; i < keys_.size(); ++i) {
      if (node(keys_[i]).key != node(keys_[i - 1]).key) continue;
      if (++repeated_ > kMaxRepeated) return;
      diagnostics_.report(Code::K6002, out_.key_span(keys_[i]), node(keys_[i]).key)
          .with_related(out_.key_span(keys_[i - 1]), "first given here");
    }
  }

  JsonNode& node(JsonId id) { return out_.nodes_[id.index]; }

  JsonText& out_;
  std::string_view text_;
  int max_depth_;
  Diagnostics& diagnostics_;
  std::size_t at_ = 0;
  int repeated_ = 0;
  std::vector<JsonId> keys_;
};

std::optional<JsonText> JsonText::parse(const Sources& sources, SourceId source, Diagnostics& diagnostics,
                                        int max_depth) {
  const std::string_view text = sources.text(source);
  if (const std::size_t bad = find_invalid_utf8(text); bad != std::string_view::npos) {
    const auto at = static_cast<std::uint32_t>(bad);
    diagnostics.report(Code::K6001, Span{source, at, at + 1}, "the text is not valid UTF-8");
    return std::nullopt;
  }
  JsonText out;
  out.source_ = source;
  if (!JsonTextParser(out, text, max_depth, diagnostics).run()) return std::nullopt;
  return out;
}

JsonId JsonText::find(JsonId object, std::string_view key) const {
  for (JsonId child = (*this)[object].first; child.valid(); child = (*this)[child].next) {
    if ((*this)[child].key == key) return child;
  }
  return {};
}

std::string describe(const JsonNode& node) {
  switch (node.kind) {
    case JsonKind::null: return "null";
    case JsonKind::boolean: return node.boolean ? "true" : "false";
    case JsonKind::integer:
    case JsonKind::other_number: return fmt::format("the number {}", node.text);
    case JsonKind::string: return "a string";
    case JsonKind::array: return "an array";
    case JsonKind::object: return "an object";
  }
  internal_error("every kind of JSON is described");
}

}  // namespace kerf
