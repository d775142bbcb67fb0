// Policies to Cedar's JSON format. Operands become members, so the tree nests twice as deep as the policy; depth is
// bounded before anything recurses.
#include <algorithm>

#include "frontend/ast/text.h"
#include "frontend/json/policies.h"

namespace kerf {
namespace {

using namespace ast;

Json uid(const EntityRef& e) { return {{"type", e.type.text}, {"id", e.id}}; }

// `{key: value}`; braces would make an array of two strings.
Json one(std::string_view key, Json value) {
  Json out = Json::object();
  out.emplace(std::string(key), std::move(value));
  return out;
}

// Every character of its own, as the official tools write it.
Json pattern(const LikePattern& p) {
  Json out = Json::array();
  for (std::size_t i = 0; i < p.pieces.size(); ++i) {
    if (i != 0) out.push_back("Wildcard");
    const std::string& piece = p.pieces[i];
    for (std::size_t at = 0; at < piece.size();) {
      std::size_t end = at + 1;
      while (end < piece.size() && (static_cast<unsigned char>(piece[end]) & 0xc0) == 0x80) ++end;
      out.push_back(one("Literal", piece.substr(at, end - at)));
      at = end;
    }
  }
  return out;
}

struct ExprWriter {
  const PolicyFile& file;

  Json at(ExprId id) const { return std::visit(*this, file[id].node); }
  Json all(const std::vector<ExprId>& ids) const {
    Json out = Json::array();
    for (ExprId id : ids) out.push_back(at(id));
    return out;
  }
  static Json pair(std::string_view key, Json left, Json right) {
    return one(key, {{"left", std::move(left)}, {"right", std::move(right)}});
  }
  static Json arg(std::string_view key, Json operand) { return one(key, one("arg", std::move(operand))); }

  Json operator()(const BoolLit& e) const { return one("Value", e.value); }
  Json operator()(const LongLit& e) const { return one("Value", e.value); }
  Json operator()(const StringLit& e) const { return one("Value", e.value); }
  Json operator()(const EntityLit& e) const { return one("Value", one("__entity", uid(e.uid))); }
  Json operator()(const VarExpr& e) const { return one("Var", text_of(e.var)); }
  Json operator()(const SlotExpr& e) const { return one("Slot", text_of(e.slot.name)); }
  Json operator()(const Not& e) const { return arg("!", at(e.operand)); }
  Json operator()(const Negate& e) const { return arg("neg", at(e.operand)); }
  Json operator()(const Binary& e) const { return pair(text_of(e.op), at(e.left), at(e.right)); }
  Json operator()(const If& e) const {
    return one("if-then-else", {{"if", at(e.condition)}, {"then", at(e.then_branch)}, {"else", at(e.else_branch)}});
  }
  Json operator()(const HasAttr& e) const {
    Json object = at(e.object), all;
    for (const Attr& attr : e.path) {
      Json has = one("has", {{"left", object}, {"attr", attr.name}});
      all = all.is_null() ? std::move(has) : pair("&&", std::move(all), std::move(has));
      object = one(".", {{"left", std::move(object)}, {"attr", attr.name}});
    }
    return all;
  }
  Json operator()(const Like& e) const { return one("like", {{"left", at(e.object)}, {"pattern", pattern(e.pattern)}}); }
  Json operator()(const Is& e) const {
    Json body = {{"left", at(e.object)}, {"entity_type", e.type.text}};
    if (e.in) body["in"] = at(*e.in);
    return one("is", std::move(body));
  }
  Json operator()(const GetAttr& e) const { return one(".", {{"left", at(e.object)}, {"attr", e.attr.name}}); }
  Json operator()(const MethodCall& e) const {
    const std::string& name = e.method.name;
    if (name == "isEmpty") return arg(name, at(e.object));
    for (const char* binary : {"contains", "containsAll", "containsAny", "getTag", "hasTag"}) {
      if (name == binary) return pair(name, at(e.object), at(e.args.at(0)));
    }
    Json args = Json::array({at(e.object)});
    for (ExprId id : e.args) args.push_back(at(id));
    return one(name, std::move(args));
  }
  Json operator()(const FunctionCall& e) const { return one(e.function.text, all(e.args)); }
  Json operator()(const SetLit& e) const { return one("Set", all(e.elements)); }
  Json operator()(const RecordLit& e) const {
    Json fields = Json::object();
    for (const RecordField& field : e.fields) fields[field.name.name] = at(field.value);
    return one("Record", std::move(fields));
  }
};

void set_operand(Json& out, const EntityOrSlot& operand) {
  if (const auto* entity = std::get_if<EntityRef>(&operand)) out["entity"] = uid(*entity);
  else out["slot"] = text_of(std::get<Slot>(operand).name);
}

struct ScopeWriter {
  Json with(const char* op, const EntityOrSlot& operand) const {
    Json out = one("op", op);
    set_operand(out, operand);
    return out;
  }
  Json operator()(const ScopeAny&) const { return one("op", "All"); }
  Json operator()(const ScopeEq& s) const { return with("==", s.entity); }
  Json operator()(const ScopeIn& s) const { return with("in", s.entity); }
  Json operator()(const ScopeIs& s) const {
    Json out = {{"op", "is"}, {"entity_type", s.type.text}};
    if (!s.in) return out;
    out["in"] = Json::object();
    set_operand(out["in"], *s.in);
    return out;
  }
  Json operator()(const ScopeInList& s) const {
    if (s.entities.size() == 1) return {{"op", "in"}, {"entity", uid(s.entities[0])}};
    Json out = {{"op", "in"}, {"entities", Json::array()}};
    for (const EntityRef& e : s.entities) out["entities"].push_back(uid(e));
    return out;
  }
};

// The ids that an expression holds; all smaller than its own, since operands are stored first.
struct Operands {
  std::vector<ExprId> operator()(const BoolLit&) const { return {}; }
  std::vector<ExprId> operator()(const LongLit&) const { return {}; }
  std::vector<ExprId> operator()(const StringLit&) const { return {}; }
  std::vector<ExprId> operator()(const EntityLit&) const { return {}; }
  std::vector<ExprId> operator()(const VarExpr&) const { return {}; }
  std::vector<ExprId> operator()(const SlotExpr&) const { return {}; }
  std::vector<ExprId> operator()(const Not& e) const { return {e.operand}; }
  std::vector<ExprId> operator()(const Negate& e) const { return {e.operand}; }
  std::vector<ExprId> operator()(const Binary& e) const { return {e.left, e.right}; }
  std::vector<ExprId> operator()(const If& e) const { return {e.condition, e.then_branch, e.else_branch}; }
  std::vector<ExprId> operator()(const HasAttr& e) const { return {e.object}; }
  std::vector<ExprId> operator()(const Like& e) const { return {e.object}; }
  std::vector<ExprId> operator()(const Is& e) const { return e.in ? std::vector{e.object, *e.in} : std::vector{e.object}; }
  std::vector<ExprId> operator()(const GetAttr& e) const { return {e.object}; }
  std::vector<ExprId> operator()(const FunctionCall& e) const { return e.args; }
  std::vector<ExprId> operator()(const SetLit& e) const { return e.elements; }
  std::vector<ExprId> operator()(const MethodCall& e) const {
    std::vector<ExprId> all = e.args;
    all.push_back(e.object);
    return all;
  }
  std::vector<ExprId> operator()(const RecordLit& e) const {
    std::vector<ExprId> all;
    for (const RecordField& field : e.fields) all.push_back(field.value);
    return all;
  }
};

// Does some condition nest deeper than its JSON form may? Depths are counted over the whole store, first to last.
class Depths {
 public:
  explicit Depths(const PolicyFile& file) : depth_(file.exprs.size(), 1) {
    for (std::size_t i = 0; i < file.exprs.size(); ++i) {
      for (ExprId id : std::visit(Operands{}, file.exprs[i].node)) {
        check(id.index < i, "operands are stored before what uses them");
        depth_[i] = std::max(depth_[i], depth_[id.index] + 1);
      }
      if (const auto* has = std::get_if<HasAttr>(&file.exprs[i].node)) depth_[i] += has->path.size();
    }
  }
  std::size_t of(ExprId id) const { return depth_[id.index]; }

 private:
  std::vector<std::size_t> depth_;
};

constexpr std::size_t kRoundTrip = (kMaxPolicyJsonDepth - 8) / 2;   // what the reader takes, with the set around it

std::optional<Json> write_policy(const PolicyFile& file, const Policy& policy, const Depths& depths, Diagnostics& diagnostics) {
  Json out = {{"effect", policy.effect == ast::Effect::permit ? "permit" : "forbid"},
              {"principal", std::visit(ScopeWriter{}, policy.principal.constraint)},
              {"action", std::visit(ScopeWriter{}, policy.action.constraint)},
              {"resource", std::visit(ScopeWriter{}, policy.resource.constraint)},
              {"conditions", Json::array()}};
  for (const Condition& c : policy.conditions) {
    if (depths.of(c.expr) > kRoundTrip) {
      diagnostics.report(Code::K8001, c.span, kRoundTrip);
      return std::nullopt;
    }
    out["conditions"].push_back({{"kind", c.unless ? "unless" : "when"}, {"body", ExprWriter{file}.at(c.expr)}});
  }
  if (policy.annotations.empty()) return out;
  out["annotations"] = Json::object();
  for (const Annotation& a : policy.annotations) out["annotations"][a.key] = a.value ? Json(*a.value) : Json();
  return out;
}

}  // namespace

std::string policy_id(const Policy& policy, std::size_t position) {
  if (policy.id) return *policy.id;
  for (const Annotation& a : policy.annotations) {
    if (a.key == "id" && a.value && !a.value->empty()) return *a.value;
  }
  return fmt::format("policy{}", position);
}

std::optional<Json> policy_to_json(const PolicyFile& file, const Policy& policy, Diagnostics& diagnostics) {
  return write_policy(file, policy, Depths(file), diagnostics);
}

std::optional<Json> policy_set_to_json(const std::vector<PolicyFile>& files, Diagnostics& diagnostics) {
  Json out = {{"staticPolicies", Json::object()}, {"templates", Json::object()}, {"templateLinks", Json::array()}};
  std::size_t position = 0;
  bool good = true;
  for (const PolicyFile& file : files) {
    Depths depths(file);
    for (const Policy& policy : file.policies) {
      std::optional<Json> body = write_policy(file, policy, depths, diagnostics);
      std::string id = policy_id(policy, position++);
      bool taken = out["staticPolicies"].contains(id) || out["templates"].contains(id);
      if (taken) diagnostics.report(Code::K3002, policy.effect_span, id);
      good = good && body && !taken;
      if (good) out[policy.is_template() ? "templates" : "staticPolicies"][id] = std::move(*body);
    }
    for (const TemplateLink& link : file.links) {
      Json values = Json::object();
      if (link.principal) values["?principal"] = uid(*link.principal);
      if (link.resource) values["?resource"] = uid(*link.resource);
      out["templateLinks"].push_back({{"templateId", link.template_id}, {"newId", link.id}, {"values", std::move(values)}});
    }
  }
  if (!good) return std::nullopt;
  return out;
}

Json links_to_json(const std::vector<TemplateLink>& links) {
  Json out = Json::array();
  for (const TemplateLink& link : links) {
    Json args = Json::object();
    auto text = [](const EntityRef& e) { return to_text(EntityUid{e.type.text, e.id}); };
    if (link.principal) args["?principal"] = text(*link.principal);
    if (link.resource) args["?resource"] = text(*link.resource);
    out.push_back({{"template_id", link.template_id}, {"link_id", link.id}, {"args", std::move(args)}});
  }
  return out;
}

}  // namespace kerf
