// A condition that the kernel cannot decide to a K5xxx diagnostic. The one decision: the mark goes to the narrowest
// expression in which the obstacle arises, found by walking down as long as one operand has the whole obstacle.
#include "ir/passes/refusal.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "ir/base/check.h"
#include "ir/passes/cases.h"

namespace kerf {

namespace {

constexpr std::size_t kMaxExcerpt = 60;

std::string excerpt(const Body& body, NodeId node) {
  std::string text = print_expr(body, node);
  if (text.size() <= kMaxExcerpt) return text;
  std::size_t end = kMaxExcerpt - 3;
  while ((static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;   // UTF-8: not the first byte
  return text.substr(0, end) + "…";
}

// Down to the operand that alone has all of `wanted`, as far as it goes, but into nothing that is `excluded`.
NodeId narrowest(const PolicyInEnv& policy, NodeId node, Origins wanted,
                 const std::function<bool(NodeId)>& excluded = [](NodeId) { return false; }) {
  for (;;) {
    NodeId next;
    for (NodeId arg : policy.body->args(node)) {
      bool whole = (policy.analysis->origins[arg.index] & wanted) == wanted;
      if (whole && !next.valid()) next = arg;
    }
    if (!next.valid() || excluded(next)) return node;
    node = next;
  }
}

// Of types that fit into no value slot.
std::string_view type_name(TypeKind kind) {
  switch (kind) {
    case TypeKind::never: return "unknown";
    case TypeKind::string: return "String";
    case TypeKind::entity: return "entity";
    case TypeKind::set:
    case TypeKind::empty_set: return "Set";
    case TypeKind::record: return "Record";
    case TypeKind::decimal: return "decimal";
    case TypeKind::true_:
    case TypeKind::false_:
    case TypeKind::boolean:
    case TypeKind::long_:
    case TypeKind::ip:
    case TypeKind::datetime:
    case TypeKind::duration: break;   // these fit
  }
  internal_error("type kind");
}

// What userspace knows and the hook cannot be handed: the largest such operand, or nothing.
std::optional<NodeId> unusable_value(const PolicyInEnv& policy, NodeId leaf) {
  for (NodeId arg : policy.body->args(leaf)) {
    Origins origins = policy.analysis->origins[arg.index];
    if (origins == 0) continue;
    if ((origins & ~kRecorded) != 0) {
      if (auto below = unusable_value(policy, arg)) return below;
      continue;
    }
    TypeKind kind = policy.analysis->types[arg.index].kind;
    if (!fits_slot(kind)) return arg;
  }
  return std::nullopt;
}

}  // namespace

std::string environment_text(const RequestEnv& env) {
  return fmt::format("{}, {}, {}", env.principal, to_text(env.action), env.resource);
}

Diagnostic* Refusals::add(Code code, const PolicyInEnv& policy, const RequestEnv& env, NodeId node,
                          std::string argument) {
  if (!reported_.insert({policy.policy, node, code}).second) return nullptr;
  const Policy& owner = module_.policies[policy.policy.index];
  Span span = (*policy.body)[node].span;
  if (!span.valid()) span = owner.span;
  Diagnostic& made = diagnostics_.report(code, span, argument);
  made.with_note(fmt::format("policy `{}`, for {}", owner.id, environment_text(env)));
  made.policy = owner.id;
  return &made;
}

void Refusals::report(const PolicyInEnv& policy, const RequestEnv& env, NodeId leaf) {
  if (policy.analysis->origins[leaf.index] & kNotInKernel) {
    not_in_kernel(policy, env, leaf);
  } else {
    mixed(policy, env, leaf);
  }
}

Diagnostic Refusals::why(const PolicyInEnv& policy, const RequestEnv& env, NodeId leaf) const {
  Diagnostics made;
  Refusals(module_, made).report(policy, env, leaf);
  return made.all().at(0);
}

Diagnostic Refusals::why_hidden(const PolicyInEnv& policy, const RequestEnv& env, NodeId blame) const {
  Diagnostics made;
  Refusals(module_, made).hidden_addresses(policy, env, blame);
  return made.all().at(0);
}

Diagnostic Refusals::why_name(const PolicyInEnv& policy, const RequestEnv& env, NodeId leaf) const {
  Diagnostics made;
  Refusals(module_, made).evaded_name(policy, env, leaf);
  return made.all().at(0);
}

void Refusals::evaded_name(const PolicyInEnv& policy, const RequestEnv& env, NodeId leaf) {
  NodeId node = narrowest(policy, leaf, kFromHost);
  const Body& body = *policy.body;
  if (Diagnostic* made = add(Code::K5003, policy, env, node, excerpt(body, node))) {
    made->with_label("a connection without a look-up has no name");
    made->with_help("also refuse addresses without a name: `!(resource has …)` of the attribute that is bound to `endpoint.host`");
    made->with_help("permit the names that are allowed, instead of forbidding those that are not");
    made->with_help("test the address, or list the endpoints in a stored group");
  }
}

void Refusals::not_in_kernel(const PolicyInEnv& policy, const RequestEnv& env, NodeId leaf) {
  Origins origins = policy.analysis->origins[leaf.index];
  for (Origins bit : {kFromGateway, kFromContext, kThroughOther}) {
    if (!(origins & bit)) continue;
    NodeId node = narrowest(policy, leaf, bit);
    const Body& body = *policy.body;
    if (bit == kFromGateway) {
      Diagnostic* made = add(Code::K5001, policy, env, node, "context." + body.name(node));
      if (!made) return;
      made->with_label("only the gateway sees this");
      made->with_help(fmt::format("publish it: `@kernel(\"fact.{0}\") {0}?: …` in the context of the action", body.name(node)));
      made->with_help("make it an attribute of the principal, known when a cgroup is bound");
      made->with_help("put the condition on an action without `@kernel`, which the gateway decides");
    } else if (bit == kFromContext) {
      if (Diagnostic* made = add(Code::K5002, policy, env, node, "")) {
        made->with_label("the whole context").with_help("test its attributes one by one");
      }
    } else {
      if (Diagnostic* made = add(Code::K5004, policy, env, node, excerpt(body, node))) {
        made->with_label("not reached through `resource`");
        made->with_help("use `resource`, or compare identities with `==`");
      }
    }
    return;
  }
}

void Refusals::mixed(const PolicyInEnv& policy, const RequestEnv& env, NodeId leaf) {
  const Body& body = *policy.body;
  NodeId node = narrowest(policy, leaf, policy.analysis->origins[leaf.index], [&](NodeId part) {
    return observable_of(module_, body, env, part) != nullptr;   // what is observed is no obstacle, only what is done with it
  });
  const Origins origins = policy.analysis->origins[node.index];
  if (auto value = unusable_value(policy, node)) {
    std::string_view type = type_name(policy.analysis->types[value->index].kind);
    if (!reported_.insert({policy.policy, node, Code::K5006}).second) return;
    const Policy& owner = module_.policies[policy.policy.index];
    Diagnostic& made = diagnostics_.report(Code::K5006, body[node].span, type, excerpt(body, node));
    made.with_note(fmt::format("policy `{}`, for {}", owner.id, environment_text(env)));
    made.policy = owner.id;
    made.with_label("meets what the hook observes");
    made.with_related(body[*value].span, "known before the hook");
    made.with_help("list the values in the policy, or put the resources into a stored group and test `resource in …`");
  } else if (origins & kFromPath) {
    if (Diagnostic* made = add(Code::K5010, policy, env, node, excerpt(body, node))) {
      made->with_label("the path is not matched with a constant");
      made->with_help("match it with `==`, `like`, `[…].contains(…)` or `resource in …`, and constants");
      made->with_help("join such conditions with `&&`, `||`, `!` and `if`");
    }
  } else if (origins & (kFromEndpoint | kFromFile)) {
    if (Diagnostic* made = add(Code::K5005, policy, env, node, excerpt(body, node))) {
      made->with_label("data of the resource and something else at once");
      made->with_help("split the condition with && and || into parts that depend on one of them");
    }
  } else if (Diagnostic* made = add(Code::K5007, policy, env, node, excerpt(body, node))) {
    made->with_label("no instructions for this");
    made->with_help(reads_name(policy, env, node)
                        ? "compare a name with `==`, `contains` or `like \"…*\"` of constant Strings"
                        : "use comparisons and arithmetic of numbers and dates, `contains` of constants, `==` or `isInRange` of the address");
  }
}

void Refusals::too_many_values(const PolicyInEnv& policy, const RequestEnv& env, NodeId expression) {
  if (!reported_.insert({policy.policy, expression, Code::K8054}).second) return;
  const Policy& owner = module_.policies[policy.policy.index];
  diagnostics_.report(Code::K8054, (*policy.body)[expression].span, excerpt(*policy.body, expression), kMaxCases)
      .with_note(fmt::format("policy `{}`, for {}", owner.id, environment_text(env)));
}

bool Refusals::reads_name(const PolicyInEnv& policy, const RequestEnv& env, NodeId node) const {
  for (NodeId part : subtree(*policy.body, node)) {
    const Observable* observable = observable_of(module_, *policy.body, env, part);
    if (observable && (observable->from == ObservedFrom::name || observable->from == ObservedFrom::executable)) return true;
  }
  return false;
}

void Refusals::hidden_addresses(const PolicyInEnv& policy, const RequestEnv& env, NodeId blame) {
  if (Diagnostic* made = add(Code::K5009, policy, env, blame, excerpt(*policy.body, blame))) {
    made->with_label("computed");
    made->with_help("write the addresses as constants");
  }
}

}  // namespace kerf
