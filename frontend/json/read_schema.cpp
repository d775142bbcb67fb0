// JSON to a schema file. Each declaration of JSON becomes one of text with one name; names keep what JSON says of them
// (an entity type, a common type, a builtin), so that they resolve to that and to nothing else.
#include <algorithm>

#include "frontend/ast/text.h"
#include "frontend/json/form.h"
#include "frontend/json/schema.h"

namespace kerf {
namespace {

class SchemaJsonReader {
 public:
  SchemaJsonReader(const JsonText& json, ast::SchemaFile& file, Diagnostics& diagnostics)
      : form_(json, diagnostics), file_(file), diagnostics_(diagnostics) {}

  void read(JsonId root) {
    if (!form_.is(root, JsonKind::object, "an object of namespaces")) return;
    std::optional<ast::Namespace> outside;
    for (JsonId id = form_.node(root).first; id.valid(); id = form_.node(id).next) {
      ast::Namespace space;
      space.span = form_.span(id);
      std::string_view name = form_.node(id).key;
      if (!name.empty()) {
        space.name = form_.name(name, form_.json().key_span(id));
        if (!space.name) continue;
      }
      read_namespace(id, space);
      if (space.name) file_.namespaces.push_back(std::move(space));
      else outside = std::move(space);
    }
    if (outside) file_.namespaces.insert(file_.namespaces.begin(), std::move(*outside));
  }

 private:
  void read_namespace(JsonId id, ast::Namespace& space) {
    if (!form_.object(id, "a namespace", {"commonTypes", "entityTypes", "actions", "annotations"})) return;
    space.annotations = form_.annotations(id);
    if (JsonId annotations = form_.optional(id, "annotations"); annotations.valid() && !space.name) {
      form_.report(Code::K2020, form_.json().key_span(annotations));
    }
    each(form_.optional(id, "commonTypes"), "an object of common types", [&](JsonId type) { read_common_type(type, space); });
    each(form_.required(id, "entityTypes"), "an object of entity types", [&](JsonId type) { read_entity(type, space); });
    each(form_.required(id, "actions"), "an object of actions", [&](JsonId action) { read_action(action, space); });
  }

  template <class Read>
  void each(JsonId object, std::string_view what, Read read) {
    if (!object.valid() || !form_.is(object, JsonKind::object, what)) return;
    for (JsonId child = form_.node(object).first; child.valid(); child = form_.node(child).next) read(child);
  }

  // The key of a declaration: one word.
  std::optional<ast::Ident> declared(JsonId id) {
    std::string_view key = form_.node(id).key;
    Span at = form_.json().key_span(id);
    if (key.find("::") != std::string_view::npos) {
      form_.report(Code::K1306, at, key).with_help("a declaration is named without its namespace");
      return std::nullopt;
    }
    if (!form_.name(key, at)) return std::nullopt;
    return ast::Ident{std::string(key), at};
  }

  void read_common_type(JsonId id, ast::Namespace& space) {
    std::optional<ast::Ident> name = declared(id);
    std::optional<ast::TypeExprId> type = read_type(id, {"annotations"});
    if (name && type) space.decls.emplace_back(ast::CommonTypeDecl{form_.annotations(id), std::move(*name), *type, form_.span(id)});
  }

  void read_entity(JsonId id, ast::Namespace& space) {
    std::optional<ast::Ident> name = declared(id);
    ast::EntityDecl decl;
    decl.span = form_.span(id);
    bool is_enum = form_.node(id).kind == JsonKind::object && form_.optional(id, "enum").valid();
    bool good = is_enum ? form_.object(id, "an enumerated entity type", {"enum", "annotations"})
                        : form_.object(id, "an entity type", {"memberOfTypes", "shape", "tags", "annotations"});
    if (!good) return;
    decl.annotations = form_.annotations(id);
    if (is_enum) read_enum(form_.optional(id, "enum"), decl);
    list(form_.optional(id, "memberOfTypes"), "an array of entity types", [&](JsonId parent) {
      if (auto type = form_.name(parent)) decl.parents.push_back(std::move(*type));
    });
    if (JsonId shape = form_.optional(id, "shape"); shape.valid()) decl.shape = read_type(shape, {});
    if (JsonId tags = form_.optional(id, "tags"); tags.valid()) decl.tags = read_type(tags, {});
    if (!name) return;
    decl.names.push_back(std::move(*name));
    space.decls.emplace_back(std::move(decl));
  }

  void read_enum(JsonId ids, ast::EntityDecl& decl) {
    decl.enum_ids.emplace();
    list(ids, "an array of ids", [&](JsonId id) {
      if (auto text = form_.string(id)) decl.enum_ids->push_back({std::move(*text), true, form_.span(id)});
    });
    if (form_.node(ids).kind == JsonKind::array && !form_.node(ids).first.valid()) {
      form_.report(Code::K1301, form_.span(ids), "an id or more", "an empty array");
    }
  }

  template <class Read>
  void list(JsonId array, std::string_view what, Read read) {
    if (!array.valid() || !form_.is(array, JsonKind::array, what)) return;
    for (JsonId item = form_.node(array).first; item.valid(); item = form_.node(item).next) read(item);
  }

  static bool is_null(const Form& form, JsonId id) { return form.node(id).kind == JsonKind::null; }

  void read_action(JsonId id, ast::Namespace& space) {
    if (form_.node(id).kind == JsonKind::object) {
      if (JsonId attributes = form_.optional(id, "attributes"); attributes.valid() && !is_null(form_, attributes)) {
        form_.report(Code::K2019, form_.json().key_span(attributes), form_.node(id).key);
        return;
      }
    }
    if (!form_.object(id, "an action", {"appliesTo", "memberOf", "annotations", "attributes"})) return;
    ast::ActionDecl decl;
    decl.span = form_.span(id);
    decl.annotations = form_.annotations(id);
    decl.names.push_back({std::string(form_.node(id).key), true, form_.json().key_span(id)});
    if (JsonId parents = form_.optional(id, "memberOf"); parents.valid() && !is_null(form_, parents)) {
      list(parents, "an array of actions", [&](JsonId parent) { read_parent(parent, decl); });
    }
    if (JsonId applies = form_.optional(id, "appliesTo"); applies.valid() && !is_null(form_, applies)) read_applies_to(applies, decl);
    space.decls.emplace_back(std::move(decl));
  }

  void read_parent(JsonId id, ast::ActionDecl& decl) {
    if (!form_.object(id, "an action", {"id", "type"})) return;
    JsonId name = form_.required(id, "id"), type = form_.optional(id, "type");
    std::optional<std::string> text = name.valid() ? form_.string(name) : std::nullopt;
    if (!text) return;
    ast::ActionRef ref{std::nullopt, std::move(*text), form_.span(id)};
    if (type.valid() && !is_null(form_, type)) {
      ref.type = form_.name(type);
      if (!ref.type) return;
    }
    decl.parents.push_back(std::move(ref));
  }

  void read_applies_to(JsonId id, ast::ActionDecl& decl) {
    if (!form_.object(id, "what an action applies to", {"principalTypes", "resourceTypes", "context"})) return;
    ast::AppliesTo applies;
    applies.span = form_.span(id);
    auto types = [&](const char* field, std::vector<ast::Name>& out) {
      list(form_.required(id, field), "an array of entity types", [&](JsonId type) {
        if (auto name = form_.name(type)) out.push_back(std::move(*name));
      });
    };
    types("principalTypes", applies.principals);
    types("resourceTypes", applies.resources);
    if (JsonId context = form_.optional(id, "context"); context.valid()) applies.context = read_type(context, {});
    decl.applies_to = std::move(applies);
  }

  // Types ---------------------------------------------------------------------------------------------------------

  std::optional<ast::TypeExprId> add(ast::TypeExpr type) { return file_.add(std::move(type)); }

  // Fields that the place has beside those of the type.
  using Beside = std::initializer_list<std::string_view>;

  bool only(JsonId id, std::initializer_list<std::string_view> fields, Beside beside) {
    bool good = true;
    for (JsonId child = form_.node(id).first; child.valid(); child = form_.node(child).next) {
      std::string_view key = form_.node(child).key;
      auto within = [&](auto& words) { return std::find(words.begin(), words.end(), key) != words.end(); };
      if (key == "type" || within(fields) || within(beside)) continue;
      form_.report(Code::K1303, form_.json().key_span(child), key, "this type");
      good = false;
    }
    return good;
  }

  std::optional<ast::TypeExprId> read_type(JsonId id, Beside beside) {
    if (!form_.is(id, JsonKind::object, "a type (an object with `type`)")) return std::nullopt;
    JsonId kind = form_.required(id, "type");
    std::optional<std::string> name = kind.valid() ? form_.string(kind) : std::nullopt;
    if (!name) return std::nullopt;
    if (*name == "Record") return read_record(id, beside);
    if (*name == "Set") return read_set(id, beside);
    if (*name == "Entity") return read_named(id, ast::NameKind::entity, beside);
    if (*name == "EntityOrCommon") return read_named(id, ast::NameKind::any, beside);
    if (*name == "Extension") return read_named(id, ast::NameKind::extension, beside);
    if (!only(id, {}, beside)) return std::nullopt;
    Span at = form_.span(kind);
    for (const char* builtin : {"Long", "String", "Boolean"}) {   // "Bool" is a common type, as in text
      if (*name != builtin) continue;
      std::string text = *name == "Boolean" ? "Bool" : *name;
      return add({ast::TypeName{{std::move(text), at}, ast::NameKind::builtin}, form_.span(id)});
    }
    std::optional<ast::Name> common = form_.name(kind, true);
    if (!common) return std::nullopt;
    return add({ast::TypeName{std::move(*common), ast::NameKind::common}, form_.span(id)});
  }

  std::optional<ast::TypeExprId> read_named(JsonId id, ast::NameKind kind, Beside beside) {
    if (!only(id, {"name"}, beside)) return std::nullopt;
    JsonId at = form_.required(id, "name");
    std::optional<ast::Name> name = at.valid() ? form_.name(at, kind == ast::NameKind::any) : std::nullopt;
    if (!name) return std::nullopt;
    return add({ast::TypeName{std::move(*name), kind}, form_.span(id)});
  }

  std::optional<ast::TypeExprId> read_set(JsonId id, Beside beside) {
    if (!only(id, {"element"}, beside)) return std::nullopt;
    JsonId element = form_.required(id, "element");
    std::optional<ast::TypeExprId> type = element.valid() ? read_type(element, {}) : std::nullopt;
    if (!type) return std::nullopt;
    return add({ast::SetType{*type}, form_.span(id)});
  }

  std::optional<ast::TypeExprId> read_record(JsonId id, Beside beside) {
    if (!only(id, {"attributes", "additionalAttributes"}, beside)) return std::nullopt;
    if (JsonId more = form_.optional(id, "additionalAttributes"); more.valid()) {
      if (!form_.is(more, JsonKind::boolean, "true or false")) return std::nullopt;
      if (form_.node(more).boolean) return form_.report(Code::K2018, form_.span(more)), std::nullopt;
    }
    JsonId attributes = form_.required(id, "attributes");
    if (!attributes.valid() || !form_.is(attributes, JsonKind::object, "an object of attributes")) return std::nullopt;
    ast::RecordType record;
    bool good = true;
    for (JsonId attr = form_.node(attributes).first; attr.valid(); attr = form_.node(attr).next) {
      std::optional<ast::TypeExprId> type = read_type(attr, {"required", "annotations"});
      good = good && type;
      if (!type) continue;
      ast::AttrDecl decl;
      decl.name = {std::string(form_.node(attr).key), false, form_.json().key_span(attr)};
      decl.type = *type;
      decl.annotations = form_.annotations(attr);
      if (JsonId required = form_.optional(attr, "required"); required.valid()) {
        if (!form_.is(required, JsonKind::boolean, "true or false")) return std::nullopt;
        decl.required = form_.node(required).boolean;
      }
      record.attrs.push_back(std::move(decl));
    }
    if (!good) return std::nullopt;
    return add({std::move(record), form_.span(id)});
  }

  Form form_;
  ast::SchemaFile& file_;
  Diagnostics& diagnostics_;
};

}  // namespace

ast::SchemaFile read_schema_json(const Sources& sources, SourceId source, Diagnostics& diagnostics) {
  ast::SchemaFile file;
  file.source = source;
  std::optional<JsonText> json = JsonText::parse(sources, source, diagnostics);
  if (json) SchemaJsonReader(*json, file, diagnostics).read(json->root());
  return file;
}

}  // namespace kerf
