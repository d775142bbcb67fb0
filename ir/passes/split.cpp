// The plan and the stages to the report of what is decided where. The one decision: an expression is shown as large as
// it stays in one stage; inside of a hook comparison the values that userspace hands over are shown below it.
#include "ir/passes/split.h"

#include <algorithm>
#include <set>

#include "ir/base/check.h"
#include "ir/passes/atoms.h"

namespace kerf {

namespace {

class StageReport {
 public:
  StageReport(const Module& module, const Policy& policy, const RequestEnv& env)
      : body_(policy.body), stages_(stages(module, policy, env)) {}

  std::vector<StagedExpr> run() {
    for (std::size_t i = 0; i < body_.size(); ++i) uniform_.push_back(is_uniform(NodeId(i)));
    std::vector<NodeId> open{body_.root};
    while (!open.empty()) {
      NodeId id = open.back();
      open.pop_back();
      if (uniform_[id.index]) {
        show(id);
        continue;
      }
      auto args = body_.args(id);
      open.insert(open.end(), args.rbegin(), args.rend());
    }
    return std::move(exprs_);
  }

 private:
  static bool is_connective(Op op) { return op == Op::and_ || op == Op::or_ || op == Op::not_ || op == Op::if_; }
  static bool is_userspace(Stage stage) { return stage == Stage::bind || stage == Stage::publish; }

  bool is_uniform(NodeId id) const {
    if (!is_connective(body_[id].op) || stages_[id.index].stage == Stage::compile) return true;
    for (NodeId arg : body_.args(id)) {
      Stage whole = stages_[id.index].stage, part = stages_[arg.index].stage;
      bool together = part == whole || (is_userspace(part) && is_userspace(whole));
      if (!together || !uniform_[arg.index]) return false;
    }
    return true;
  }

  void show(NodeId id) {
    if (body_[id].op == Op::literal) return;
    add(id);
    if (is_userspace(stages_[id.index].stage) || stages_[id.index].stage == Stage::compile) return;
    std::vector<NodeId> open(body_.args(id).rbegin(), body_.args(id).rend());
    while (!open.empty()) {   // what is known before the hook
      NodeId part = open.back();
      open.pop_back();
      if (is_userspace(stages_[part.index].stage)) {
        add(part);
      } else if (stages_[part.index].stage != Stage::compile) {
        auto args = body_.args(part);
        open.insert(open.end(), args.rbegin(), args.rend());
      }
    }
  }

  void add(NodeId id) {
    const NodeStage& stage = stages_[id.index];
    exprs_.push_back({stage.stage, body_[id].span, print_expr(body_, id), stage.reason});
  }

  const Body& body_;
  std::vector<NodeStage> stages_;
  std::vector<bool> uniform_;
  std::vector<StagedExpr> exprs_;
};

// By policy: whether some request of the environment satisfies it or makes it err. Relies on validated policies.
std::vector<bool> applicable(const Module& module, std::size_t environment) {
  std::vector<bool> result(module.policies.size());
  const EnvironmentAtoms cut = cut_atoms(module, environment);
  std::vector<bool> can_error;
  for (const Atom& atom : cut.atoms) can_error.push_back(atom.can_error);
  for (const PolicyFormula& policy : cut.policies) result[policy.policy.index] = policy.formula.can_hold(can_error);
  return result;
}

std::string_view layer_text(Layer layer) {
  switch (layer) {
    case Layer::gateway: return "gateway";
    case Layer::kernel: return "kernel";
    case Layer::none: return "none";
  }
  internal_error("layer");
}

Json span_to_json(const Sources& sources, Span span) {
  if (!span.valid()) return nullptr;
  const LineColumn at = sources.locate(span.source, span.begin);
  return {{"file", sources.name(span.source)}, {"begin", span.begin}, {"end", span.end},
          {"line", at.line}, {"column", at.column}};
}

Json entry_to_json(const Module& module, const Sources& sources, const SplitEntry& entry) {
  const Policy& policy = module.policies[entry.policy.index];
  const RequestEnv& env = module.environments[entry.environment];
  Json exprs = Json::array();
  for (const StagedExpr& expr : entry.exprs) {
    exprs.push_back({{"stage", std::string(to_text(expr.stage))}, {"source", span_to_json(sources, expr.span)},
                     {"text", expr.text}, {"reason", expr.reason}});
  }
  Json json = {{"policy", policy.id},
               {"effect", policy.effect == Effect::permit ? "permit" : "forbid"},
               {"environment", {{"principal", env.principal}, {"action", uid_to_json(env.action)},
                                {"resource", env.resource}}},
               {"layer", std::string(layer_text(entry.layer))},
               {"exprs", std::move(exprs)}};
  if (entry.layer == Layer::kernel) {
    for (KernelEventId event : entry.events) json["events"].push_back(std::string(kernel_event(event).text));
    json["exact"] = !entry.approximation;
    if (entry.approximation) json["approximation"] = approximation_to_json(module, sources, *entry.approximation);
  }
  return json;
}

}  // namespace

Split split(const Module& module, const KernelPlan& plan) {
  std::vector<std::vector<KernelEventId>> events(module.environments.size());
  std::vector<const KernelEnv*> planned(module.environments.size());   // rows do not depend on the event
  for (const KernelEnv& env : plan.envs) {
    events[env.environment].push_back(env.event);
    planned[env.environment] = &env;
  }
  for (std::size_t e = 0; e < module.environments.size(); ++e) {
    const RequestEnv& env = module.environments[e];
    const std::vector<KernelEventId>& bound = module.schema.find_action(env.action)->events;
    const bool filtered = std::find(bound.begin(), bound.end(), KernelEventId::sys_call) != bound.end();
    if (filtered && module.schema.find_type(env.resource)->kernel == KernelKind::syscall) events[e].push_back(KernelEventId::sys_call);
  }
  std::vector<std::vector<bool>> applies;
  for (std::size_t e = 0; e < module.environments.size(); ++e) applies.push_back(applicable(module, e));
  Split result;
  for (std::size_t p = 0; p < module.policies.size(); ++p) {
    const Policy& policy = module.policies[p];
    for (std::size_t e = 0; e < module.environments.size(); ++e) {
      const RequestEnv& env = module.environments[e];
      SplitEntry entry{PolicyId(p), e, events[e].empty() ? Layer::gateway : Layer::kernel, events[e], {}, {}};
      if (!applies[e][p]) {
        entry.layer = Layer::none;
      } else if (!events[e].empty()) {
        entry.exprs = StageReport(module, policy, env).run();
        if (const ApproximatedPolicy* found = planned[e] ? planned[e]->approximation(entry.policy) : nullptr) entry.approximation = *found;
      }
      result.entries.push_back(std::move(entry));
    }
  }
  return result;
}

Json approximation_to_json(const Module& module, const Sources& sources, const ApproximatedPolicy& approximated) {
  const Policy& policy = module.policies[approximated.policy.index];
  Json unknowns = Json::array();
  for (const Unknown& unknown : approximated.unknowns) {
    Json outcomes = {"false", "true"};
    if (unknown.can_error) outcomes.push_back("error");
    unknowns.push_back({{"text", unknown.text}, {"source", span_to_json(sources, unknown.span)},
                        {"code", std::string(catalogue_row(unknown.code).name)}, {"reason", unknown.why}, {"outcomes", std::move(outcomes)}});
  }
  return {{"kind", std::string(to_text(approximated.kind))},
          {"holds", holds_if_possible(policy.effect, approximated.kind) ? "possible" : "certain"}, {"unknowns", std::move(unknowns)}};
}

Json split_to_json(const Module& module, const Sources& sources, const Split& split) {
  Json entries = Json::array();
  for (const SplitEntry& entry : split.entries) entries.push_back(entry_to_json(module, sources, entry));
  return {{"format", "kerf-split"}, {"version", 3}, {"entries", std::move(entries)}};
}

}  // namespace kerf
