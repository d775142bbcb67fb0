// check() in libkerf.so: a library must not end its caller's process. This definition takes the place of ir/base/check.cpp,
// which the linker then leaves in its archive.
#include <fmt/format.h>

#include "driver/capi/border.h"
#include "ir/base/check.h"

namespace kerf {

void internal_error(std::string_view what, std::source_location where) {
  throw capi::InternalError(fmt::format("internal error: {} ({}:{})", what, where.file_name(), where.line()));
}

}  // namespace kerf
