// A schema's syntax with every name written in full, and said to be what it resolves to. Common types stay. For the
// JSON form "with resolved types"; checks go through resolve_schema.
#include "frontend/sema/schema.h"
#include "frontend/sema/schema_scope.h"

namespace kerf {
namespace {

class NameResolver {
 public:
  NameResolver(const ast::SchemaFile& file, const SchemaScope& scope) : scope_(scope), out_(file) {}

  ast::SchemaFile run() {
    for (ast::Namespace& ns : out_.namespaces) {
      space_ = ns.name ? ns.name->text : "";
      for (ast::SchemaDecl& decl : ns.decls) std::visit([&](auto& d) { resolve(d); }, decl);
    }
    return std::move(out_);
  }

 private:
  void resolve(ast::EntityDecl& decl) {
    for (ast::Name& parent : decl.parents) resolve_entity(parent);
    if (decl.shape) resolve(*decl.shape);
    if (decl.tags) resolve(*decl.tags);
  }
  void resolve(ast::CommonTypeDecl& decl) { resolve(decl.type); }
  void resolve(ast::ActionDecl& decl) {
    for (ast::ActionRef& ref : decl.parents) {
      auto uid = find_action(scope_, ref, space_);
      check(uid.has_value(), "the schema resolves");
      ref.type = ast::Name{uid->type, ref.span};
    }
    if (!decl.applies_to) return;
    for (ast::Name& name : decl.applies_to->principals) resolve_entity(name);
    for (ast::Name& name : decl.applies_to->resources) resolve_entity(name);
    if (decl.applies_to->context) resolve(*decl.applies_to->context);
  }

  void resolve_entity(ast::Name& name) {
    auto full = find_entity_type(scope_, name.text, space_);
    check(full.has_value(), "the schema resolves");
    name.text = *full;
  }

  // A type expression belongs to one place, so it is changed where it stands.
  void resolve(ast::TypeExprId id) {
    ast::TypeExpr& expr = out_.types.at(id.index);
    if (auto* name = std::get_if<ast::TypeName>(&expr.node)) {
      auto target = find_type(scope_, *name, space_);
      check(target.has_value(), "the schema resolves");
      if (const auto* entity = std::get_if<EntityTypeRef>(&*target)) name->name.text = entity->name, name->kind = ast::NameKind::entity;
      else if (const auto* common = std::get_if<CommonTypeRef>(&*target)) name->name.text = common->name, name->kind = ast::NameKind::common;
      else if (name->kind == ast::NameKind::any) name->kind = ast::NameKind::common;   // builtins are common types there
    } else if (const auto* set = std::get_if<ast::SetType>(&expr.node)) {
      resolve(set->element);
    } else {
      for (const ast::AttrDecl& attr : std::get<ast::RecordType>(expr.node).attrs) resolve(attr.type);
    }
  }

  const SchemaScope& scope_;
  ast::SchemaFile out_;
  std::string space_;
};

}  // namespace

ast::SchemaFile resolve_names(const ast::SchemaFile& file) {
  Diagnostics ignored;   // resolve_schema has reported them
  SchemaScope scope = collect_declarations(file, ignored);
  return NameResolver(file, scope).run();
}

}  // namespace kerf
