// Entity and request JSON to values that conform to the schema. Everything is checked where it is read, so that every
// report has the place of the wrong value; only what needs all entities (repetitions, cycles, definitions of actions)
// comes afterwards.
#include "frontend/sema/data.h"

#include <algorithm>
#include <unordered_map>

#include "frontend/json/text.h"
#include "frontend/sema/read_value.h"
#include "frontend/sema/type_body.h"
#include "ir/canonical.h"
#include "ir/values/extension.h"
#include "ir/values/json.h"

namespace kerf {
namespace {

constexpr int kMaxSuggestions = 20;

// An entity as read, with its place in the text.
struct ReadEntity {
  Entity entity;
  JsonId node;
};

class EntityReader {
 public:
  EntityReader(const JsonText& json, const Schema& schema, Diagnostics& diagnostics)
      : json_(json), schema_(schema), diagnostics_(diagnostics),
        values_(json, schema, Strictness::full, diagnostics) {}

  // The entities without those of actions; to be used only if nothing was reported.
  std::vector<Entity> run() {
    const std::size_t errors_before = diagnostics_.error_count();
    if (json_[json_.root()].kind != JsonKind::array) {
      expected(json_.root(), "an array of entities");
      return {};
    }
    for (JsonId node = json_[json_.root()].first; node.valid() && !values_.exhausted(); node = json_[node].next) {
      read_entity(node);
    }
    if (values_.exhausted()) {
      diagnostics_.report(Code::K6031, json_.open_span(json_.root()), ValueReader::kMaxErrors);
    }
    if (diagnostics_.error_count() == errors_before) check_actions();
    if (diagnostics_.error_count() == errors_before) check_cycles();
    std::vector<Entity> entities;
    entities.reserve(read_.size());
    for (ReadEntity& read : read_) entities.push_back(std::move(read.entity));
    return entities;
  }

 private:
  void expected(JsonId node, std::string_view what) {
    values_.report(Code::K6008, json_.span(node), what, describe(json_[node]));
  }

  // A member that must be there, of the given kind.
  JsonId member(JsonId node, std::string_view name, JsonKind kind, std::string_view what) {
    const JsonId found = json_.find(node, name);
    if (!found.valid()) {
      values_.report(Code::K6009, json_.open_span(node), name)
          .with_help("an entity is {\"uid\": …, \"attrs\": {…}, \"parents\": […]}");
      return {};
    }
    if (json_[found].kind == kind) return found;
    expected(found, what);
    return {};
  }

  void read_entity(JsonId node) {
    values_.set_place(nullptr, "", "");
    if (json_[node].kind != JsonKind::object) return expected(node, "an entity (an object)");
    const JsonId uid_node = json_.find(node, "uid");
    if (!uid_node.valid()) {
      member(node, "uid", JsonKind::object, "");
      return;
    }
    auto uid = values_.read_uid(uid_node);
    if (!uid) return;
    Entity entity;
    entity.uid = std::move(*uid);
    values_.set_place(&entity.uid, "the entity", "");
    const JsonId attrs = member(node, "attrs", JsonKind::object, "an object with attributes");
    const JsonId parents = member(node, "parents", JsonKind::array, "an array of entities");
    const JsonId tags = json_.find(node, "tags");
    if (tags.valid() && json_[tags].kind != JsonKind::object) expected(tags, "an object with tags");
    if (!attrs.valid() || !parents.valid()) return;
    if (schema_.find_action(entity.uid)) return read_action(std::move(entity), node, attrs, parents, tags);
    const EntityType* type = schema_.find_type(entity.uid.type);
    if (!type) return report_unknown_type(entity.uid, uid_node);
    if (!check_uid(entity.uid, values_.id_span(uid_node), schema_, values_)) return;
    read_attrs(entity, *type, attrs, uid_node);
    read_parents(entity, *type, parents);
    if (tags.valid() && json_[tags].kind == JsonKind::object) read_tags(entity, *type, tags);
    keep(std::move(entity), node, uid_node);
  }

  void report_unknown_type(const EntityUid& uid, JsonId uid_node) {
    const Span span = json_.span(uid_node);
    if (uid.type == "Action" || uid.type.ends_with("::Action")) {
      values_.set_place(nullptr, "", "");
      values_.report(Code::K6016, span, to_text(uid));
      return;
    }
    Diagnostic& diagnostic = values_.report(Code::K6018, span, uid.type);
    if (suggestions_left_-- <= 0) return;
    std::vector<std::string> names;
    for (const auto& [name, type] : schema_.entity_types) names.push_back(name);
    if (auto near = closest(uid.type, names)) diagnostic.with_help(fmt::format("did you mean `{}`?", *near));
  }

  void read_attrs(Entity& entity, const EntityType& type, JsonId attrs, JsonId uid_node) {
    const std::map<std::string, AttrType>& declared = schema_.types[type.attrs].attrs;
    std::size_t bad = 0;
    for (JsonId node = json_[attrs].first; node.valid() && !values_.exhausted(); node = json_[node].next) {
      values_.set_place(&entity.uid, "attribute", json_[node].key);
      auto attr = declared.find(std::string(json_[node].key));
      if (attr == declared.end()) {
        report_unexpected(entity.uid, node, type, declared);
        ++bad;
        continue;
      }
      auto value = values_.read(node, attr->second.type);
      if (!value) {
        ++bad;
        continue;
      }
      check_observed(entity.uid, type, node, *value);
      entity.attrs.emplace(attr->first, std::move(*value));
    }
    values_.set_place(&entity.uid, "the entity", "");
    if (bad != 0 || entity.attrs.size() == declared.size()) return;
    for (const auto& [name, attr] : declared) {
      if (attr.required && !entity.attrs.contains(name)) report_missing(entity.uid, type, name, uid_node);
    }
  }

  void report_unexpected(const EntityUid& uid, JsonId node, const EntityType& type,
                         const std::map<std::string, AttrType>& declared) {
    values_.set_place(&uid, "the entity", "");
    Diagnostic& diagnostic = values_.report(Code::K6006, json_.key_span(node), json_[node].key);
    diagnostic.with_related(type.span, "the entity type");
    std::vector<std::string> names;
    for (const auto& [name, attr] : declared) names.push_back(name);
    if (auto near = closest(json_[node].key, names)) diagnostic.with_help(fmt::format("did you mean `{}`?", *near));
  }

  void report_missing(const EntityUid& uid, const EntityType& type, const std::string& name, JsonId uid_node) {
    Diagnostic& diagnostic = values_.report(Code::K6007, json_.span(uid_node), name);
    if (auto observed = observed_value(uid, type, name)) {
      diagnostic.with_help(fmt::format("a stored {} carries what its id says: \"{}\": {}", to_text(*type.kernel), name,
                                       json_spelling(*observed)));
    } else if (const Observable* observable = bound_observable(type, name)) {
      diagnostic.with_note(fmt::format("`{}` is only known when an event happens, so stored entities have none", observable->text));
      diagnostic.with_help(fmt::format("declare it as `{}?`; policies then ask with `has`, which always holds at a hook", name));
    }
  }

  // Kernel rules (design 2 and 3) ----------------------------------------------------------------------------------

  static std::string json_spelling(const Value& value) {
    if (value.as_ip()) return Json(to_text(*value.as_ip())).dump();
    return to_text(value);
  }

  static const Observable* bound_observable(const EntityType& type, const std::string& attr) {
    auto binding = type.bindings.find(attr);
    if (binding == type.bindings.end() || binding->second.kind != AttrBinding::Kind::observable) return nullptr;
    return find_observable(binding->second.name);
  }

  // What every hook will see for this entity, as far as its id tells.
  static std::optional<Value> observed_value(const EntityUid& uid, const EntityType& type, const std::string& attr) {
    const Observable* observable = bound_observable(type, attr);
    if (!observable) return std::nullopt;
    switch (observable->from) {
      case ObservedFrom::address:
        if (auto parts = parse_endpoint_id(uid.id)) return Value(parts->first);
        return std::nullopt;
      case ObservedFrom::port:
        if (auto parts = parse_endpoint_id(uid.id)) return Value(std::int64_t{parts->second});
        return std::nullopt;
      case ObservedFrom::path:
      case ObservedFrom::call: return Value(uid.id);
      case ObservedFrom::host:
      case ObservedFrom::executable:
      case ObservedFrom::name:
      case ObservedFrom::argument:
      case ObservedFrom::scalar: return std::nullopt;
    }
    internal_error("every observable is known here");
  }

  void check_observed(const EntityUid& uid, const EntityType& type, JsonId node, const Value& stored) {
    const std::string attr(json_[node].key);
    const Observable* observable = bound_observable(type, attr);
    if (!observable) return;
    auto observed = observed_value(uid, type, attr);
    if (!observed) {
      values_.report(Code::K6022, json_.span(node), attr, observable->text)
          .with_help("leave it out; the value is observed for every event");
    } else if (!(*observed == stored)) {
      const std::string text = json_spelling(*observed);
      values_.report(Code::K6021, json_.span(node), attr, to_text(stored), to_text(*observed))
          .with_help(fmt::format("write {}, or correct the id", text))
          .with_fix(json_.span(node), text);
    }
  }

  bool check_parent_kind(const EntityType& parent, JsonId node) {
    if (!parent.kernel) return true;
    switch (*parent.kernel) {
      case KernelKind::process:
      case KernelKind::syscall:
      case KernelKind::host:
      case KernelKind::endpoint:
      case KernelKind::socket:
      case KernelKind::system: return true;
      case KernelKind::directory:
      case KernelKind::file: break;
    }
    values_.report(Code::K6023, json_.span(node), parent.name, to_text(*parent.kernel))
        .with_help("the path decides what is below a directory; group files in an entity type of your own");
    return false;
  }

  // Parents and tags ----------------------------------------------------------------------------------------------

  void read_parents(Entity& entity, const EntityType& type, JsonId parents) {
    values_.set_place(&entity.uid, "parents", "");
    for (JsonId node = json_[parents].first; node.valid() && !values_.exhausted(); node = json_[node].next) {
      auto uid = values_.read_uid(node);
      if (!uid) continue;
      if (!type.ancestors.contains(uid->type)) {
        values_.report(Code::K6019, json_.span(node), type.name, uid->type)
            .with_related(type.span, "what it can be `in` is declared here");
        continue;
      }
      if (!check_uid(*uid, values_.id_span(node), schema_, values_)) continue;
      const EntityType* parent = schema_.find_type(uid->type);
      if (parent && !check_parent_kind(*parent, node)) continue;
      entity.parents.push_back(std::move(*uid));
    }
    sort_parents(entity);
  }

  static void sort_parents(Entity& entity) {
    std::sort(entity.parents.begin(), entity.parents.end());
    entity.parents.erase(std::unique(entity.parents.begin(), entity.parents.end()), entity.parents.end());
  }

  void read_tags(Entity& entity, const EntityType& type, JsonId tags) {
    for (JsonId node = json_[tags].first; node.valid() && !values_.exhausted(); node = json_[node].next) {
      values_.set_place(&entity.uid, "tag", json_[node].key);
      if (!type.tags) {
        values_.report(Code::K6020, json_.key_span(node), type.name).with_related(type.span, "the entity type");
        return;
      }
      if (auto value = values_.read(node, *type.tags)) entity.tags.emplace(std::string(json_[node].key), std::move(*value));
    }
  }

  // What needs all entities -----------------------------------------------------------------------------------------

  // An identical repetition is accepted, as in the official engine.
  void keep(Entity entity, JsonId node, JsonId uid_node) {
    auto [at, inserted] = index_.emplace(entity.uid, read_.size());
    if (inserted) {
      read_.push_back({std::move(entity), node});
      return;
    }
    const ReadEntity& first = read_[at->second];
    if (first.entity.parents == entity.parents && same(first.entity.attrs, entity.attrs) &&
        same(first.entity.tags, entity.tags)) {
      return;
    }
    diagnostics_.report(Code::K6024, json_.span(uid_node), to_text(entity.uid))
        .with_related(json_.span(json_.find(first.node, "uid")), "first given here");
  }

  static bool same(const ValueRecord& a, const ValueRecord& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
      return x.first == y.first && x.second == y.second;
    });
  }

  // Actions belong to the schema; a file may repeat them exactly.
  void read_action(Entity entity, JsonId node, JsonId attrs, JsonId parents, JsonId tags) {
    for (JsonId parent = json_[parents].first; parent.valid(); parent = json_[parent].next) {
      auto uid = values_.read_uid(parent);
      if (!uid) return;
      entity.parents.push_back(std::move(*uid));
    }
    sort_parents(entity);
    if (json_[attrs].first.valid() || (tags.valid() && json_[tags].first.valid())) {
      report_action_mismatch(entity.uid, node);
    }
    actions_.push_back({std::move(entity), node});
  }

  void report_action_mismatch(const EntityUid& uid, JsonId node) {
    values_.set_place(nullptr, "", "");
    values_.report(Code::K6025, json_.span(json_.find(node, "uid")), to_text(uid))
        .with_help("leave actions out of the entities; the schema's are used");
  }

  void check_actions() {
    std::map<EntityUid, const Entity*> given;
    for (const ReadEntity& action : actions_) given.emplace(action.entity.uid, &action.entity);
    for (const ReadEntity& action : actions_) {
      std::set<EntityUid> above;
      std::vector<const EntityUid*> open;
      for (const EntityUid& parent : action.entity.parents) open.push_back(&parent);
      while (!open.empty()) {
        const EntityUid& next = *open.back();
        open.pop_back();
        if (!above.insert(next).second) continue;
        auto entity = given.find(next);
        if (entity == given.end()) continue;
        for (const EntityUid& parent : entity->second->parents) open.push_back(&parent);
      }
      const Action* declared = schema_.find_action(action.entity.uid);
      if (above != declared->ancestors) report_action_mismatch(action.entity.uid, action.node);
    }
  }

  // Depth first with our own stack; stored parents only, an entity that is not stored has no parents.
  void check_cycles() {
    enum class Mark : char { unseen, open, done };
    std::vector<Mark> marks(read_.size(), Mark::unseen);
    std::vector<std::pair<std::size_t, std::size_t>> stack;
    for (std::size_t root = 0; root < read_.size(); ++root) {
      if (marks[root] != Mark::unseen) continue;
      marks[root] = Mark::open;
      stack.emplace_back(root, 0);
      while (!stack.empty()) {
        auto& [at, next] = stack.back();
        const Entity& entity = read_[at].entity;
        if (next == entity.parents.size()) {
          marks[at] = Mark::done;
          stack.pop_back();
          continue;
        }
        const EntityUid& parent = entity.parents[next++];
        auto found = index_.find(parent);
        if (found == index_.end()) continue;
        if (marks[found->second] == Mark::open) return report_cycle(read_[at], parent);
        if (marks[found->second] == Mark::done) continue;
        marks[found->second] = Mark::open;
        stack.emplace_back(found->second, 0);
      }
    }
  }

  void report_cycle(const ReadEntity& child, const EntityUid& parent) {
    values_.set_place(nullptr, "", "");
    const JsonId parents = json_.find(child.node, "parents");
    Span span = json_.span(parents);
    for (JsonId node = json_[parents].first; node.valid() && !values_.exhausted(); node = json_[node].next) {
      if (values_.read_uid(node) == parent) span = json_.span(node);
    }
    diagnostics_.report(Code::K6026, span, to_text(parent))
        .with_help("an entity cannot be in itself, directly or through its parents; remove one of them");
  }

  const JsonText& json_;
  const Schema& schema_;
  Diagnostics& diagnostics_;
  ValueReader values_;
  std::vector<ReadEntity> read_, actions_;
  std::unordered_map<EntityUid, std::size_t, EntityUidHash> index_;
  int suggestions_left_ = kMaxSuggestions;
};

class RequestReader {
 public:
  RequestReader(const Sources& sources, const RequestText& text, const Schema& schema, bool validate,
                Diagnostics& diagnostics)
      : sources_(sources), text_(text), schema_(schema), validate_(validate), diagnostics_(diagnostics) {}

  std::optional<Request> run() {
    const std::size_t errors_before = diagnostics_.error_count();
    auto principal = literal("principal", text_.principal);
    auto action = literal("action", text_.action);
    auto resource = literal("resource", text_.resource);
    if (!principal || !action || !resource) return std::nullopt;
    const Action* declared = schema_.find_action(*action);
    if (!declared) {
      diagnostics_.report(Code::K6016, Span{}, to_text(*action));
      return std::nullopt;
    }
    if (validate_) {
      check_type("principal", *principal, declared->principals, *declared);
      check_type("resource", *resource, declared->resources, *declared);
    }
    auto context = read_context(*principal, *resource, *declared);
    if (!context || diagnostics_.error_count() != errors_before) return std::nullopt;
    return Request{std::move(*principal), std::move(*action), std::move(*resource), std::move(*context)};
  }

 private:
  std::optional<EntityUid> literal(std::string_view role, const std::string& text) {
    auto uid = parse_uid(text);
    if (!uid) {
      diagnostics_.report(Code::K6027, Span{}, role, text).with_help("write it as in Cedar: Type::\"id\"");
    }
    return uid;
  }

  void check_type(std::string_view role, const EntityUid& uid, const std::vector<std::string>& allowed,
                  const Action& action) {
    if (std::find(allowed.begin(), allowed.end(), uid.type) != allowed.end()) return;
    Diagnostic& diagnostic = diagnostics_.report(Code::K6028, Span{}, role, uid.type, to_text(action.uid));
    if (!schema_.find_type(uid.type)) diagnostic.with_note(fmt::format("`{}` is not declared", uid.type));
    std::string list;
    for (const std::string& name : allowed) list += (list.empty() ? "`" : ", `") + name + "`";
    diagnostic.with_help(list.empty() ? std::string("the action applies to nothing; it is only a group")
                                      : "it applies to " + list);
    diagnostic.with_related(action.span, "the action");
  }

  std::optional<ValueRecord> read_context(const EntityUid& principal, const EntityUid& resource,
                                          const Action& action) {
    JsonText json;
    if (text_.context.valid()) {
      auto parsed = JsonText::parse(sources_, text_.context, diagnostics_);
      if (!parsed) return std::nullopt;
      json = std::move(*parsed);
    }
    ValueReader values(json, schema_, validate_ ? Strictness::full : Strictness::shape, diagnostics_);
    if (validate_) {
      values.set_place(nullptr, "the principal", "");
      if (schema_.find_type(principal.type)) check_uid(principal, Span{}, schema_, values);
      values.set_place(nullptr, "the resource", "");
      if (schema_.find_type(resource.type)) check_uid(resource, Span{}, schema_, values);
    }
    values.set_place(nullptr, "the context", "");
    if (!text_.context.valid()) return empty_context(action);
    auto value = values.read(json.root(), action.context);
    if (!value) return std::nullopt;
    return *value->as_record();
  }

  std::optional<ValueRecord> empty_context(const Action& action) {
    bool good = true;
    for (const auto& [name, attr] : schema_.types[action.context].attrs) {
      if (!attr.required) continue;
      diagnostics_.report(Code::K6007, Span{}, name).with_note("in the context, which is not given");
      good = false;
    }
    return good ? std::optional(ValueRecord{}) : std::nullopt;
  }

  const Sources& sources_;
  const RequestText& text_;
  const Schema& schema_;
  bool validate_;
  Diagnostics& diagnostics_;
};

}  // namespace

Entities read_entities(const Sources& sources, SourceId source, const Schema& schema, Diagnostics& diagnostics) {
  const std::size_t errors_before = diagnostics.error_count();
  std::vector<Entity> entities;
  if (auto json = JsonText::parse(sources, source, diagnostics)) {
    entities = EntityReader(*json, schema, diagnostics).run();
  }
  if (diagnostics.error_count() != errors_before) entities.clear();
  for (Entity& action : schema.action_entities()) entities.push_back(std::move(action));
  auto built = Entities::build(std::move(entities));
  check(built.ok(), "entities without repetitions and cycles can be built");
  return std::move(built).value();
}

std::optional<Request> read_request(const Sources& sources, const RequestText& text, const Schema& schema,
                                    bool validate, Diagnostics& diagnostics) {
  return RequestReader(sources, text, schema, validate, diagnostics).run();
}

static std::optional<Error> find_wrong_parent(const std::vector<Entity>& entities) {
  for (const Entity& entity : entities) {
    if (!is_action_type(entity.uid.type)) continue;
    for (const EntityUid& parent : entity.parents) {
      if (is_action_type(parent.type)) continue;
      return Error{fmt::format("the action {} has a parent that is no action: {}", to_text(entity.uid), to_text(parent))};
    }
  }
  return std::nullopt;
}

std::optional<Entities> read_untyped_entities(const Sources& sources, SourceId source, Diagnostics& diagnostics) {
  Result<Json> json = parse_json(sources.text(source));
  Result<std::vector<Entity>> list = json ? entities_from_json(*json) : Result<std::vector<Entity>>(json.error());
  if (list) {
    if (std::optional<Error> wrong = find_wrong_parent(*list)) list = std::move(*wrong);
  }
  Result<Entities> built = list ? Entities::build(std::move(*list)) : Result<Entities>(list.error());
  if (built) return std::move(*built);
  diagnostics.report(Code::K6032, Span{source, 0, 0}, "entities", built.error().message);
  return std::nullopt;
}

std::optional<Request> read_untyped_request(const Sources& sources, const RequestText& text, Diagnostics& diagnostics) {
  Request request;
  auto uid = [&](std::string_view what, const std::string& literal, EntityUid& out) {
    std::optional<EntityUid> parsed = parse_uid(literal);
    if (parsed) out = std::move(*parsed);
    else diagnostics.report(Code::K6027, {}, what, literal).with_help("write it as Type::\"id\"");
    return parsed.has_value();
  };
  bool good = uid("principal", text.principal, request.principal);
  good = uid("action", text.action, request.action) && good;
  good = uid("resource", text.resource, request.resource) && good;
  if (text.context.valid()) {
    Result<Json> json = parse_json(sources.text(text.context));
    Result<Value> value = json ? value_from_json(*json) : Result<Value>(json.error());
    if (value && value->as_record() == nullptr) value = Error{"a context is an object"};
    if (value) request.context = *value->as_record();
    else diagnostics.report(Code::K6032, Span{text.context, 0, 0}, "context", value.error().message);
    good = good && value;
  }
  if (!good) return std::nullopt;
  return request;
}

}  // namespace kerf
