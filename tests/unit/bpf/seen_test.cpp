// runtime/abi/seen.def says type and events of an observable for what knows no kernel model; both must be the model's.
#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "ir/kernel_model.h"
#include "runtime/abi/policy_abi.h"

using namespace kerf;

namespace {

struct Row {
  ObservableId id;
  TypeKind type;
  std::uint64_t events;
  bool always_present;
};
constexpr bool always = true, exists = false, told = true;
constexpr Row kRows[] = {
#define KERF_SEEN(observable, field, bits, when, type, events) {ObservableId::observable, TypeKind::type, (events), when},
#include "runtime/abi/seen.def"
};

}  // namespace

TEST_CASE("what hooks leave is what the kernel model says of it") {
  std::size_t scalars = 0;
  for (const Observable& observable : observables()) {
    const Row* found = nullptr;
    for (const Row& row : kRows) {
      if (row.id == observable.id) found = &row;
    }
    INFO(std::string(observable.text));
    if (observable.from == ObservedFrom::scalar) ++scalars;
    else if (found == nullptr) continue;
    REQUIRE(found != nullptr);
    CHECK(found->type == observable.type);
    CHECK(found->always_present == observable.always_present);
    std::uint64_t events = 0;
    for (KernelEventId event : observable.events) {
      if (!decided_by_filter(kernel_event(event))) events |= KERF_BIT(static_cast<unsigned>(event));
    }
    CHECK(found->events == events);
  }
  CHECK(scalars > 10);
}
