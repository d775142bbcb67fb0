// Tables -> what the helper is asked for, and what is filled into its object.
#pragma once
#include <array>

#include "backends/bpf/layout.h"
#include "backends/bpf/tables.h"

namespace kerf::bpf {

std::int32_t errno_number(std::string_view name);

// Completes layout.request, layout.contents and layout.numbers; everything else of `layout` is done. Fails if the tables pass their limit.
std::optional<Error> make_contents(const Module& module, const KernelPlan& plan, const Tables& tables,
                                  const std::array<std::uint8_t, 16>& digest, Layout& layout);

}  // namespace kerf::bpf
