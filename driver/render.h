// Diagnostics to text: for people, for editors, for programs.
#pragma once
#include <string>
#include <string_view>

#include "ir/base/diagnostic.h"

namespace kerf {

enum class ErrorFormat { human, plain, json, sarif };

// human: frames with the source line and the span underlined. plain: `file:line:column: error[K1001]: message`.
// json: one object a line (docs/diagnostics.schema.json), spans in bytes and in line and column. sarif: nothing, as all
// diagnostics of a run are one document (driver/sarif.h).
std::string render(const Sources& sources, const Diagnostics& diagnostics, ErrorFormat format, bool colour);

// Text that cannot drive a terminal: control and directional characters are escaped.
std::string printable(std::string_view text);

// `3 errors, 1 warning`.
std::string summary(std::size_t errors, std::size_t warnings);

// `kerf explain CODE`.
std::string explain(Code code);

}  // namespace kerf
