// Validation of whole modules. Names once per policy, types per policy and environment; only one environment's
// types exist at a time. Equal errors of several environments become one diagnostic that lists them.
#include <algorithm>
#include <map>
#include <tuple>

#include "frontend/sema/levels.h"
#include "frontend/sema/policies.h"
#include "frontend/sema/policy_names.h"
#include "frontend/sema/suspicious_text.h"
#include "frontend/sema/type_body.h"
#include "frontend/sema/type_problems.h"

namespace kerf {
namespace {

constexpr std::size_t kShownEnvironments = 3;

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

// Is the condition false by its types in every environment?
bool type_everywhere(const Module& module, const Policy& policy, const SchemaTypes& schema_types,
                     Grouped& grouped) {
  BodyTyper typer(schema_types, policy.body);
  bool never_applies = true;
  std::vector<TypeProblem> problems;
  for (std::size_t e = 0; e < module.environments.size(); ++e) {
    const RequestEnv& env = module.environments[e];
    problems.clear();
    never_applies = typer.run(env, problems).always_false && never_applies;
    TypedBody typed{module.schema, schema_types.types(), policy.body, env, typer.types()};
    for (const TypeProblem& problem : problems) {
      Diagnostics one;
      report_problem(problem, typed, one);
      grouped.add(one.all().front(), e);
    }
  }
  return never_applies;
}

// Of a policy that is valid otherwise.
void check_levels_everywhere(const Module& module, const Policy& policy, const SchemaTypes& schema_types, std::size_t most,
                             Grouped& grouped) {
  BodyTyper typer(schema_types, policy.body);
  std::vector<TypeProblem> problems;
  for (std::size_t e = 0; e < module.environments.size(); ++e) {
    const RequestEnv& env = module.environments[e];
    typer.run(env, problems);
    Diagnostics deep;
    check_levels(policy.body, schema_types.types(), typer.types(), env, most, deep);
    for (const Diagnostic& d : deep.all()) grouped.add(d, e);
  }
}

Code application_code(const ValidationOptions& options) {
  return options.applicability_warns ? Code::K3203 : Code::K3104;
}

void check_policy(const Module& module, const Policy& policy, const SchemaTypes& schema_types,
                  const ValidationOptions& options, Diagnostics& diagnostics) {
  Diagnostics once;
  check_names(policy, schema_types, once);
  check_text(policy.body, once);
  bool applicable = check_application(policy, module, schema_types, application_code(options), once);
  Grouped grouped;
  bool never_applies = type_everywhere(module, policy, schema_types, grouped);
  if (never_applies && applicable) once.report(Code::K3201, policy.span);
  bool valid = !once.has_errors() && !grouped.has_errors();
  if (valid && options.level) check_levels_everywhere(module, policy, schema_types, *options.level, grouped);
  for (Diagnostic diagnostic : once.all()) {
    diagnostic.policy = policy.id;
    diagnostics.add(std::move(diagnostic.with_note(fmt::format("policy `{}`", policy.id))));
  }
  grouped.flush(module, policy, diagnostics);
}

// The template's condition is right; the entities that fill its slots may not be.
void check_link(const Module& module, const Policy& policy, const SchemaTypes& schema_types,
                const ValidationOptions& options, Diagnostics& diagnostics) {
  Diagnostics once;
  check_names(policy, schema_types, once);
  check_application(policy, module, schema_types, application_code(options), once);
  for (Diagnostic diagnostic : once.all()) {
    diagnostic.policy = policy.id;
    diagnostics.add(std::move(diagnostic.with_note(fmt::format("policy `{}`, a link", policy.id))));
  }
}

}  // namespace

void typecheck(const Module& module, Diagnostics& diagnostics, const ValidationOptions& options) {
  Types types = module.schema.types;
  SchemaTypes schema_types(module.schema, types, options.mode);
  for (const Policy& policy : module.policies) {
    if (!policy.linked) check_policy(module, policy, schema_types, options, diagnostics);
  }
  for (const Policy& policy : module.templates) check_policy(module, policy, schema_types, options, diagnostics);
  if (diagnostics.has_errors()) return;   // a template's errors would come again with each of its links
  for (const Policy& policy : module.policies) {
    if (policy.linked) check_link(module, policy, schema_types, options, diagnostics);
  }
}

TypedPolicy type_policy(const Module& module, PolicyId policy, std::size_t environment, Types& types) {
  SchemaTypes schema_types(module.schema, types);
  BodyTyper typer(schema_types, module.policies.at(policy.index).body);
  std::vector<TypeProblem> problems;
  typer.run(module.environments.at(environment), problems);
  return {policy, environment, typer.types()};
}

}  // namespace kerf
