// Atoms that become instructions at the hook, by Cedar's rules, on numbers that are not known.
#pragma once
#include "backends/check/hook_inputs.h"

namespace kerf::proof {

// For a walk of `branching`. It gives up at what hook code has no form for.
Outcome walk_atom(Branching& branching, HookInputs& inputs, HookAtoms& hook, Term atom);

}  // namespace kerf::proof
