// Facts about characters that decide which texts can be mistaken for others (Unicode Technical Standard 39).
#pragma once
#include <array>
#include <cstdint>
#include <string_view>

namespace kerf::ast {

// A bit for each script that a character can belong to: all of them for what is used everywhere, such as digits, none for
// one that is not assigned.
using ScriptSet = std::array<std::uint64_t, 3>;
ScriptSet scripts_of(char32_t c);
std::string_view name_of_script(const ScriptSet& set);   // of the first; empty for the empty set

bool is_identifier_character(char32_t c);   // in the General Security Profile for identifiers, or printable ASCII

}  // namespace kerf::ast
