// What the typechecker can see of a body.
#pragma once
#include <optional>
#include <string>

#include "ir/body.h"

namespace kerf {

// Bodies with equal keys have, node for node, the same types and the same problems in every environment, and fit the
// same environments by their scope. Left out are spans and the texts of literals, as far as nothing depends on them:
// policies about `User::"alice"` and `User::"bob"` have one key. Nothing for bodies that are too large for it to pay.
std::optional<std::string> typing_key(const Body& body);

}  // namespace kerf
