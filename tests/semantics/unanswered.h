// Random programs that are rightly given no answer: past a limit of docs/limits.md, or not loaded by this kernel's JIT
// compiler. They are named and counted; more than a few of them, and the run says nothing.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>

#include <fmt/format.h>

#include "driver/pipeline.h"

namespace kerf::test {

class Unanswered {
 public:
  // Every error is that of a limit on rows, values or patterns.
  bool past_a_limit(std::uint64_t seed, const Diagnostics& diagnostics) {
    constexpr Code kLimits[] = {Code::K8050, Code::K8051, Code::K8052, Code::K8053, Code::K8054};
    auto limit = [&](const Diagnostic& d) { return d.severity != Severity::error || std::ranges::count(kLimits, d.code) != 0; };
    auto bad = std::ranges::find(diagnostics.all(), Severity::error, &Diagnostic::severity);
    if (!std::ranges::all_of(diagnostics.all(), limit)) return false;
    fmt::print("seed {}: no answer: past a limit: {}\n", seed, bad->message);
    ++programs_;
    return true;
  }

  void not_loaded(std::uint64_t seed, const std::string& why) {
    fmt::print("seed {}: no answer of the kernel: {}\n", seed, why);
    ++programs_;
  }

  bool few(std::uint64_t of_programs) const {
    if (programs_ <= 1 + of_programs / 100) return true;
    fmt::print("{} programs without an answer\n", programs_);
    return false;
  }

 private:
  std::uint64_t programs_ = 0;
};

}  // namespace kerf::test
