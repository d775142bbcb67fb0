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
  // Every error says that a policy has too many rows.
  bool past_a_limit(std::uint64_t seed, const Diagnostics& diagnostics) {
    auto limit = [](const Diagnostic& d) { return d.severity != Severity::error || d.code == Code::K8050; };
    if (!std::ranges::all_of(diagnostics.all(), limit)) return false;
    fmt::print("seed {}: no answer: a policy is past the limit of rows (K8050)\n", seed);
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
