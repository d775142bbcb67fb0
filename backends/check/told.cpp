#include "backends/check/told.h"

#include <fmt/format.h>
#include <linux/types.h>

#include <algorithm>
#include <functional>
#include <map>

#include "runtime/abi/policy_abi.h"

namespace kerf::proof {
namespace {

// Of which observables hooks are told that somebody asks for them, beside the executable, which is told by event.
bool is_of_task(ObservableId id) {
  constexpr bool always = false, exists = false, told = true;
  switch (id) {
#define KERF_SEEN(observable, field, bits, when, type, events) case ObservableId::observable: return when;
#include "runtime/abi/seen.def"
    default: return id == ObservableId::process_comm;
  }
}

bool asks(const Action& action, const std::function<bool(ObservableId)>& wanted) {
  return std::any_of(action.bindings.begin(), action.bindings.end(), [&](const auto& bound) {
    return bound.second.kind == AttrBinding::Kind::observable && wanted(find_observable(bound.second.name)->id);
  });
}

bool asks(const Action& action, ObservableId wanted) {
  return asks(action, [wanted](ObservableId id) { return id == wanted; });
}

// The events that hooks govern: an action's, whatever its principals are.
std::uint64_t governed(const Module& module) {
  std::uint64_t mask = 0;
  for (const auto& [uid, action] : module.schema.actions) {
    for (KernelEventId id : action.events) {
      if (decided_by_filter(kernel_event(id))) continue;
      mask |= KERF_BIT(static_cast<unsigned>(id)) | (asks(action, ObservableId::process_exe) ? KERF_READS_EXE : 0);
    }
  }
  return mask;
}

// Does some entity type have an attribute that is this observable?
bool types_have(const Module& module, std::string_view observable) {
  for (const auto& [name, type] : module.schema.entity_types) {
    for (const auto& [attribute, bound] : type.bindings) {
      if (bound.kind == AttrBinding::Kind::observable && bound.name == observable) return true;
    }
  }
  return false;
}

// By name.
std::map<std::string, std::uint64_t> expected_of(const Module& module) {
  std::uint64_t exe = 0;
  bool clock = false, command = false, task = false, user = false;
  for (const RequestEnv& env : module.schema.environments()) {
    const Action& action = *module.schema.find_action(env.action);
    const EntityType &principal = *module.schema.find_type(env.principal), &resource = *module.schema.find_type(env.resource);
    if (principal.kernel != KernelKind::process || !resource.kernel) continue;
    for (KernelEventId id : action.events) {
      const KernelEvent& event = kernel_event(id);
      if (decided_by_filter(event) || !can_be_resource(event, *resource.kernel)) continue;
      if (asks(action, ObservableId::process_exe)) exe |= KERF_BIT(static_cast<unsigned>(id));
      clock = clock || asks(action, ObservableId::clock_now);
      command = command || asks(action, ObservableId::ioctl_command);
      task = task || asks(action, is_of_task);
      user = user || asks(action, ObservableId::process_uid) || asks(action, ObservableId::process_gid);
    }
  }
  return {{"kerf_governed", governed(module)}, {"kerf_exe_events", exe}, {"kerf_reads_clock", clock}, {"kerf_reads_command", command},
          {"kerf_reads_task", task}, {"kerf_reads_user", user}, {"kerf_reads_fs_type", types_have(module, "file.fs_type")}};
}

}  // namespace

void check_told(const Module& module, const ObjectTables& tables, Report& report) {
  for (const auto& [name, value] : expected_of(module)) {
    auto told = tables.told.find(name);
    if (told == tables.told.end() || told->second == value) continue;   // no hook of this object asks
    report.whole("things that hooks are told", fmt::format("`{}` is {:#x}, and should be {:#x}", name, told->second, value));
  }
}

}  // namespace kerf::proof
