#include "driver/version.h"

#include "backends/bundle.h"
#include "backends/features.h"
#include "backends/table/emit.h"
#include "include/kerf.h"
#include "runtime/abi/policy_abi.h"

namespace kerf {

const char* version() { return KERF_VERSION; }
const char* language_version() { return "4.5"; }

Json version_report() {
  constexpr std::uint64_t all = KERF_ALL_EVENTS;
  Json features = Json::array();
  for (const Feature& feature : features_of(all)) features.push_back(std::string(feature.name));
  return {{"schema", "kerf.version"}, {"version", 1}, {"kerf", version()}, {"cedar", language_version()},
          {"library_abi", {{"major", KERF_LIBRARY_MAJOR}, {"minor", KERF_LIBRARY_MINOR}}},
          {"kernel_abi", KERF_ABI_VERSION}, {"bundle_format", kBundleFormat}, {"table_format", kTableFormat},
          {"llvm", KERF_LLVM_VERSION}, {"events", event_names(all)}, {"features", std::move(features)}};
}

}  // namespace kerf
