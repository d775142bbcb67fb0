// Validation of whole modules. Names once per policy, types per policy and environment; only one environment's
// types exist at a time. Equal errors of several environments become one diagnostic that lists them.
#include <algorithm>
#include <array>
#include <map>
#include <tuple>
#include <unordered_map>

#include "frontend/sema/levels.h"
#include "frontend/sema/policies.h"
#include "frontend/sema/policy_names.h"
#include "frontend/sema/suspicious_text.h"
#include "frontend/sema/type_body.h"
#include "frontend/sema/type_problems.h"
#include "frontend/sema/typing_key.h"
#include "ir/base/check.h"
#include "ir/base/parallel.h"

namespace kerf {
namespace {

constexpr std::size_t kShownEnvironments = 3;
constexpr std::size_t kLeastPolicies = 512;   // for a thread of their own

// Diagnostics of one policy in order of discovery, with the environments that each was found in.
class Grouped {
 public:
  void add(Diagnostic diagnostic, std::size_t environment) {
    auto key = std::tuple(diagnostic.code, diagnostic.span, diagnostic.message);
    auto [entry, is_new] = index_.emplace(std::move(key), groups_.size());
    if (is_new) groups_.push_back({std::move(diagnostic), {}});
    std::vector<std::size_t>& environments = groups_[entry->second].environments;
    if (environments.empty() || environments.back() != environment) environments.push_back(environment);
  }

  bool empty() const { return groups_.empty(); }
  bool has_errors() const {
    return std::any_of(groups_.begin(), groups_.end(), [](const Group& g) { return g.diagnostic.severity == Severity::error; });
  }

  void flush(const Module& module, const Policy& policy, Diagnostics& out) {
    for (Group& group : groups_) {
      Diagnostic& d = group.diagnostic;
      d.with_note(fmt::format("policy `{}`, {}", policy.id, environments_text(module, group.environments)));
      d.policy = policy.id;
      for (std::size_t e : group.environments) d.environments.push_back(show_environment(module.environments[e]));
      out.add(std::move(d));
    }
  }

 private:
  struct Group {
    Diagnostic diagnostic;
    std::vector<std::size_t> environments;
  };

  static std::string environments_text(const Module& module, const std::vector<std::size_t>& environments) {
    std::string text = "for requests ";
    for (std::size_t i = 0; i < environments.size() && i < kShownEnvironments; ++i) {
      text += fmt::format("{}{}", i == 0 ? "" : ", ", show_environment(module.environments[environments[i]]));
    }
    if (environments.size() > kShownEnvironments) {
      text += fmt::format(" and {} more", environments.size() - kShownEnvironments);
    }
    return text;
  }

  std::vector<Group> groups_;
  std::map<std::tuple<Code, Span, std::string>, std::size_t> index_;
};

// What of a request environment the types of variables depend on, as numbers.
struct EnvironmentFacts {
  std::array<std::uint32_t, 4> of;   // by Var
};

std::vector<EnvironmentFacts> facts_of(const Module& module) {
  std::map<std::string_view, std::uint32_t> types;
  std::map<EntityUid, std::uint32_t> actions;
  auto number = [](auto& map, const auto& key) { return map.emplace(key, static_cast<std::uint32_t>(map.size())).first->second; };
  std::vector<EnvironmentFacts> all;
  for (const RequestEnv& env : module.environments) {
    const Action* action = module.schema.find_action(env.action);
    check(action != nullptr, "environments are made of declared actions");
    EnvironmentFacts facts;
    facts.of[static_cast<std::size_t>(Var::principal)] = number(types, env.principal);
    facts.of[static_cast<std::size_t>(Var::action)] = number(actions, env.action);
    facts.of[static_cast<std::size_t>(Var::resource)] = number(types, env.resource);
    facts.of[static_cast<std::size_t>(Var::context)] = action->context.index;
    all.push_back(facts);
  }
  return all;
}

std::array<bool, 4> variables_of(const Body& body) {
  std::array<bool, 4> read{};
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[NodeId(i)].op == Op::variable) read[static_cast<std::size_t>(body.variable(NodeId(i)))] = true;
  }
  return read;
}

Code application_code(const ValidationOptions& options) {
  return options.applicability_warns ? Code::K3203 : Code::K3104;
}

// Validates policies one by one. What was found to be right is remembered by all that its types depend on: for bodies by
// their key, within a body for environments by the variables that it reads. Anything to report is always found anew.
class Validator {
 public:
  Validator(const Module& module, const ValidationOptions& options)
      : module_(module),
        options_(options),
        types_(module.schema.types),
        schema_types_(module.schema, types_, options.mode),
        facts_(facts_of(module)) {}

  void check_policy(const Policy& policy, Diagnostics& diagnostics) {
    Diagnostics once;
    check_names(policy, schema_types_, once);
    check_text(policy.body, once);
    Grouped grouped;
    if (check_types(policy, once, grouped)) once.report(Code::K3201, policy.span);
    bool valid = !once.has_errors() && !grouped.has_errors();
    if (valid && options_.level) check_levels_everywhere(policy, *options_.level, grouped);
    for (Diagnostic diagnostic : once.all()) {
      diagnostic.policy = policy.id;
      diagnostics.add(std::move(diagnostic.with_note(fmt::format("policy `{}`", policy.id))));
    }
    grouped.flush(module_, policy, diagnostics);
  }

  // The template's condition is right; the entities that fill its slots may not be.
  void check_link(const Policy& policy, Diagnostics& diagnostics) {
    Diagnostics once;
    check_names(policy, schema_types_, once);
    check_application(policy, module_, schema_types_, application_code(options_), once);
    for (Diagnostic diagnostic : once.all()) {
      if (diagnostic.code == Code::K3103) continue;   // the official validator lets a slot have any id
      diagnostic.policy = policy.id;
      diagnostics.add(std::move(diagnostic.with_note(fmt::format("policy `{}`, a link", policy.id))));
    }
  }

 private:
  static constexpr std::size_t kMostKeyBytes = std::size_t{1} << 24;

  // Can the policy apply and is its condition false by its types wherever it does?
  bool check_types(const Policy& policy, Diagnostics& once, Grouped& grouped) {
    std::optional<std::string> key = typing_key(policy.body);
    if (key) {
      if (auto found = impossible_.find(*key); found != impossible_.end()) return found->second;
    }
    bool applicable = check_application(policy, module_, schema_types_, application_code(options_), once);
    bool impossible = type_everywhere(policy, grouped) && applicable;
    if (key && applicable && grouped.empty() && key_bytes_ < kMostKeyBytes) {
      key_bytes_ += key->size();
      impossible_.emplace(std::move(*key), impossible);
    }
    return impossible;
  }

  // Is the condition false by its types in every environment?
  bool type_everywhere(const Policy& policy, Grouped& grouped) {
    BodyTyper typer(schema_types_, policy.body);
    const std::array<bool, 4> read = variables_of(policy.body);
    std::map<std::array<std::uint32_t, 4>, bool> right;   // facts that are read -> is it false?
    bool never_applies = true;
    for (std::size_t e = 0; e < module_.environments.size(); ++e) {
      std::array<std::uint32_t, 4> facts{};
      for (std::size_t v = 0; v < facts.size(); ++v) facts[v] = read[v] ? facts_[e].of[v] : 0;
      auto known = right.find(facts);
      if (known == right.end()) {
        auto [always_false, is_right] = type_once(typer, policy.body, e, grouped);
        never_applies = always_false && never_applies;
        if (is_right) right.emplace(facts, always_false);
      } else {
        never_applies = known->second && never_applies;
      }
    }
    return never_applies;
  }

  struct Typed {
    bool always_false, is_right;
  };
  Typed type_once(BodyTyper& typer, const Body& body, std::size_t environment, Grouped& grouped) {
    const RequestEnv& env = module_.environments[environment];
    std::vector<TypeProblem> problems;
    bool always_false = typer.run(env, problems).always_false;
    TypedBody typed{module_.schema, types_, body, env, typer.types()};
    for (const TypeProblem& problem : problems) {
      Diagnostics one;
      report_problem(problem, typed, one);
      grouped.add(one.all().front(), environment);
    }
    return {always_false, problems.empty()};
  }

  void check_levels_everywhere(const Policy& policy, std::size_t most, Grouped& grouped) {
    BodyTyper typer(schema_types_, policy.body);
    std::vector<TypeProblem> problems;
    for (std::size_t e = 0; e < module_.environments.size(); ++e) {
      const RequestEnv& env = module_.environments[e];
      typer.run(env, problems);
      Diagnostics deep;
      check_levels(policy.body, types_, typer.types(), env, most, deep);
      for (const Diagnostic& d : deep.all()) grouped.add(d, e);
    }
  }

  const Module& module_;
  const ValidationOptions& options_;
  Types types_;
  SchemaTypes schema_types_;
  std::vector<EnvironmentFacts> facts_;
  std::unordered_map<std::string, bool> impossible_;   // by typing_key, of policies that have nothing else to report
  std::size_t key_bytes_ = 0;
};

// One after the other, or ranges at a time with a validator each; diagnostics in the order of the policies.
template <class Check>
void check_each(const Module& module, const std::vector<Policy>& policies, Diagnostics& diagnostics,
                const ValidationOptions& options, Check check) {
  std::vector<Diagnostics> parts(job_count(options.jobs, policies.size(), kLeastPolicies));
  run_jobs(parts.size(), policies.size(), [&](std::size_t job, std::size_t first, std::size_t last) {
    Validator validator(module, options);
    for (std::size_t i = first; i < last; ++i) check(validator, policies[i], parts[job]);
  });
  for (Diagnostics& part : parts) diagnostics.append(std::move(part));
}

}  // namespace

void typecheck(const Module& module, Diagnostics& diagnostics, const ValidationOptions& options) {
  auto check_policy = [](Validator& validator, const Policy& policy, Diagnostics& out) {
    if (!policy.linked) validator.check_policy(policy, out);
  };
  check_each(module, module.policies, diagnostics, options, check_policy);
  if (!module.templates.empty()) check_each(module, module.templates, diagnostics, options, check_policy);
  if (diagnostics.has_errors()) return;   // a template's errors would come again with each of its links
  if (module.templates.empty()) return;
  check_each(module, module.policies, diagnostics, options, [](Validator& validator, const Policy& policy, Diagnostics& out) {
    if (policy.linked) validator.check_link(policy, out);
  });
}

TypedPolicy type_policy(const Module& module, PolicyId policy, std::size_t environment, Types& types) {
  SchemaTypes schema_types(module.schema, types);
  BodyTyper typer(schema_types, module.policies.at(policy.index).body);
  std::vector<TypeProblem> problems;
  typer.run(module.environments.at(environment), problems);
  return {policy, environment, typer.types()};
}

}  // namespace kerf
