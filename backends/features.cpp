// The rows of programs.def by feature. The one decision: a feature belongs to a bundle iff a governed event needs one of
// its programs, so the same rows tell compiler, loader and reader of a split what is promised.
#include "backends/features.h"

#include <fmt/format.h>
#include <linux/bpf.h>

#include <algorithm>

#include "runtime/abi/policy_abi.h"

namespace kerf {
namespace {

struct FeatureRow { std::string_view name, what; };
struct ProgramRow { std::string_view name; std::uint64_t events, instead; std::string_view feature; };

constexpr FeatureRow kFeatures[] = {
#define KERF_FEATURE(name, what) {name, what},
#include "runtime/abi/programs.def"
};
constexpr ProgramRow kPrograms[] = {
#define KERF_PROGRAM(name, section, type, attach, role, events, instead, feature) {#name, events, instead, feature},
#include "runtime/abi/programs.def"
};

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::uint64_t governed_events(const Schema& schema) {
  std::uint64_t mask = 0;
  for (const auto& [uid, action] : schema.actions) {
    const bool executable = binds(action, "process.exe");
    for (KernelEventId event : action.events) {
      if (decided_by_filter(kernel_event(event))) continue;
      mask |= KERF_BIT(static_cast<std::uint32_t>(event)) | (executable ? KERF_READS_EXE : 0);
    }
  }
  return mask;
}

std::vector<std::string> event_names(std::uint64_t governed) {
  std::vector<std::string> names;
  for (const KernelEvent& event : kernel_events()) {
    if (!decided_by_filter(event) && (governed & KERF_BIT(static_cast<std::uint32_t>(event.id)))) names.emplace_back(event.text);
  }
  return names;
}

std::vector<Feature> features_of(std::uint64_t governed) {
  std::vector<Feature> features;
  for (const FeatureRow& row : kFeatures) {
    Feature feature{row.name, row.what, {}};
    for (const ProgramRow& program : kPrograms) {
      if (program.feature == row.name && (program.events & governed) != 0 && (program.instead & governed) == 0) feature.programs.push_back(program.name);
    }
    if (!feature.programs.empty()) features.push_back(std::move(feature));
  }
  return features;
}

void check_waived(const std::vector<std::string>& waived, std::uint64_t governed, Diagnostics& diagnostics) {
  std::string guards;
  std::vector<std::string> names;
  for (const Feature& feature : features_of(governed)) {
    if (!feature.guard()) continue;
    names.emplace_back(feature.name);
    guards += fmt::format("{}`{}`", guards.empty() ? "" : ", ", feature.name);
  }
  for (const std::string& name : waived) {
    if (contains(names, name)) continue;
    Diagnostic& made = diagnostics.report(Code::K7913, {}, name);
    made.with_note("guards of this bundle: " + guards);
    if (auto near = closest(name, names)) made.with_help(fmt::format("did you mean `{}`?", *near));
  }
}

Json guards_to_json(std::uint64_t governed, const std::vector<std::string>& waived) {
  Json list = Json::array();
  for (const Feature& feature : features_of(governed)) {
    if (!feature.guard()) continue;
    list.push_back({{"name", std::string(feature.name)}, {"what", std::string(feature.what)}, {"waived", contains(waived, feature.name)}});
  }
  return list;
}

std::string guards_to_text(std::uint64_t governed, const std::vector<std::string>& waived) {
  std::string text;
  for (const Feature& feature : features_of(governed)) {
    if (!feature.guard()) continue;
    if (text.empty()) text = "guards, whatever the policies say:\n";
    text += fmt::format("  {:<22} {}{}\n", feature.name, contains(waived, feature.name) ? "WAIVED: " : "", feature.what);
  }
  return text;
}

}  // namespace kerf
