// Text that may be read as something else than it is (cedar-policy-core validator/str_checks.rs): warnings only.
#pragma once
#include "ir/base/diagnostic.h"
#include "ir/body.h"

namespace kerf {

// Strings, patterns, entity ids and attribute names of a body: directional controls, characters that are not meant for
// identifiers, letters of several scripts. At most one warning for each, in this order.
void check_text(const Body& body, Diagnostics& diagnostics);

}  // namespace kerf
