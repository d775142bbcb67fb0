// Escapes of strings and patterns. Internal to this folder.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "frontend/ast/policy.h"
#include "ir/base/diagnostic.h"

namespace kerf {

// `literal` is the token's text with its quotes, `at` its span. Nothing: reported.
std::optional<std::string> unescape(std::string_view literal, Span at, Diagnostics& diagnostics);
std::optional<ast::LikePattern> unescape_pattern(std::string_view literal, Span at, Diagnostics& diagnostics);

}  // namespace kerf
