// Policies to the layout of the official formatter, comments kept.
#pragma once
#include <optional>
#include <string>

#include "ir/base/diagnostic.h"

namespace kerf {

struct FormatOptions {
  std::size_t line_width = 80;
  std::size_t indent_width = 2;
};

// Nothing after a report: text that does not parse is not formatted. The result means the same as the text, which is
// checked by parsing it.
std::optional<std::string> format_policies(const Sources& sources, SourceId source, const FormatOptions& options,
                                           Diagnostics& diagnostics);

}  // namespace kerf
