#include "est.h"

namespace kerf::test {

using nlohmann::json;
using namespace kerf::ast;

namespace {

const char* name_of(BinaryOp op) {
  switch (op) {
    case BinaryOp::or_: return "||";
    case BinaryOp::and_: return "&&";
    case BinaryOp::eq: return "==";
    case BinaryOp::not_eq_: return "!=";
    case BinaryOp::less: return "<";
    case BinaryOp::less_eq: return "<=";
    case BinaryOp::greater: return ">";
    case BinaryOp::greater_eq: return ">=";
    case BinaryOp::in: return "in";
    case BinaryOp::add: return "+";
    case BinaryOp::sub: return "-";
    case BinaryOp::mul: return "*";
  }
  return "";
}

const char* name_of(Var var) {
  switch (var) {
    case Var::principal: return "principal";
    case Var::action: return "action";
    case Var::resource: return "resource";
    case Var::context: return "context";
  }
  return "";
}

const char* name_of(SlotName slot) { return slot == SlotName::principal ? "?principal" : "?resource"; }

json uid(const EntityRef& e) { return {{"type", e.type.text}, {"id", e.id}}; }

json pattern(const LikePattern& p) {
  json out = json::array();
  for (std::size_t i = 0; i < p.pieces.size(); ++i) {
    if (i != 0) out.push_back("Wildcard");
    if (!p.pieces[i].empty()) out.push_back({{"Literal", p.pieces[i]}});
  }
  return out;
}

struct EstExpr {
  const PolicyFile& file;

  json at(ExprId id) const { return std::visit(*this, file[id].node); }
  json operator()(const BoolLit& e) const { return {{"Value", e.value}}; }
  json operator()(const LongLit& e) const { return {{"Value", e.value}}; }
  json operator()(const StringLit& e) const { return {{"Value", e.value}}; }
  json operator()(const EntityLit& e) const { return {{"Value", {{"__entity", uid(e.uid)}}}}; }
  json operator()(const VarExpr& e) const { return {{"Var", name_of(e.var)}}; }
  json operator()(const SlotExpr& e) const { return {{"Slot", name_of(e.slot.name)}}; }
  json operator()(const Not& e) const { return {{"!", {{"arg", at(e.operand)}}}}; }
  json operator()(const Negate& e) const { return {{"neg", {{"arg", at(e.operand)}}}}; }
  json operator()(const Binary& e) const { return {{name_of(e.op), {{"left", at(e.left)}, {"right", at(e.right)}}}}; }
  json operator()(const If& e) const {
    return {{"if-then-else", {{"if", at(e.condition)}, {"then", at(e.then_branch)}, {"else", at(e.else_branch)}}}};
  }
  // The golden version spells `e has a.b` out.
  json operator()(const HasAttr& e) const {
    json object = at(e.object);
    json all;
    for (const Attr& attr : e.path) {
      json has = {{"has", {{"left", object}, {"attr", attr.name}}}};
      all = all.is_null() ? has : json{{"&&", {{"left", all}, {"right", has}}}};
      object = {{".", {{"left", object}, {"attr", attr.name}}}};
    }
    return all;
  }
  json operator()(const Like& e) const { return {{"like", {{"left", at(e.object)}, {"pattern", pattern(e.pattern)}}}}; }
  json operator()(const Is& e) const {
    json body = {{"left", at(e.object)}, {"entity_type", e.type.text}};
    if (e.in) body["in"] = at(*e.in);
    return {{"is", body}};
  }
  json operator()(const GetAttr& e) const { return {{".", {{"left", at(e.object)}, {"attr", e.attr.name}}}}; }
  json operator()(const MethodCall& e) const {
    const std::string& name = e.method.name;
    if (name == "isEmpty") return {{name, {{"arg", at(e.object)}}}};
    for (const char* binary : {"contains", "containsAll", "containsAny", "getTag", "hasTag"}) {
      if (name == binary) return {{name, {{"left", at(e.object)}, {"right", at(e.args.at(0))}}}};
    }
    json args = json::array({at(e.object)});
    for (ExprId arg : e.args) args.push_back(at(arg));
    return {{name, args}};
  }
  json operator()(const FunctionCall& e) const {
    json args = json::array();
    for (ExprId arg : e.args) args.push_back(at(arg));
    return {{e.function.text, args}};
  }
  json operator()(const SetLit& e) const {
    json items = json::array();
    for (ExprId item : e.elements) items.push_back(at(item));
    return {{"Set", items}};
  }
  json operator()(const RecordLit& e) const {
    json fields = json::object();
    for (const RecordField& field : e.fields) fields[field.name.name] = at(field.value);
    return {{"Record", fields}};
  }
};

void set_operand(json& out, const EntityOrSlot& operand) {
  if (const auto* entity = std::get_if<EntityRef>(&operand)) out["entity"] = uid(*entity);
  else out["slot"] = name_of(std::get<Slot>(operand).name);
}

struct EstScope {
  json operator()(const ScopeAny&) const { return {{"op", "All"}}; }
  json operator()(const ScopeEq& s) const {
    json out = {{"op", "=="}};
    set_operand(out, s.entity);
    return out;
  }
  json operator()(const ScopeIn& s) const {
    json out = {{"op", "in"}};
    set_operand(out, s.entity);
    return out;
  }
  json operator()(const ScopeIs& s) const {
    json out = {{"op", "is"}, {"entity_type", s.type.text}};
    if (!s.in) return out;
    out["in"] = json::object();
    set_operand(out["in"], *s.in);
    return out;
  }
  json operator()(const ScopeInList& s) const {
    if (s.entities.size() == 1) return {{"op", "in"}, {"entity", uid(s.entities[0])}};
    json out = {{"op", "in"}, {"entities", json::array()}};
    for (const EntityRef& e : s.entities) out["entities"].push_back(uid(e));
    return out;
  }
};

// As the EST, but keeps how attributes were written and the path of `has`.
struct DumpExpr {
  const PolicyFile& file;

  static json attr(const Attr& a) { return {a.name, a.quoted}; }
  json at(ExprId id) const { return std::visit(*this, file[id].node); }
  json all(const std::vector<ExprId>& ids) const {
    json out = json::array();
    for (ExprId id : ids) out.push_back(at(id));
    return out;
  }
  template <class Leaf>
  json operator()(const Leaf& leaf) const { return EstExpr{file}(leaf); }
  json operator()(const Not& e) const { return {"!", at(e.operand)}; }
  json operator()(const Negate& e) const { return {"neg", at(e.operand)}; }
  json operator()(const Binary& e) const { return {name_of(e.op), at(e.left), at(e.right)}; }
  json operator()(const If& e) const { return {"if", at(e.condition), at(e.then_branch), at(e.else_branch)}; }
  json operator()(const HasAttr& e) const {
    json out = {"has", at(e.object)};
    for (const Attr& a : e.path) out.push_back(attr(a));
    return out;
  }
  json operator()(const Like& e) const { return {"like", at(e.object), e.pattern.pieces}; }
  json operator()(const Is& e) const { return {"is", at(e.object), e.type.text, e.in ? at(*e.in) : json()}; }
  json operator()(const GetAttr& e) const { return {"get", at(e.object), attr(e.attr), e.index}; }
  json operator()(const MethodCall& e) const { return {"method", at(e.object), e.method.name, all(e.args)}; }
  json operator()(const FunctionCall& e) const { return {"call", e.function.text, all(e.args)}; }
  json operator()(const SetLit& e) const { return {"set", all(e.elements)}; }
  json operator()(const RecordLit& e) const {
    json out = {"record"};
    for (const RecordField& f : e.fields) out.push_back({attr(f.name), at(f.value)});
    return out;
  }
};

json annotations(const std::vector<Annotation>& all) {
  json out = json::array();
  for (const Annotation& a : all) out.push_back({a.key, a.value ? json(*a.value) : json()});
  return out;
}

json dump(const ScopeInList& list) {
  json out = json::array();
  for (const EntityRef& e : list.entities) out.push_back(uid(e));
  return out;
}

json dump(const Scope& scope) {
  if (const auto* list = std::get_if<ScopeInList>(&scope.constraint)) return dump(*list);
  return std::visit(EstScope{}, scope.constraint);
}

struct DumpSchema {
  const SchemaFile& file;

  json at(TypeExprId id) const { return std::visit(*this, file[id].node); }
  json operator()(const TypeName& t) const { return t.name.text; }
  json operator()(const SetType& t) const { return {"Set", at(t.element)}; }
  json operator()(const RecordType& t) const {
    json out = {"record"};
    for (const AttrDecl& a : t.attrs) {
      out.push_back({a.name.name, a.name.quoted, a.required, at(a.type), annotations(a.annotations)});
    }
    return out;
  }
  static json names(const std::vector<Name>& all) {
    json out = json::array();
    for (const Name& n : all) out.push_back(n.text);
    return out;
  }
  json operator()(const EntityDecl& d) const {
    json out = {"entity", annotations(d.annotations), json::array(), names(d.parents)};
    for (const Ident& n : d.names) out[2].push_back(n.text);
    out.push_back(d.shape ? at(*d.shape) : json());
    out.push_back(d.tags ? at(*d.tags) : json());
    out.push_back(json());
    if (d.enum_ids) {
      out.back() = json::array();
      for (const Attr& id : *d.enum_ids) out.back().push_back(id.name);
    }
    return out;
  }
  json operator()(const ActionDecl& d) const {
    json out = {"action", annotations(d.annotations), json::array(), json::array()};
    for (const Attr& n : d.names) out[2].push_back({n.name, n.quoted});
    for (const ActionRef& r : d.parents) out[3].push_back({r.type ? json(r.type->text) : json(), r.id});
    if (!d.applies_to) return out;
    const AppliesTo& a = *d.applies_to;
    out.push_back({names(a.principals), names(a.resources), a.context ? at(*a.context) : json()});
    return out;
  }
  json operator()(const CommonTypeDecl& d) const { return {"type", annotations(d.annotations), d.name.text, at(d.type)}; }
};

}  // namespace

json to_est(const PolicyFile& file, ExprId expr) { return EstExpr{file}.at(expr); }

json to_est(const PolicyFile& file, const Policy& policy) {
  json out = {{"effect", policy.effect == Effect::permit ? "permit" : "forbid"},
              {"principal", std::visit(EstScope{}, policy.principal.constraint)},
              {"action", std::visit(EstScope{}, policy.action.constraint)},
              {"resource", std::visit(EstScope{}, policy.resource.constraint)},
              {"conditions", json::array()}};
  for (const Condition& c : policy.conditions) {
    out["conditions"].push_back({{"kind", c.unless ? "unless" : "when"}, {"body", to_est(file, c.expr)}});
  }
  if (policy.annotations.empty()) return out;
  out["annotations"] = json::object();
  for (const Annotation& a : policy.annotations) out["annotations"][a.key] = a.value ? json(*a.value) : json();
  return out;
}

json dump(const PolicyFile& file, ExprId expr) { return DumpExpr{file}.at(expr); }

json dump(const PolicyFile& file) {
  json out = json::array();
  for (const Policy& p : file.policies) {
    json conditions = json::array();
    for (const Condition& c : p.conditions) conditions.push_back({c.unless, dump(file, c.expr)});
    out.push_back({p.effect == Effect::permit, annotations(p.annotations), dump(p.principal), dump(p.action),
                   dump(p.resource), conditions});
  }
  return out;
}

json dump(const SchemaFile& file) {
  json out = json::array();
  for (const Namespace& ns : file.namespaces) {
    json decls = json::array();
    for (const SchemaDecl& d : ns.decls) decls.push_back(std::visit(DumpSchema{file}, d));
    out.push_back({ns.name ? json(ns.name->text) : json(), annotations(ns.annotations), decls});
  }
  return out;
}

}  // namespace kerf::test
