// JSON text to a tree, strictly: RFC 8259, valid UTF-8, no repeated keys, integers that fit 64 bits and no other
// numbers, no null, bounded nesting. Own reader: a library that turns a large integer into a double, keeps the last
// of two equal keys or throws is of no use here.
#include <fmt/format.h>

#include <optional>
#include <utility>
#include <vector>

#include "ir/base/source.h"
#include "ir/values/json.h"

namespace kerf {

namespace {

class Reader {
 public:
  Reader(std::string_view text, int max_depth, JsonNull null) : text_(text), max_depth_(max_depth), null_(null) {}

  Result<Json> read() {
    if (std::size_t bad = find_invalid_utf8(text_); bad != std::string_view::npos) {
      at_ = bad;
      fail("the text is not valid UTF-8");
      return *error_;
    }
    Json json = value();
    space();
    if (!error_ && at_ != text_.size()) fail("text after the end of the JSON value");
    if (error_) return *error_;
    return json;
  }

 private:
  void fail(std::string_view what) { fail(what, at_); }
  void fail(std::string_view what, std::size_t at) {
    if (error_) return;
    std::size_t line = 1, column = 1;
    for (char c : text_.substr(0, at)) {
      if (c == '\n') {
        ++line;
        column = 1;
      } else if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) {
        ++column;
      }
    }
    error_ = Error{fmt::format("line {}, column {}: {}", line, column, what)};
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (peek() != c || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }
  void space() {
    while (at_ < text_.size() && (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r')) ++at_;
  }

  // An object or array whose end was not seen yet, and the key of its next member.
  struct Open {
    Json container;
    std::string key;
  };

  // With a list of what is open instead of recursion: nesting costs memory and not stack.
  Json value() {
    std::vector<Open> open;
    for (;;) {
      space();
      const char c = peek();
      const bool opens = c == '{' || c == '[';
      if (opens && open.size() >= static_cast<std::size_t>(max_depth_)) {
        return fail(fmt::format("nesting is deeper than {} levels", max_depth_)), Json();
      }
      Json finished;
      if (opens) {
        ++at_;
        open.push_back({c == '{' ? Json::object() : Json::array(), {}});
        space();
        if (!take(c == '{' ? '}' : ']')) {
          if (c == '{') key(open.back());
          if (error_) return Json();
          continue;
        }
        finished = std::move(open.back().container);
        open.pop_back();
      } else {
        finished = scalar();
      }
      if (!settle(open, finished)) return error_ ? Json() : finished;
    }
  }

  // Puts a finished value into what holds it, and closes what ends there. False: the whole value is finished, or wrong.
  bool settle(std::vector<Open>& open, Json& finished) {
    while (!error_ && !open.empty()) {
      Open& holder = open.back();
      const bool object = holder.container.is_object();
      if (object) {
        holder.container.emplace(std::move(holder.key), std::move(finished));
      } else {
        holder.container.push_back(std::move(finished));
      }
      space();
      if (take(',')) {
        if (object) key(holder);
        return !error_;
      }
      if (!take(object ? '}' : ']')) return fail(object ? "expected `,` or `}`" : "expected `,` or `]`"), false;
      finished = std::move(holder.container);
      open.pop_back();
    }
    return false;
  }

  void key(Open& object) {
    space();
    const std::size_t key_at = at_;
    if (peek() != '"') return fail("expected a key in double quotes");
    object.key = string();
    if (error_) return;
    if (object.container.contains(object.key)) {
      return fail(fmt::format("the key {} is repeated", quote(object.key)), key_at);
    }
    space();
    if (!take(':')) fail("expected `:` after the key");
  }

  Json scalar() {
    const char c = peek();
    if (at_ >= text_.size()) return fail("expected a JSON value, found the end of the text"), Json();
    if (c == '"') return string();
    if (c == '-' || (c >= '0' && c <= '9')) return number();
    if (word("true")) return true;
    if (word("false")) return false;
    if (null_ == JsonNull::accept && word("null")) return nullptr;
    if (word("null")) at_ -= 4, fail("`null` is not a Cedar value; leave the attribute out");
    fail("expected a JSON value");
    return Json();
  }

  bool word(std::string_view expected) {
    if (!text_.substr(at_).starts_with(expected)) return false;
    at_ += expected.size();
    return true;
  }

  Json number() {
    std::size_t begin = at_;
    bool negative = take('-');
    std::size_t digits_at = at_;
    std::int64_t value = 0;
    bool overflow = false;
    for (; peek() >= '0' && peek() <= '9'; ++at_) {
      int digit = peek() - '0';
      overflow |= __builtin_mul_overflow(value, std::int64_t{10}, &value);
      overflow |= __builtin_add_overflow(value, std::int64_t{negative ? -digit : digit}, &value);
    }
    if (at_ == digits_at) return fail("expected a digit"), Json();
    if (at_ - digits_at > 1 && text_[digits_at] == '0') return fail("a number has a leading zero", begin), Json();
    if (peek() == '.' || peek() == 'e' || peek() == 'E') {
      return fail("a number has a fraction or an exponent; Cedar has 64-bit integers and decimal(\"…\")", begin), Json();
    }
    if (overflow) return fail("an integer does not fit in 64 bits", begin), Json();
    if (negative && value == 0) return fail("`-0` is not an integer", begin), Json();   // as the official reader has it
    return value;
  }

  std::string string() {
    std::string out;
    for (++at_; at_ < text_.size();) {
      char c = text_[at_];
      if (c == '"') return ++at_, out;
      if (static_cast<unsigned char>(c) < 0x20) return fail("a control character in a string is not escaped"), out;
      if (c == '\\') {
        escape(out);
        if (error_) return out;
      } else {
        out += c;
        ++at_;
      }
    }
    fail("a string is not closed");
    return out;
  }

  void escape(std::string& out) {
    constexpr std::string_view names = "\"\\/bfnrt";
    constexpr std::string_view values = "\"\\/\b\f\n\r\t";
    std::size_t begin = at_++;
    std::size_t simple = names.find(peek());
    if (at_ < text_.size() && simple != std::string_view::npos) {
      out += values[simple];
      ++at_;
      return;
    }
    std::optional<std::uint32_t> unit = unicode_escape();
    if (!unit) return fail("unknown escape in a string", begin);
    std::uint32_t scalar = *unit;
    if (scalar >= 0xd800 && scalar <= 0xdfff) {
      std::optional<std::uint32_t> low;
      if (scalar <= 0xdbff && take('\\')) low = unicode_escape();
      if (!low || *low < 0xdc00 || *low > 0xdfff) return fail("a surrogate in a string has no partner", begin);
      scalar = 0x10000 + ((scalar - 0xd800) << 10) + (*low - 0xdc00);
    }
    append_utf8(out, scalar);
  }

  std::optional<std::uint32_t> unicode_escape() {
    if (!take('u') || at_ + 4 > text_.size()) return std::nullopt;
    std::uint32_t unit = 0;
    for (int i = 0; i < 4; ++i) {
      char c = text_[at_++];
      bool digit = c >= '0' && c <= '9';
      bool letter = (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
      if (!digit && !letter) return std::nullopt;
      unit = unit << 4 | static_cast<std::uint32_t>(digit ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return unit;
  }

  std::string_view text_;
  int max_depth_;
  JsonNull null_;
  std::size_t at_ = 0;
  std::optional<Error> error_;
};

}  // namespace

Result<Json> parse_json(std::string_view text, int max_depth, JsonNull null) {
  return Reader(text, max_depth, null).read();
}

}  // namespace kerf
