#include "driver/version.h"

#include "driver/capi/border.h"

namespace {

// Made when the library is loaded: no caller waits, none can fail.
const std::string kReport = kerf::version_report().dump();

}  // namespace

uint32_t kerf_abi_version(void) { return KERF_LIBRARY_MAJOR << 16 | KERF_LIBRARY_MINOR; }
const char* kerf_version(void) { return kerf::version(); }
const char* kerf_version_json(void) { return kReport.c_str(); }
