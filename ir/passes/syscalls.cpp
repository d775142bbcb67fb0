// Policies about `sys.call` to decisions by cells. The one decision: nothing here knows how Cedar compares. Comparisons only
// say where an argument's ranges begin; what holds in a cell is what the reference evaluator says of one point of it.
#include "ir/passes/syscalls.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "ir/base/check.h"
#include "ir/eval.h"
#include "ir/passes/fold.h"
#include "ir/passes/origin.h"
#include "ir/passes/refusal.h"

namespace kerf {
namespace {

constexpr std::uint64_t kFirstAbsent = std::uint64_t{1} << 63;   // past the Long range
using Mask = unsigned;                                           // a set of outcomes
constexpr Mask kMayFalse = 1, kMayTrue = 2, kMayErr = 4;

Mask mask_of(Outcome outcome) { return outcome == Outcome::true_ ? kMayTrue : outcome == Outcome::false_ ? kMayFalse : kMayErr; }

// By node: whether the context is read in it.
std::vector<bool> context_readers(const Body& body) {
  std::vector<bool> reads;
  for (std::size_t i = 0; i < body.size(); ++i) {
    const NodeId id(i);
    const auto args = body.args(id);
    reads.push_back((body[id].op == Op::variable && body.variable(id) == Var::context) ||
                    std::any_of(args.begin(), args.end(), [&](NodeId arg) { return reads[arg.index]; }));
  }
  return reads;
}

// The argument that an attribute of the context is bound to.
std::optional<std::size_t> argument_of(const AttrBinding& binding) {
  const Observable* observable = binding.kind == AttrBinding::Kind::observable ? find_observable(binding.name) : nullptr;
  if (!observable || observable->from != ObservedFrom::argument) return std::nullopt;
  return static_cast<std::size_t>(observable->id) - static_cast<std::size_t>(ObservableId::syscall_arg0);
}

bool is_connective(Op op) { return op == Op::and_ || op == Op::or_ || op == Op::not_ || op == Op::if_; }

using Bounds = std::array<std::set<std::uint64_t>, kSyscallArgs>;

// Two numbers of an argument with the same low half: a policy refuses the first, and lets the second pass.
struct Evasion {
  std::size_t arg;
  std::uint64_t refused, passes;
  PolicyId policy;
  Span span;
  std::string attr;
};

// The ranges of an argument's numbers, by bounds.
struct Range {
  std::uint64_t first, last;
};
Range range_of(const std::vector<std::uint64_t>& bounds, std::size_t i) {
  return {i == 0 ? 0 : bounds[i - 1], i == bounds.size() ? std::numeric_limits<std::uint64_t>::max() : bounds[i] - 1};
}

// A number of `low` below 2^32, and one of `high` above with the same low half.
std::optional<std::pair<std::uint64_t, std::uint64_t>> same_low_half(Range low, Range high) {
  constexpr std::uint64_t kHalf = std::uint64_t{1} << 32;
  low.last = std::min(low.last, kHalf - 1);
  high.first = std::max(high.first, kHalf);
  if (low.first > low.last || high.first > high.last) return std::nullopt;
  const std::uint64_t begin = high.first % kHalf;          // the first of `high` that falls into `low` is there or at its beginning
  for (std::uint64_t half : {begin, low.first}) {
    if (half < low.first || half > low.last) continue;
    const std::uint64_t away = (half + kHalf - begin) % kHalf;
    if (away <= high.last - high.first) return std::pair{half, high.first + away};
  }
  return std::nullopt;
}

// One comparison of an argument with something that is known.
struct ArgTest {
  std::size_t arg;
  Op op;                    // has_attr, eq, less, less_eq, contains
  bool arg_first = true;    // of less and less_eq
  NodeId other;             // not of has_attr
};

// A policy in an environment, with what the environment decides put in.
struct Condition {
  PolicyId policy;
  Body body;
  std::vector<bool> reads_context;   // by node
  std::map<NodeId, ArgTest> tests;
};

class Environment {
 public:
  Environment(const Module& module, const RequestEnv& env, Diagnostics& diagnostics)
      : module_(module), env_(env), action_(*module.schema.find_action(env.action)), diagnostics_(diagnostics) {}

  void read_policies() {
    for (std::size_t i = 0; i < module_.policies.size(); ++i) {
      const Body& body = module_.policies[i].body;
      const Folded folded = fold(module_, body, env_, FoldWith::kernel);
      if (folded.outcome(body.root) == Outcome::false_) continue;
      Condition condition{PolicyId(i), rewrite(body, body.root, folded, [](NodeId, Body&) -> std::optional<NodeId> { return std::nullopt; }), {}, {}};
      condition.reads_context = context_readers(condition.body);
      find_tests(condition);
      conditions_.push_back(std::move(condition));
    }
  }

  // The snapshot with every call as a hook would show it.
  Status add_calls(const std::vector<std::string>& names) {
    const EntityType& type = *module_.schema.find_type(env_.resource);
    std::vector<Entity> calls;
    for (const std::string& name : names) {
      Entity call{{env_.resource, name}, {}, {}, {}};
      if (const Entity* stored = module_.entities.find(call.uid)) call = *stored;
      for (const auto& [attr, binding] : type.bindings) call.attrs.insert_or_assign(attr, Value(name));   // `syscall.name` is all there is
      calls.push_back(std::move(call));
    }
    auto entities = module_.entities.with(std::move(calls));
    if (!entities) return entities.error();
    entities_ = std::move(*entities);
    return Unit{};
  }

  // Nothing if there are too many cells.
  std::optional<CallDecision> decide(const EntityUid& principal, const std::string& name) const {
    Request request{principal, env_.action, {env_.resource, name}, {}};
    const auto [bounds, open, permitted, forbidden] = meet(request);
    CallDecision decision;
    std::size_t cells = 1;
    for (std::size_t arg = 0; arg < kSyscallArgs && !forbidden; ++arg) {
      decision.bounds[arg].assign(bounds[arg].begin(), bounds[arg].end());
      cells *= bounds[arg].size() + 1;
      if (cells > kMaxSyscallCells) return std::nullopt;
    }
    for (std::size_t cell = 0; cell < cells; ++cell) {
      request.context = context_of(decision, cell);
      decision.allow.push_back(!forbidden && allows(request, open, permitted));
    }
    return decision;
  }

  // The ways by which refusals of `decision` are evaded.
  std::vector<Evasion> evasions(const EntityUid& principal, const std::string& name, const CallDecision& decision) const {
    std::vector<Evasion> found;
    std::size_t step = decision.allow.size();                // from a cell to the next range of the argument
    for (std::size_t arg = 0; arg < kSyscallArgs; ++arg) {
      const std::size_t whole = step;
      step /= decision.bounds[arg].size() + 1;
      for (std::size_t cell = 0; cell < decision.allow.size(); ++cell) {
        if (!decision.allow[cell]) evade(principal, name, decision, {arg, cell, cell % whole / step, step}, found);
      }
    }
    return found;
  }

  std::string refusal_errno() const { return action_.refusal_errno.value_or(std::string(kernel_event(KernelEventId::sys_call).default_errno)); }
  Span span() const { return action_.span; }
  const RequestEnv& request() const { return env_; }

 private:
  struct Met {
    Bounds bounds;                           // of the open ones
    std::vector<const Condition*> open;      // neither always nor never satisfied
    bool permitted = false, forbidden = false;
  };

  Met meet(const Request& request) const {
    Met met;
    for (const Condition& condition : conditions_) {
      Bounds own;
      const Mask mask = outcomes(condition, condition.body.root, request, own);
      if (!(mask & kMayTrue)) continue;
      if (mask == kMayTrue) {
        (module_.policies[condition.policy.index].effect == Effect::permit ? met.permitted : met.forbidden) = true;
      } else {
        met.open.push_back(&condition);
        for (std::size_t arg = 0; arg < kSyscallArgs; ++arg) met.bounds[arg].insert(own[arg].begin(), own[arg].end());
      }
    }
    return met;
  }

  // ---- refusals that another high half evades ----

  struct Place {
    std::size_t arg, cell, range, step;      // the argument is in its range number `range`, and `step` cells lead to the next
  };

  // From a refused cell to the first allowed one with another high half of the argument: the policies that make the difference.
  void evade(const EntityUid& principal, const std::string& name, const CallDecision& decision, const Place& at, std::vector<Evasion>& found) const {
    const auto& bounds = decision.bounds[at.arg];
    for (std::size_t other = at.range + 1; other <= bounds.size(); ++other) {
      const std::size_t there = at.cell + (other - at.range) * at.step;
      auto numbers = decision.allow[there] ? same_low_half(range_of(bounds, at.range), range_of(bounds, other)) : std::nullopt;
      if (!numbers) continue;
      const Request refused{principal, env_.action, {env_.resource, name}, context_of(decision, at.cell)};
      const Request passes{principal, env_.action, {env_.resource, name}, context_of(decision, there)};
      for (const Condition* condition : meet(refused).open) {
        const bool forbids = module_.policies[condition->policy.index].effect == Effect::forbid;
        if (satisfied(*condition, forbids ? passes : refused) || !satisfied(*condition, forbids ? refused : passes)) continue;
        const auto& [node, test] = test_to_show(*condition, at.arg);
        found.push_back({at.arg, numbers->first, numbers->second, condition->policy, span_at(*condition, node), "context." + attr_of(condition->body, test, node)});
      }
      return;
    }
  }

  bool satisfied(const Condition& condition, const Request& request) const {
    return evaluate_outcome(condition.body, condition.body.root, {&request, &entities_}) == Outcome::true_;
  }

  // A comparison rather than a question whether the argument is there.
  static const std::pair<const NodeId, ArgTest>& test_to_show(const Condition& condition, std::size_t arg) {
    const std::pair<const NodeId, ArgTest>* best = nullptr;
    for (const auto& row : condition.tests) {
      if (row.second.arg == arg && (!best || (best->second.op == Op::has_attr && row.second.op != Op::has_attr))) best = &row;
    }
    check(best != nullptr, "what differs by an argument tests it");
    return *best;
  }

  std::string attr_of(const Body& body, const ArgTest& test, NodeId node) const {
    return body.name(test.op == Op::has_attr ? node : body.arg(node, test.arg_first ? 0 : 1));
  }

  Span span_at(const Condition& condition, NodeId node) const {
    const Span span = condition.body[node].span;
    return span.valid() ? span : module_.policies[condition.policy.index].span;
  }

  // ---- what an argument may meet ----

  std::optional<std::size_t> argument(const Body& body, NodeId id) const {
    if (body[id].op != Op::get_attr && body[id].op != Op::has_attr) return std::nullopt;
    const NodeId object = body.arg(id, 0);
    if (body[object].op != Op::variable || body.variable(object) != Var::context) return std::nullopt;
    auto bound = action_.bindings.find(body.name(id));
    return bound == action_.bindings.end() ? std::nullopt : argument_of(bound->second);
  }

  std::optional<ArgTest> test_of(const Condition& condition, NodeId id) const {
    const Body& body = condition.body;
    const Op op = body[id].op;
    if (op == Op::has_attr) {
      auto arg = argument(body, id);
      return arg ? std::optional(ArgTest{*arg, op, true, {}}) : std::nullopt;
    }
    if (op != Op::eq && op != Op::less && op != Op::less_eq && op != Op::contains) return std::nullopt;
    for (std::size_t side : {0u, 1u}) {
      const NodeId read = body.arg(id, side), other = body.arg(id, 1 - side);
      auto arg = body[read].op == Op::get_attr ? argument(body, read) : std::nullopt;
      if (!arg || condition.reads_context[other.index] || (op == Op::contains && side == 0)) continue;
      return ArgTest{*arg, op, side == 0, other};
    }
    return std::nullopt;
  }

  void find_tests(Condition& condition) {
    const Body& body = condition.body;
    std::vector<NodeId> open{body.root};
    while (!open.empty()) {
      const NodeId id = open.back();
      open.pop_back();
      if (!condition.reads_context[id.index]) continue;
      if (is_connective(body[id].op)) {
        for (NodeId arg : body.args(id)) open.push_back(arg);
      } else if (auto test = test_of(condition, id)) {
        condition.tests.emplace(id, *test);
      } else {
        refuse(condition, id);
      }
    }
  }

  // The narrowest part that no filter knows, else the whole, which none computes.
  void refuse(const Condition& condition, NodeId leaf) {
    const Body& body = condition.body;
    for (NodeId part : subtree(body, leaf)) {
      const bool read = body[part].op == Op::get_attr || body[part].op == Op::has_attr;
      const bool of_context = read && body[body.arg(part, 0)].op == Op::variable && body.variable(body.arg(part, 0)) == Var::context;
      if (of_context && !argument(body, part)) return report(Code::K5040, condition, part, "context." + body.name(part));
    }
    report(Code::K5041, condition, leaf, print_expr(body, leaf));
  }

  void report(Code code, const Condition& condition, NodeId node, const std::string& text) {
    const Policy& policy = module_.policies[condition.policy.index];
    Diagnostic& made = diagnostics_.report(code, span_at(condition, node), text);
    made.with_note(fmt::format("policy `{}`, for {}", policy.id, environment_text(env_)));
    made.policy = policy.id;
  }

  // ---- what a condition can be, and where the arguments that decide it are cut ----

  Mask outcomes(const Condition& condition, NodeId id, const Request& request, Bounds& bounds) const {
    const Body& body = condition.body;
    if (!condition.reads_context[id.index]) return mask_of(evaluate_outcome(body, id, {&request, &entities_}));
    switch (body[id].op) {
      case Op::and_:
      case Op::or_: {
        const Mask stops = body[id].op == Op::and_ ? kMayFalse : kMayTrue, goes_on = body[id].op == Op::and_ ? kMayTrue : kMayFalse;
        Mask result = 0;
        for (NodeId operand : chain(body, id, body[id].op)) {
          const Mask mask = outcomes(condition, operand, request, bounds);
          result |= mask & (stops | kMayErr);
          if (!(mask & goes_on)) return result;
        }
        return result | goes_on;
      }
      case Op::not_: {
        const Mask mask = outcomes(condition, body.arg(id, 0), request, bounds);
        return (mask & kMayErr) | (mask & kMayTrue ? kMayFalse : 0) | (mask & kMayFalse ? kMayTrue : 0);
      }
      case Op::if_: {
        const Mask first = outcomes(condition, body.arg(id, 0), request, bounds);
        Mask result = first & kMayErr;
        if (first & kMayTrue) result |= outcomes(condition, body.arg(id, 1), request, bounds);
        if (first & kMayFalse) result |= outcomes(condition, body.arg(id, 2), request, bounds);
        return result;
      }
      default: return cut(condition.body, condition.tests.at(id), request, bounds);
    }
  }

  // Ranges begin at each number that is compared with and behind it: more cuts than a comparison needs change nothing.
  Mask cut(const Body& body, const ArgTest& test, const Request& request, Bounds& bounds) const {
    std::set<std::uint64_t>& cuts = bounds[test.arg];
    cuts.insert(kFirstAbsent);
    if (test.op == Op::has_attr) return kMayFalse | kMayTrue;
    EvalResult other = evaluate(body, test.other, {&request, &entities_});
    auto add = [&](const Value& value) {
      const std::int64_t* number = value.as_long();
      if (!number || *number < 0) return;
      if (*number > 0) cuts.insert(static_cast<std::uint64_t>(*number));
      cuts.insert(static_cast<std::uint64_t>(*number) + 1);
    };
    if (other.ok()) {
      add(*other);
      if (const ValueSet* set = other->as_set()) {
        for (const Value& element : *set) add(element);
      }
    }
    return kMayFalse | kMayTrue | kMayErr;
  }

  // ---- what holds in a cell ----

  // Its lowest point. An argument that no reached comparison cuts decides nothing and is left out.
  ValueRecord context_of(const CallDecision& decision, std::size_t cell) const {
    std::array<std::uint64_t, kSyscallArgs> point{};
    for (std::size_t arg = kSyscallArgs; arg-- > 0;) {
      const auto& cuts = decision.bounds[arg];
      const std::size_t range = cell % (cuts.size() + 1);
      cell /= cuts.size() + 1;
      point[arg] = range == 0 ? 0 : cuts[range - 1];
    }
    ValueRecord context;
    for (const auto& [attr, binding] : action_.bindings) {
      const auto arg = argument_of(binding);
      if (!arg || decision.bounds[*arg].empty() || point[*arg] >= kFirstAbsent) continue;
      context.insert_or_assign(attr, Value(static_cast<std::int64_t>(point[*arg])));
    }
    return context;
  }

  bool allows(const Request& request, const std::vector<const Condition*>& open, bool permitted) const {
    for (const Condition* condition : open) {
      if (!satisfied(*condition, request)) continue;
      if (module_.policies[condition->policy.index].effect == Effect::forbid) return false;
      permitted = true;
    }
    return permitted;
  }

  const Module& module_;
  const RequestEnv& env_;
  const Action& action_;
  Diagnostics& diagnostics_;
  std::vector<Condition> conditions_;
  Entities entities_;
};

class Planner {
 public:
  Planner(const Module& module, const std::vector<std::string>& names, Diagnostics& diagnostics) : module_(module), diagnostics_(diagnostics) {
    plan_.names = names;
    std::sort(plan_.names.begin(), plan_.names.end());
  }

  SyscallPlan run() {
    for (std::size_t i = 0; i < module_.environments.size(); ++i) {
      const RequestEnv& env = module_.environments[i];
      const Action* action = module_.schema.find_action(env.action);
      const EntityType* resource = module_.schema.find_type(env.resource);
      const bool bound = action && std::find(action->events.begin(), action->events.end(), KernelEventId::sys_call) != action->events.end();
      if (bound && resource && resource->kernel == KernelKind::syscall) plan_.environments.push_back(i);
    }
    if (plan_.environments.empty()) return {};
    check_names();
    for (std::size_t i : plan_.environments) {
      Environment& env = environments_.emplace_back(module_, module_.environments[i], diagnostics_);
      env.read_policies();
    }
    if (diagnostics_.has_errors()) return {};
    for (Environment& env : environments_) {
      Status added = env.add_calls(plan_.names);
      check(added.ok(), "calls have no cycle of parents");
    }
    for (const Entity& entity : module_.entities.all()) {
      const EntityType* type = module_.schema.find_type(entity.uid.type);
      if (!type || type->kernel != KernelKind::process) continue;
      if (!plan_principal(entity.uid)) return {};
    }
    return std::move(plan_);
  }

 private:
  void check_names() {
    std::set<std::pair<Span, std::string>> seen;
    auto check_name = [&](const EntityUid& uid, Span span, const std::string& where) {
      const EntityType* type = module_.schema.find_type(uid.type);
      if (!type || type->kernel != KernelKind::syscall || std::binary_search(plan_.names.begin(), plan_.names.end(), uid.id)) return;
      if (!seen.emplace(span, uid.id).second) return;
      Diagnostic& made = diagnostics_.report(Code::K4030, span, uid.id);
      made.with_note(where);
      if (auto near = closest(uid.id, plan_.names)) made.with_help(fmt::format("did you mean `{}`?", *near));
    };
    for (const Policy& policy : module_.policies) {
      for (std::size_t i = 0; i < policy.body.size(); ++i) {
        if (policy.body[NodeId(i)].op != Op::literal) continue;
        const EntityUid* uid = policy.body.literal(NodeId(i)).as_entity();
        if (uid) check_name(*uid, policy.body[NodeId(i)].span, fmt::format("policy `{}`", policy.id));
      }
    }
    for (const Entity& entity : module_.entities.all()) check_name(entity.uid, {}, "an entity of the snapshot");
  }

  template <class T>
  static std::uint32_t number(std::map<T, std::uint32_t>& numbers, std::vector<T>& all, T value) {
    auto [at, added] = numbers.emplace(value, static_cast<std::uint32_t>(all.size()));
    if (added) all.push_back(std::move(value));
    return at->second;
  }

  bool plan_principal(const EntityUid& principal) {
    auto env = std::find_if(environments_.begin(), environments_.end(), [&](const Environment& e) { return e.request().principal == principal.type; });
    check(env != environments_.end(), "one type is bound to processes, and calls are by it");
    CallFilter filter{env->refusal_errno(), {}};
    for (const std::string& name : plan_.names) {
      std::optional<CallDecision> decision = env->decide(principal, name);
      if (!decision) {
        diagnostics_.report(Code::K8060, env->span(), name, kMaxSyscallCells).with_note(fmt::format("by {}", to_text(principal)));
        return false;
      }
      const std::uint32_t at = number(decision_numbers_, plan_.decisions, *decision);
      filter.calls.push_back(at);
      const bool known = at < evadable_.size();
      if (!known) evadable_.push_back(false);
      if (known && !evadable_[at]) continue;
      const std::vector<Evasion> evasions = env->evasions(principal, name, *decision);
      evadable_[at] = !evasions.empty();
      warn(evasions, principal, name);
    }
    const std::size_t before = plan_.filters.size();
    plan_.principals.emplace_back(principal, number(filter_numbers_, plan_.filters, std::move(filter)));
    if (plan_.filters.size() > before) warn_of_the_stuck(principal, plan_.filters.back(), env->span());
    return true;
  }

  void warn_of_the_stuck(const EntityUid& principal, const CallFilter& filter, Span span) {
    std::string missing;
    for (std::string_view name : {"execve", "exit_group", "rt_sigreturn"}) {
      auto at = std::lower_bound(plan_.names.begin(), plan_.names.end(), name);
      if (at == plan_.names.end() || *at != name) continue;
      const std::vector<bool>& allow = plan_.decisions[filter.calls[static_cast<std::size_t>(at - plan_.names.begin())]].allow;
      if (std::find(allow.begin(), allow.end(), true) == allow.end()) missing += fmt::format("{}`{}`", missing.empty() ? "" : ", ", name);
    }
    if (!missing.empty()) diagnostics_.report(Code::K5105, span, to_text(principal), missing);
  }

  // Once for each policy and argument.
  void warn(const std::vector<Evasion>& evasions, const EntityUid& principal, const std::string& name) {
    for (const Evasion& evasion : evasions) {
      if (!evaded_.emplace(evasion.policy, evasion.arg).second) continue;
      const Policy& policy = module_.policies[evasion.policy.index];
      Diagnostic& made = diagnostics_.report(Code::K5106, evasion.span, policy.id, name, evasion.refused, evasion.attr, evasion.passes);
      made.with_note(fmt::format("by {}", to_text(principal)));
      made.policy = policy.id;
    }
  }

  const Module& module_;
  Diagnostics& diagnostics_;
  std::vector<Environment> environments_;
  std::vector<bool> evadable_;                          // by decision
  std::set<std::pair<PolicyId, std::size_t>> evaded_;   // what was warned of
  std::map<CallDecision, std::uint32_t> decision_numbers_;
  std::map<CallFilter, std::uint32_t> filter_numbers_;
  SyscallPlan plan_;
};

}  // namespace

SyscallPlan plan_syscalls(const Module& module, const std::vector<std::string>& names, Diagnostics& diagnostics) {
  return Planner(module, names, diagnostics).run();
}

}  // namespace kerf
