// Names in policies against the schema. Every node of the body is looked at, also those that short circuits hide from
// the typechecker: a name that does not exist is wrong anywhere.
#include "frontend/sema/policy_names.h"

#include <algorithm>

#include "ir/base/check.h"

namespace kerf {
namespace {

std::string_view last_part(std::string_view name) {
  std::size_t at = name.rfind("::");
  return at == std::string_view::npos ? name : name.substr(at + 2);
}

// The same name in another namespace, else the nearest spelling.
std::optional<std::string> suggest_type(const Schema& schema, const std::string& name) {
  std::vector<std::string> names;
  for (const auto& [candidate, type] : schema.entity_types) {
    if (last_part(candidate) == last_part(name)) return candidate;
    names.push_back(candidate);
  }
  return closest(name, names);
}

std::optional<std::string> suggest_action(const Schema& schema, const EntityUid& uid) {
  std::vector<std::string> ids;
  for (const auto& [candidate, action] : schema.actions) {
    if (candidate.id == uid.id) return to_text(candidate);
    ids.push_back(candidate.id);
  }
  std::optional<std::string> id = closest(uid.id, ids);
  if (!id) return std::nullopt;
  for (const auto& [candidate, action] : schema.actions) {
    if (candidate.id == *id) return to_text(candidate);
  }
  return std::nullopt;
}

class NameChecker {
 public:
  NameChecker(const Policy& policy, const SchemaTypes& schema_types, Diagnostics& diagnostics)
      : body_(policy.body), schema_types_(schema_types), schema_(schema_types.schema()), diagnostics_(diagnostics) {}

  void run() {
    for (std::size_t i = 0; i < body_.size(); ++i) {
      NodeId id(i);
      switch (body_[id].op) {
        case Op::literal: literal(id); break;
        case Op::is: type(id, body_.name(id)); break;
        case Op::has_attr: case Op::get_attr: case Op::like: case Op::record:
        case Op::variable: case Op::and_: case Op::or_: case Op::not_: case Op::if_: case Op::eq: case Op::less:
        case Op::less_eq: case Op::add: case Op::sub: case Op::mul: case Op::neg: case Op::in: case Op::has_tag:
        case Op::get_tag: case Op::contains: case Op::contains_all: case Op::contains_any: case Op::is_empty:
        case Op::set: case Op::call: break;
      }
    }
  }

 private:
  // Desugaring repeats operands; each place is reported once.
  bool is_first(Code code, Span span) { return reported_.emplace(code, span).second; }

  void literal(NodeId id) {
    const EntityUid* uid = body_.literal(id).as_entity();
    if (uid == nullptr) return;
    if (is_action_type(uid->type)) return action(id, *uid);
    type(id, uid->type);
    enumerated(id, *uid);
  }

  void type(NodeId id, const std::string& name) {
    Span span = body_.name_span(id);
    if (schema_types_.is_known(name) || !is_first(Code::K3101, span)) return;
    Diagnostic& d = diagnostics_.report(Code::K3101, span, name);
    if (std::optional<std::string> near = suggest_type(schema_, name)) d.with_help(fmt::format("did you mean `{}`?", *near));
  }

  void action(NodeId id, const EntityUid& uid) {
    Span span = body_[id].span;
    if (schema_.find_action(uid) != nullptr || !is_first(Code::K3102, span)) return;
    Diagnostic& d = diagnostics_.report(Code::K3102, span, to_text(uid));
    if (std::optional<std::string> near = suggest_action(schema_, uid)) d.with_help(fmt::format("did you mean `{}`?", *near));
  }

  void enumerated(NodeId id, const EntityUid& uid) {
    const EntityType* type = schema_.find_type(uid.type);
    if (type == nullptr || !type->enum_ids || type->enum_index.contains(uid.id)) return;
    Span span = body_[id].span;
    if (!is_first(Code::K3103, span)) return;
    Diagnostic& d = diagnostics_.report(Code::K3103, span, to_text(uid), uid.type);
    d.with_related(type->span, "its entities are listed here");
    if (std::optional<std::string> near = closest(uid.id, *type->enum_ids)) {
      d.with_help(fmt::format("did you mean `{}`?", to_text(EntityUid{uid.type, *near})));
    }
  }

  const Body& body_;
  const SchemaTypes& schema_types_;
  const Schema& schema_;
  Diagnostics& diagnostics_;
  std::set<std::pair<Code, Span>> reported_;
};

// The actions that a scope admits, read from the body: it is `principal && (action && …)`.
class ActionScope {
 public:
  ActionScope(const Body& body, const Schema& schema) : schema_(schema) {
    NodeId action = body.arg(body.arg(body.root, 1), 0);
    switch_on(body, action);
  }

  bool admits(const EntityUid& action) const {
    if (any_) return true;
    if (unknown_) return false;
    const Action& declared = *schema_.find_action(action);
    return std::any_of(uids_.begin(), uids_.end(), [&](const EntityUid& uid) {
      return uid == action || (hierarchy_ && declared.ancestors.contains(uid));
    });
  }

 private:
  void switch_on(const Body& body, NodeId action) {
    any_ = body[action].op == Op::literal;
    if (any_) return;
    hierarchy_ = body[action].op == Op::in;
    NodeId right = body.arg(action, 1);
    if (body[right].op == Op::literal) {
      add(body, right);
    } else {
      for (NodeId element : body.args(right)) add(body, element);
    }
  }

  void add(const Body& body, NodeId literal) {
    const EntityUid* uid = body.literal(literal).as_entity();
    check(uid != nullptr, "the action scope names actions");
    unknown_ = unknown_ || schema_.find_action(*uid) == nullptr;
    uids_.push_back(*uid);
  }

  const Schema& schema_;
  std::vector<EntityUid> uids_;
  bool any_ = false, hierarchy_ = false, unknown_ = false;
};

bool admits(const ScopeConstraint& scope, const std::string& type, const SchemaTypes& schema_types) {
  if (scope.type && *scope.type != type) return false;
  switch (scope.kind) {
    case ScopeConstraint::Kind::any: return true;
    case ScopeConstraint::Kind::eq: return scope.uid.type == type;
    case ScopeConstraint::Kind::in: return schema_types.can_be_in(type, scope.uid.type);
  }
  internal_error("unknown scope constraint");
}

// `== Group::"g"` where `in` was meant.
bool in_would_help(const ScopeConstraint& scope, const std::string& type, const SchemaTypes& schema_types) {
  return scope.kind == ScopeConstraint::Kind::eq && scope.uid.type != type &&
         schema_types.can_be_in(type, scope.uid.type);
}

}  // namespace

void check_names(const Policy& policy, const SchemaTypes& schema_types, Diagnostics& diagnostics) {
  NameChecker(policy, schema_types, diagnostics).run();
}

bool check_application(const Policy& policy, const Module& module, const SchemaTypes& schema_types, Code code,
                       Diagnostics& diagnostics) {
  const Body& body = policy.body;
  ActionScope actions(body, module.schema);
  bool principal_in = false, resource_in = false;
  for (const RequestEnv& env : module.environments) {
    if (!actions.admits(env.action)) continue;
    bool principal = admits(policy.principal, env.principal, schema_types);
    bool resource = admits(policy.resource, env.resource, schema_types);
    if (principal && resource) return true;
    principal_in = principal_in || in_would_help(policy.principal, env.principal, schema_types);
    resource_in = resource_in || in_would_help(policy.resource, env.resource, schema_types);
  }
  Span span = body[body.arg(body.root, 0)].span;
  NodeId last = body.arg(body.arg(body.root, 1), 1);
  if (body[last].op == Op::and_ && body[last].span == policy.span) last = body.arg(last, 0);
  span.end = std::max(span.end, body[last].span.end);
  Diagnostic& d = diagnostics.report(code, span);
  if (principal_in) d.with_help("write `principal in` instead of `principal ==`: the entity is a group");
  if (resource_in) d.with_help("write `resource in` instead of `resource ==`: the entity is a group");
  return false;
}

}  // namespace kerf
