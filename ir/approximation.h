// What the kernel enforces of a policy that it cannot decide exactly, if the author asks for it: `@residual` on the
// policy, or `--residual` for all that say nothing themselves.
#pragma once
#include <optional>
#include <string_view>

#include "ir/module.h"

namespace kerf {

// With `floor` the kernel allows only what Cedar allows; with `ceiling` it refuses only what Cedar refuses.
enum class Approximation { floor, ceiling };

std::string_view to_text(Approximation kind);
std::optional<Approximation> find_approximation(std::string_view name);

// What the policy asks for; of an annotation that is no kind nothing. A policy that is exact stays exact.
std::optional<Approximation> approximation_of(const Policy& policy, std::optional<Approximation> otherwise);

// Whether a permit or forbid holds in the approximation wherever it may hold (else only where it must hold).
inline bool holds_if_possible(Effect effect, Approximation kind) {
  return (effect == Effect::forbid) == (kind == Approximation::floor);
}

}  // namespace kerf
