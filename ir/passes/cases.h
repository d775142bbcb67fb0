// Conditions that a hook cannot ask as they stand, as cases that it can: `principal.home == resource.path` becomes
// `if principal.home == "/home/a" then "/home/a" == resource.path else if …`, one for each value that the entities give.
#pragma once
#include <optional>
#include <vector>

#include "ir/passes/origin.h"

namespace kerf {

inline constexpr std::size_t kMaxCases = 256;             // values of one expression
inline constexpr std::size_t kMaxCaseNodes = 1u << 17;    // of a policy with its cases

struct Cases {
  std::optional<Body> body;         // the whole policy, of equal outcome for every event; nothing: nothing to split
  std::optional<NodeId> too_many;   // not split: this expression has more than kMaxCases values
};

// What can be split in the policies of one environment of a governed action. A principal is bound only if it is stored,
// so the entities tell all values that an expression over `principal` can have; likewise those of stored attributes.
class CaseSplitter {
 public:
  CaseSplitter(const Module& module, const RequestEnv& env) : module_(module), env_(env) {}

  // One step: the result may have more to split.
  Cases split(const Body& body, const Analysis& analysis);

  // For the step itself.
  const Module& module() const { return module_; }
  const RequestEnv& env() const { return env_; }
  const std::vector<EntityUid>& principals();
  const std::vector<EntityUid>& resources();   // and one that nothing names

 private:
  const Module& module_;
  const RequestEnv& env_;
  std::optional<std::vector<EntityUid>> principals_, resources_;
};

}  // namespace kerf
