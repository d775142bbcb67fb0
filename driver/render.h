// Diagnostics to text: for people, for editors, for programs.
#pragma once
#include <string>

#include "ir/base/diagnostic.h"

namespace kerf {

enum class ErrorFormat { human, plain, json };

// human: frames with the source line and the span underlined. plain: `file:line:column: error[K1001]: message`.
// json: one object a line (`"schema": "kerf.diagnostic", "version": 1`), spans in bytes and in line and column.
std::string render(const Sources& sources, const Diagnostics& diagnostics, ErrorFormat format, bool colour);

// `kerf explain CODE`.
std::string explain(Code code);

}  // namespace kerf
