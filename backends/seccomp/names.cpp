#include "backends/seccomp/names.h"

#include <linux/audit.h>
#include <seccomp.h>

#include <algorithm>
#include <cstdlib>

namespace kerf::seccomp {
namespace {

constexpr int kNumbers = 1024;   // past the last call of every architecture that is listed

std::uint32_t token_of(const Architecture& architecture) { return architecture.audit; }   // libseccomp's tokens are AUDIT_ARCH_*

}  // namespace

const std::vector<Architecture>& architectures() {
  static const std::vector<Architecture> all = {{"aarch64", AUDIT_ARCH_AARCH64, false}, {"x86_64", AUDIT_ARCH_X86_64, true}};
  return all;
}

std::vector<Call> calls_of(const Architecture& architecture) {
  std::vector<Call> calls;
  for (int number = 0; number < kNumbers; ++number) {
    char* name = ::seccomp_syscall_resolve_num_arch(token_of(architecture), number);
    if (name == nullptr) continue;
    calls.push_back({static_cast<std::uint32_t>(number), name});
    std::free(name);
  }
  return calls;
}

std::vector<std::string> call_names() {
  std::vector<std::string> names;
  for (const Architecture& architecture : architectures()) {
    for (Call& call : calls_of(architecture)) names.push_back(std::move(call.name));
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace kerf::seccomp
