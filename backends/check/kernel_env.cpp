#include "backends/check/kernel_env.h"

#include <cstddef>

#include "ir/kernel_model.h"

namespace kerf::proof {

std::optional<ObservableId> number_at(std::uint32_t offset, std::string_view event) {
  struct Place {
    ObservableId id;
    std::size_t offset, bytes;
    std::uint64_t bits;
  };
  static constexpr Place places[] = {
#define KERF_SEEN(observable, field, bits, when, type, events) {ObservableId::observable, offsetof(kerf_seen, field), sizeof(kerf_seen{}.field), bits},
#include "runtime/abi/seen.def"
  };
  const KernelEvent* row = find_event(event);
  for (const Observable& observable : observables()) {
    if (!row || !observable.always_present || !is_observed_with(observable, row->id)) continue;
    if (observable.id == ObservableId::process_exe && offset == offsetof(kerf_seen, exe_match)) return observable.id;
    for (const Place& place : places) {
      if (place.id == observable.id && place.offset == offset && place.bytes == 4 && place.bits == 0xffffffff) return place.id;
    }
  }
  return std::nullopt;
}

Dimension everywhere(std::uint32_t blocks) {
  return {std::vector<bool>(std::size_t{blocks} * 4096, true), std::vector<std::vector<std::uint32_t>>(std::size_t{blocks} * 4096)};
}

}  // namespace kerf::proof
