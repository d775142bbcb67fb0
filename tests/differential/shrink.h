// A smaller case that shows the same difference.
#pragma once
#include "tests/differential/checks.h"

namespace kerf::test {

// The check's name without numbers of requests.
std::string check_kind(const std::string& check);
// Greedy: parts go away while the check still differs. Asks the engine up to `most` times.
Case shrink(Judge& judge, Case c, const std::string& check, int most = 1500);

}  // namespace kerf::test
