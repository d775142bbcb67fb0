// Small text facts shared by the printers and the parser.
#pragma once
#include <string>
#include <string_view>

#include "frontend/ast/policy.h"

namespace kerf::ast {

// true false if then else in is like has: no name and no unquoted attribute.
bool is_reserved_word(std::string_view word);
// [_a-zA-Z][_a-zA-Z0-9]*, whether reserved or not.
bool is_word(std::string_view text);
// May be written without quotes after a dot, in a record and after `has`.
bool is_attribute_word(std::string_view text);
// "..." with Cedar's escapes; what does not print is written `\u{..}`. In a pattern a star is written `\*`.
std::string quoted(std::string_view text);
std::string escaped(std::string_view text, bool in_pattern);
// The same as the official tools escape: quotes of both kinds, what has no glyph, and a mark that would attach to the
// quote before it (in a pattern: any mark).
std::string debug_quoted(std::string_view text);
std::string debug_pattern(std::string_view text);

// The character at text[at] and its length in bytes. The text is valid UTF-8.
struct Scalar {
  char32_t value;
  std::size_t length;
};
Scalar scalar_at(std::string_view text, std::size_t at);

// Columns of a terminal: 2 for wide characters, 0 for marks that attach to the one before, 1 for all others.
std::size_t display_width(std::string_view text);

std::string_view text_of(BinaryOp op);
std::string_view text_of(Var var);
std::string_view text_of(SlotName slot);

}  // namespace kerf::ast
