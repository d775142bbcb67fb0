// Tables -> what the helper is asked for, and what is filled into its object.
#pragma once
#include <array>

#include "backends/bpf/layout.h"
#include "backends/bpf/tables.h"

namespace kerf::bpf {

// A length rounded up, of a table or of a binding's segment: at least `least`, a power of two, and past 16 times that with four
// steps to the next, so that a quarter is the most that is added.
std::uint64_t rounded_length(std::uint64_t length, std::uint64_t least);

std::int32_t errno_number(std::string_view name);

// Completes layout.request and layout.contents; everything else of `layout` is done. Fails if the tables pass their limit.
std::optional<Error> fill_request(const Module& module, const KernelPlan& plan, const Tables& tables,
                                  const std::array<std::uint8_t, 16>& digest, Layout& layout);

}  // namespace kerf::bpf
