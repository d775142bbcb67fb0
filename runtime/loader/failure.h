// A Failure from a row of the catalogue: message from its format, the cure as the first help.
#pragma once
#include "ir/base/diagnostic.h"
#include "runtime/loader/loader.h"

namespace kerf::loader {

template <class... Args>
Failure fail(Code code, const Args&... args) {
  const CatalogueRow& row = catalogue_row(code);
  return {std::string(row.name), fmt::vformat(row.message, fmt::make_format_args(args...)), {std::string(row.cure)}};
}

inline Failure with_help(Failure failure, std::string help) {
  failure.help.push_back(std::move(help));
  return failure;
}

// "No such file or directory (ENOENT)".
std::string errno_text(int error);

}  // namespace kerf::loader
