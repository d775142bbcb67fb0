// String literals to their text. The rules are those of Rust's string literals without line continuation, as the
// official parser takes them; in a pattern `\*` is a star and any other star, even one written `\x2a`, a wildcard.
#include "frontend/parse/unescape.h"

#include "frontend/ast/text.h"

namespace kerf {

namespace {

void append_utf8(std::string& out, char32_t c) {
  auto push = [&](char32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (c < 0x80) return push(c);
  if (c < 0x800) return push(0xc0 | c >> 6), push(0x80 | (c & 0x3f));
  if (c < 0x10000) return push(0xe0 | c >> 12), push(0x80 | (c >> 6 & 0x3f)), push(0x80 | (c & 0x3f));
  push(0xf0 | c >> 18), push(0x80 | (c >> 12 & 0x3f)), push(0x80 | (c >> 6 & 0x3f)), push(0x80 | (c & 0x3f));
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

struct Escape {
  std::optional<char32_t> scalar;  // none: wrong
  std::size_t length;              // of the escape, or of its wrong beginning
};

// `text` starts with `\x`.
Escape hex_escape(std::string_view text) {
  for (std::size_t i = 2; i < 4; ++i) {
    if (i >= text.size() || hex_digit(text[i]) < 0) return {std::nullopt, std::min(i + 1, text.size())};
  }
  auto value = static_cast<char32_t>(hex_digit(text[2]) * 16 + hex_digit(text[3]));
  return {value < 0x80 ? std::optional(value) : std::nullopt, 4};
}

// `text` starts with `\u`.
Escape unicode_escape(std::string_view text) {
  if (text.size() < 3 || text[2] != '{') return {std::nullopt, 2};
  char32_t value = 0;
  int digits = 0;
  bool wrong = false;
  for (std::size_t i = 3; i < text.size(); ++i) {
    char c = text[i];
    if (c == '}') {
      bool scalar = value <= 0x10ffff && !(value >= 0xd800 && value <= 0xdfff);
      return {!wrong && digits > 0 && digits <= 6 && scalar ? std::optional(value) : std::nullopt, i + 1};
    }
    if (c == '_' && digits > 0) continue;
    if (hex_digit(c) < 0) return {std::nullopt, c == '_' ? i + 1 : i};
    if (++digits > 6) wrong = true;
    else value = value * 16 + static_cast<char32_t>(hex_digit(c));
  }
  return {std::nullopt, text.size()};
}

// `text` starts with a backslash.
Escape read_escape(std::string_view text) {
  if (text.size() < 2) return {std::nullopt, 1};
  switch (text[1]) {
    case 'n': return {U'\n', 2};
    case 'r': return {U'\r', 2};
    case 't': return {U'\t', 2};
    case '0': return {U'\0', 2};
    case '\\': return {U'\\', 2};
    case '\'': return {U'\'', 2};
    case '"': return {U'"', 2};
    case 'x': return hex_escape(text);
    case 'u': return unicode_escape(text);
  }
  std::size_t length = 2;
  while (length < text.size() && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80) ++length;
  return {std::nullopt, length};
}

struct Reader {
  std::string_view literal;
  Span at;
  Diagnostics& diagnostics;
  bool pattern;
  ast::LikePattern out{{""}};

  void literal_byte(char c) { out.pieces.back() += c; }
  void wildcard() { out.pieces.emplace_back(); }

  void scalar(char32_t c) {
    if (pattern && c == U'*') return wildcard();
    append_utf8(out.pieces.back(), c);
  }

  Span span(std::size_t begin, std::size_t length) const {
    auto first = at.begin + static_cast<std::uint32_t>(begin);
    return {at.source, first, first + static_cast<std::uint32_t>(length)};
  }

  void report_carriage_return(std::size_t i) {
    diagnostics.report(Code::K1006, span(i + 1, 1)).with_fix(span(i + 1, 1), "\\r");
  }

  // Length of the escape at i, or 0 after a report.
  std::size_t escape(std::size_t i, std::string_view body) {
    if (pattern && body.substr(i, 2) == "\\*") {
      literal_byte('*');
      return 2;
    }
    Escape escape = read_escape(body.substr(i));
    if (escape.scalar) {
      scalar(*escape.scalar);
      return escape.length;
    }
    std::string_view wrong = body.substr(i, escape.length);
    if (wrong.ends_with('\r')) {
      report_carriage_return(i + wrong.size() - 1);
      return 0;
    }
    auto& diagnostic = diagnostics.report(Code::K1005, span(i + 1, escape.length), "\\" + ast::escaped(wrong.substr(1), false));
    if (wrong == "\\*") diagnostic.with_help("`\\*` is for patterns of `like`; a star needs no escape here");
    return 0;
  }

  bool read() {
    std::string_view body = literal.substr(1, literal.size() - 2);
    for (std::size_t i = 0; i < body.size();) {
      if (body[i] == '\\') {
        std::size_t length = escape(i, body);
        if (length == 0) return false;
        i += length;
        continue;
      }
      if (body[i] == '\r') {
        report_carriage_return(i);
        return false;
      }
      if (pattern && body[i] == '*') wildcard();
      else literal_byte(body[i]);
      ++i;
    }
    return true;
  }
};

}  // namespace

std::optional<std::string> unescape(std::string_view literal, Span at, Diagnostics& diagnostics) {
  Reader reader{literal, at, diagnostics, false};
  if (!reader.read()) return std::nullopt;
  return std::move(reader.out.pieces.front());
}

std::optional<ast::LikePattern> unescape_pattern(std::string_view literal, Span at, Diagnostics& diagnostics) {
  Reader reader{literal, at, diagnostics, true};
  if (!reader.read()) return std::nullopt;
  return std::move(reader.out);
}

}  // namespace kerf
