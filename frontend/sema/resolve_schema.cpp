// Schema syntax to the resolved schema: names become full names, common types disappear, hierarchies are closed.
// Common types are resolved in the order of their references, without recursion over them, so that a long chain of
// types costs no stack. A type that cannot be resolved becomes `never`, and is reported once.
#include "frontend/sema/schema.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "frontend/sema/kernel_binding.h"
#include "frontend/sema/schema_scope.h"

namespace kerf {
namespace {

constexpr std::size_t kMaxAncestorPairs = 1'000'000;  // over all entity types, and over all actions
constexpr std::size_t kMaxEnvironments = 1'000'000;   // over all actions
constexpr int kMaxSuggestions = 20;                   // a suggestion looks at every name

Annotations read_annotations(const std::vector<ast::Annotation>& annotations) {
  Annotations result;
  for (const ast::Annotation& annotation : annotations) {
    result.values.emplace(annotation.key, annotation.value.value_or(""));
  }
  return result;
}

class Resolver {
 public:
  Resolver(const ast::SchemaFile& file, Diagnostics& diagnostics) : file_(file), diagnostics_(diagnostics) {}

  Schema run() {
    scope_ = collect_declarations(file_, diagnostics_);
    resolve_common_types();
    for (const auto& [name, declared] : scope_.entities) resolve_entity(name, declared);
    for (const auto& [uid, declared] : scope_.actions) resolve_action(uid, declared);
    close_entity_types();
    close_actions();
    count_environments();
    bind_kernel(file_, scope_, contexts_, schema_, diagnostics_);
    return std::move(schema_);
  }

 private:
  // Names ---------------------------------------------------------------------------------------------------------

  using Names = std::vector<std::string> (Resolver::*)() const;   // made only for a suggestion

  void report_unknown(const ast::Name& name, std::string_view wanted, const std::string& space, Names candidates) {
    Diagnostic& diagnostic = diagnostics_.report(Code::K2010, name.span, name.text, wanted);
    if (name.text == "Boolean") {
      diagnostic.with_help("Cedar's text syntax says `Bool`").with_fix(name.span, "Bool");
      return;
    }
    if (suggestions_left_ > 0) {
      --suggestions_left_;
      std::vector<std::string> names = (this->*candidates)();
      auto near = closest(name.text, names);
      if (!near && !space.empty()) near = closest(qualify(space, name.text), names);
      if (near) {
        diagnostic.with_help(fmt::format("did you mean `{}`?", *near)).with_fix(name.span, *near);
        return;
      }
    }
    if (!space.empty() && name.text.find("::") == std::string::npos) {
      diagnostic.with_help(fmt::format("neither `{}` nor `{}` is declared", qualify(space, name.text), name.text));
    }
  }

  std::vector<std::string> builtin_names() const { return builtin_type_names(); }

  std::vector<std::string> entity_names() const {
    std::vector<std::string> names;
    for (const auto& [name, declared] : scope_.entities) names.push_back(name);
    return names;
  }

  std::vector<std::string> common_names() const {
    std::vector<std::string> names = builtin_type_names();
    for (const auto& [name, declared] : scope_.common_types) names.push_back(name);
    return names;
  }

  std::vector<std::string> type_names() const {
    std::vector<std::string> names = common_names();
    for (std::string& name : entity_names()) names.push_back(std::move(name));
    return names;
  }

  std::optional<std::string> entity_type(const ast::Name& name, const std::string& space) {
    auto found = find_entity_type(scope_, name.text, space);
    if (!found) report_unknown(name, "an entity type", space, &Resolver::entity_names);
    return found;
  }

  // Types ---------------------------------------------------------------------------------------------------------

  TypeId never() const { return schema_.types.simple(TypeKind::never); }

  TypeId resolve(const TypeTarget& target) {
    if (const TypeKind* kind = std::get_if<TypeKind>(&target)) return schema_.types.simple(*kind);
    if (const CommonTypeRef* ref = std::get_if<CommonTypeRef>(&target)) {
      auto found = common_.find(ref->name);
      return found == common_.end() ? never() : found->second;  // missing: part of a reported cycle
    }
    return schema_.types.entity(std::get<EntityTypeRef>(target).name);
  }

  TypeId resolve(ast::TypeExprId id, const std::string& space) {
    return std::visit([&](const auto& node) { return resolve(node, space); }, file_[id].node);
  }

  TypeId resolve(const ast::TypeName& node, const std::string& space) {
    if (auto target = find_type(scope_, node, space)) return resolve(*target);
    report_unknown(node, space);
    return never();
  }

  void report_unknown(const ast::TypeName& node, const std::string& space) {
    switch (node.kind) {
      case ast::NameKind::builtin: internal_error("builtin types are known");
      case ast::NameKind::any: return report_unknown(node.name, "a type", space, &Resolver::type_names);
      case ast::NameKind::extension: return report_unknown(node.name, "an extension type", space, &Resolver::builtin_names);
      case ast::NameKind::entity: return report_unknown(node.name, "an entity type", space, &Resolver::entity_names);
      case ast::NameKind::common: return report_unknown(node.name, "a common type", space, &Resolver::common_names);
    }
  }

  TypeId resolve(const ast::SetType& node, const std::string& space) {
    return bounded(schema_.types.set(resolve(node.element, space)), file_[node.element].span);
  }

  // What nests too deep is reported once, at the innermost place; every pass may recurse over the rest.
  TypeId bounded(TypeId type, Span span) {
    if (schema_.types.depth(type) <= kMaxTypeDepth) return type;
    if (!std::exchange(too_deep_, true)) {
      diagnostics_.report(Code::K8001, span, kMaxTypeDepth).with_note("common types are written out");
    }
    return never();
  }

  TypeId resolve(const ast::RecordType& node, const std::string& space) {
    std::map<std::string, AttrType> attrs;
    std::map<std::string, Span> spans;
    for (const ast::AttrDecl& attr : node.attrs) {
      auto [first, inserted] = spans.emplace(attr.name.name, attr.name.span);
      if (!inserted) {
        diagnostics_.report(Code::K2012, attr.name.span, attr.name.name)
            .with_related(first->second, "this declaration has no effect");
        first->second = attr.name.span;
      }
      attrs[attr.name.name] = AttrType{resolve(attr.type, space), attr.required};
    }
    Span span = node.attrs.empty() ? Span() : node.attrs.front().name.span;
    return bounded(schema_.types.record(std::move(attrs)), span);
  }

  // The common types that a type expression names.
  void collect_references(ast::TypeExprId id, const std::string& space, std::vector<std::string>& out) const {
    const ast::TypeExpr& expr = file_[id];
    if (const ast::TypeName* name = std::get_if<ast::TypeName>(&expr.node)) {
      auto target = find_type(scope_, *name, space);
      if (!target) return;
      if (const CommonTypeRef* ref = std::get_if<CommonTypeRef>(&*target)) out.push_back(ref->name);
    } else if (const ast::SetType* set = std::get_if<ast::SetType>(&expr.node)) {
      collect_references(set->element, space, out);
    } else {
      for (const ast::AttrDecl& attr : std::get<ast::RecordType>(expr.node).attrs) {
        collect_references(attr.type, space, out);
      }
    }
  }

  struct Visit {
    std::string name;
    std::vector<std::string> references;
    std::size_t next = 0;
  };
  enum class Mark { open, done };

  Visit open_visit(const std::string& name) const {
    const DeclaredType& declared = scope_.common_types.at(name);
    Visit visit{name, {}, 0};
    collect_references(declared.decl->type, declared.space, visit.references);
    return visit;
  }

  // Depth first with our own stack; a type is resolved when all that it names are.
  void resolve_common_types() {
    std::map<std::string, Mark> marks;
    for (const auto& [root, declared] : scope_.common_types) {
      if (marks.contains(root)) continue;
      std::vector<Visit> stack;
      marks[root] = Mark::open;
      stack.push_back(open_visit(root));
      while (!stack.empty()) {
        Visit& top = stack.back();
        if (top.next == top.references.size()) {
          const DeclaredType& type = scope_.common_types.at(top.name);
          common_[top.name] = resolve(type.decl->type, type.space);
          marks[top.name] = Mark::done;
          stack.pop_back();
          continue;
        }
        const std::string& reference = top.references[top.next++];
        auto mark = marks.find(reference);
        if (mark == marks.end()) {
          marks[reference] = Mark::open;
          stack.push_back(open_visit(reference));
        } else if (mark->second == Mark::open) {
          const ast::CommonTypeDecl& decl = *scope_.common_types.at(reference).decl;
          diagnostics_.report(Code::K2011, decl.name.span, reference)
              .with_help("Cedar has no recursive types; use an entity type for data that refers to itself");
        }
      }
    }
  }

  // Entities ------------------------------------------------------------------------------------------------------

  void resolve_entity(const std::string& name, const DeclaredEntity& declared) {
    const ast::EntityDecl& decl = *declared.decl;
    EntityType type;
    type.name = name;
    type.span = declared.span;
    type.annotations = read_annotations(decl.annotations);
    for (const ast::Name& parent : decl.parents) {
      if (auto found = entity_type(parent, declared.space)) type.parents.insert(*found);
    }
    type.attrs = decl.shape ? resolve(*decl.shape, declared.space) : schema_.types.record({});
    if (decl.shape && schema_.types[type.attrs].kind != TypeKind::record) {
      if (schema_.types[type.attrs].kind != TypeKind::never) diagnostics_.report(Code::K2017, file_[*decl.shape].span, name);
      type.attrs = schema_.types.record({});
    }
    if (decl.shape) type.attr_spans = attr_spans(*decl.shape);
    if (decl.tags) type.tags = resolve(*decl.tags, declared.space);
    if (decl.enum_ids) {
      type.enum_ids.emplace();
      for (const ast::Attr& id : *decl.enum_ids) {
        if (type.enum_index.insert(id.name).second) type.enum_ids->push_back(id.name);
      }
    }
    schema_.entity_types.emplace(name, std::move(type));
  }

  std::map<std::string, Span> attr_spans(ast::TypeExprId id) const {
    std::map<std::string, Span> spans;
    const ast::RecordType* record = std::get_if<ast::RecordType>(&file_[id].node);
    if (!record) return spans;
    for (const ast::AttrDecl& attr : record->attrs) spans[attr.name.name] = attr.name.span;
    return spans;
  }

  void close_entity_types() {
    std::size_t pairs = 0;
    for (auto& [name, type] : schema_.entity_types) {
      std::vector<const std::string*> open;
      for (const std::string& parent : type.parents) open.push_back(&parent);
      while (!open.empty()) {
        const std::string& next = *open.back();
        open.pop_back();
        if (!type.ancestors.insert(next).second) continue;
        if (++pairs > kMaxAncestorPairs) {
          diagnostics_.report(Code::K8010, type.span, "entity types", kMaxAncestorPairs);
          return;
        }
        for (const std::string& parent : schema_.entity_types.at(next).parents) open.push_back(&parent);
      }
    }
  }

  // Actions -------------------------------------------------------------------------------------------------------

  void resolve_action(const EntityUid& uid, const DeclaredAction& declared) {
    const ast::ActionDecl& decl = *declared.decl;
    Action action;
    action.uid = uid;
    action.span = declared.span;
    action.annotations = read_annotations(decl.annotations);
    action.context = schema_.types.record({});
    for (const ast::ActionRef& parent : decl.parents) {
      if (auto found = find_action(scope_, parent, declared.space)) {
        action.parents.insert(*found);
      } else {
        report_unknown_action(parent, declared.space);
      }
    }
    if (decl.applies_to) resolve_applies_to(action, *decl.applies_to, declared);
    schema_.actions.emplace(uid, std::move(action));
  }

  void report_unknown_action(const ast::ActionRef& ref, const std::string& space) {
    const std::string type = ref.type ? ref.type->text : qualify(space, "Action");
    Diagnostic& diagnostic = diagnostics_.report(Code::K2013, ref.span, to_text(EntityUid{type, ref.id}));
    diagnostic.with_help("every action that others belong to must be declared itself: `action name;`");
    if (suggestions_left_-- <= 0) return;
    std::vector<std::string> ids;
    for (const auto& [uid, declared] : scope_.actions) ids.push_back(uid.id);
    if (auto near = closest(ref.id, ids)) diagnostic.with_help(fmt::format("did you mean {}?", quote(*near)));
  }

  void resolve_applies_to(Action& action, const ast::AppliesTo& applies, const DeclaredAction& declared) {
    action.principals = resolve_type_list(applies.principals, declared.space);
    action.resources = resolve_type_list(applies.resources, declared.space);
    if (!applies.context) return;
    action.context = resolve_context(*applies.context, declared.space);
    const TypeKind kind = schema_.types[action.context].kind;
    if (kind == TypeKind::never) {
      action.context = schema_.types.record({});
    } else if (kind != TypeKind::record) {
      diagnostics_.report(Code::K2015, file_[*applies.context].span, to_text(action.uid));
      action.context = schema_.types.record({});
    }
    if (auto literal = context_literal(*applies.context, declared.space)) {
      contexts_.emplace(action.uid, *literal);
      action.context_spans = attr_spans(*literal);
    }
  }

  std::vector<std::string> resolve_type_list(const std::vector<ast::Name>& names, const std::string& space) {
    std::set<std::string> found;
    for (const ast::Name& name : names) {
      if (auto type = entity_type(name, space)) found.insert(*type);
    }
    return {found.begin(), found.end()};
  }

  TypeId resolve_context(ast::TypeExprId id, const std::string& space) {
    const ast::TypeName* name = std::get_if<ast::TypeName>(&file_[id].node);
    if (!name || name->kind != ast::NameKind::any) return resolve(id, space);
    if (auto target = find_common_type(scope_, name->name.text, space)) return resolve(*target);
    report_unknown(name->name, "a common type", space, &Resolver::common_names);
    return never();
  }

  // Follows names of common types to a record literal, for the annotations and places of its attributes.
  std::optional<ast::TypeExprId> context_literal(ast::TypeExprId id, std::string space) const {
    for (std::size_t steps = 0; steps <= scope_.common_types.size(); ++steps) {
      if (std::holds_alternative<ast::RecordType>(file_[id].node)) return id;
      const ast::TypeName* name = std::get_if<ast::TypeName>(&file_[id].node);
      if (!name || name->kind == ast::NameKind::entity || name->kind == ast::NameKind::builtin) return std::nullopt;
      auto target = find_common_type(scope_, name->name.text, space);
      const CommonTypeRef* ref = target ? std::get_if<CommonTypeRef>(&*target) : nullptr;
      if (!ref) return std::nullopt;
      const DeclaredType& declared = scope_.common_types.at(ref->name);
      id = declared.decl->type;
      space = declared.space;
    }
    return std::nullopt;
  }

  void count_environments() {
    std::size_t environments = 0;
    for (const auto& [uid, action] : schema_.actions) {
      environments += action.principals.size() * action.resources.size();
      if (environments <= kMaxEnvironments) continue;
      diagnostics_.report(Code::K8011, action.span, to_text(uid), kMaxEnvironments);
      return;
    }
  }

  // Parents first (Kahn's order); what never becomes ready lies on a cycle or below one.
  void close_actions() {
    std::map<EntityUid, std::size_t> waiting;
    std::map<EntityUid, std::vector<const EntityUid*>> children;
    std::deque<const EntityUid*> ready;
    for (const auto& [uid, action] : schema_.actions) {
      waiting[uid] = action.parents.size();
      for (const EntityUid& parent : action.parents) children[parent].push_back(&uid);
      if (action.parents.empty()) ready.push_back(&uid);
    }
    std::size_t closed = 0, pairs = 0;
    while (!ready.empty()) {
      Action& action = schema_.actions.at(*ready.front());
      ready.pop_front();
      ++closed;
      for (const EntityUid& parent : action.parents) {
        action.ancestors.insert(parent);
        const std::set<EntityUid>& above = schema_.actions.at(parent).ancestors;
        action.ancestors.insert(above.begin(), above.end());
      }
      pairs += action.ancestors.size();
      if (pairs > kMaxAncestorPairs) {
        diagnostics_.report(Code::K8010, action.span, "actions", kMaxAncestorPairs);
        return;
      }
      for (const EntityUid* child : children[action.uid]) {
        if (--waiting.at(*child) == 0) ready.push_back(child);
      }
    }
    if (closed != schema_.actions.size()) report_action_cycle(waiting);
  }

  // Going up from a blocked action through blocked parents must come round.
  void report_action_cycle(const std::map<EntityUid, std::size_t>& waiting) {
    const Action* at = nullptr;
    for (const auto& [uid, count] : waiting) {
      if (count != 0) { at = &schema_.actions.at(uid); break; }
    }
    std::set<EntityUid> seen;
    while (seen.insert(at->uid).second) {
      for (const EntityUid& parent : at->parents) {
        if (waiting.at(parent) != 0) { at = &schema_.actions.at(parent); break; }
      }
    }
    diagnostics_.report(Code::K2016, at->span, to_text(at->uid))
        .with_help("an action cannot be in itself, directly or through its groups; remove one `in`");
  }

  const ast::SchemaFile& file_;
  Diagnostics& diagnostics_;
  SchemaScope scope_;
  std::map<std::string, TypeId> common_;
  ContextLiterals contexts_;
  Schema schema_;
  int suggestions_left_ = kMaxSuggestions;
  bool too_deep_ = false;
};

}  // namespace

Schema resolve_schema(const ast::SchemaFile& file, Diagnostics& diagnostics) {
  return Resolver(file, diagnostics).run();
}

}  // namespace kerf
