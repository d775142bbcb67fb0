// JSON to a policy file. What a set stores as static must have no slot, what it stores as template must have one.
#include <algorithm>

#include "frontend/json/policies.h"
#include "frontend/json/read_expressions.h"
#include "ir/values/value.h"

namespace kerf {
namespace {

enum class Stored { either, static_policy, template_ };

class PolicyReader {
 public:
  PolicyReader(const JsonText& json, ast::PolicyFile& file, Diagnostics& diagnostics)
      : form_(json, diagnostics), file_(file), expressions_(form_, file), diagnostics_(diagnostics) {}

  void read(JsonId root) {
    if (!form_.is(root, JsonKind::object, "a policy or a policy set")) return;
    bool set = false;
    for (const char* field : {"staticPolicies", "templates", "templateLinks"}) set = set || form_.optional(root, field).valid();
    if (set) read_set(root);
    else read_policy(root, std::nullopt, Stored::either);
  }

 private:
  void read_set(JsonId root) {
    form_.object(root, "a policy set", {"staticPolicies", "templates", "templateLinks"});
    read_all(form_.optional(root, "staticPolicies"), Stored::static_policy);
    read_all(form_.optional(root, "templates"), Stored::template_);
    JsonId links = form_.optional(root, "templateLinks");
    if (!links.valid() || !form_.is(links, JsonKind::array, "an array of links")) return;
    for (JsonId link = form_.node(links).first; link.valid(); link = form_.node(link).next) read_link(link);
  }

  void read_all(JsonId policies, Stored stored) {
    if (!policies.valid() || !form_.is(policies, JsonKind::object, "an object of policies by id")) return;
    for (JsonId policy = form_.node(policies).first; policy.valid(); policy = form_.node(policy).next) {
      read_policy(policy, std::string(form_.node(policy).key), stored);
    }
  }

  void read_policy(JsonId id, std::optional<std::string> policy_id, Stored stored) {
    std::size_t errors = diagnostics_.error_count();
    std::size_t mark = file_.exprs.size();
    ast::Policy policy;
    policy.id = std::move(policy_id);
    policy.span = form_.span(id);
    fill(id, policy);
    if (diagnostics_.error_count() == errors) check_stored(id, policy, stored);
    if (diagnostics_.error_count() == errors) file_.policies.push_back(std::move(policy));
    else file_.exprs.erase(file_.exprs.begin() + static_cast<std::ptrdiff_t>(mark), file_.exprs.end());
  }

  void fill(JsonId id, ast::Policy& policy) {
    if (!form_.object(id, "a policy", {"effect", "principal", "action", "resource", "conditions", "annotations"})) return;
    if (JsonId effect = form_.required(id, "effect"); effect.valid()) {
      policy.effect_span = form_.span(effect);
      auto index = form_.one_of(effect, "an effect", {"permit", "forbid"});
      policy.effect = index.value_or(0) == 0 ? ast::Effect::permit : ast::Effect::forbid;
    }
    if (JsonId scope = form_.required(id, "principal"); scope.valid()) policy.principal = read_scope(scope, ast::Var::principal);
    if (JsonId scope = form_.required(id, "action"); scope.valid()) policy.action = read_action(scope);
    if (JsonId scope = form_.required(id, "resource"); scope.valid()) policy.resource = read_scope(scope, ast::Var::resource);
    policy.annotations = form_.annotations(id);
    std::sort(policy.annotations.begin(), policy.annotations.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
    JsonId conditions = form_.required(id, "conditions");
    if (!conditions.valid() || !form_.is(conditions, JsonKind::array, "an array of conditions")) return;
    for (JsonId condition = form_.node(conditions).first; condition.valid(); condition = form_.node(condition).next) {
      read_condition(condition, policy);
    }
  }

  void read_condition(JsonId id, ast::Policy& policy) {
    if (!form_.object(id, "a condition", {"kind", "body"})) return;
    JsonId kind = form_.required(id, "kind"), body = form_.required(id, "body");
    if (!kind.valid() || !body.valid()) return;
    auto index = form_.one_of(kind, "a kind of condition", {"when", "unless"});
    ast::ExprId expr = expressions_.read(body);
    if (index && expr.valid()) policy.conditions.push_back({*index == 1, expr, form_.span(id)});
  }

  // "entity" or "slot" of a scope.
  std::optional<ast::EntityOrSlot> read_operand(JsonId scope, ast::Var variable) {
    JsonId slot = form_.optional(scope, "slot"), entity = form_.optional(scope, "entity");
    if (entity.valid()) {
      form_.warn_others(scope, "a scope with an entity", {"op", "entity"});
      if (auto uid = form_.entity(entity)) return ast::EntityOrSlot(std::move(*uid));
      return std::nullopt;
    }
    if (!slot.valid()) {
      if (form_.object(scope, "a scope", {"op", "entity", "slot"})) form_.required(scope, "entity");
      return std::nullopt;
    }
    form_.warn_others(scope, "a scope with a slot", {"op", "slot"});
    auto index = form_.one_of(slot, "a slot", {"?principal", "?resource"});
    if (!index) return std::nullopt;
    ast::SlotName name = *index == 0 ? ast::SlotName::principal : ast::SlotName::resource;
    bool fits = (name == ast::SlotName::principal) == (variable == ast::Var::principal);
    if (!fits) {
      std::string_view here = variable == ast::Var::principal ? "principal" : "resource";
      form_.report(Code::K1113, form_.span(slot), form_.node(slot).text, here).with_help(fmt::format("the slot here is `?{}`", here));
      return std::nullopt;
    }
    return ast::EntityOrSlot(ast::Slot{name, form_.span(slot)});
  }

  ast::Scope read_scope(JsonId id, ast::Var variable) {
    ast::Scope scope{ast::ScopeAny{}, form_.span(id)};
    if (!form_.is(id, JsonKind::object, "a scope")) return scope;
    JsonId op = form_.required(id, "op");
    auto index = op.valid() ? form_.one_of(op, "an operator of a scope", {"All", "all", "==", "in", "is"}) : std::nullopt;
    if (!index) return scope;
    if (*index <= 1) {
      form_.warn_others(id, "a scope without constraint", {"op"});
    } else if (*index <= 3) {
      auto operand = read_operand(id, variable);
      if (operand && *index == 2) scope.constraint = ast::ScopeEq{std::move(*operand)};
      else if (operand) scope.constraint = ast::ScopeIn{std::move(*operand)};
    } else {
      read_type_scope(id, variable, scope);
    }
    return scope;
  }

  void read_type_scope(JsonId id, ast::Var variable, ast::Scope& scope) {
    if (!form_.object(id, "a scope with `is`", {"op", "entity_type", "in"})) return;
    JsonId type = form_.required(id, "entity_type"), in = form_.optional(id, "in");
    std::optional<ast::Name> name = type.valid() ? form_.name(type) : std::nullopt;
    std::optional<ast::EntityOrSlot> group;
    bool nothing = in.valid() && form_.node(in).kind == JsonKind::null;
    if (in.valid() && !nothing && form_.is(in, JsonKind::object, "an object with `entity` or `slot`")) group = read_operand(in, variable);
    if (name) scope.constraint = ast::ScopeIs{std::move(*name), std::move(group)};
  }

  ast::Scope read_action(JsonId id) {
    ast::Scope scope{ast::ScopeAny{}, form_.span(id)};
    if (!form_.is(id, JsonKind::object, "a scope")) return scope;
    JsonId op = form_.required(id, "op");
    auto index = op.valid() ? form_.one_of(op, "an operator of the action's scope", {"All", "all", "==", "in"}) : std::nullopt;
    if (!index) return scope;
    if (*index <= 1) {
      form_.warn_others(id, "a scope without constraint", {"op"});
      return scope;
    }
    JsonId one = form_.optional(id, "entity"), many = *index == 3 && !one.valid() ? form_.optional(id, "entities") : JsonId();
    if (!many.valid()) {
      if (JsonId slot = form_.optional(id, "slot"); slot.valid() && !one.valid()) {
        form_.report(Code::K1113, form_.span(slot), form_.node(slot).text, "action").with_help("actions have no slot");
        return scope;
      }
      if (one.valid()) form_.warn_others(id, "a scope of the action", {"op", "entity"});
      else if (!form_.object(id, "a scope of the action", {"op", "entity"})) return scope;
      JsonId entity = form_.required(id, "entity");
      std::optional<ast::EntityRef> uid = entity.valid() ? action(entity) : std::nullopt;
      if (uid && *index == 2) scope.constraint = ast::ScopeEq{std::move(*uid)};
      else if (uid) scope.constraint = ast::ScopeIn{std::move(*uid)};
      return scope;
    }
    form_.warn_others(id, "a scope of the action", {"op", "entities"});
    if (!form_.is(many, JsonKind::array, "an array of actions")) return scope;
    ast::ScopeInList list;
    for (JsonId entity = form_.node(many).first; entity.valid(); entity = form_.node(entity).next) {
      if (auto uid = action(entity)) list.entities.push_back(std::move(*uid));
    }
    scope.constraint = std::move(list);
    return scope;
  }

  std::optional<ast::EntityRef> action(JsonId id) {
    std::optional<ast::EntityRef> uid = form_.entity(id);
    if (!uid || uid->type.text == "Action" || uid->type.text.ends_with("::Action")) return uid;
    form_.report(Code::K1115, uid->type.span, uid->type.text);
    return std::nullopt;
  }

  void check_stored(JsonId id, const ast::Policy& policy, Stored stored) {
    if (stored == Stored::static_policy && policy.is_template()) {
      const ast::Slot* slot = ast::slot_of(policy.principal);
      if (slot == nullptr) slot = ast::slot_of(policy.resource);
      form_.report(Code::K1307, slot->span).with_help("store it under `templates`");
    }
    if (stored == Stored::template_ && !policy.is_template()) {
      form_.report(Code::K1308, form_.json().open_span(id)).with_help("store it under `staticPolicies`");
    }
  }

  void read_link(JsonId id) {
    if (!form_.object(id, "a link", {"templateId", "newId", "values"})) return;
    JsonId from = form_.required(id, "templateId"), to = form_.required(id, "newId"), values = form_.required(id, "values");
    if (!from.valid() || !to.valid() || !values.valid()) return;
    std::optional<std::string> template_id = form_.string(from), link_id = form_.string(to);
    if (!form_.object(values, "the values of a link", {"?principal", "?resource"})) return;
    ast::TemplateLink link{{}, {}, {}, {}, form_.span(from), form_.span(to)};
    bool good = template_id && link_id;
    auto slot = [&](const char* name, std::optional<ast::EntityRef>& out) {
      JsonId value = form_.optional(values, name);
      if (!value.valid()) return;
      out = form_.entity(value);
      good = good && out.has_value();
    };
    slot("?principal", link.principal);
    slot("?resource", link.resource);
    if (!good) return;
    link.template_id = std::move(*template_id);
    link.id = std::move(*link_id);
    file_.links.push_back(std::move(link));
  }

  Form form_;
  ast::PolicyFile& file_;
  JsonExpressions expressions_;
  Diagnostics& diagnostics_;
};

// {"?principal": "User::\"a\"", …}
bool read_arguments(Form& form, JsonId id, ast::TemplateLink& link) {
  if (!form.object(id, "the arguments of a link", {"?principal", "?resource"})) return false;
  bool good = true;
  auto slot = [&](const char* name, std::optional<ast::EntityRef>& out) {
    JsonId value = form.optional(id, name);
    if (!value.valid()) return;
    std::optional<std::string> text = form.string(value);
    std::optional<EntityUid> uid = text ? parse_uid(*text) : std::nullopt;
    if (uid) out = ast::EntityRef{{uid->type, form.span(value)}, uid->id, form.span(value)};
    else if (text) form.report(Code::K1309, form.span(value), *text).with_help("write it as in Cedar: \"User::\\\"alice\\\"\"");
    good = good && uid.has_value();
  };
  slot("?principal", link.principal);
  slot("?resource", link.resource);
  return good;
}

std::optional<ast::TemplateLink> read_stored_link(Form& form, JsonId id) {
  if (!form.object(id, "a link", {"template_id", "link_id", "args"})) return std::nullopt;
  JsonId from = form.required(id, "template_id"), to = form.required(id, "link_id"), args = form.required(id, "args");
  if (!from.valid() || !to.valid() || !args.valid()) return std::nullopt;
  std::optional<std::string> template_id = form.string(from), link_id = form.string(to);
  if (!template_id || !link_id) return std::nullopt;
  ast::TemplateLink link{std::move(*template_id), std::move(*link_id), {}, {}, form.span(from), form.span(to)};
  if (!read_arguments(form, args, link)) return std::nullopt;
  return link;
}

}  // namespace

ast::PolicyFile read_policies_json(const Sources& sources, SourceId source, Diagnostics& diagnostics) {
  ast::PolicyFile file;
  file.source = source;
  std::optional<JsonText> json = JsonText::parse(sources, source, diagnostics, kMaxPolicyJsonDepth);
  if (json) PolicyReader(*json, file, diagnostics).read(json->root());
  return file;
}

std::vector<ast::TemplateLink> read_links_json(const Sources& sources, SourceId source, Diagnostics& diagnostics) {
  std::vector<ast::TemplateLink> links;
  std::optional<JsonText> json = JsonText::parse(sources, source, diagnostics);
  if (!json) return links;
  Form form(*json, diagnostics);
  if (!form.is(json->root(), JsonKind::array, "an array of links")) return links;
  for (JsonId id = form.node(json->root()).first; id.valid(); id = form.node(id).next) {
    if (auto link = read_stored_link(form, id)) links.push_back(std::move(*link));
  }
  return links;
}

std::optional<ast::TemplateLink> read_link_arguments(const Sources& sources, SourceId source, Diagnostics& diagnostics) {
  std::optional<JsonText> json = JsonText::parse(sources, source, diagnostics);
  if (!json) return std::nullopt;
  Form form(*json, diagnostics);
  ast::TemplateLink link;
  if (!read_arguments(form, json->root(), link)) return std::nullopt;
  return link;
}

}  // namespace kerf
