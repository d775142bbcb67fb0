// Look-ups in a resolved schema, and what follows from it: request environments and the action hierarchy.
#include "ir/schema.h"

#include <algorithm>

namespace kerf {

const EntityType* Schema::find_type(const std::string& name) const {
  auto found = entity_types.find(name);
  return found == entity_types.end() ? nullptr : &found->second;
}

const Action* Schema::find_action(const EntityUid& uid) const {
  auto found = actions.find(uid);
  return found == actions.end() ? nullptr : &found->second;
}

std::vector<RequestEnv> Schema::environments() const {
  std::vector<RequestEnv> result;
  for (const auto& [uid, action] : actions) {
    for (const std::string& principal : action.principals) {
      for (const std::string& resource : action.resources) result.push_back({principal, uid, resource});
    }
  }
  std::sort(result.begin(), result.end());
  return result;
}

std::vector<Entity> Schema::action_entities() const {
  std::vector<Entity> result;
  for (const auto& [uid, action] : actions) {
    result.push_back({uid, {}, {}, {action.parents.begin(), action.parents.end()}});
  }
  return result;
}

const EntityType* Schema::kernel_type(KernelKind kind) const {
  for (const auto& [name, type] : entity_types) {
    if (type.kernel == kind) return &type;
  }
  return nullptr;
}

}  // namespace kerf
