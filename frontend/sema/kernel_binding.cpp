// `@kernel` and `@errno` annotations to kernel kinds, bindings and events. One pass over the syntax gives every
// annotation exactly one place that understands it; whatever no place claims is an error, so a binding is never
// ignored. What the hooks can and cannot see comes from the kernel model alone.
#include "frontend/sema/kernel_binding.h"

#include <algorithm>
#include <cctype>

namespace kerf {
namespace {

constexpr std::string_view kKernel = "kernel";
constexpr std::string_view kErrno = "errno";
constexpr std::string_view kFactPrefix = "fact.";
constexpr std::size_t kMaxFactName = 64;

template <class Range, class Text>
std::string join(const Range& range, Text text) {
  std::string out;
  for (const auto& item : range) {
    if (!out.empty()) out += ", ";
    out += fmt::format("`{}`", text(item));
  }
  return out;
}

std::string event_list() {
  return join(kernel_events(), [](const KernelEvent& event) { return event.text; });
}

std::string_view type_text(TypeKind kind) {
  switch (kind) {
    case TypeKind::boolean: return "Bool";
    case TypeKind::long_: return "Long";
    case TypeKind::string: return "String";
    case TypeKind::ip: return "ipaddr";
    case TypeKind::decimal: return "decimal";
    case TypeKind::datetime: return "datetime";
    case TypeKind::duration: return "duration";
    case TypeKind::entity: return "an entity type";
    case TypeKind::set: return "a set";
    case TypeKind::record: return "a record";
    case TypeKind::never:
    case TypeKind::true_:
    case TypeKind::false_:
    case TypeKind::empty_set: break;
  }
  internal_error("a declared type has one of the declarable kinds");
}

const ast::Annotation* find(const std::vector<ast::Annotation>& annotations, std::string_view key) {
  for (const ast::Annotation& annotation : annotations) {
    if (annotation.key == key) return &annotation;
  }
  return nullptr;
}

Span place(const ast::Annotation& annotation) {
  return annotation.value && annotation.value_span.valid() ? annotation.value_span : annotation.span;
}

// Just behind the attribute's name: where `?` goes.
Span after_name(const ast::AttrDecl& attr) {
  return Span{attr.name.span.source, attr.name.span.end, attr.name.span.end};
}

struct Word {
  std::string text;
  Span span;
};

// `a, b` to its words. The span is narrowed only when the source spells the value without escapes.
std::vector<Word> split_list(const ast::Annotation& annotation) {
  const std::string value = annotation.value.value_or("");
  const Span whole = place(annotation);
  const bool exact = annotation.value && whole.end - whole.begin == value.size() + 2;
  std::vector<Word> words;
  for (std::size_t begin = 0; begin <= value.size();) {
    std::size_t end = std::min(value.find(',', begin), value.size());
    std::size_t first = begin, last = end;
    while (first < last && value[first] == ' ') ++first;
    while (last > first && value[last - 1] == ' ') --last;
    Span span = whole;
    if (exact && first < last) {
      span.begin = whole.begin + 1 + static_cast<std::uint32_t>(first);
      span.end = whole.begin + 1 + static_cast<std::uint32_t>(last);
    }
    words.push_back({value.substr(first, last - first), span});
    begin = end + 1;
  }
  return words;
}

bool is_fact_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxFactName || std::isdigit(static_cast<unsigned char>(name[0]))) return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; });
}

class Binder {
 public:
  Binder(const ast::SchemaFile& file, const SchemaScope& scope, const ContextLiterals& contexts, Schema& schema,
         Diagnostics& diagnostics)
      : file_(file), scope_(scope), contexts_(contexts), schema_(schema), diagnostics_(diagnostics) {}

  void run() {
    for (const ast::Namespace& space : file_.namespaces) check_none(space.annotations, "a namespace");
    for (const auto& [name, declared] : scope_.entities) bind_kind(name, *declared.decl);
    for (const auto& [uid, declared] : scope_.actions) bind_events(uid, *declared.decl);
    for (const auto& [name, declared] : scope_.entities) bind_entity(name, *declared.decl);
    for (const auto& [uid, declared] : scope_.actions) bind_action(uid, *declared.decl);
    for (const auto& [name, declared] : scope_.common_types) check_common_type(*declared.decl);
    check_events_unique();
    check_fact_types();
  }

 private:
  // Places that bind nothing ---------------------------------------------------------------------------------------

  void misplaced(const ast::Annotation& annotation, std::string_view where) {
    Diagnostic& diagnostic = diagnostics_.report(Code::K4001, annotation.span, annotation.key, where);
    if (annotation.key == kErrno) {
      diagnostic.with_help("`@errno` belongs on an action with `@kernel`");
    } else {
      diagnostic.with_help("`@kernel` belongs on entity types, on actions, and on attributes of both");
    }
  }

  void check_none(const std::vector<ast::Annotation>& annotations, std::string_view where) {
    for (const ast::Annotation& annotation : annotations) {
      if (annotation.key == kKernel || annotation.key == kErrno) misplaced(annotation, where);
    }
  }

  void check_no_errno(const std::vector<ast::Annotation>& annotations, std::string_view where) {
    if (const ast::Annotation* annotation = find(annotations, kErrno)) misplaced(*annotation, where);
  }

  // Every attribute below a type expression: nested records and sets of records.
  void check_nested(ast::TypeExprId id, std::string_view where) {
    const ast::TypeExpr& expr = file_[id];
    if (const ast::SetType* set = std::get_if<ast::SetType>(&expr.node)) {
      check_nested(set->element, where);
    } else if (const ast::RecordType* record = std::get_if<ast::RecordType>(&expr.node)) {
      for (const ast::AttrDecl& attr : record->attrs) {
        check_none(attr.annotations, where);
        check_nested(attr.type, where);
      }
    }
  }

  // A common type's own attributes may carry bindings when a governed action has the type as its context.
  void check_common_type(const ast::CommonTypeDecl& decl) {
    check_none(decl.annotations, "a common type");
    const ast::RecordType* record = std::get_if<ast::RecordType>(&file_[decl.type].node);
    if (!record) return check_nested(decl.type, "an attribute of a nested record");
    for (const ast::AttrDecl& attr : record->attrs) {
      if (!bound_literals_.contains(decl.type)) {
        check_none(attr.annotations, "an attribute of a common type that is no governed action's context");
      }
      check_nested(attr.type, "an attribute of a nested record");
    }
  }

  // Entity types ---------------------------------------------------------------------------------------------------

  void bind_kind(const std::string& name, const ast::EntityDecl& decl) {
    check_no_errno(decl.annotations, "an entity type");
    const ast::Annotation* annotation = find(decl.annotations, kKernel);
    if (!annotation) return;
    const std::string value = annotation->value.value_or("");
    auto kind = find_kernel_kind(value);
    if (!kind) return report_unknown_kind(*annotation, value);
    EntityType& type = schema_.entity_types.at(name);
    auto [first, inserted] = kinds_.emplace(*kind, &type);
    if (!inserted) {
      diagnostics_.report(Code::K4003, type.span, name, value)
          .with_related(first->second->span, "already bound here")
          .with_help("bind one type, and tell its entities apart by attributes or groups");
      return;
    }
    type.kernel = *kind;
    if (type.enum_ids && *kind != KernelKind::process) {
      diagnostics_.report(Code::K4004, type.span, name, value)
          .with_help("an event can meet any address, name or path; declare an ordinary entity type");
    }
  }

  void report_unknown_kind(const ast::Annotation& annotation, const std::string& value) {
    std::vector<std::string> names;
    for (KernelKind kind : kernel_kinds()) names.emplace_back(to_text(kind));
    Diagnostic& diagnostic = diagnostics_.report(Code::K4002, place(annotation), value);
    diagnostic.with_help("kinds: " + join(names, [](const std::string& text) { return text; }));
    if (find_event(value)) {
      diagnostic.with_help(fmt::format("`{}` is an event; it goes on an action", value));
    } else if (auto near = closest(value, names)) {
      diagnostic.with_help(fmt::format("did you mean `{}`?", *near)).with_fix(place(annotation), quote(*near));
    }
  }

  void bind_entity(const std::string& name, const ast::EntityDecl& decl) {
    if (decl.tags) check_nested(*decl.tags, "an attribute of a tag's type");
    if (!decl.shape) return;
    const ast::RecordType* record = std::get_if<ast::RecordType>(&file_[*decl.shape].node);
    if (!record) return;
    EntityType& type = schema_.entity_types.at(name);
    for (const ast::AttrDecl& attr : record->attrs) {
      check_no_errno(attr.annotations, "an attribute");
      check_nested(attr.type, "an attribute of a nested record");
      if (const ast::Annotation* annotation = find(attr.annotations, kKernel)) {
        bind_entity_attr(type, attr, *annotation);
      } else if (type.kernel && *type.kernel != KernelKind::process && attr.required) {
        report_required(attr, Code::K4010,
                        fmt::format("an event can concern a {} that no entity file lists", to_text(*type.kernel)));
      }
    }
  }

  void bind_entity_attr(EntityType& type, const ast::AttrDecl& attr, const ast::Annotation& annotation) {
    const std::string value = annotation.value.value_or("");
    if (!type.kernel) {
      diagnostics_.report(Code::K4005, place(annotation), attr.name.name, type.name)
          .with_help("bind the entity type too, for example `@kernel(\"endpoint\")`");
      return;
    }
    if (*type.kernel == KernelKind::process) {
      diagnostics_.report(Code::K4006, place(annotation), type.name)
          .with_help("attributes of principals are known at bind, from the entities; process observables and facts go "
                     "on context attributes of governed actions");
      return;
    }
    if (value.starts_with(kFactPrefix)) {
      diagnostics_.report(Code::K4007, place(annotation), value, "the context of a governed action",
                          fmt::format("the entity type `{}`", type.name));
      return;
    }
    const Observable* observable = find_observable(value);
    if (!observable) return report_unknown_observable(annotation, value, type.kernel);
    if (observable->owner != type.kernel) return report_wrong_owner(annotation, *observable, type.name);
    bind_observable(type.attrs, attr, annotation, *observable, type.bindings);
  }

  // Observables and facts -----------------------------------------------------------------------------------------

  void report_required(const ast::AttrDecl& attr, Code code, const std::string& why) {
    diagnostics_.report(code, attr.name.span, attr.name.name)
        .with_note(why)
        .with_help(fmt::format("declare it as `{}?`; policies then ask with `has`", attr.name.name))
        .with_fix(after_name(attr), "?");
  }

  void report_unknown_observable(const ast::Annotation& annotation, const std::string& value,
                                 std::optional<KernelKind> owner) {
    std::vector<std::string> names;
    for (const Observable& observable : observables()) {
      if (observable.owner == owner) names.emplace_back(observable.text);
    }
    Diagnostic& diagnostic = diagnostics_.report(Code::K4008, place(annotation), value);
    std::string list = join(names, [](const std::string& text) { return text; });
    if (!owner) list += ", and `fact.NAME` for published facts";
    diagnostic.with_help(list.empty() ? "nothing can be observed here" : "observables here: " + list);
    if (auto near = closest(value, names)) {
      diagnostic.with_help(fmt::format("did you mean `{}`?", *near)).with_fix(place(annotation), quote(*near));
    }
  }

  void report_wrong_owner(const ast::Annotation& annotation, const Observable& observable, const std::string& where) {
    const std::string owner = observable.owner
                                  ? fmt::format("the entity type with `@kernel(\"{}\")`", to_text(*observable.owner))
                                  : std::string("the context of a governed action");
    diagnostics_.report(Code::K4007, place(annotation), observable.text, owner, fmt::format("`{}`", where));
  }

  void bind_observable(TypeId record, const ast::AttrDecl& attr, const ast::Annotation& annotation,
                       const Observable& observable, std::map<std::string, AttrBinding>& bindings) {
    const TypeKind kind = declared_kind(record, attr);
    if (kind == TypeKind::never) return;  // reported when it was resolved
    if (kind != observable.type) {
      diagnostics_.report(Code::K4009, attr.name.span, attr.name.name, type_text(kind), observable.text,
                          type_text(observable.type))
          .with_fix(file_[attr.type].span, std::string(type_text(observable.type)));
      return;
    }
    if (!observable.always_present && attr.required) {
      report_required(attr, Code::K4010, fmt::format("`{}`: {}", observable.text, observable.description));
    }
    bindings.insert_or_assign(
        attr.name.name, AttrBinding{AttrBinding::Kind::observable, std::string(observable.text), place(annotation)});
  }

  TypeKind declared_kind(TypeId record, const ast::AttrDecl& attr) const {
    const auto& attrs = schema_.types[record].attrs;
    auto found = attrs.find(attr.name.name);
    return found == attrs.end() ? TypeKind::never : schema_.types[found->second.type].kind;
  }

  void bind_fact(Action& action, const ast::AttrDecl& attr, const ast::Annotation& annotation) {
    const std::string name = annotation.value->substr(kFactPrefix.size());
    if (!is_fact_name(name)) {
      diagnostics_.report(Code::K4011, place(annotation), name, kMaxFactName);
      return;
    }
    const TypeKind kind = declared_kind(action.context, attr);
    if (kind == TypeKind::never) return;
    const TypeId type = schema_.types[action.context].attrs.at(attr.name.name).type;
    if (!can_be_fact(type)) {
      diagnostics_.report(Code::K4012, file_[attr.type].span, name, type_text(kind))
          .with_help(kind == TypeKind::entity ? "a hook observes entities of this type; publish what tells them apart"
                                              : "publish several facts, or the answer to the question that the policy asks as a Bool");
      return;
    }
    if (attr.required) {
      report_required(attr, Code::K4010, "a fact is absent until someone publishes it, and after its deadline");
    }
    action.bindings.insert_or_assign(attr.name.name, AttrBinding{AttrBinding::Kind::fact, name, place(annotation)});
    facts_[name].push_back({schema_.types.text(type), place(annotation)});
  }

  // One value; of an entity, one that a fact can name and no event can be about.
  bool can_be_fact(TypeId id) const {
    const Type& type = schema_.types[id];
    if (type.kind == TypeKind::set || type.kind == TypeKind::record) return false;
    if (type.kind != TypeKind::entity) return true;
    const std::optional<KernelKind>& kind = schema_.entity_types.at(type.entity_types.front()).kernel;
    return !kind || *kind == KernelKind::process;
  }

  // The loader keeps one record of facts for a binding, whatever the action.
  void check_fact_types() {
    for (const auto& [name, uses] : facts_) {
      for (const FactUse& use : uses) {
        if (use.type == uses.front().type) continue;
        diagnostics_.report(Code::K4013, use.span, name, use.type, uses.front().type)
            .with_related(uses.front().span, "used with the other type here");
      }
    }
  }

  // Actions -------------------------------------------------------------------------------------------------------

  void bind_events(const EntityUid& uid, const ast::ActionDecl& decl) {
    const ast::Annotation* annotation = find(decl.annotations, kKernel);
    if (!annotation) return;
    Action& action = schema_.actions.at(uid);
    for (const Word& word : split_list(*annotation)) {
      const KernelEvent* event = find_event(word.text);
      if (!event) {
        report_unknown_event(word);
      } else if (std::find(action.events.begin(), action.events.end(), event->id) != action.events.end()) {
        diagnostics_.report(Code::K4015, word.span, word.text);
      } else {
        action.events.push_back(event->id);
        check_applies_to(action, decl, *event, word.span);
      }
    }
    std::sort(action.events.begin(), action.events.end());
  }

  void report_unknown_event(const Word& word) {
    std::vector<std::string> names;
    for (const KernelEvent& event : kernel_events()) names.emplace_back(event.text);
    Diagnostic& diagnostic = diagnostics_.report(Code::K4014, word.span, word.text);
    diagnostic.with_help("events that this version of kerf enforces: " + event_list());
    if (find_kernel_kind(word.text)) {
      diagnostic.with_help(fmt::format("`{}` is a kind of entity type; an action is bound to an event", word.text));
    } else if (auto near = closest(word.text, names)) {
      diagnostic.with_help(fmt::format("did you mean `{}`?", *near));
    }
  }

  void check_applies_to(const Action& action, const ast::ActionDecl& decl, const KernelEvent& event, Span span) {
    if (!decl.applies_to || decl.applies_to->principals.empty() || decl.applies_to->resources.empty()) {
      diagnostics_.report(Code::K4016, span, to_text(action.uid))
          .with_help("add `appliesTo` with the principals and resources, or remove `@kernel`");
      return;
    }
    for (const std::string& name : action.principals) {
      const bool good = schema_.entity_types.at(name).kernel == KernelKind::process;
      if (!good) report_kind(action, name, "principal", KernelKind::process, "`process`", event);
    }
    for (const std::string& name : action.resources) {
      const std::optional<KernelKind>& kind = schema_.entity_types.at(name).kernel;
      if (kind && can_be_resource(event, *kind)) continue;
      const std::string wanted = event.resource == KernelKind::file ? "`file` or `directory`"
                                                                    : fmt::format("`{}`", to_text(event.resource));
      report_kind(action, name, "resource", event.resource, wanted, event);
    }
  }

  void report_kind(const Action& action, const std::string& name, std::string_view role, KernelKind wanted,
                   const std::string& wanted_text, const KernelEvent& event) {
    const EntityType& type = schema_.entity_types.at(name);
    Diagnostic& diagnostic =
        diagnostics_.report(Code::K4017, action.span, to_text(action.uid), role, name, event.text, wanted_text);
    diagnostic.with_related(type.span, type.kernel ? fmt::format("bound to `{}`", to_text(*type.kernel))
                                                   : std::string("not bound"));
    if (!type.kernel && !kinds_.contains(wanted)) {
      diagnostic.with_help(fmt::format("write `@kernel(\"{}\")` before `entity {}`", to_text(wanted), name));
    } else {
      diagnostic.with_help("leave this type out of `appliesTo`, or declare a second action without `@kernel` for it");
    }
  }

  void bind_action(const EntityUid& uid, const ast::ActionDecl& decl) {
    Action& action = schema_.actions.at(uid);
    const bool annotated = find(decl.annotations, kKernel) != nullptr;
    if (const ast::Annotation* annotation = find(decl.annotations, kErrno)) bind_errno(action, *annotation, annotated);
    auto literal = contexts_.find(uid);
    if (literal == contexts_.end()) return;
    const bool own = decl.applies_to && decl.applies_to->context == literal->second;
    const auto& attrs = std::get<ast::RecordType>(file_[literal->second].node).attrs;
    if (annotated) bound_literals_.insert(literal->second);
    for (const ast::AttrDecl& attr : attrs) {
      if (own) check_nested(attr.type, "an attribute of a nested record");
      if (own || annotated) check_no_errno(attr.annotations, "an attribute");
      const ast::Annotation* annotation = find(attr.annotations, kKernel);
      if (!annotation) continue;
      if (annotated) {
        bind_context_attr(action, attr, *annotation);
      } else if (own) {
        diagnostics_.report(Code::K4018, place(*annotation), attr.name.name, to_text(uid))
            .with_help("only the context of an action with `@kernel` is filled by the kernel");
      }
    }
  }

  void bind_context_attr(Action& action, const ast::AttrDecl& attr, const ast::Annotation& annotation) {
    const std::string value = annotation.value.value_or("");
    if (value.starts_with(kFactPrefix)) return bind_fact(action, attr, annotation);
    const Observable* observable = find_observable(value);
    if (!observable) return report_unknown_observable(annotation, value, std::nullopt);
    if (observable->owner) return report_wrong_owner(annotation, *observable, "context");
    for (KernelEventId id : action.events) {
      if (!is_observed_with(*observable, id)) {
        return report_not_with_event(annotation, *observable, kernel_event(id));
      }
    }
    bind_observable(action.context, attr, annotation, *observable, action.bindings);
  }

  void report_not_with_event(const ast::Annotation& annotation, const Observable& observable, const KernelEvent& event) {
    std::vector<std::string_view> names;
    for (const KernelEvent& row : kernel_events()) {
      if (is_observed_with(observable, row.id)) names.push_back(row.text);
    }
    diagnostics_.report(Code::K4021, place(annotation), observable.text, event.text)
        .with_note("observed with " + join(names, [](std::string_view text) { return text; }))
        .with_help("leave the attribute out of this action's context");
  }

  void bind_errno(Action& action, const ast::Annotation& annotation, bool annotated) {
    if (!annotated) return misplaced(annotation, "an action without `@kernel`");
    const std::string value = annotation.value.value_or("");
    for (KernelEventId id : action.events) {
      const KernelEvent& event = kernel_event(id);
      if (std::find(event.errnos.begin(), event.errnos.end(), value) != event.errnos.end()) continue;
      diagnostics_.report(Code::K4019, place(annotation), event.text, value)
          .with_help("choose one of " + join(event.errnos, [](std::string_view text) { return text; }));
      return;
    }
    if (!action.events.empty()) action.refusal_errno = value;
  }

  void check_events_unique() {
    struct Owner {
      const Action* action;
    };
    std::map<std::tuple<KernelEventId, std::string, std::string>, Owner> owners;
    for (const auto& [uid, action] : schema_.actions) {
      if (action.events.empty()) continue;
      std::set<const Action*> reported;
      for (KernelEventId event : action.events) {
        for (const std::string& principal : action.principals) {
          for (const std::string& resource : action.resources) {
            auto [owner, inserted] = owners.emplace(std::tuple(event, principal, resource), Owner{&action});
            if (inserted || !reported.insert(owner->second.action).second) continue;
            diagnostics_.report(Code::K4020, action.span, to_text(uid), to_text(owner->second.action->uid),
                                kernel_event(event).text, principal, resource)
                .with_related(owner->second.action->span, "already bound here")
                .with_help("one event asks one question: keep `@kernel` on one of the actions, and let policies name "
                           "a group that both are in");
          }
        }
      }
    }
  }

  struct FactUse {
    std::string type;
    Span span;
  };

  const ast::SchemaFile& file_;
  const SchemaScope& scope_;
  const ContextLiterals& contexts_;
  Schema& schema_;
  Diagnostics& diagnostics_;
  std::map<KernelKind, const EntityType*> kinds_;
  std::set<ast::TypeExprId> bound_literals_;
  std::map<std::string, std::vector<FactUse>> facts_;
};

}  // namespace

void bind_kernel(const ast::SchemaFile& file, const SchemaScope& scope, const ContextLiterals& contexts,
                 Schema& schema, Diagnostics& diagnostics) {
  Binder(file, scope, contexts, schema, diagnostics).run();
}

}  // namespace kerf
