// A schema file to tables of declared names. Every lookup goes through `candidates`: the list of full names that a
// written name may mean, in the order of RFC 24; nothing else knows about namespaces.
#include "frontend/sema/schema_scope.h"

#include <algorithm>
#include <utility>

namespace kerf {
namespace {

struct Builtin {
  std::string_view name;
  TypeKind kind;
};
constexpr Builtin kBuiltins[] = {
    {"Bool", TypeKind::boolean},   {"Long", TypeKind::long_},        {"String", TypeKind::string},
    {"decimal", TypeKind::decimal}, {"ipaddr", TypeKind::ip},         {"datetime", TypeKind::datetime},
    {"duration", TypeKind::duration},
};

std::optional<TypeKind> find_builtin(std::string_view name) {
  constexpr std::string_view prefix = "__cedar::";
  if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  for (const Builtin& builtin : kBuiltins) {
    if (builtin.name == name) return builtin.kind;
  }
  return std::nullopt;
}

bool is_type_keyword(std::string_view name) {
  constexpr std::string_view keywords[] = {"Bool", "Boolean", "Entity", "Extension", "Long", "Record", "Set", "String"};
  return std::find(std::begin(keywords), std::end(keywords), name) != std::end(keywords);
}

bool is_qualified(const std::string& name) { return name.find("::") != std::string::npos; }

std::string base_name(const std::string& name) {
  std::size_t colon = name.rfind("::");
  return colon == std::string::npos ? name : name.substr(colon + 2);
}

std::vector<std::string> candidates(const std::string& name, const std::string& space) {
  if (space.empty() || is_qualified(name)) return {name};
  return {qualify(space, name), name};
}

class Collector {
 public:
  Collector(const ast::SchemaFile& file, Diagnostics& diagnostics) : file_(file), diagnostics_(diagnostics) {}

  SchemaScope run() {
    std::map<std::string, Span> seen;
    for (const ast::Namespace& space : file_.namespaces) {
      if (space.name) check_namespace(*space.name, seen);
      const std::string name = space.name ? space.name->text : "";
      for (const ast::SchemaDecl& decl : space.decls) {
        std::visit([&](const auto& d) { declare(d, name); }, decl);
      }
    }
    check_type_shadowing();
    check_action_shadowing();
    return std::move(scope_);
  }

 private:
  void check_namespace(const ast::Name& name, std::map<std::string, Span>& seen) {
    if (name.text.empty()) return;  // refused by the parser
    auto [first, inserted] = seen.emplace(name.text, name.span);
    if (!inserted) {
      diagnostics_.report(Code::K2002, name.span, name.text)
          .with_related(first->second, "first opened here")
          .with_help("put both groups of declarations into one block");
    }
  }

  void duplicate(std::string_view what, const std::string& name, Span span, Span first) {
    diagnostics_.report(Code::K2003, span, what, name).with_related(first, "first declared here");
  }

  void warn_builtin(const std::string& name, Span span) {
    if (find_builtin(name)) {
      diagnostics_.report(Code::K2004, span, name)
          .with_help(fmt::format("the builtin is still reachable as `__cedar::{}`", name));
    }
  }

  void declare(const ast::EntityDecl& decl, const std::string& space) {
    for (const ast::Ident& ident : decl.names) {
      if (ident.text == "Action") {
        diagnostics_.report(Code::K2005, ident.span);
        continue;
      }
      warn_builtin(ident.text, ident.span);
      auto [at, inserted] = scope_.entities.emplace(qualify(space, ident.text), DeclaredEntity{&decl, space, ident.span});
      if (!inserted) duplicate("entity type", at->first, ident.span, at->second.span);
    }
  }

  void declare(const ast::CommonTypeDecl& decl, const std::string& space) {
    const ast::Ident& ident = decl.name;
    if (is_type_keyword(ident.text)) {
      diagnostics_.report(Code::K2006, ident.span, ident.text);
      return;
    }
    warn_builtin(ident.text, ident.span);
    auto [at, inserted] = scope_.common_types.emplace(qualify(space, ident.text), DeclaredType{&decl, space});
    if (!inserted) duplicate("common type", at->first, ident.span, at->second.decl->name.span);
  }

  void declare(const ast::ActionDecl& decl, const std::string& space) {
    for (const ast::Attr& name : decl.names) {
      EntityUid uid{qualify(space, "Action"), name.name};
      scope_.action_types.insert(uid.type);
      auto [at, inserted] = scope_.actions.emplace(uid, DeclaredAction{&decl, space, name.span});
      if (!inserted) duplicate("action", to_text(uid), name.span, at->second.span);
    }
  }

  // RFC 70: what is declared outside of any namespace may not be declared again inside one.
  void check_type_shadowing() {
    std::map<std::string, Span> outer;
    for (const auto& [name, declared] : scope_.entities) {
      if (!is_qualified(name)) outer.emplace(name, declared.span);
    }
    for (const auto& [name, declared] : scope_.common_types) {
      if (is_qualified(name)) continue;
      auto [at, inserted] = outer.emplace(name, declared.decl->name.span);
      if (!inserted) warn_entity(name, declared.decl->name.span, at->second);
    }
    for (const auto& [name, declared] : scope_.entities) check_inner(name, declared.span, outer);
    for (const auto& [name, declared] : scope_.common_types) {
      check_inner(name, declared.decl->name.span, outer);
      auto entity = scope_.entities.find(name);
      if (is_qualified(name) && entity != scope_.entities.end()) {
        warn_entity(name, declared.decl->name.span, entity->second.span);
      }
    }
  }

  void warn_entity(const std::string& name, Span span, Span entity) {
    diagnostics_.report(Code::K2007, span, name).with_related(entity, "the entity type");
  }

  void check_inner(const std::string& name, Span span, const std::map<std::string, Span>& outer) {
    if (!is_qualified(name)) return;
    auto shadowed = outer.find(base_name(name));
    if (shadowed == outer.end()) return;
    diagnostics_.report(Code::K2008, span, name, shadowed->first)
        .with_related(shadowed->second, "this one would be hidden")
        .with_help(fmt::format("rename one of them, or move `{}` into a namespace", shadowed->first));
  }

  void check_action_shadowing() {
    for (const auto& [uid, declared] : scope_.actions) {
      if (!is_qualified(uid.type)) continue;
      auto shadowed = scope_.actions.find(EntityUid{"Action", uid.id});
      if (shadowed == scope_.actions.end()) continue;
      diagnostics_.report(Code::K2008, declared.span, to_text(uid), to_text(shadowed->first))
          .with_related(shadowed->second.span, "this one would be hidden")
          .with_help("rename one of the actions, or move the outer one into a namespace");
    }
  }

  const ast::SchemaFile& file_;
  Diagnostics& diagnostics_;
  SchemaScope scope_;
};

}  // namespace

SchemaScope collect_declarations(const ast::SchemaFile& file, Diagnostics& diagnostics) {
  return Collector(file, diagnostics).run();
}

std::optional<TypeTarget> find_type(const SchemaScope& scope, const std::string& name, const std::string& space) {
  for (const std::string& full : candidates(name, space)) {
    if (scope.common_types.contains(full)) return CommonTypeRef{full};
    if (scope.entities.contains(full) || scope.action_types.contains(full)) return EntityTypeRef{full};
  }
  if (auto kind = find_builtin(name)) return *kind;
  return std::nullopt;
}

std::optional<TypeTarget> find_type(const SchemaScope& scope, const ast::TypeName& name, const std::string& space) {
  switch (name.kind) {
    case ast::NameKind::any: return find_type(scope, name.name.text, space);
    case ast::NameKind::common: return find_common_type(scope, name.name.text, space);
    case ast::NameKind::builtin:
    case ast::NameKind::extension: {
      auto kind = find_builtin(name.name.text);
      bool is_extension = kind && *kind != TypeKind::boolean && *kind != TypeKind::long_ && *kind != TypeKind::string;
      if (!kind || is_extension != (name.kind == ast::NameKind::extension)) return std::nullopt;
      return *kind;
    }
    case ast::NameKind::entity:
      for (const std::string& full : candidates(name.name.text, space)) {
        if (scope.entities.contains(full) || scope.action_types.contains(full)) return EntityTypeRef{full};
      }
      return std::nullopt;
  }
  internal_error("every kind of name is looked up");
}

std::optional<TypeTarget> find_common_type(const SchemaScope& scope, const std::string& name,
                                           const std::string& space) {
  for (const std::string& full : candidates(name, space)) {
    if (scope.common_types.contains(full)) return CommonTypeRef{full};
  }
  if (scope.entities.contains(name)) return std::nullopt;   // declared outside of any namespace, it hides the builtin
  if (auto kind = find_builtin(name)) return *kind;
  return std::nullopt;
}

std::optional<std::string> find_entity_type(const SchemaScope& scope, const std::string& name,
                                            const std::string& space) {
  for (const std::string& full : candidates(name, space)) {
    if (scope.entities.contains(full)) return full;
  }
  return std::nullopt;
}

std::optional<EntityUid> find_action(const SchemaScope& scope, const ast::ActionRef& ref, const std::string& space) {
  for (const std::string& type : candidates(ref.type ? ref.type->text : "Action", space)) {
    EntityUid uid{type, ref.id};
    if (scope.actions.contains(uid)) return uid;
  }
  return std::nullopt;
}

std::string qualify(const std::string& space, const std::string& name) {
  return space.empty() ? name : space + "::" + name;
}

const std::vector<std::string>& builtin_type_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const Builtin& builtin : kBuiltins) all.emplace_back(builtin.name);
    return all;
  }();
  return names;
}

}  // namespace kerf
