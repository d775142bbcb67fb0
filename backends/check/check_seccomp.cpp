// seccomp.json, decoded, against the policies. The one decision: nothing is read out of a filter but its answers and the
// numbers that it compares with. Numbers from every range that filter or policies tell apart are put into both; the filter is
// run by a small interpreter, the policies by the reference evaluator.
#include <fmt/format.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <set>
#include <tuple>

#include "backends/check/check.h"
#include "backends/check/filter.h"
#include "ir/base/check.h"
#include "ir/eval.h"
#include "ir/values/json.h"

namespace kerf::proof {
namespace {

constexpr std::size_t kMaxPoints = 20'000;       // of one call by one principal
constexpr std::uint64_t kFirstAbsent = std::uint64_t{1} << 63;
constexpr int kNumbers = 1024;

using Args = std::array<std::uint64_t, 6>;
using Numbers = std::array<std::set<std::uint64_t>, 6>;   // by argument

struct Arch {
  const char* name;
  std::uint32_t audit;
  bool x32;
};
constexpr Arch kArchitectures[] = {{"aarch64", AUDIT_ARCH_AARCH64, false}, {"x86_64", AUDIT_ARCH_X86_64, true}};

// Every combination of one number for each argument; false: there are too many, and some were taken.
template <class Visit>
bool each_point(const Numbers& numbers, Visit visit) {
  std::array<std::vector<std::uint64_t>, 6> lists;
  std::size_t all = 1;
  for (std::size_t i = 0; i < 6; ++i) {
    lists[i].assign(numbers[i].begin(), numbers[i].end());
    if (lists[i].empty()) lists[i] = {0};
    all = all > kMaxPoints ? all : all * lists[i].size();
  }
  const bool complete = all <= kMaxPoints;
  std::uint64_t state = 1;   // of a linear congruence: the same points each time
  for (std::size_t n = 0; n < std::min(all, kMaxPoints); ++n) {
    Args args{};
    std::size_t rest = n;
    for (std::size_t i = 6; i-- > 0;) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      args[i] = lists[i][complete ? rest % lists[i].size() : (state >> 33) % lists[i].size()];
      rest /= lists[i].size();
    }
    visit(args);
  }
  return complete;
}

class FilterCheck {
 public:
  FilterCheck(const Module& module, const DecodedFilters& filters, Diagnostics& diagnostics)
      : module_(module), filters_(filters), diagnostics_(diagnostics) {}

  Proved run() {
    std::set<EntityUid> expected;
    for (const Entity& entity : module_.entities.all()) {
      const EntityType* type = module_.schema.find_type(entity.uid.type);
      if (type && type->kernel == KernelKind::process) expected.insert(entity.uid);
    }
    std::set<EntityUid> found;
    for (const auto& [principal, of_arch] : filters_.principals) found.insert(principal);
    if (expected != found) {
      diagnostics_.report(Code::K7702, {}, "principals of the filters", fmt::format("{} have one, {} should", found.size(), expected.size()));
      return std::move(proved_);
    }
    find_environments();
    for (const auto& [principal, of_arch] : filters_.principals) check_principal(principal, of_arch);
    return std::move(proved_);
  }

 private:
  void find_environments() {
    std::vector<Entity> calls;
    std::set<std::string> names;
    for (const Arch& arch : kArchitectures) {
      for (int number = 0; number < kNumbers; ++number) {
        if (auto name = name_of(arch, number)) names.insert(*name);
      }
    }
    for (const RequestEnv& env : module_.environments) {
      const Action* action = module_.schema.find_action(env.action);
      const EntityType* type = module_.schema.find_type(env.resource);
      const bool bound = std::find(action->events.begin(), action->events.end(), KernelEventId::sys_call) != action->events.end();
      if (!bound || type->kernel != KernelKind::syscall) continue;
      environments_.emplace(env.principal, &env);
      for (const Policy& policy : module_.policies) {
        if (!is_about_other_action(policy, env)) policies_[&env].push_back(&policy);
      }
      policies_[&env];
      for (const std::string& name : names) {
        Entity call{{env.resource, name}, {}, {}, {}};
        if (const Entity* stored = module_.entities.find(call.uid)) call = *stored;
        for (const auto& [attr, binding] : type->bindings) call.attrs.insert_or_assign(attr, Value(name));
        if (seen_.insert(call.uid).second) calls.push_back(std::move(call));
      }
    }
    auto entities = module_.entities.with(std::move(calls));
    check(entities.ok(), "calls have no cycle of parents");
    entities_ = std::move(*entities);
  }

  // The parts of a scope raise no errors, so one that is false decides.
  bool is_about_other_action(const Policy& policy, const RequestEnv& env) const {
    const std::vector<NodeId> parts = chain(policy.body, policy.body.root, Op::and_);
    const Request request{{}, env.action, {}, {}};
    for (std::size_t i = 0; i < std::min<std::size_t>(parts.size(), 3); ++i) {
      bool action = false, others = false;
      for (NodeId part : subtree(policy.body, parts[i])) {
        if (policy.body[part].op != Op::variable) continue;
        (policy.body.variable(part) == Var::action ? action : others) = true;
      }
      if (action && !others && evaluate_outcome(policy.body, parts[i], {&request, &module_.entities}) == Outcome::false_) return true;
    }
    return false;
  }

  static std::optional<std::string> name_of(const Arch& arch, int number) {
    char* name = ::seccomp_syscall_resolve_num_arch(arch.audit, number);
    if (name == nullptr) return std::nullopt;
    std::string text = name;
    std::free(name);
    return text;
  }

  void check_principal(const EntityUid& principal, const std::map<std::string, std::size_t>& of_arch) {
    for (const Arch& arch : kArchitectures) {
      auto at = of_arch.find(arch.name);
      if (at == of_arch.end()) return diagnostics_.report(Code::K7702, {}, "filters", fmt::format("{} has none for {}", to_text(principal), arch.name)), void();
      const Filter& filter = filters_.filters.at(at->second);
      ++proved_.environments;
      for (int number = 0; number < kNumbers; ++number) check_number(principal, arch, filter, number);
      for (std::uint32_t number : {0x3fffffffu, 0x40000000u, 0x40000001u, 0x40000208u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
        expect_unknown(principal, arch, filter, {arch.audit, number, {}});
      }
      for (std::uint32_t audit : {std::uint32_t{0}, std::uint32_t{AUDIT_ARCH_I386}, std::uint32_t{AUDIT_ARCH_ARM}, arch.audit ^ 1}) {
        for (std::uint32_t number = 0; number < kNumbers; ++number) expect_unknown(principal, arch, filter, {audit, number, {}});
      }
    }
  }

  void expect_unknown(const EntityUid& principal, const Arch& arch, const Filter& filter, const FilterInput& input) {
    const std::uint32_t answer = run_filter(filter, input);
    if (answer != (SECCOMP_RET_ERRNO | ENOSYS)) differ(principal, fmt::format("{} of {:#x}, {}", input.number, input.arch, arch.name), "unknown", answer);
  }

  // The policies of an environment that a call's arguments can make a difference to, and the outcomes of the others.
  struct Known {
    bool permitted = false, forbidden = false;
    std::vector<const Policy*> open;
    Numbers numbers;
    std::map<std::array<std::size_t, 6>, bool> decided;   // by range of each argument
  };

  void check_number(const EntityUid& principal, const Arch& arch, const Filter& filter, int number) {
    auto name = name_of(arch, number);
    if (!name) return expect_unknown(principal, arch, filter, {arch.audit, static_cast<std::uint32_t>(number), {}});
    auto env = environments_.find(principal.type);
    std::uint32_t refused = SECCOMP_RET_ERRNO | EPERM;
    Known nothing;
    Known* found = &nothing;
    if (env != environments_.end()) {
      const Action& action = *module_.schema.find_action(env->second->action);
      if (action.refusal_errno == "EACCES") refused = SECCOMP_RET_ERRNO | EACCES;
      auto [at, added] = known_.try_emplace({principal, signature(*env->second, principal, *name)});
      if (added) at->second = what_is_known(*env->second, principal, *name);
      found = &at->second;
    }
    Known& known = *found;
    ++proved_.policies;
    // from there on both sides depend on the arguments alone
    auto entry = entry_of(filter, {arch.audit, static_cast<std::uint32_t>(number), {}});
    if (entry && !compared_.emplace(&filter, *entry, &known).second) return;
    // Until no run compares with a number that the points were not made for. Then every input runs as the point of its box.
    Compared compared;
    std::size_t before = 0;
    bool complete = true;
    do {
      before = count(compared);
      complete = each_point(words(known.numbers, compared), [&](const Args& args) {
        const std::uint32_t answer = run_filter(filter, {arch.audit, static_cast<std::uint32_t>(number), args}, &compared);
        const bool allowed = env != environments_.end() && allows(*env->second, principal, *name, known, args);
        if (answer == (allowed ? std::uint32_t{SECCOMP_RET_ALLOW} : refused)) return;
        differ(principal, fmt::format("{}({:#x}, {:#x}, {:#x}, {:#x}, {:#x}, {:#x}) on {}", *name, args[0], args[1], args[2], args[3], args[4], args[5], arch.name),
               allowed ? "allowed" : "refused", answer);
      });
    } while (complete && count(compared) != before);
    if (!complete) proved_.not_proved.push_back(fmt::format("`{}` by {} on {}: {} combinations of arguments were tried, which is no proof", *name, to_text(principal), arch.name, kMaxPoints));
  }

  // The first step that answers or looks at an argument; none if some step behind it looks at something else.
  static std::optional<std::size_t> entry_of(const Filter& filter, const FilterInput& input) {
    std::size_t entry = 0;
    run_filter(filter, input, nullptr, &entry);
    for (std::size_t at = entry; at < filter.program.size(); ++at) {
      const sock_filter& step = filter.program[at];
      if (BPF_CLASS(step.code) == BPF_LD && step.k < sizeof(seccomp_data) - 6 * sizeof(std::uint64_t)) return std::nullopt;
    }
    return entry;
  }

  // The values of the largest parts of policies that do not read the context: where these are the same for two calls, policies
  // are the same functions of the arguments.
  std::string signature(const RequestEnv& env, const EntityUid& principal, const std::string& name) {
    const Request request{principal, env.action, {env.resource, name}, {}};
    std::string text;
    for (const Policy* policy : policies_.at(&env)) {
      const Body& body = policy->body;
      std::vector<bool>& reads = readers_[policy];
      for (std::size_t i = reads.size(); i < body.size(); ++i) {
        bool any = body[NodeId(i)].op == Op::variable && body.variable(NodeId(i)) == Var::context;
        for (NodeId arg : body.args(NodeId(i))) any = any || reads[arg.index];
        reads.push_back(any);
      }
      std::vector<NodeId> open{body.root};
      while (!open.empty()) {
        const NodeId id = open.back();
        open.pop_back();
        if (reads[id.index]) {
          for (NodeId arg : body.args(id)) open.push_back(arg);
          continue;
        }
        EvalResult value = evaluate(body, id, {&request, &entities_});
        text += (value.ok() ? to_text(*value) : "!") + "\n";
      }
    }
    return text;
  }

  void differ(const EntityUid& principal, const std::string& call, const char* source, std::uint32_t answer) {
    if (++reported_ > 5) return;
    std::string_view says = answer == SECCOMP_RET_ALLOW ? "allow" : (answer & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO ? "errno" : "another answer";
    diagnostics_.report(Code::K7708, {}, call, to_text(principal), source, fmt::format("{} {:#x}", says, answer));
  }

  ValueRecord context_of(const RequestEnv& env, const Args& args) const {
    ValueRecord context;
    for (const auto& [attr, binding] : module_.schema.find_action(env.action)->bindings) {
      static constexpr std::array<std::string_view, 6> names = {"syscall.arg0", "syscall.arg1", "syscall.arg2", "syscall.arg3", "syscall.arg4", "syscall.arg5"};
      auto at = std::find(names.begin(), names.end(), binding.name);
      if (binding.kind != AttrBinding::Kind::observable || at == names.end()) continue;
      const std::uint64_t value = args[static_cast<std::size_t>(at - names.begin())];
      if (value < kFirstAbsent) context.insert_or_assign(attr, Value(static_cast<std::int64_t>(value)));
    }
    return context;
  }

  Outcome outcome(const RequestEnv& env, const EntityUid& principal, const std::string& name, const Policy& policy, const Args& args) const {
    const Request request{principal, env.action, {env.resource, name}, context_of(env, args)};
    return evaluate_outcome(policy.body, policy.body.root, {&request, &entities_});
  }

  // Numbers that a policy may compare an argument with: every Long, alone or in a set, that is known without the context.
  Numbers policy_numbers(const RequestEnv& env, const EntityUid& principal, const std::string& name, const Policy& policy) {
    const Body& body = policy.body;
    const Request request{principal, env.action, {env.resource, name}, {}};
    Numbers numbers;
    std::vector<bool> context(body.size());
    std::set<std::uint64_t> met;
    for (std::size_t i = 0; i < body.size(); ++i) {
      const NodeId id(i);
      context[i] = body[id].op == Op::variable && body.variable(id) == Var::context;
      for (NodeId arg : body.args(id)) context[i] = context[i] || context[arg.index];
      if (context[i]) continue;
      EvalResult value = evaluate(body, id, {&request, &entities_});
      if (!value.ok()) continue;
      auto add = [&](const Value& one) {
        if (const std::int64_t* n = one.as_long(); n && *n >= 0) met.insert({static_cast<std::uint64_t>(*n), static_cast<std::uint64_t>(*n) + 1});
      };
      add(*value);
      if (const ValueSet* set = value->as_set()) {
        for (const Value& element : *set) add(element);
      }
    }
    if (std::none_of(context.begin(), context.end(), [](bool reads) { return reads; })) return numbers;
    met.insert({0, kFirstAbsent});
    const Action& action = *module_.schema.find_action(env.action);
    for (std::size_t i = 0; i < body.size(); ++i) {
      const NodeId id(i);
      if (body[id].op != Op::get_attr && body[id].op != Op::has_attr) continue;
      auto bound = action.bindings.find(body.name(id));
      if (bound == action.bindings.end() || !bound->second.name.starts_with("syscall.arg")) continue;
      numbers.at(static_cast<std::size_t>(bound->second.name.back() - '0')) = met;
    }
    return numbers;
  }

  // A part of its conjunction that no argument can change is not true.
  bool never_holds(const RequestEnv& env, const EntityUid& principal, const std::string& name, const Policy& policy) const {
    const Body& body = policy.body;
    const Request request{principal, env.action, {env.resource, name}, {}};
    for (NodeId part : chain(body, body.root, Op::and_)) {
      const std::vector<NodeId> below = subtree(body, part);
      const bool reads = std::any_of(below.begin(), below.end(), [&](NodeId id) { return body[id].op == Op::variable && body.variable(id) == Var::context; });
      if (!reads && evaluate_outcome(body, part, {&request, &entities_}) != Outcome::true_) return true;
    }
    return false;
  }

  Known what_is_known(const RequestEnv& env, const EntityUid& principal, const std::string& name) {
    Known known;
    for (const Policy* one : policies_.at(&env)) {
      const Policy& policy = *one;
      if (never_holds(env, principal, name, policy)) continue;
      const Numbers numbers = policy_numbers(env, principal, name, policy);
      std::set<Outcome> outcomes;
      const bool complete = each_point(numbers, [&](const Args& args) { outcomes.insert(outcome(env, principal, name, policy, args)); });
      if (complete && outcomes.size() == 1) {
        if (*outcomes.begin() == Outcome::true_) (policy.effect == Effect::permit ? known.permitted : known.forbidden) = true;
        continue;
      }
      known.open.push_back(&policy);
      for (std::size_t i = 0; i < 6; ++i) known.numbers[i].insert(numbers[i].begin(), numbers[i].end());
    }
    return known;
  }

  // Between two numbers that a policy compares with it decides the same.
  bool allows(const RequestEnv& env, const EntityUid& principal, const std::string& name, Known& known, const Args& args) const {
    std::array<std::size_t, 6> ranges{};
    for (std::size_t i = 0; i < 6; ++i) {
      ranges[i] = static_cast<std::size_t>(std::distance(known.numbers[i].begin(), known.numbers[i].upper_bound(args[i])));
    }
    auto [at, added] = known.decided.try_emplace(ranges, false);
    if (added) at->second = decide(env, principal, name, known, args);
    return at->second;
  }

  bool decide(const RequestEnv& env, const EntityUid& principal, const std::string& name, const Known& known, const Args& args) const {
    bool permitted = known.permitted;
    if (known.forbidden) return false;
    for (const Policy* policy : known.open) {
      if (outcome(env, principal, name, *policy, args) != Outcome::true_) continue;
      if (policy->effect == Effect::forbid) return false;
      permitted = true;
    }
    return permitted;
  }

  static std::size_t count(const Compared& compared) {
    std::size_t all = 0;
    for (const auto& numbers : compared) all += numbers.size();
    return all;
  }

  // By argument, numbers from every box of high and low words that policies or runs tell apart.
  static Numbers words(const Numbers& policies, const Compared& filter) {
    Numbers all;
    for (std::size_t i = 0; i < 6; ++i) {
      if (policies[i].empty() && filter[i].empty()) continue;
      std::set<std::uint32_t> high{0, 0xffffffff}, low{0, 0xffffffff};
      for (const std::set<std::uint64_t>* side : {&policies[i], &filter[i]}) {
        for (std::uint64_t number : *side) {
          high.insert({static_cast<std::uint32_t>(number >> 32), static_cast<std::uint32_t>((number >> 32) + 1)});
          low.insert({static_cast<std::uint32_t>(number), static_cast<std::uint32_t>(number) + 1});
        }
      }
      for (std::uint32_t h : high) {
        for (std::uint32_t l : low) all[i].insert(std::uint64_t{h} << 32 | l);
      }
    }
    return all;
  }

  const Module& module_;
  const DecodedFilters& filters_;
  Diagnostics& diagnostics_;
  Entities entities_;
  std::set<EntityUid> seen_;
  std::map<std::string, const RequestEnv*> environments_;   // by principal type
  std::map<const RequestEnv*, std::vector<const Policy*>> policies_;   // but for those whose scope names other actions
  std::map<std::pair<EntityUid, std::string>, Known> known_;   // by principal and signature: nodes stay where they are
  std::map<const Policy*, std::vector<bool>> readers_;
  std::set<std::tuple<const Filter*, std::size_t, const Known*>> compared_;
  std::size_t reported_ = 0;
  Proved proved_;
};

}  // namespace

Proved check_seccomp(const Module& module, std::string_view bytes, Diagnostics& diagnostics) {
  Result<DecodedFilters> filters = read_filters(bytes);
  if (filters) return FilterCheck(module, *filters, diagnostics).run();
  diagnostics.report(Code::K7703, {}, "seccomp.json", filters.error().message);
  return {};
}

}  // namespace kerf::proof
