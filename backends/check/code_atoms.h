// Atoms that become instructions at the hook, by Cedar's rules, on numbers that are not known.
#pragma once
#include "backends/check/hook_inputs.h"

namespace kerf::proof {

// For a walk of `branching`. It gives up at what hook code has no form for.
Outcome walk_atom(Branching& branching, HookInputs& inputs, HookAtoms& hook, Term atom);
Operand walk_operand(Branching& branching, HookInputs& inputs, HookAtoms& hook, Term operand);
bool is_time_call(std::string_view name);   // of numbers to a number

}  // namespace kerf::proof
