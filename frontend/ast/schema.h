// A Cedar schema as written (human-readable syntax; the JSON form is read into the same tree).
#pragma once
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "frontend/ast/policy.h"

namespace kerf::ast {

struct TypeTag;
using TypeExprId = Id<TypeTag>;

// Text leaves open what a name is; the JSON form can say it. builtin: Bool, Long, String.
enum class NameKind { any, builtin, extension, entity, common };
struct TypeName { Name name; NameKind kind = NameKind::any; };
struct SetType { TypeExprId element; };
struct AttrDecl {
  Attr name;
  bool required = true;
  TypeExprId type;
  std::vector<Annotation> annotations;
};
struct RecordType { std::vector<AttrDecl> attrs; };
struct TypeExpr {
  std::variant<TypeName, SetType, RecordType> node;
  Span span;
};

struct Ident { std::string text; Span span; };

struct EntityDecl {
  std::vector<Annotation> annotations;
  std::vector<Ident> names;                 // `entity A, B …`
  std::vector<Name> parents;
  std::optional<TypeExprId> shape;          // a RecordType in text; JSON may name a common type
  std::optional<TypeExprId> tags;
  std::optional<std::vector<Attr>> enum_ids;
  Span span;
};

struct ActionRef {
  std::optional<Name> type;                 // `N::Action`, absent for a bare name
  std::string id;
  Span span;
};

struct AppliesTo {
  std::vector<Name> principals, resources;
  std::optional<TypeExprId> context;        // RecordType or TypeName
  Span span;
};

struct ActionDecl {
  std::vector<Annotation> annotations;
  std::vector<Attr> names;
  std::vector<ActionRef> parents;
  std::optional<AppliesTo> applies_to;
  Span span;
};

struct CommonTypeDecl {
  std::vector<Annotation> annotations;
  Ident name;
  TypeExprId type;
  Span span;
};

using SchemaDecl = std::variant<EntityDecl, ActionDecl, CommonTypeDecl>;

struct Namespace {
  std::optional<Name> name;                 // none: declarations outside of any namespace
  std::vector<Annotation> annotations;
  std::vector<SchemaDecl> decls;
  Span span;
};

struct SchemaFile {
  SourceId source;
  std::vector<TypeExpr> types;
  std::vector<Namespace> namespaces;        // source order; the unnamed one first if it has declarations

  const TypeExpr& operator[](TypeExprId id) const { return types.at(id.index); }
  TypeExprId add(TypeExpr type) {
    types.push_back(std::move(type));
    return TypeExprId(types.size() - 1);
  }
};

// Canonical text: see print_schema.cpp. A shape that is no RecordType has no text (check_text_form in frontend/json).
std::string print(const SchemaFile& file);

}  // namespace kerf::ast
