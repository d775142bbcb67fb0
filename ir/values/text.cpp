// Cedar's lexical forms outside the parser: string literals, names, and entity uids as text. quote() escapes what a
// terminal or an editor would not show as itself, so printed ids cannot hide characters.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "ir/base/source.h"
#include "ir/values/value.h"

namespace kerf {

namespace {

// The scalar at text[i], and i moved past it. The text is valid UTF-8; a bad byte stands for itself.
std::uint32_t next_scalar(std::string_view text, std::size_t& i) {
  auto byte = [&](std::size_t k) { return static_cast<unsigned char>(text[k]); };
  unsigned char lead = byte(i);
  std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
  if (length == 1 || i + length > text.size()) return byte(i++);
  std::uint32_t scalar = lead & (0xffu >> (length + 1));
  for (std::size_t k = 1; k < length; ++k) scalar = scalar << 6 | (byte(i + k) & 0x3fu);
  i += length;
  return scalar;
}

bool is_invisible(std::uint32_t scalar) {
  auto within = [&](std::uint32_t first, std::uint32_t last) { return scalar >= first && scalar <= last; };
  return scalar < 0x20 || within(0x7f, 0x9f) || scalar == 0xad || scalar == 0x61c || within(0x200b, 0x200f) ||
         within(0x2028, 0x202e) || within(0x2060, 0x206f) || within(0xfe00, 0xfe0f) || scalar == 0xfeff ||
         within(0xfff9, 0xfffb) || within(0xe0000, 0xe0fff);
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// `{1 to 6 hex digits, underscores after the first}` at text[i]; i is moved past it.
std::optional<std::uint32_t> braced_scalar(std::string_view text, std::size_t& i) {
  if (i >= text.size() || text[i] != '{') return std::nullopt;
  std::uint32_t scalar = 0;
  int digits = 0;
  for (++i; i < text.size() && text[i] != '}'; ++i) {
    if (text[i] == '_' && digits > 0) continue;
    int digit = hex_digit(text[i]);
    if (digit < 0 || ++digits > 6) return std::nullopt;
    scalar = scalar << 4 | static_cast<std::uint32_t>(digit);
  }
  if (i >= text.size() || digits == 0) return std::nullopt;
  ++i;
  if (scalar > 0x10ffff || (scalar >= 0xd800 && scalar <= 0xdfff)) return std::nullopt;
  return scalar;
}

// The escape after a backslash at text[i]; i is moved past it.
std::optional<std::uint32_t> escape(std::string_view text, std::size_t& i) {
  if (i >= text.size()) return std::nullopt;
  switch (text[i++]) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case '\\': return '\\';
    case '0': return '\0';
    case '\'': return '\'';
    case '"': return '"';
    case 'u': return braced_scalar(text, i);
    case 'x': {
      if (i + 2 > text.size()) return std::nullopt;
      int high = hex_digit(text[i]);
      int low = hex_digit(text[i + 1]);
      if (high < 0 || high > 7 || low < 0) return std::nullopt;
      i += 2;
      return static_cast<std::uint32_t>(high * 16 + low);
    }
  }
  return std::nullopt;
}

bool is_identifier(std::string_view text) {
  auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.empty() || !letter(text[0])) return false;
  if (!std::all_of(text.begin(), text.end(), [&](char c) { return letter(c) || digit(c); })) return false;
  constexpr std::array<std::string_view, 10> reserved = {"true", "false", "if", "then", "else",   "in",
                                                         "is",   "like",  "has", "__cedar"};
  return std::find(reserved.begin(), reserved.end(), text) == reserved.end();
}

}  // namespace

void append_utf8(std::string& out, std::uint32_t scalar) {
  auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (scalar < 0x80) return put(scalar);
  if (scalar < 0x800) {
    put(0xc0 | scalar >> 6);
  } else {
    if (scalar < 0x10000) {
      put(0xe0 | scalar >> 12);
    } else {
      put(0xf0 | scalar >> 18);
      put(0x80 | (scalar >> 12 & 0x3f));
    }
    put(0x80 | (scalar >> 6 & 0x3f));
  }
  put(0x80 | (scalar & 0x3f));
}

std::string quote(std::string_view text) {
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size();) {
    std::size_t begin = i;
    std::uint32_t scalar = next_scalar(text, i);
    if (scalar == '"' || scalar == '\\') {
      out += '\\';
      out += static_cast<char>(scalar);
    } else if (scalar == '\n') {
      out += "\\n";
    } else if (scalar == '\r') {
      out += "\\r";
    } else if (scalar == '\t') {
      out += "\\t";
    } else if (scalar == 0) {
      out += "\\0";
    } else if (is_invisible(scalar)) {
      out += fmt::format("\\u{{{:x}}}", scalar);
    } else {
      out += text.substr(begin, i - begin);
    }
  }
  return out + '"';
}

std::optional<std::string> unquote(std::string_view literal) {
  if (literal.size() < 2 || literal.front() != '"' || literal.back() != '"') return std::nullopt;
  std::string_view text = literal.substr(1, literal.size() - 2);
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    char c = text[i++];
    if (c == '"' || c == '\r') return std::nullopt;
    if (c != '\\') {
      out += c;
    } else if (auto scalar = escape(text, i)) {
      append_utf8(out, *scalar);
    } else {
      return std::nullopt;
    }
  }
  if (find_invalid_utf8(out) != std::string_view::npos) return std::nullopt;
  return out;
}

bool is_name(std::string_view text) {
  for (;;) {
    std::size_t separator = text.find("::");
    if (!is_identifier(text.substr(0, separator))) return false;
    if (separator == std::string_view::npos) return true;
    text.remove_prefix(separator + 2);
  }
}

std::string to_text(const EntityUid& uid) { return uid.type + "::" + quote(uid.id); }

std::optional<EntityUid> parse_uid(std::string_view text) {
  std::size_t open = text.find('"');
  if (open == std::string_view::npos || open < 3 || text.substr(open - 2, 2) != "::") return std::nullopt;
  std::string_view type = text.substr(0, open - 2);
  std::optional<std::string> id = unquote(text.substr(open));
  if (!is_name(type) || !id) return std::nullopt;
  return EntityUid{std::string(type), std::move(*id)};
}

}  // namespace kerf
