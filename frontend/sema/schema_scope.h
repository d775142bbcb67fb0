// What a schema file declares, under full names, and how its names resolve (RFC 24, RFC 70). Used inside sema only.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "frontend/ast/schema.h"
#include "ir/base/diagnostic.h"
#include "ir/types.h"
#include "ir/values/entities.h"

namespace kerf {

struct DeclaredEntity {
  const ast::EntityDecl* decl = nullptr;
  std::string space;  // namespace; empty outside of any
  Span span;          // of the name
};
struct DeclaredType {
  const ast::CommonTypeDecl* decl = nullptr;
  std::string space;
};
struct DeclaredAction {
  const ast::ActionDecl* decl = nullptr;
  std::string space;
  Span span;
};

// Keys are full names. Of a name that is declared twice the first declaration is kept.
struct SchemaScope {
  std::map<std::string, DeclaredEntity> entities;
  std::map<std::string, DeclaredType> common_types;
  std::map<EntityUid, DeclaredAction> actions;
  std::set<std::string> action_types;  // `N::Action` of every namespace that declares an action
};

// Reports duplicates, reserved type names and shadowing; what is reported is left out.
SchemaScope collect_declarations(const ast::SchemaFile& file, Diagnostics& diagnostics);

struct CommonTypeRef { std::string name; };
struct EntityTypeRef { std::string name; };
using TypeTarget = std::variant<TypeKind, CommonTypeRef, EntityTypeRef>;

// A name without `::` means the one in its namespace, else the one outside of any; common types go before entity
// types, builtins come last. `__cedar::Long` is always the builtin.
std::optional<TypeTarget> find_type(const SchemaScope& scope, const std::string& name, const std::string& space);
std::optional<TypeTarget> find_type(const SchemaScope& scope, const ast::TypeName& name, const std::string& space);
// The same, where only a common type or builtin (context), or only an entity type (parents, appliesTo) can stand.
std::optional<TypeTarget> find_common_type(const SchemaScope& scope, const std::string& name,
                                           const std::string& space);
std::optional<std::string> find_entity_type(const SchemaScope& scope, const std::string& name,
                                            const std::string& space);
std::optional<EntityUid> find_action(const SchemaScope& scope, const ast::ActionRef& ref, const std::string& space);

std::string qualify(const std::string& space, const std::string& name);  // `N::name`
const std::vector<std::string>& builtin_type_names();

}  // namespace kerf
