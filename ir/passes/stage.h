// Staging: when is a value known? The stage of an expression is the latest of its operands'.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "ir/module.h"

namespace kerf {

enum class Stage : std::uint8_t { compile, bind, learn, publish, hook, gateway };
std::string_view to_text(Stage stage);

struct NodeStage {
  Stage stage = Stage::compile;
  std::string reason;   // "reads `context.delegation_depth`, which no hook observes"; of the operand that decides
  NodeId because;       // that operand: follow it for the reason chain
};

// One entry per node of the policy's body, in one environment of a governed action.
std::vector<NodeStage> stages(const Module& module, const Policy& policy, const RequestEnv& env);

}  // namespace kerf
