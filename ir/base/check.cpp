#include "ir/base/check.h"

#include <fmt/core.h>

#include <cstdlib>

namespace kerf {

void internal_error(std::string_view what, std::source_location where) {
  fmt::print(stderr, "kerf: internal error: {} ({}:{}). This is a bug in kerf, not in your policy.\n", what,
             where.file_name(), where.line());
  std::fflush(nullptr);
  std::_Exit(70);
}

}  // namespace kerf
