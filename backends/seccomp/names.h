// System calls by name and number, as libseccomp knows them. It is linked statically: its tables decide what a bundle holds.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace kerf::seccomp {

struct Architecture {
  std::string name;            // as uname says: "x86_64"
  std::uint32_t audit = 0;     // AUDIT_ARCH_*, what a filter sees
  bool has_x32 = false;        // numbers from 0x40000000 are those of another ABI under the same AUDIT_ARCH
};
const std::vector<Architecture>& architectures();

struct Call {
  std::uint32_t number;
  std::string name;
};
std::vector<Call> calls_of(const Architecture& architecture);   // by number
std::vector<std::string> call_names();                          // of all architectures, sorted

}  // namespace kerf::seccomp
