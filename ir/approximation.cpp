#include "ir/approximation.h"

#include "ir/base/check.h"

namespace kerf {

std::string_view to_text(Approximation kind) {
  switch (kind) {
    case Approximation::floor: return "floor";
    case Approximation::ceiling: return "ceiling";
  }
  internal_error("approximation");
}

std::optional<Approximation> find_approximation(std::string_view name) {
  for (Approximation kind : {Approximation::floor, Approximation::ceiling}) {
    if (name == to_text(kind)) return kind;
  }
  return std::nullopt;
}

std::optional<Approximation> approximation_of(const Policy& policy, std::optional<Approximation> otherwise) {
  for (const auto& [key, value] : policy.annotations) {
    if (key == "residual") return find_approximation(value);
  }
  return otherwise;
}

}  // namespace kerf
