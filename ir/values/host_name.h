// Names of hosts in their one spelling: labels of lower-case letters, digits, `-` and `_`, joined by dots, none final.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace kerf {

bool is_canonical_host(std::string_view name);
// In lower case and without a final dot, if that is a name.
std::optional<std::string> suggest_host(std::string_view name);

}  // namespace kerf
