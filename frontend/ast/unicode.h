// Facts about characters that decide how a string is printed.
#pragma once

namespace kerf::ast {

bool is_printable(char32_t c);       // has a glyph, or is the space
bool extends_grapheme(char32_t c);   // combining marks and the like

}  // namespace kerf::ast
