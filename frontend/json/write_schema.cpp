// A schema to JSON. Declarations with several names become several; the last of two attributes with one name counts.
#include "frontend/json/schema.h"

namespace kerf {
namespace {

using namespace ast;

void add_annotations(Json& out, const std::vector<Annotation>& annotations) {
  if (annotations.empty()) return;
  out["annotations"] = Json::object();
  for (const Annotation& a : annotations) out["annotations"][a.key] = a.value.value_or("");
}

struct TypeWriter {
  const SchemaFile& file;

  Json at(TypeExprId id) const { return std::visit(*this, file[id].node); }
  Json operator()(const TypeName& t) const {
    switch (t.kind) {
      case NameKind::any: return {{"type", "EntityOrCommon"}, {"name", t.name.text}};
      case NameKind::builtin: return {{"type", t.name.text == "Bool" ? "Boolean" : t.name.text}};
      case NameKind::extension: return {{"type", "Extension"}, {"name", t.name.text}};
      case NameKind::entity: return {{"type", "Entity"}, {"name", t.name.text}};
      case NameKind::common: return {{"type", t.name.text}};
    }
    internal_error("every kind of name has a form");
  }
  Json operator()(const SetType& t) const { return {{"type", "Set"}, {"element", at(t.element)}}; }
  Json operator()(const RecordType& t) const {
    Json attributes = Json::object();
    for (const AttrDecl& attr : t.attrs) {
      Json type = at(attr.type);
      if (!attr.required) type["required"] = false;
      add_annotations(type, attr.annotations);
      attributes[attr.name.name] = std::move(type);
    }
    return {{"type", "Record"}, {"attributes", std::move(attributes)}};
  }
};

bool is_empty_record(const SchemaFile& file, TypeExprId id) {
  const auto* record = std::get_if<RecordType>(&file[id].node);
  return record != nullptr && record->attrs.empty();
}

Json names(const std::vector<Name>& all) {
  Json out = Json::array();
  for (const Name& name : all) out.push_back(name.text);
  return out;
}

struct DeclWriter {
  const SchemaFile& file;
  Json& space;

  Json type(TypeExprId id) const { return TypeWriter{file}.at(id); }
  // A name there can only be a common type's.
  Json context(TypeExprId id) const {
    const auto* name = std::get_if<TypeName>(&file[id].node);
    return name != nullptr && name->kind == NameKind::any ? Json{{"type", name->name.text}} : type(id);
  }

  void operator()(const EntityDecl& decl) {
    Json out = Json::object();
    if (decl.enum_ids) {
      out["enum"] = Json::array();
      for (const Attr& id : *decl.enum_ids) out["enum"].push_back(id.name);
    }
    if (!decl.parents.empty()) out["memberOfTypes"] = names(decl.parents);
    if (decl.shape && !is_empty_record(file, *decl.shape)) out["shape"] = type(*decl.shape);
    if (decl.tags) out["tags"] = type(*decl.tags);
    add_annotations(out, decl.annotations);
    for (const Ident& name : decl.names) space["entityTypes"][name.text] = out;
  }

  void operator()(const ActionDecl& decl) {
    Json out = Json::object();
    Json applies = {{"principalTypes", Json::array()}, {"resourceTypes", Json::array()}};
    if (decl.applies_to) {
      applies["principalTypes"] = names(decl.applies_to->principals);
      applies["resourceTypes"] = names(decl.applies_to->resources);
      if (decl.applies_to->context && !is_empty_record(file, *decl.applies_to->context)) {
        applies["context"] = context(*decl.applies_to->context);
      }
    }
    out["appliesTo"] = std::move(applies);
    if (!decl.parents.empty()) out["memberOf"] = Json::array();
    for (const ActionRef& ref : decl.parents) {
      Json parent = {{"id", ref.id}};
      if (ref.type) parent["type"] = ref.type->text;
      out["memberOf"].push_back(std::move(parent));
    }
    add_annotations(out, decl.annotations);
    for (const Attr& name : decl.names) space["actions"][name.name] = out;
  }

  void operator()(const CommonTypeDecl& decl) {
    Json out = type(decl.type);
    add_annotations(out, decl.annotations);
    space["commonTypes"][decl.name.text] = std::move(out);
  }
};

}  // namespace

Json schema_to_json(const SchemaFile& file) {
  Json out = Json::object();
  for (const Namespace& ns : file.namespaces) {
    Json space = {{"entityTypes", Json::object()}, {"actions", Json::object()}};
    DeclWriter writer{file, space};
    for (const SchemaDecl& decl : ns.decls) std::visit(writer, decl);
    add_annotations(space, ns.annotations);
    out[ns.name ? ns.name->text : ""] = std::move(space);
  }
  return out;
}

bool check_text_form(const SchemaFile& file, Diagnostics& diagnostics) {
  std::size_t before = diagnostics.error_count();
  for (const Namespace& ns : file.namespaces) {
    std::map<std::string, Span> entities;
    for (const SchemaDecl& decl : ns.decls) {
      const auto* entity = std::get_if<EntityDecl>(&decl);
      if (entity == nullptr) continue;
      for (const Ident& name : entity->names) entities.emplace(name.text, name.span);
      bool record = !entity->shape || std::holds_alternative<RecordType>(file[*entity->shape].node);
      if (!record) diagnostics.report(Code::K1310, file[*entity->shape].span, entity->names.at(0).text);
    }
    for (const SchemaDecl& decl : ns.decls) {
      const auto* common = std::get_if<CommonTypeDecl>(&decl);
      if (common == nullptr || !ns.name || !entities.contains(common->name.text)) continue;
      diagnostics.report(Code::K1311, common->name.span, ns.name->text, common->name.text)
          .with_related(entities.at(common->name.text), "the entity type");
    }
  }
  return diagnostics.error_count() == before;
}

}  // namespace kerf
