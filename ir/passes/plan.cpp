// Policies of the governed environments to rows. Each policy becomes a formula over atoms; an atom depends on one thing
// only: the address, the port, the endpoint, userspace values, or code at the hook. The one decision: the formula is
// split by one observable after the other, and classes with the same rest of the formula become one row set, so
// `(ip == A && port == 1) || (ip == B && port == 2) || …` is linear in its length.
#include "ir/passes/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "ir/base/check.h"
#include "ir/expr_json.h"
#include "ir/passes/code_predicate.h"
#include "ir/passes/partition.h"
#include "ir/passes/refusal.h"

namespace kerf {

namespace {

// Atoms of a policy's formula, numbered by what they depend on.
constexpr std::uint32_t kAddressAtoms = 0;
constexpr std::uint32_t kPortAtoms = 1u << 28;
constexpr std::uint32_t kEndpointAtoms = 2u << 28;
constexpr std::uint32_t kPredicateAtoms = 3u << 28;
constexpr std::uint32_t kCodeAtoms = 4u << 28;
constexpr std::uint64_t kMaxWork = 100'000'000;   // formula nodes visited for one policy

template <class Map>
std::uint32_t atom_number(std::vector<Map>& atoms, std::unordered_multimap<std::uint64_t, std::uint32_t>& index,
                          Map map) {
  const std::uint64_t hash = hash_of(map);
  auto [first, last] = index.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    if (same_map(atoms[it->second], map)) return it->second;
  }
  const std::uint32_t number = static_cast<std::uint32_t>(atoms.size());
  atoms.push_back(std::move(map));
  index.emplace(hash, number);
  return number;
}

// One policy in one environment.
class PolicyPlanner {
 public:
  PolicyPlanner(const Module& module, KernelEnv& env, SharedExprs& shared, HookOutcomes& outcomes, Refusals& refusals,
                const PolicyInEnv& policy)
      : module_(module), env_(env), shared_(shared), outcomes_(outcomes), refusals_(refusals), policy_(policy),
        body_(*policy.body) {}

  enum class Result { planned, refused, too_many_rows, too_many_slots };

  Result run() {
    Residuals::Id root = build(body_.root);
    if (shared_.out_of_slots) return Result::too_many_slots;
    if (refused_) return Result::refused;
    return rows(root) ? Result::planned : Result::too_many_rows;
  }

 private:
  using Id = Residuals::Id;
  enum class Part { known, address, port, endpoint, userspace, several };

  Part part(NodeId id) const {
    if (policy_.analysis->folded.known(id)) return Part::known;
    const Origins origins = policy_.analysis->origins[id.index];
    if ((origins & ~kUserspace) == 0) return Part::userspace;
    if (origins == kFromAddress) return Part::address;
    if (origins == kFromPort) return Part::port;
    if (origins == kFromEndpoint) return Part::endpoint;
    return Part::several;
  }

  Id build(NodeId id) {
    switch (part(id)) {
      case Part::known: return residuals_.constant(*policy_.analysis->folded.outcome(id));
      case Part::userspace:
        return residuals_.atom(kPredicateAtoms + shared_.predicate(policy_, id), policy_.analysis->can_error[id.index]);
      case Part::address: return address_atom(id);
      case Part::port: return port_atom(outcomes_.port(policy_, id));
      case Part::endpoint: return endpoint_atom(outcomes_.endpoint(policy_, id));
      case Part::several: return build_structure(id);
    }
    internal_error("part");
  }

  Id build_structure(NodeId id) {
    switch (body_[id].op) {
      case Op::and_:
      case Op::or_: return build_chain(id);
      case Op::not_: return residuals_.negation(build(body_.arg(id, 0)));
      case Op::if_: return build_choice(id);
      case Op::eq:
        if (is_condition(body_.arg(id, 0)) && is_condition(body_.arg(id, 1))) return build_equality(id);
        return code_atom(id);
      case Op::literal:
      case Op::variable:
      case Op::less:
      case Op::less_eq:
      case Op::add:
      case Op::sub:
      case Op::mul:
      case Op::neg:
      case Op::in:
      case Op::is:
      case Op::has_attr:
      case Op::get_attr:
      case Op::has_tag:
      case Op::get_tag:
      case Op::like:
      case Op::contains:
      case Op::contains_all:
      case Op::contains_any:
      case Op::is_empty:
      case Op::set:
      case Op::record:
      case Op::call: return code_atom(id);
    }
    internal_error("operator");
  }

  bool is_condition(NodeId id) const { return policy_.analysis->types[id.index].kind == TypeKind::boolean; }

  // `a == b` of Bools is `if a then b else !b`: both are evaluated, left first.
  Id build_equality(NodeId id) {
    Id left = build(body_.arg(id, 0)), right = build(body_.arg(id, 1));
    return residuals_.choice(left, right, residuals_.negation(right));
  }

  Id build_choice(NodeId id) {
    Id condition = build(body_.arg(id, 0));
    if (auto outcome = residuals_.outcome(condition)) {
      if (*outcome == Outcome::error) return condition;
      return build(body_.arg(id, *outcome == Outcome::true_ ? 1 : 2));
    }
    Id then_branch = build(body_.arg(id, 1));
    return residuals_.choice(condition, then_branch, build(body_.arg(id, 2)));
  }

  // Neighbours that depend on the same observable become one atom.
  Id build_chain(NodeId id) {
    const bool conjunction = body_[id].op == Op::and_;
    auto join = conjunction ? outcome_and : outcome_or;
    const Id deciding = residuals_.constant(conjunction ? Outcome::false_ : Outcome::true_);
    std::vector<NodeId> operands =
        chain_operands(body_, id, [&](NodeId operand) { return part(operand) != Part::several; });
    std::vector<Id> built;
    for (std::size_t i = 0; i < operands.size();) {
      const Part kind = part(operands[i]);
      std::size_t end = i + 1;
      while (end < operands.size() && part(operands[end]) == kind) ++end;
      if (kind == Part::port) {
        built.push_back(port_atom(run_of<PortOutcomes>(operands, i, end, join, [&](NodeId operand) {
          return std::optional(outcomes_.port(policy_, operand));
        }).value()));
      } else if (kind == Part::endpoint) {
        built.push_back(endpoint_atom(run_of<EndpointOutcomes>(operands, i, end, join, [&](NodeId operand) {
          return std::optional(outcomes_.endpoint(policy_, operand));
        }).value()));
      } else if (kind == Part::address) {
        built.push_back(address_atom(run_of<AddressOutcomes>(
            operands, i, end, join, [&](NodeId operand) { return address_outcomes(operand); })));
      } else {
        end = i + 1;
        built.push_back(build(operands[i]));
      }
      i = end;
      if (built.back() == deciding) break;   // what follows is not evaluated, so it is not refused either
      if (built.back() == residuals_.constant(Outcome::error)) break;
    }
    Id rest = residuals_.constant(conjunction ? Outcome::true_ : Outcome::false_);
    for (auto it = built.rbegin(); it != built.rend(); ++it) {
      rest = conjunction ? residuals_.both(*it, rest) : residuals_.either(*it, rest);
    }
    return rest;
  }

  template <class Map, class Of>
  std::optional<Map> run_of(const std::vector<NodeId>& operands, std::size_t begin, std::size_t end,
                            Outcome (*join)(Outcome, Outcome), const Of& outcomes_of) {
    std::vector<Map> maps;
    for (std::size_t i = begin; i < end; ++i) {
      std::optional<Map> map = outcomes_of(operands[i]);
      if (!map) return std::nullopt;
      maps.push_back(std::move(*map));
    }
    return combine_chain(std::move(maps), join);
  }

  std::optional<AddressOutcomes> address_outcomes(NodeId id) {
    NodeId blame;
    auto map = outcomes_.address(policy_, id, blame);
    if (!map) {
      refused_ = true;
      refusals_.hidden_addresses(policy_, module_.environments[env_.environment], blame);
    }
    return map;
  }

  Id address_atom(NodeId id) { return address_atom(address_outcomes(id)); }
  Id address_atom(std::optional<AddressOutcomes> map) {
    if (!map) return residuals_.constant(Outcome::error);
    if (map->at.size() == 1) return residuals_.constant(map->at.front().second);
    const bool fallible = can_fail(*map);
    return residuals_.atom(kAddressAtoms + atom_number(addresses_, address_index_, std::move(*map)), fallible);
  }

  Id port_atom(PortOutcomes map) {
    if (map.at.size() == 1) return residuals_.constant(map.at.front().second);
    const bool fallible = can_fail(map);
    return residuals_.atom(kPortAtoms + atom_number(ports_, port_index_, std::move(map)), fallible);
  }

  Id endpoint_atom(EndpointOutcomes map) {
    if (map.listed.empty()) return residuals_.constant(map.others);
    const bool fallible = can_fail(map);
    return residuals_.atom(kEndpointAtoms + atom_number(endpoints_, endpoint_index_, std::move(map)), fallible);
  }

  Id code_atom(NodeId id) {
    if (!(policy_.analysis->origins[id.index] & kNotInKernel)) {
      if (auto number = shared_.code(policy_, id)) {
        return residuals_.atom(kCodeAtoms + *number, policy_.analysis->can_error[id.index]);
      }
      if (shared_.out_of_slots) return residuals_.constant(Outcome::error);
    }
    refused_ = true;
    refusals_.report(policy_, module_.environments[env_.environment], id);
    // An open atom: what follows is looked at too, and its refusals are reported together with this one.
    return residuals_.atom(0xfffffff0u, true);
  }

  // Address, then port, then endpoint, then the rest as paths. False if there are too many rows.
  bool rows(Id root) {
    const Limits limits{kMaxRowsPerPolicy, kMaxWork};
    auto by_address = partition_addresses(residuals_, root, kAddressAtoms, addresses_, limits);
    if (!by_address) return false;
    for (auto& [rest_a, addresses] : *by_address) {
      auto by_port = partition_ports(residuals_, rest_a, kPortAtoms, ports_, limits);
      if (!by_port) return false;
      for (auto& [rest_p, ports] : *by_port) {
        auto by_endpoint = partition_endpoints(residuals_, rest_p, kEndpointAtoms, endpoints_, limits);
        if (!by_endpoint) return false;
        for (auto& [rest, endpoints] : *by_endpoint) {
          KernelRow row{policy_.policy, Outcome::true_, addresses, ports, endpoints, {}, {}, {}};
          if (!add_rows(row, rest)) return false;
        }
      }
    }
    std::move(rows_.begin(), rows_.end(), std::back_inserter(env_.rows));
    return true;
  }

  bool add_rows(const KernelRow& shape, Id rest) {
    const std::uint64_t done = residuals_.work();
    if (done > kMaxWork) return false;
    auto paths = residual_paths(residuals_, rest, kMaxRowsPerPolicy - rows_.size(), kMaxWork - done);
    if (!paths) return false;
    for (const Path& path : *paths) {
      KernelRow row = shape;
      row.result = path.result;
      for (const Requirement& requirement : path.when) {
        if (requirement.atom >= kCodeAtoms) {
          row.code.push_back({requirement.atom - kCodeAtoms, requirement.outcome});
        } else {
          check(requirement.atom >= kPredicateAtoms, "observables are split before paths");
          row.bind.push_back({requirement.atom - kPredicateAtoms, requirement.outcome});
        }
      }
      rows_.push_back(std::move(row));
    }
    return true;
  }

  const Module& module_;
  KernelEnv& env_;
  SharedExprs& shared_;
  HookOutcomes& outcomes_;
  Refusals& refusals_;
  const PolicyInEnv& policy_;
  const Body& body_;
  Residuals residuals_;
  std::vector<AddressOutcomes> addresses_;
  std::vector<PortOutcomes> ports_;
  std::vector<EndpointOutcomes> endpoints_;
  std::unordered_multimap<std::uint64_t, std::uint32_t> address_index_, port_index_, endpoint_index_;
  std::vector<KernelRow> rows_;
  bool refused_ = false;
};

// One environment; false if a limit stops it.
bool plan_environment(const Module& module, KernelEnv& env, const Endpoints& endpoints, Refusals& refusals,
                      Diagnostics& diagnostics) {
  const RequestEnv& request = module.environments[env.environment];
  SharedExprs shared(module, env);
  HookOutcomes outcomes(module, request, endpoints);
  for (std::size_t i = 0; i < module.policies.size(); ++i) {
    const Policy& policy = module.policies[i];
    const Analysis analysis = analyse(module, policy.body, request);
    const PolicyInEnv in_env{PolicyId(i), &policy.body, &analysis};
    switch (PolicyPlanner(module, env, shared, outcomes, refusals, in_env).run()) {
      case PolicyPlanner::Result::planned:
      case PolicyPlanner::Result::refused:
        break;
      case PolicyPlanner::Result::too_many_rows:
        diagnostics.report(Code::K8050, policy.span, policy.id, kMaxRowsPerPolicy)
            .with_note("for " + environment_text(request));
        break;
      case PolicyPlanner::Result::too_many_slots:
        diagnostics.report(Code::K8052, policy.span, kMaxValueSlots, policy.id)
            .with_note("for " + environment_text(request));
        return false;
    }
    if (env.rows.size() > kMaxRowsPerEnv) {
      diagnostics.report(Code::K8051, policy.span, environment_text(request), kMaxRowsPerEnv, policy.id);
      return false;
    }
  }
  return true;
}

// Annotations that ask for what this version does not do.
void refuse_annotations(const Module& module, Diagnostics& diagnostics) {
  for (const Policy& policy : module.policies) {
    for (const auto& [key, value] : policy.annotations) {
      if (key == "residual" || key == "on_error") {
        diagnostics.report(Code::K5008, policy.span, key).with_note(fmt::format("policy `{}`", policy.id));
      }
    }
  }
}

bool is_kind(const Module& module, const std::string& type, KernelKind kind) {
  const EntityType* declared = module.schema.find_type(type);
  return declared && declared->kernel && *declared->kernel == kind;
}

}  // namespace

KernelPlan plan_kernel(const Module& module, Diagnostics& diagnostics) {
  KernelPlan plan;
  refuse_annotations(module, diagnostics);
  Refusals refusals(module, diagnostics);
  std::map<std::string, Endpoints> endpoints;
  for (std::size_t i = 0; i < module.environments.size(); ++i) {
    const RequestEnv& request = module.environments[i];
    const Action* action = module.schema.find_action(request.action);
    if (!action || !is_kind(module, request.principal, KernelKind::process)) continue;
    for (KernelEventId event : action->events) {
      const KernelEvent& row = kernel_event(event);
      if (!is_kind(module, request.resource, row.resource)) continue;
      KernelEnv env{i, event, row.resource, action->refusal_errno.value_or(std::string(row.default_errno)), {}, {}, {}, {}, {}};
      const Endpoints& known = endpoints.try_emplace(request.resource, module, request.resource).first->second;
      if (!plan_environment(module, env, known, refusals, diagnostics)) return plan;
      plan.envs.push_back(std::move(env));
    }
  }
  return plan;
}

bool PathTest::holds(std::string_view path) const {
  if (pattern) return matches(*pattern, path);
  if (std::binary_search(files.begin(), files.end(), path)) return true;
  return std::any_of(trees.begin(), trees.end(), [&](const std::string& tree) {
    const std::string prefix = tree == "/" ? tree : tree + "/";
    return path.size() > prefix.size() && path.starts_with(prefix);
  });
}

bool EndpointSet::holds(const EndpointKey& key) const {
  return std::binary_search(listed.begin(), listed.end(), key) != others;
}

Json userspace_expr(const Module& module, const KernelEnv& env, PolicyId policy, NodeId node) {
  const Body& body = module.policies.at(policy.index).body;
  const Folded folded = fold(module, body, module.environments.at(env.environment), FoldWith::kernel);
  const Body known = rewrite(body, node, folded, [](NodeId, Body&) -> std::optional<NodeId> { return std::nullopt; });
  return expr_to_json(known, known.root);
}

}  // namespace kerf
