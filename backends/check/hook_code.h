// The generated code of the object, instruction by instruction, on numbers that are not known: does condition N hold?
#pragma once
#include "backends/check/hook_inputs.h"
#include "backends/check/read_object.h"

namespace kerf::proof {

// For a walk of `branching`: true or false; error: the code refuses. It gives up at instructions that conditions do not
// have, or that read elsewhere.
Outcome walk_condition(Branching& branching, HookInputs& inputs, const ObjectTables& object, std::uint32_t condition);

}  // namespace kerf::proof
