// The plan and the policies to warnings. The one decision: what a warning claims follows from rows of the plan or from
// the types alone; where that would need more than one look at each policy, nothing is claimed.
#include "ir/passes/lint.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "ir/base/check.h"
#include "ir/passes/origin.h"
#include "ir/passes/refusal.h"
#include "ir/passes/row_cover.h"

namespace kerf {

namespace {

constexpr std::size_t kMaxCompared = 1'000'000;   // parts of pairs of rows of one action

// ---- K5101: actions that nothing allows ----

std::size_t parts_of(const KernelEnv& env, const KernelRow& row) {
  std::size_t parts = 1 + row.bind.size() + row.code.size();
  if (row.address) parts += row.address->v4.size() + row.address->v6.size();
  if (row.port) parts += row.port->size();
  if (row.endpoint) parts += row.endpoint->listed.size();
  for (const Requirement& r : row.path) parts += 1 + env.paths[r.atom].files.size() + env.paths[r.atom].trees.size();
  return parts;
}

// Whether there is a row of a permit that no row of a forbid covers; `compared` counts.
bool may_allow(const Module& module, const KernelEnv& env, std::size_t& compared) {
  std::vector<const KernelRow*> forbids;
  std::size_t parts = 0;
  auto effect = [&](const KernelRow& row) { return module.policies[row.policy.index].effect; };
  for (const KernelRow& row : env.rows) {
    if (row.result != Outcome::true_ || effect(row) != Effect::forbid) continue;
    forbids.push_back(&row);
    parts += parts_of(env, row);
  }
  for (const KernelRow& row : env.rows) {
    if (row.result != Outcome::true_ || effect(row) != Effect::permit) continue;
    compared += parts + forbids.size() * parts_of(env, row);
    if (compared > kMaxCompared) return true;
    if (std::none_of(forbids.begin(), forbids.end(), [&](const KernelRow* forbid) { return covers(env, *forbid, row); })) return true;
  }
  return false;
}

bool has_permit(const Module& module, const KernelEnv& env) {
  return std::any_of(env.rows.begin(), env.rows.end(), [&](const KernelRow& row) {
    return row.result == Outcome::true_ && module.policies[row.policy.index].effect == Effect::permit;
  });
}

// Somebody wrote that all of it is forbidden.
const KernelRow* forbids_all(const Module& module, const KernelEnv& env) {
  for (const KernelRow& row : env.rows) {
    const bool forbid = module.policies[row.policy.index].effect == Effect::forbid;
    if (forbid && row.result == Outcome::true_ && holds_always(row)) return &row;
  }
  return nullptr;
}

void lint_actions(const Module& module, const KernelPlan& plan, Diagnostics& diagnostics) {
  struct Seen {
    bool allowed = false, permits = false, meant = true;
    std::size_t compared = 0;
  };
  std::map<EntityUid, Seen> actions;
  for (const KernelEnv& env : plan.envs) {
    Seen& seen = actions[module.environments[env.environment].action];
    seen.allowed = seen.allowed || may_allow(module, env, seen.compared);
    seen.permits = seen.permits || has_permit(module, env);
    seen.meant = seen.meant && forbids_all(module, env) != nullptr;
  }
  for (const auto& [uid, seen] : actions) {
    if (seen.allowed || (seen.meant && !seen.permits)) continue;
    Diagnostic& made = diagnostics.report(Code::K5101, module.schema.find_action(uid)->span, to_text(uid));
    made.with_label(seen.permits ? "whatever permits it, a forbid takes it away" : "every event of it is refused");
    if (!seen.permits) made.with_help(fmt::format("if that is meant, say so: `forbid(principal, action == {}, resource);`", to_text(uid)));
  }
}

// ---- K5102: forbids that an error makes vanish ----

class ErrorSearch {
 public:
  ErrorSearch(const Module& module, const Policy& policy, const RequestEnv& env)
      : module_(module), body_(policy.body), env_(env), analysis_(analyse(module, policy.body, env)) {}

  // The first part that itself can be an error, or nothing.
  std::optional<NodeId> find() {
    for (std::size_t i = 0; i < body_.size(); ++i) {
      ranges_.push_back(range(NodeId(i)));
      errs_.push_back(analysis_.can_error[i] && (any_operand(NodeId(i), errs_) || is_culprit(NodeId(i))));
    }
    std::vector<NodeId> open{body_.root};
    while (!open.empty()) {
      const NodeId id = open.back();
      open.pop_back();
      if (!errs_[id.index]) continue;
      if (!any_operand(id, errs_)) return id;
      const auto args = body_.args(id);
      open.insert(open.end(), args.rbegin(), args.rend());
    }
    return std::nullopt;
  }

 private:
  struct Range {
    __int128 low = std::numeric_limits<std::int64_t>::min(), high = std::numeric_limits<std::int64_t>::max();
    bool fits() const { return low >= std::numeric_limits<std::int64_t>::min() && high <= std::numeric_limits<std::int64_t>::max(); }
  };

  bool any_operand(NodeId id, const std::vector<bool>& holds) const {
    const auto args = body_.args(id);
    return std::any_of(args.begin(), args.end(), [&](NodeId arg) { return holds[arg.index]; });
  }

  // Can it be an error by itself, with operands that are none?
  bool is_culprit(NodeId id) const {
    if (analysis_.folded.known(id)) return !analysis_.folded.value(id);
    switch (body_[id].op) {
      case Op::add:
      case Op::sub:
      case Op::mul:
      case Op::neg: return !ranges_[id.index].fits();
      case Op::call: return !is_time_call(id) || !ranges_[id.index].fits();
      case Op::get_attr: return !is_asked_for(id, Op::has_attr);
      case Op::get_tag: return !is_asked_for(id, Op::has_tag);
      default: return op_row(body_[id].op).fallible || !any_operand(id, analysis_.can_error);
    }
  }

  // Validation wants the question in front of what it guards, so it is enough that it is there.
  bool is_asked_for(NodeId id, Op question) const {
    for (std::size_t i = 0; i < body_.size(); ++i) {
      const NodeId other(i);
      if (body_[other].op != question || !same_tree(body_, body_.arg(other, 0), body_, body_.arg(id, 0))) continue;
      if (question == Op::has_attr ? body_.name(other) == body_.name(id) : same_tree(body_, body_.arg(other, 1), body_, body_.arg(id, 1))) return true;
    }
    return false;
  }

  bool is_time_call(NodeId id) const {
    const std::string& name = body_.name(id);
    return name == "offset" || name == "durationSince" || name == "toDate";
  }

  // Of a Long, a date or a duration, before the operator's own overflow is looked at; operands that overflow are errors of their own.
  Range range(NodeId id) const {
    if (const Value* value = analysis_.folded.value(id)) return range_of(*value);
    auto of = [&](std::size_t arg) { return ranges_[body_.arg(id, arg).index].fits() ? ranges_[body_.arg(id, arg).index] : Range{}; };
    switch (body_[id].op) {
      case Op::add: return {of(0).low + of(1).low, of(0).high + of(1).high};
      case Op::sub: return {of(0).low - of(1).high, of(0).high - of(1).low};
      case Op::neg: return {-of(0).high, -of(0).low};
      case Op::mul: {
        const __int128 ends[] = {of(0).low * of(1).low, of(0).low * of(1).high, of(0).high * of(1).low, of(0).high * of(1).high};
        return {*std::min_element(std::begin(ends), std::end(ends)), *std::max_element(std::begin(ends), std::end(ends))};
      }
      case Op::if_: return {std::min(of(1).low, of(2).low), std::max(of(1).high, of(2).high)};
      case Op::get_attr: return observed_range(id);
      case Op::call: return time_range(id);
      default: return {};
    }
  }

  static Range range_of(const Value& value) {
    if (value.as_long()) return {*value.as_long(), *value.as_long()};
    if (value.as_datetime()) return {value.as_datetime()->ms, value.as_datetime()->ms};
    if (value.as_duration()) return {value.as_duration()->ms, value.as_duration()->ms};
    return {};
  }

  Range time_range(NodeId id) const {
    constexpr std::int64_t day = 86'400'000;
    const std::string& name = body_.name(id);
    auto of = [&](std::size_t arg) { return ranges_[body_.arg(id, arg).index].fits() ? ranges_[body_.arg(id, arg).index] : Range{}; };
    if (name == "offset") return {of(0).low + of(1).low, of(0).high + of(1).high};
    if (name == "durationSince") return {of(0).low - of(1).high, of(0).high - of(1).low};
    if (name == "toDate") return {of(0).low - day + 1, of(0).high};
    if (name == "toTime") return {0, day - 1};
    return {};
  }

  Range observed_range(NodeId id) const {
    const Observable* observable = observable_of(module_, body_, env_, id);
    if (!observable) return {};
    if (observable->type == TypeKind::long_) return {0, observable->largest};
    if (observable->type == TypeKind::datetime) return {0, std::numeric_limits<std::uint64_t>::max() / 1'000'000};   // nanoseconds of 64 bits
    return {};
  }

  const Module& module_;
  const Body& body_;
  const RequestEnv& env_;
  Analysis analysis_;
  std::vector<Range> ranges_;
  std::vector<bool> errs_;
};

void lint_forbid_errors(const Module& module, const KernelPlan& plan, Diagnostics& diagnostics) {
  std::set<PolicyId> reported;
  std::set<std::pair<PolicyId, std::size_t>> looked_at;
  for (const KernelEnv& env : plan.envs) {
    for (const KernelRow& row : env.rows) {
      const Policy& policy = module.policies[row.policy.index];
      if (policy.effect != Effect::forbid || row.result != Outcome::error || reported.contains(row.policy)) continue;
      if (!looked_at.emplace(row.policy, env.environment).second) continue;
      const auto culprit = ErrorSearch(module, policy, module.environments[env.environment]).find();
      if (!culprit) continue;
      reported.insert(row.policy);
      const Span span = policy.body[*culprit].span;
      diagnostics.report(Code::K5102, span.valid() ? span : policy.span, policy.id, print_expr(policy.body, *culprit))
          .with_label("where this is an error, nothing is forbidden")
          .with_note("for " + environment_text(module.environments[env.environment]));
    }
  }
}

// ---- K5103: forbids that only the gateway can decide, over what the kernel permits ----

bool declares(const Module& module, const EntityUid& action, const std::string& attribute) {
  const TypeId context = module.schema.find_action(action)->context;
  return context.valid() && module.schema.types[context].attrs.contains(attribute);
}

bool reads_context(const Body& body, NodeId id) {
  const Op op = body[id].op;
  if (op != Op::has_attr && op != Op::get_attr) return false;
  const NodeId object = body.arg(id, 0);
  return body[object].op == Op::variable && body.variable(object) == Var::context;
}

// A forbid that is false in `env` only because its context lacks an attribute: the question for that attribute.
std::optional<NodeId> narrowing_attribute(const Module& module, const Policy& policy, const RequestEnv& env) {
  const Body& body = policy.body;
  const Folded folded = fold(module, body, env, FoldWith::kernel);
  std::optional<NodeId> missing;
  std::vector<bool> touched(body.size());               // depends on a missing attribute
  std::vector<std::optional<Outcome>> outcomes(body.size());   // nothing: any
  for (std::size_t i = 0; i < body.size(); ++i) {
    const NodeId id(i);
    if (reads_context(body, id) && !declares(module, env.action, body.name(id))) {
      if (body[id].op == Op::has_attr && !missing) missing = id;
      touched[i] = true;
      continue;
    }
    for (NodeId arg : body.args(id)) touched[i] = touched[i] || touched[arg.index];
    if (!touched[i]) {
      outcomes[i] = folded.outcome(id);
      continue;
    }
    auto of = [&](std::size_t arg) { return outcomes[body.arg(id, arg).index]; };
    if (body[id].op == Op::not_ && of(0)) outcomes[i] = *of(0) == Outcome::true_ ? Outcome::false_ : Outcome::true_;
    if (body[id].op == Op::and_ && (of(0) == Outcome::false_ || of(1) == Outcome::false_)) outcomes[i] = Outcome::false_;
    if (body[id].op == Op::or_ && (of(0) == Outcome::true_ || of(1) == Outcome::true_)) outcomes[i] = Outcome::true_;
  }
  const auto root = outcomes[body.root.index];
  const bool would_hold = !root || *root == Outcome::true_;
  return would_hold && touched[body.root.index] ? missing : std::nullopt;
}

// Whether some request that the gateway decides can satisfy it, by types.
bool applies_at_gateway(const Module& module, const KernelPlan& plan, const Policy& policy, const std::string& attribute) {
  std::set<std::size_t> governed;
  for (const KernelEnv& env : plan.envs) governed.insert(env.environment);
  for (std::size_t e = 0; e < module.environments.size(); ++e) {
    const EntityType* resource = module.schema.find_type(module.environments[e].resource);
    if (resource && resource->kernel == KernelKind::syscall) continue;   // a filter decides it
    if (governed.contains(e) || !declares(module, module.environments[e].action, attribute)) continue;
    if (fold(module, policy.body, module.environments[e], FoldWith::request_types).outcome(policy.body.root) != Outcome::false_) return true;
  }
  return false;
}

void lint_narrowing(const Module& module, const KernelPlan& plan, Diagnostics& diagnostics) {
  std::vector<PolicyId> asking;   // forbids that ask whether the context has something
  for (std::size_t p = 0; p < module.policies.size(); ++p) {
    const Body& body = module.policies[p].body;
    bool asks = false;
    for (std::size_t i = 0; i < body.size(); ++i) asks = asks || (body[NodeId(i)].op == Op::has_attr && reads_context(body, NodeId(i)));
    if (asks && module.policies[p].effect == Effect::forbid) asking.push_back(PolicyId(p));
  }
  std::set<PolicyId> reported, in_kernel;
  for (const KernelEnv& env : plan.envs) {
    for (const KernelRow& row : env.rows) in_kernel.insert(row.policy);
  }
  for (const KernelEnv& env : plan.envs) {
    const RequestEnv& request = module.environments[env.environment];
    auto permits = [&](const KernelRow& row) { return row.result == Outcome::true_ && module.policies[row.policy.index].effect == Effect::permit; };
    const auto permit = std::find_if(env.rows.begin(), env.rows.end(), permits);
    if (permit == env.rows.end()) continue;
    for (PolicyId id : asking) {
      const Policy& policy = module.policies[id.index];
      if (reported.contains(id) || in_kernel.contains(id)) continue;
      const auto missing = narrowing_attribute(module, policy, request);
      if (!missing || !applies_at_gateway(module, plan, policy, policy.body.name(*missing))) continue;
      reported.insert(id);
      const Policy& allowed = module.policies[permit->policy.index];
      diagnostics.report(Code::K5103, policy.body[*missing].span, policy.id, to_text(request.action))
          .with_label("never true for this action")
          .with_related(allowed.span, fmt::format("`{}` permits it in the kernel", allowed.id))
          .with_help(fmt::format("if other actions are meant, name them: `action == …`, `action in […]`"))
          .with_help(fmt::format("else publish it: `@kernel(\"fact.{0}\") {0}?: …` in the context of {1}", policy.body.name(*missing), to_text(request.action)));
    }
  }
}

// ---- K5104: patterns that end inside of a name ----

bool ends_inside_of_name(const Pattern& pattern) {
  if (pattern.pieces.size() < 2 || !pattern.pieces.back().empty()) return false;
  const std::string& before = pattern.pieces[pattern.pieces.size() - 2];
  const unsigned char last = before.empty() ? '/' : static_cast<unsigned char>(before.back());
  return (last >= '0' && last <= '9') || (last >= 'a' && last <= 'z') || (last >= 'A' && last <= 'Z') || last >= 0x80;
}

class PatternLint {
 public:
  PatternLint(const Module& module, const Policy& policy, const RequestEnv& env) : module_(module), policy_(policy), body_(policy.body), env_(env) {}

  // `told`: places of this policy, in environments before this one too.
  void run(std::set<std::uint32_t>& told, Diagnostics& diagnostics) const {
    std::vector<std::pair<NodeId, bool>> open{{body_.root, policy_.effect == Effect::permit}};   // true: where it holds, more is allowed
    while (!open.empty()) {
      auto [id, allows] = open.back();
      open.pop_back();
      switch (body_[id].op) {
        case Op::and_:
        case Op::or_:
          for (NodeId arg : body_.args(id)) open.emplace_back(arg, allows);
          break;
        case Op::not_: open.emplace_back(body_.arg(id, 0), !allows); break;
        case Op::if_:   // what its condition does is not told apart
          open.emplace_back(body_.arg(id, 1), allows);
          open.emplace_back(body_.arg(id, 2), allows);
          break;
        case Op::like:
          if (allows && is_loose(id) && told.insert(id.index).second) {
            diagnostics.report(Code::K5104, body_[id].span, printed(body_.pattern(id))).with_label("longer names match too, and all that is below them");
          }
          break;
        default: break;
      }
    }
  }

 private:
  static std::string printed(const Pattern& pattern) {   // without quotes
    const std::string text = to_text(pattern);
    return text.substr(1, text.size() - 2);
  }

  bool is_loose(NodeId id) const {
    const Observable* observable = observable_of(module_, body_, env_, body_.arg(id, 0));
    const bool path = observable && (observable->from == ObservedFrom::path || observable->from == ObservedFrom::executable);
    if (!path || !ends_inside_of_name(body_.pattern(id))) return false;
    const std::string below = printed(body_.pattern(id)) + "/";   // somebody thought of what is below
    for (std::size_t i = 0; i < body_.size(); ++i) {
      if (body_[NodeId(i)].op == Op::like && printed(body_.pattern(NodeId(i))).starts_with(below)) return false;
    }
    return true;
  }

  const Module& module_;
  const Policy& policy_;
  const Body& body_;
  const RequestEnv& env_;
};

bool has_loose_pattern(const Body& body) {
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[NodeId(i)].op == Op::like && ends_inside_of_name(body.pattern(NodeId(i)))) return true;
  }
  return false;
}

void lint_patterns(const Module& module, const KernelPlan& plan, Diagnostics& diagnostics) {
  std::vector<bool> loose;
  for (const Policy& policy : module.policies) loose.push_back(has_loose_pattern(policy.body));
  std::map<PolicyId, std::set<std::uint32_t>> told;
  std::set<std::pair<PolicyId, std::size_t>> looked_at;
  for (const KernelEnv& env : plan.envs) {
    for (const KernelRow& row : env.rows) {
      if (!loose[row.policy.index] || !looked_at.emplace(row.policy, env.environment).second) continue;
      PatternLint(module, module.policies[row.policy.index], module.environments[env.environment]).run(told[row.policy], diagnostics);
    }
  }
}

}  // namespace

void lint_split(const Module& module, const KernelPlan& plan, Diagnostics& diagnostics) {
  if (module.policies.empty()) return;
  lint_actions(module, plan, diagnostics);
  lint_forbid_errors(module, plan, diagnostics);
  lint_narrowing(module, plan, diagnostics);
  lint_patterns(module, plan, diagnostics);
}

}  // namespace kerf
