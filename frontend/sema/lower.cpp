// Policy syntax -> ir/body.h. Every policy becomes one expression, its scope included, with the desugarings that
// Cedar's own syntax tree has, so that evaluation order and errors stay Cedar's.
#include <algorithm>
#include <map>
#include <unordered_map>
#include <variant>

#include "frontend/sema/lower_expr.h"
#include "ir/base/check.h"
#include "ir/base/parallel.h"

namespace kerf {
namespace {

const ast::EntityRef& entity_of(const ast::EntityOrSlot& entity) {
  const auto* ref = std::get_if<ast::EntityRef>(&entity);
  check(ref != nullptr, "templates are refused before they are lowered");
  return *ref;
}

ScopeConstraint constraint_of(const ast::Scope& scope) {
  using Kind = ScopeConstraint::Kind;
  return std::visit(
      Overloaded{
          [](const ast::ScopeAny&) { return ScopeConstraint{}; },
          [](const ast::ScopeEq& s) { return ScopeConstraint{Kind::eq, uid_of(entity_of(s.entity)), {}}; },
          [](const ast::ScopeIn& s) { return ScopeConstraint{Kind::in, uid_of(entity_of(s.entity)), {}}; },
          [](const ast::ScopeIs& s) {
            if (!s.in) return ScopeConstraint{Kind::any, {}, s.type.text};
            return ScopeConstraint{Kind::in, uid_of(entity_of(*s.in)), s.type.text};
          },
          [](const ast::ScopeInList&) -> ScopeConstraint { internal_error("a list is for `action` only"); },
      },
      scope.constraint);
}

NodeId lower_scope(const ast::Scope& scope, Var var, BodyBuilder& out) {
  auto variable = [&] {
    Span span = scope.span;
    span.end = std::min<std::uint32_t>(span.end, span.begin + static_cast<std::uint32_t>(to_text(var).size()));
    return out.leaf(out.body().add_variable(var, span));
  };
  auto in = [&](const ast::EntityRef& entity) {
    NodeId left = variable();
    return out.add(Op::in, {left, out.add_literal(entity)}, scope.span, {});
  };
  return std::visit(
      Overloaded{
          [&](const ast::ScopeAny&) { return out.leaf(out.body().add_literal(Value(true), scope.span)); },
          [&](const ast::ScopeEq& s) {
            NodeId left = variable();
            return out.add(Op::eq, {left, out.add_literal(entity_of(s.entity))}, scope.span, {});
          },
          [&](const ast::ScopeIn& s) { return in(entity_of(s.entity)); },
          [&](const ast::ScopeIs& s) {
            NodeId left = variable();
            NodeId is = out.add_named(Op::is, s.type.text, Body::Args(&left, 1), scope.span, s.type.span);
            return s.in ? out.add(Op::and_, {is, in(entity_of(*s.in))}, scope.span, {}) : is;
          },
          [&](const ast::ScopeInList& s) {
            NodeId left = variable();
            std::vector<NodeId> elements;
            for (const ast::EntityRef& entity : s.entities) elements.push_back(out.add_literal(entity));
            NodeId set = out.add(Op::set, elements, scope.span, {});
            return out.add(Op::in, {left, set}, scope.span, {});
          },
      },
      scope.constraint);
}

bool lower_body(const ast::PolicyFile& file, const ast::Policy& from, Body& body, Diagnostics& diagnostics) {
  BodyBuilder out(body, diagnostics);
  NodeId principal = lower_scope(from.principal, Var::principal, out);
  NodeId action = lower_scope(from.action, Var::action, out);
  NodeId resource = lower_scope(from.resource, Var::resource, out);
  std::vector<NodeId> conditions;
  for (const ast::Condition& condition : from.conditions) {
    NodeId root = lower_expr(file, condition.expr, out);
    if (out.failed()) return false;
    conditions.push_back(condition.unless ? out.add(Op::not_, {root}, condition.span, {}) : root);
  }
  NodeId rest = resource;
  if (!conditions.empty()) {
    NodeId all = out.join(Op::and_, conditions, 0, conditions.size());
    rest = out.add(Op::and_, {resource, all}, from.span, {});
  }
  body.root = out.add(Op::and_, {principal, out.add(Op::and_, {action, rest}, from.span, {})}, from.span, {});
  return !out.failed();
}

// Ids of policies, and where each was given.
class PolicyIds {
 public:
  std::optional<std::string> take(const ast::Policy& policy, std::size_t position, Diagnostics& diagnostics) {
    std::string id = policy.id ? *policy.id : fmt::format("policy{}", position);
    Span at = policy.effect_span;
    for (const ast::Annotation& annotation : policy.annotations) {
      if (annotation.key != "id" || policy.id) continue;
      id = annotation.value.value_or("");
      at = annotation.value_span.valid() ? annotation.value_span : annotation.span;
      if (id.empty()) {
        diagnostics.report(Code::K3003, at);
        return std::nullopt;
      }
    }
    return take(std::move(id), at, diagnostics);
  }

  std::optional<std::string> take(std::string id, Span at, Diagnostics& diagnostics) {
    auto [entry, is_new] = taken_.emplace(id, at);
    if (is_new) return id;
    diagnostics.report(Code::K3002, at, id)
        .with_related(entry->second, fmt::format("`{}` is first used here", id));
    return std::nullopt;
  }

 private:
  std::unordered_map<std::string, Span> taken_;
};

// What can be said of a template before it is linked: its slots constrain nothing but their types.
ast::Policy without_slots(const ast::Policy& from) {
  ast::Policy policy = from;
  for (ast::Scope* scope : {&policy.principal, &policy.resource}) {
    if (ast::slot_of(*scope) == nullptr) continue;
    if (auto* is = std::get_if<ast::ScopeIs>(&scope->constraint)) is->in.reset();
    else scope->constraint = ast::ScopeAny{};
  }
  return policy;
}

std::optional<Policy> lower_policy(const ast::PolicyFile& file, const ast::Policy& from, std::string id,
                                   Diagnostics& diagnostics) {
  Policy policy;
  policy.id = std::move(id);
  policy.effect = from.effect == ast::Effect::permit ? Effect::permit : Effect::forbid;
  for (const ast::Annotation& a : from.annotations) policy.annotations.emplace_back(a.key, a.value.value_or(""));
  policy.principal = constraint_of(from.principal);
  policy.resource = constraint_of(from.resource);
  policy.span = from.span;
  if (!lower_body(file, from, policy.body, diagnostics)) return std::nullopt;
  return policy;
}

struct Template {
  const ast::PolicyFile* file;
  const ast::Policy* policy;
};
using Templates = std::map<std::string, Template>;

// Exactly the template's slots are given.
bool check_slots(const ast::TemplateLink& link, const ast::Policy& policy, Diagnostics& diagnostics) {
  bool good = true;
  auto check_slot = [&](const ast::Scope& scope, const std::optional<ast::EntityRef>& given, std::string_view name) {
    bool wanted = ast::slot_of(scope) != nullptr;
    if (wanted == given.has_value()) return;
    good = false;
    if (!wanted) diagnostics.report(Code::K3006, given->span, link.id, name);
    else diagnostics.report(Code::K3005, link.id_span, link.id, name).with_related(ast::slot_of(scope)->span, "the slot");
  };
  check_slot(policy.principal, link.principal, "?principal");
  check_slot(policy.resource, link.resource, "?resource");
  return good;
}

void lower_link(const ast::TemplateLink& link, const Templates& templates, PolicyIds& ids, Module& module, Diagnostics& diagnostics) {
  auto found = templates.find(link.template_id);
  if (found == templates.end()) {
    Diagnostic& diagnostic = diagnostics.report(Code::K3004, link.template_span, link.template_id);
    std::vector<std::string> names;
    for (const auto& [id, one] : templates) names.push_back(id);
    if (auto near = closest(link.template_id, names)) diagnostic.with_help(fmt::format("did you mean `{}`?", *near));
    return;
  }
  std::optional<std::string> id = ids.take(link.id, link.id_span, diagnostics);
  const auto& [file, from] = found->second;
  if (!check_slots(link, *from, diagnostics) || !id) return;
  std::optional<Policy> policy = lower_policy(*file, ast::link(*from, link), std::move(*id), diagnostics);
  if (!policy) return;
  policy->linked = true;
  module.policies.push_back(std::move(*policy));
}

// A policy of some file on its way. Ids are taken in order and bodies are lowered independently, so each has what was
// reported about it for itself.
struct Slot {
  const ast::PolicyFile* file;
  const ast::Policy* from;
  bool is_template;
  std::optional<std::string> id;
  std::optional<Policy> lowered;
  Diagnostics diagnostics;

  void lower() {
    if (!id) return;
    if (is_template) lowered = lower_policy(*file, without_slots(*from), *id, diagnostics);
    else lowered = lower_policy(*file, *from, *id, diagnostics);
  }
};

}  // namespace

void lower_policies(const std::vector<ast::PolicyFile>& files, Module& module, Diagnostics& diagnostics, std::size_t jobs) {
  constexpr std::size_t least = 512;   // policies for a thread of their own
  PolicyIds ids;
  Templates templates;
  std::vector<Slot> slots;
  for (const ast::PolicyFile& file : files) {
    for (const ast::Policy& from : file.policies) {
      Slot& slot = slots.emplace_back(Slot{&file, &from, from.is_template(), {}, {}, {}});
      slot.id = ids.take(from, slots.size() - 1, slot.diagnostics);
      if (slot.id && slot.is_template) templates.emplace(*slot.id, Template{&file, &from});
    }
  }
  run_jobs(job_count(jobs, slots.size(), least), slots.size(), [&](std::size_t, std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i) slots[i].lower();
  });
  module.policies.reserve(module.policies.size() + slots.size());
  for (Slot& slot : slots) {
    diagnostics.append(std::move(slot.diagnostics));
    if (slot.lowered) (slot.is_template ? module.templates : module.policies).push_back(std::move(*slot.lowered));
  }
  for (const ast::PolicyFile& file : files) {
    for (const ast::TemplateLink& link : file.links) lower_link(link, templates, ids, module, diagnostics);
  }
}

}  // namespace kerf
