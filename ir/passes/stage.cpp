// Origins to stages, with the reason of the operand that decides. The one decision: the reason is told where it
// arises (a variable, a bound attribute) and carried upwards, so every node can say why it is not earlier.
#include "ir/passes/stage.h"

#include <fmt/format.h>

#include "ir/base/check.h"
#include "ir/passes/origin.h"

namespace kerf {

std::string_view to_text(Stage stage) {
  switch (stage) {
    case Stage::compile: return "compile";
    case Stage::bind: return "bind";
    case Stage::learn: return "learn";
    case Stage::publish: return "publish";
    case Stage::hook: return "hook";
    case Stage::gateway: return "gateway";
  }
  internal_error("stage");
}

namespace {

Stage stage_of(Origins origins) {
  if (origins & (kFromGateway | kFromContext | kThroughOther)) return Stage::gateway;
  constexpr Origins hook = kFromAddress | kFromPort | kFromEndpoint | kFromScalar | kFromFile | kFromPath;
  if (origins & hook) return Stage::hook;
  if (origins & kFromHost) return Stage::learn;
  if (origins & kFromFact) return Stage::publish;
  if (origins & kFromPrincipal) return Stage::bind;
  return Stage::compile;
}

class Stager {
 public:
  Stager(const Module& module, const Body& body, const RequestEnv& env)
      : module_(module), body_(body), env_(env), analysis_(analyse(module, body, env)) {}

  std::vector<NodeStage> run() {
    for (std::size_t i = 0; i < body_.size(); ++i) result_.push_back(node(NodeId(i)));
    return std::move(result_);
  }

 private:
  NodeStage node(NodeId id) const {
    Origins origins = analysis_.origins[id.index];
    NodeStage stage{stage_of(origins), {}, {}};
    if (stage.stage == Stage::compile) {
      stage.reason = compile_reason(id);
      return stage;
    }
    if (auto own = own_reason(id, origins)) {
      stage.reason = *own;
      return stage;
    }
    for (NodeId arg : body_.args(id)) {
      if (result_[arg.index].stage != stage.stage) continue;
      stage.reason = result_[arg.index].reason;
      stage.because = arg;
      break;
    }
    return stage;
  }

  std::string compile_reason(NodeId id) const {
    if (body_[id].op == Op::literal) return "a literal";
    if (body_[id].op == Op::variable) return "the environment fixes the action";
    return "its value is the same for every request of this environment";
  }

  // The reason if it arises at this node and not in an operand.
  std::optional<std::string> own_reason(NodeId id, Origins origins) const {
    if (const AttrBinding* binding = binding_of(module_, body_, env_, id)) return bound_reason(id, *binding);
    if (body_[id].op == Op::variable) return variable_reason(body_.variable(id));
    bool operand_through_other = false, operand_host = false;
    for (NodeId arg : body_.args(id)) {
      operand_through_other = operand_through_other || (analysis_.origins[arg.index] & kThroughOther);
      operand_host = operand_host || (analysis_.origins[arg.index] & kFromHost);
    }
    if ((origins & kThroughOther) && !operand_through_other) {
      return "reads data of a kernel-bound entity that is not reached through `resource`";
    }
    if ((origins & kFromGateway) && body_[body_.arg(id, 0)].op == Op::variable &&
        body_.variable(body_.arg(id, 0)) == Var::context) {
      return fmt::format("reads `context.{}`, which no hook observes", body_.name(id));
    }
    if ((origins & kFromHost) && !operand_host) return "depends on the host names of the address";
    return std::nullopt;
  }

  static std::string bound_reason(NodeId, const AttrBinding& binding) {
    if (binding.kind == AttrBinding::Kind::fact) return fmt::format("the fact `{}` is published", binding.name);
    const Observable* observable = find_observable(binding.name);
    if (observable && observable->id == ObservableId::endpoint_host) return "host names are learned";
    return fmt::format("the hook observes `{}`", binding.name);
  }

  std::string variable_reason(Var var) const {
    switch (var) {
      case Var::principal: return "the principal is known when a cgroup is bound";
      case Var::action: return "the environment fixes the action";
      case Var::resource: {
        const EntityType& type = *module_.schema.find_type(env_.resource);   // bound: its action is governed
        return fmt::format("the hook observes which {} it is", to_text(*type.kernel));
      }
      case Var::context: return "the context as a whole is known to the gateway only";
    }
    internal_error("variable");
  }

  const Module& module_;
  const Body& body_;
  const RequestEnv& env_;
  Analysis analysis_;
  std::vector<NodeStage> result_;
};

}  // namespace

std::vector<NodeStage> stages(const Module& module, const Policy& policy, const RequestEnv& env) {
  return Stager(module, policy.body, env).run();
}

}  // namespace kerf
