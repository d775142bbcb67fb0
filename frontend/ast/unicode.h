// Facts about characters that decide how a string is printed.
#pragma once

namespace kerf::ast {

bool is_printable(char32_t c);       // has a glyph, or is the space
bool extends_grapheme(char32_t c);   // combining marks and the like
bool is_wide(char32_t c);            // East Asian wide and fullwidth, emoji

}  // namespace kerf::ast
