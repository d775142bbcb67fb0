// Words and strings of Cedar as text.
#include "frontend/ast/text.h"

#include <fmt/format.h>

#include <array>

#include "frontend/ast/unicode.h"
#include "ir/base/check.h"

namespace kerf::ast {

bool is_reserved_word(std::string_view word) {
  static constexpr std::array<std::string_view, 9> words = {"true", "false", "if",   "then", "else",
                                                            "in",   "is",    "like", "has"};
  for (std::string_view reserved : words) {
    if (word == reserved) return true;
  }
  return false;
}

bool is_word(std::string_view text) {
  auto letter = [](char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (text.empty() || !letter(text[0])) return false;
  for (char c : text) {
    if (!letter(c) && !(c >= '0' && c <= '9')) return false;
  }
  return true;
}

bool is_attribute_word(std::string_view text) {
  return is_word(text) && !is_reserved_word(text) && text != "__cedar";
}

namespace {

// Controls, line separators, zero-width and bidirectional marks: invisible, so never printed as they are.
bool is_invisible(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0xad || (c >= 0x200b && c <= 0x200f) ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || c == 0x061c;
}

void append_escaped(std::string& out, char32_t c) {
  if (c == '\n') out += "\\n";
  else if (c == '\r') out += "\\r";
  else if (c == '\t') out += "\\t";
  else if (c == 0) out += "\\0";
  else out += fmt::format("\\u{{{:x}}}", static_cast<std::uint32_t>(c));
}

}  // namespace

Scalar scalar_at(std::string_view text, std::size_t at) {
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(at + i < text.size() ? text[at + i] : 0); };
  unsigned char first = byte(0);
  auto tail = [&](std::size_t i) { return static_cast<char32_t>(byte(i) & 0x3f); };
  if (first < 0x80) return {first, 1};
  if (first < 0xe0) return {static_cast<char32_t>((first & 0x1f) << 6) | tail(1), 2};
  if (first < 0xf0) return {static_cast<char32_t>((first & 0x0f) << 12) | tail(1) << 6 | tail(2), 3};
  return {static_cast<char32_t>((first & 0x07) << 18) | tail(1) << 12 | tail(2) << 6 | tail(3), 4};
}

std::string escaped(std::string_view text, bool in_pattern) {
  std::string out;
  out.reserve(text.size() + 2);
  for (std::size_t i = 0; i < text.size();) {
    Scalar scalar = scalar_at(text, i);
    if (scalar.value == '"' || scalar.value == '\\') (out += '\\') += text[i];
    else if (in_pattern && scalar.value == '*') out += "\\*";
    else if (is_invisible(scalar.value)) append_escaped(out, scalar.value);
    else out += text.substr(i, scalar.length);
    i += scalar.length;
  }
  return out;
}

std::string debug_escaped(std::string_view text, bool each_alone, bool in_pattern) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    Scalar scalar = scalar_at(text, i);
    bool attaches = (i == 0 || each_alone) && extends_grapheme(scalar.value);
    if (scalar.value == '"' || scalar.value == '\\' || scalar.value == '\'') (out += '\\') += text[i];
    else if (in_pattern && scalar.value == '*') out += "\\*";
    else if (attaches || !is_printable(scalar.value)) append_escaped(out, scalar.value);
    else out += text.substr(i, scalar.length);
    i += scalar.length;
  }
  return out;
}

std::string debug_quoted(std::string_view text) { return fmt::format("\"{}\"", debug_escaped(text, false, false)); }
std::string debug_pattern(std::string_view text) { return debug_escaped(text, true, true); }

std::string quoted(std::string_view text) {
  std::string out = escaped(text, false);
  out.insert(out.begin(), '"');
  out += '"';
  return out;
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t i = 0; i < text.size();) {
    Scalar scalar = scalar_at(text, i);
    bool plain = scalar.value < 0x300;
    width += plain ? 1 : extends_grapheme(scalar.value) ? 0 : is_wide(scalar.value) ? 2 : 1;
    i += scalar.length;
  }
  return width;
}

std::string_view text_of(BinaryOp op) {
  switch (op) {
    case BinaryOp::or_: return "||";
    case BinaryOp::and_: return "&&";
    case BinaryOp::eq: return "==";
    case BinaryOp::not_eq_: return "!=";
    case BinaryOp::less: return "<";
    case BinaryOp::less_eq: return "<=";
    case BinaryOp::greater: return ">";
    case BinaryOp::greater_eq: return ">=";
    case BinaryOp::in: return "in";
    case BinaryOp::add: return "+";
    case BinaryOp::sub: return "-";
    case BinaryOp::mul: return "*";
  }
  internal_error("binary operator");
}

std::string_view text_of(Var var) {
  switch (var) {
    case Var::principal: return "principal";
    case Var::action: return "action";
    case Var::resource: return "resource";
    case Var::context: return "context";
  }
  internal_error("variable");
}

std::string_view text_of(SlotName slot) {
  switch (slot) {
    case SlotName::principal: return "?principal";
    case SlotName::resource: return "?resource";
  }
  internal_error("slot");
}

}  // namespace kerf::ast
