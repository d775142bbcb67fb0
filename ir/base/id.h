// Typed 4-byte ids: an index into the one store that made it. Ids of different stores do not mix.
#pragma once
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace kerf {

template <class Tag>
struct Id {
  static constexpr std::uint32_t kNone = 0xffffffffu;
  std::uint32_t index = kNone;

  constexpr Id() = default;
  constexpr explicit Id(std::size_t i) : index(static_cast<std::uint32_t>(i)) {}
  constexpr bool valid() const { return index != kNone; }
  friend constexpr auto operator<=>(Id, Id) = default;
};

}  // namespace kerf

template <class Tag>
struct std::hash<kerf::Id<Tag>> {
  std::size_t operator()(kerf::Id<Tag> id) const noexcept { return id.index; }
};
