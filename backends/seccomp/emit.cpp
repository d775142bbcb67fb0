// One line for each filter and each principal, so that a difference of two bundles shows who is concerned.
#include "backends/seccomp/emit.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "backends/seccomp/filter.h"
#include "ir/values/json.h"

namespace kerf::seccomp {
namespace {

Json program_json(const std::vector<sock_filter>& program) {
  Json list = Json::array();
  for (const sock_filter& step : program) list.push_back(Json::array({step.code, step.jt, step.jf, step.k}));
  return list;
}

std::string lines(const std::vector<Json>& rows) {
  std::string text;
  for (const Json& row : rows) text += fmt::format("{}    {}", text.empty() ? "\n" : ",\n", row.dump());
  return "[" + text + "\n  ]";
}

}  // namespace

std::optional<std::string> emit_filters(const SyscallPlan& plan, Diagnostics& diagnostics) {
  std::vector<Json> filters, principals;
  std::vector<Json> of_filter(plan.filters.size(), Json::object());   // architecture -> index
  for (const Architecture& architecture : architectures()) {
    const std::vector<Call> calls = calls_of(architecture);
    for (std::size_t i = 0; i < plan.filters.size(); ++i) {
      auto program = make_filter(plan, plan.filters[i], architecture, calls);
      if (!program) {
        auto first = std::find_if(plan.principals.begin(), plan.principals.end(), [&](const auto& row) { return row.second == i; });
        diagnostics.report(Code::K8061, {}, to_text(first->first), BPF_MAXINSNS).with_note(architecture.name);
        return std::nullopt;
      }
      of_filter[i][architecture.name] = filters.size();
      filters.push_back({{"arch", architecture.name}, {"program", program_json(*program)}});
    }
  }
  for (const auto& [principal, filter] : plan.principals) {
    principals.push_back({{"principal", uid_to_json(principal)}, {"filters", of_filter[filter]}});
  }
  return fmt::format("{{\n  \"format\": \"kerf-seccomp\",\n  \"version\": 1,\n  \"filters\": {},\n  \"principals\": {}\n}}\n", lines(filters), lines(principals));
}

}  // namespace kerf::seccomp
