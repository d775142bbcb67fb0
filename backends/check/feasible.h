// Can facts about numbers be true together? By eliminating one number after the other (Fourier and Motzkin).
#pragma once
#include "backends/check/branching.h"

namespace kerf::proof {

// False only if they cannot. Products count as numbers of their own, so that much may be impossible and not be seen.
bool feasible(const Numbers& numbers, const Facts& facts);

}  // namespace kerf::proof
