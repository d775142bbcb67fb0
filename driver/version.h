// What this build is: one place for `kerf version`, the library and man pages. The number itself is the project's in
// CMakeLists.txt.
#pragma once
#include <string>

#include "ir/values/json.h"

namespace kerf {

const char* version();            // "0.1.0"
const char* language_version();   // of Cedar
// {"schema": "kerf.version", "version": 1, …}; docs/embedding.md lists the keys.
Json version_report();

}  // namespace kerf
