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
#include <cstddef>
#include <cstdlib>
#include <map>
#include <set>

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
    const std::uint32_t answer = run_filter(filter, input).answer;
    if (answer != (SECCOMP_RET_ERRNO | ENOSYS)) differ(principal, fmt::format("{} of {:#x}, {}", input.number, input.arch, arch.name), "unknown", answer);
  }

  // The policies of an environment that a call's arguments can make a difference to, and the outcomes of the others.
  struct Known {
    bool permitted = false, forbidden = false;
    std::vector<const Policy*> open;
    Numbers numbers;
  };

  void check_number(const EntityUid& principal, const Arch& arch, const Filter& filter, int number) {
    auto name = name_of(arch, number);
    if (!name) return expect_unknown(principal, arch, filter, {arch.audit, static_cast<std::uint32_t>(number), {}});
    auto env = environments_.find(principal.type);
    std::uint32_t refused = SECCOMP_RET_ERRNO | EPERM;
    Known known;
    if (env != environments_.end()) {
      const Action& action = *module_.schema.find_action(env->second->action);
      if (action.refusal_errno == "EACCES") refused = SECCOMP_RET_ERRNO | EACCES;
      known = what_is_known(*env->second, principal, *name);
    }
    auto try_point = [&](const Args& args) {
      const FilterRun run = run_filter(filter, {arch.audit, static_cast<std::uint32_t>(number), args});
      const bool allowed = env != environments_.end() && allows(*env->second, principal, *name, known, args);
      if (run.answer != (allowed ? std::uint32_t{SECCOMP_RET_ALLOW} : refused)) {
        differ(principal, fmt::format("{}({:#x}, {:#x}, {:#x}, {:#x}, {:#x}, {:#x}) on {}", *name, args[0], args[1], args[2], args[3], args[4], args[5], arch.name),
               allowed ? "allowed" : "refused", run.answer);
      }
      return run.arguments;
    };
    unsigned looked_at = 0, asked = 0;
    for (std::size_t i = 0; i < 6; ++i) asked |= known.numbers[i].empty() ? 0u : 1u << i;
    bool complete = true;
    do {   // until there are points for every argument that the filter looks at
      asked |= looked_at;
      complete = each_point(words(known.numbers, filter_numbers(filter), asked), [&](const Args& args) { looked_at |= try_point(args); });
    } while ((looked_at & ~asked) != 0);
    ++proved_.policies;
    if (!complete) proved_.not_proved.push_back(fmt::format("`{}` by {} on {}: {} combinations of arguments were tried, which is no proof", *name, to_text(principal), arch.name, kMaxPoints));
  }

  void differ(const EntityUid& principal, const std::string& call, const char* source, std::uint32_t answer) {
    if (++reported_ > 5) return;
    std::string_view says = answer == SECCOMP_RET_ALLOW ? "allow" : (answer & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO ? "errno" : "another answer";
    diagnostics_.report(Code::K7707, {}, call, to_text(principal), source, fmt::format("{} {:#x}", says, answer));
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

  Known what_is_known(const RequestEnv& env, const EntityUid& principal, const std::string& name) {
    Known known;
    for (const Policy* one : policies_.at(&env)) {
      const Policy& policy = *one;
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

  bool allows(const RequestEnv& env, const EntityUid& principal, const std::string& name, const Known& known, const Args& args) const {
    bool permitted = known.permitted;
    if (known.forbidden) return false;
    for (const Policy* policy : known.open) {
      if (outcome(env, principal, name, *policy, args) != Outcome::true_) continue;
      if (policy->effect == Effect::forbid) return false;
      permitted = true;
    }
    return permitted;
  }

  // By argument, numbers from every box of high and low words that is told apart.
  static Numbers words(const Numbers& policies, const Numbers& filter, unsigned asked) {
    Numbers all;
    for (std::size_t i = 0; i < 6; ++i) {
      if (!(asked >> i & 1)) continue;
      std::set<std::uint32_t> high{0, 0xffffffff}, low{0, 0xffffffff};
      for (const Numbers* side : {&policies, &filter}) {
        for (std::uint64_t number : (*side)[i]) {
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

  // What follows the load of a word of an argument up to the next load, anywhere in the filter.
  static Numbers filter_numbers(const Filter& filter) {
    Numbers numbers;
    std::optional<std::pair<std::size_t, bool>> loaded;   // argument, high word
    for (const sock_filter& step : filter.program) {
      if (BPF_CLASS(step.code) == BPF_LD) {
        constexpr std::size_t args = offsetof(seccomp_data, args);
        loaded = step.k >= args ? std::optional(std::pair{(step.k - args) / 8, (step.k - args) % 8 == 4}) : std::nullopt;
      } else if (BPF_CLASS(step.code) == BPF_JMP && BPF_OP(step.code) != BPF_JA && loaded) {
        numbers[loaded->first].insert(loaded->second ? std::uint64_t{step.k} << 32 : step.k);
      }
    }
    return numbers;
  }

  const Module& module_;
  const DecodedFilters& filters_;
  Diagnostics& diagnostics_;
  Entities entities_;
  std::set<EntityUid> seen_;
  std::map<std::string, const RequestEnv*> environments_;   // by principal type
  std::map<const RequestEnv*, std::vector<const Policy*>> policies_;   // but for those whose scope names other actions
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
