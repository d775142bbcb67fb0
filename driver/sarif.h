// Diagnostics as SARIF 2.1.0, the form in which code hosts show findings beside a change.
#pragma once
#include "ir/base/diagnostic.h"
#include "ir/values/json.h"

namespace kerf {

// One result per diagnostic; what has no place is a result without locations.
Json sarif_results(const Sources& sources, const Diagnostics& diagnostics);
// The document: one run with these results, and a rule for each code among them.
std::string sarif_log(const Json& results);

}  // namespace kerf
