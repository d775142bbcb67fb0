// A kernel event to the Cedar request that it stands for. The one decision: the resource and the directories above it
// always exist, with what the hook observed merged over what is stored; context attributes that nothing gives a value
// stay open.
#include "ir/passes/materialise.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "ir/base/check.h"
#include "ir/base/source.h"
#include "ir/passes/plan.h"
#include "ir/values/extension.h"
#include "ir/values/host_name.h"

namespace kerf {

namespace {

// Extension values may be written as their constructor's text.
Result<Value> value_of_type(const Json& json, TypeKind type) {
  if (json.is_string()) {
    const std::string text = json.get<std::string>();
    std::optional<Value> value;
    if (type == TypeKind::ip) {
      if (auto parsed = parse_ip(text)) value = Value(*parsed);
    } else if (type == TypeKind::decimal) {
      if (auto parsed = parse_decimal(text)) value = Value(*parsed);
    } else if (type == TypeKind::datetime) {
      if (auto parsed = parse_datetime(text)) value = Value(*parsed);
    } else if (type == TypeKind::duration) {
      if (auto parsed = parse_duration(text)) value = Value(*parsed);
    } else {
      return value_from_json(json);
    }
    if (!value) return Error{fmt::format("{} has the wrong form", quote(text))};
    return *value;
  }
  return value_from_json(json);
}

bool has_kind(const Value& value, TypeKind type) {
  switch (type) {
    case TypeKind::true_:
    case TypeKind::false_:
    case TypeKind::boolean: return value.kind() == ValueKind::boolean;
    case TypeKind::long_: return value.kind() == ValueKind::long_;
    case TypeKind::string: return value.kind() == ValueKind::string;
    case TypeKind::entity: return value.kind() == ValueKind::entity;
    case TypeKind::decimal: return value.kind() == ValueKind::decimal;
    case TypeKind::ip: return value.kind() == ValueKind::ip;
    case TypeKind::datetime: return value.kind() == ValueKind::datetime;
    case TypeKind::duration: return value.kind() == ValueKind::duration;
    case TypeKind::set:
    case TypeKind::empty_set:
    case TypeKind::record:
    case TypeKind::never: break;
  }
  internal_error("neither observed nor published");
}

// The type that the schema gives a published fact, or nullptr.
const Type* fact_type(const Schema& schema, const std::string& name) {
  for (const auto& [uid, action] : schema.actions) {
    if (action.events.empty()) continue;
    for (const auto& [attr, binding] : action.bindings) {
      if (binding.kind != AttrBinding::Kind::fact || binding.name != name) continue;
      return &schema.types[schema.types[action.context].attrs.at(attr).type];
    }
  }
  return nullptr;
}

bool is_value_of(const Schema& schema, const Value& value, const Type& type) {
  if (!has_kind(value, type.kind)) return false;
  const EntityUid* uid = value.as_entity();
  if (!uid) return true;
  const EntityType* declared = schema.find_type(uid->type);
  if (!declared || std::find(type.entity_types.begin(), type.entity_types.end(), uid->type) == type.entity_types.end()) return false;
  return !declared->enum_ids || std::find(declared->enum_ids->begin(), declared->enum_ids->end(), uid->id) != declared->enum_ids->end();
}

Status read_observed(const Json& json, KernelEventData& event) {
  for (const auto& [name, value] : json.items()) {
    const Observable* observable = find_observable(name);
    if (!observable) return Error{fmt::format("`{}` is no observable of the kernel model", name)};
    if (observable->from == ObservedFrom::host) return Error{"`endpoint.host` follows from `hosts`"};
    const KernelEvent& row = kernel_event(event.event);
    if (!is_observed_with(*observable, row.id)) {
      return Error{fmt::format("`{}` is not observed with `{}`", name, row.text)};
    }
    Result<Value> read = value_of_type(value, observable->type);
    if (!read) return Error{fmt::format("observed `{}`: {}", name, read.error().message)};
    if (!has_kind(*read, observable->type)) return Error{fmt::format("observed `{}` has the wrong type", name)};
    event.observed.insert_or_assign(name, *read);
  }
  if (auto path = event.observed.find("directory.path"); path != event.observed.end()) {
    if (!event.observed.emplace("file.path", path->second).second) return Error{"an event has one path: `file.path` or `directory.path`"};
    event.directory = true;
  }
  return Unit{};
}

Status read_facts(const Schema& schema, const Json& json, KernelEventData& event) {
  for (const auto& [name, value] : json.items()) {
    const Type* type = fact_type(schema, name);
    if (!type) return Error{fmt::format("no governed action has a fact `{}`", name)};
    Result<Value> read = value_of_type(value, type->kind);
    if (!read) return Error{fmt::format("fact `{}`: {}", name, read.error().message)};
    if (!is_value_of(schema, *read, *type)) return Error{fmt::format("fact `{}` has the wrong type", name)};
    event.facts.insert_or_assign(name, *read);
  }
  return Unit{};
}

// Address and port as the kernel normalises them.
Result<std::pair<IpAddr, std::uint16_t>> endpoint_of(const KernelEventData& event) {
  auto ip = event.observed.find("endpoint.ip");
  auto port = event.observed.find("endpoint.port");
  if (ip == event.observed.end() || !ip->second.as_ip()) return Error{"the event has no `endpoint.ip`"};
  if (port == event.observed.end() || !port->second.as_long()) return Error{"the event has no `endpoint.port`"};
  const IpAddr address = *ip->second.as_ip();
  if (address.prefix != (address.v6 ? 128 : 32)) return Error{"`endpoint.ip` is a range, not an address"};
  const std::int64_t number = *port->second.as_long();
  if (number < 0 || number > 65535) return Error{"`endpoint.port` is not between 0 and 65535"};
  const bool connects = event.event == KernelEventId::net_connect;
  return std::pair{connects ? normalise_address(address) : unmap_address(address), static_cast<std::uint16_t>(number)};
}

Result<std::string> path_of(const KernelEventData& event) {
  auto path = event.observed.find("file.path");
  if (path == event.observed.end() || !path->second.as_string()) return Error{"the event has no `file.path`"};
  const std::string& text = *path->second.as_string();
  if (find_invalid_utf8(text) != std::string_view::npos) return Error{"not-text: `file.path` is no UTF-8"};
  const bool nameless = is_nameless_object(text);
  if (event.directory && nameless) return Error{fmt::format("`{}` is no directory", text)};
  if (nameless || is_canonical_path(text)) return text;
  if (text.size() > kMaxPathBytes || std::count(text.begin(), text.end(), '/') > std::ptrdiff_t{kMaxPathComponents}) {
    return Error{fmt::format("too-long: `file.path` passes {} bytes or {} components", kMaxPathBytes, kMaxPathComponents)};
  }
  return Error{fmt::format("`file.path` {} is not canonical", quote(text))};
}

Status check_range(const KernelEventData& event, const char* name, std::int64_t last) {
  auto value = event.observed.find(name);
  if (value == event.observed.end()) return Unit{};
  const std::int64_t* number = value->second.as_long();
  if (!number || *number < 0 || *number > last) return Error{fmt::format("`{}` is not between 0 and {}", name, last)};
  return Unit{};
}

// What a hook can see of a file, with what follows from it filled in.
Status complete_file(KernelEventData& event) {
  auto path = path_of(event);
  if (!path) return path.error();
  event.observed.insert_or_assign("directory.path", Value(*path));
  if (auto type = event.observed.find("file.fs_type"); type != event.observed.end()) {
    const std::string* text = type->second.as_string();
    if (!text || text->size() > kMaxFsTypeBytes || text->find('\0') != std::string::npos) {
      return Error{"`file.fs_type` is no name of a file system type"};
    }
  }
  for (auto [name, last] : {std::pair{"file.owner", std::int64_t{4294967295}}, {"file.mode", 07777}, {"file.nlink", 4294967295}}) {
    if (Status range = check_range(event, name, last); !range) return range.error();
  }
  const bool exists = event.observed.contains("file.mode");
  if (event.observed.contains("file.owner") != exists || event.observed.contains("file.nlink") != exists) {
    return Error{"`file.owner`, `file.mode` and `file.nlink` are observed together, or not at all"};
  }
  auto setuid = event.observed.find("file.setuid");
  const bool bit = exists && (*event.observed.at("file.mode").as_long() & 04000) != 0;
  if (setuid != event.observed.end() && (!exists || !(setuid->second == Value(bit)))) {
    return Error{"`file.setuid` contradicts `file.mode`"};
  }
  if (exists) event.observed.insert_or_assign("file.setuid", Value(bit));
  return Unit{};
}

Result<std::string> call_of(const KernelEventData& event) {
  auto name = event.observed.find("syscall.name");
  if (name == event.observed.end() || !name->second.as_string()) return Error{"the event has no `syscall.name`"};
  return *name->second.as_string();
}

Result<std::string> socket_of(const KernelEventData& event) {
  std::uint32_t numbers[2] = {};
  for (int i = 0; i < 2; ++i) {
    const char* name = i == 0 ? "socket.family" : "socket.type";
    auto value = event.observed.find(name);
    if (value == event.observed.end() || !value->second.as_long()) return Error{fmt::format("the event has no `{}`", name)};
    numbers[i] = static_cast<std::uint32_t>(*value->second.as_long());
  }
  return socket_id(numbers[0], numbers[1]);
}

Result<std::string> operation_of(const KernelEventData& event) {
  auto value = event.observed.find("system.operation");
  if (value == event.observed.end() || !value->second.as_string()) return Error{"the event has no `system.operation`"};
  const std::string& text = *value->second.as_string();
  if (event_of_operation(text) == event.event) return text;
  return Error{fmt::format("`system.operation` {} is none of `{}`", quote(text), kernel_event(event.event).text)};
}

// Of everything observed that is a number.
Status check_ranges(const KernelEventData& event) {
  for (const auto& [name, value] : event.observed) {
    const Observable* observable = find_observable(name);
    if (!observable || observable->type != TypeKind::long_) continue;
    if (Status range = check_range(event, name.c_str(), observable->largest); !range) return range.error();
  }
  return Unit{};
}

// Normalised, as the kernel sees it; an error where the kernel would refuse.
Status complete(KernelEventData& event) {
  constexpr std::int64_t u32 = 4294967295;
  for (auto [name, last] : {std::pair{"process.uid", u32}, {"process.gid", u32}, {"process.pid", u32}, {"process.pid_namespace", u32}, {"net.protocol", std::int64_t{255}}}) {
    if (Status range = check_range(event, name, last); !range) return range.error();
  }
  auto clock = event.observed.find("clock.now");
  if (clock != event.observed.end() && clock->second.as_datetime()->ms < 0) return Error{"`clock.now` is before 1970"};
  if (auto comm = event.observed.find("process.comm"); comm != event.observed.end()) {
    const std::string& text = *comm->second.as_string();
    if (find_invalid_utf8(text) != std::string_view::npos) return Error{"not-text: `process.comm` is no UTF-8"};
    if (text.size() > kMaxCommBytes || text.find('\0') != std::string::npos) return Error{"`process.comm` is no name of a task"};
  }
  if (!event.hosts.empty() && kernel_event(event.event).resource != KernelKind::endpoint) return Error{"`hosts` belongs to events about an endpoint"};
  if (kernel_event(event.event).resource == KernelKind::file) return complete_file(event);
  if (event.directory) return Error{"`directory` belongs to file events"};
  if (kernel_event(event.event).resource != KernelKind::endpoint) {
    if (Status range = check_ranges(event); !range) return range.error();
    auto id = resource_text(event);
    return id ? Status(Unit{}) : Status(id.error());
  }
  auto endpoint = endpoint_of(event);
  if (!endpoint) return endpoint.error();
  event.observed.insert_or_assign("endpoint.ip", Value(endpoint->first));
  std::sort(event.hosts.begin(), event.hosts.end());
  event.hosts.erase(std::unique(event.hosts.begin(), event.hosts.end()), event.hosts.end());
  event.observed.erase("endpoint.host");
  if (event.hosts.size() == 1) event.observed.emplace("endpoint.host", Value(event.hosts.front()));
  return Unit{};
}

// The environment that the event belongs to. A directory is of the directory type where an action lists it.
const RequestEnv* environment_of(const Module& module, const KernelEventData& event) {
  const RequestEnv* of_file = nullptr;
  for (const RequestEnv& env : module.environments) {
    const Action* action = module.schema.find_action(env.action);
    const EntityType* resource = module.schema.find_type(env.resource);
    if (!action || !resource || !resource->kernel || env.principal != event.principal.type) continue;
    if (std::find(action->events.begin(), action->events.end(), event.event) == action->events.end()) continue;
    if (*resource->kernel == KernelKind::directory && event.directory) return &env;
    if (*resource->kernel == kernel_event(event.event).resource) of_file = &env;
  }
  return of_file;
}

// Values that the event gives to bound attributes.
std::optional<Value> bound_value(const AttrBinding& binding, const KernelEventData& event) {
  const auto& values = binding.kind == AttrBinding::Kind::fact ? event.facts : event.observed;
  auto it = values.find(binding.name);
  if (it == values.end()) return std::nullopt;
  return it->second;
}

// What is stored of the entity, with what the event observes over it.
Entity observed_entity(const Module& module, const KernelEventData& event, const EntityUid& uid) {
  Entity entity{uid, {}, {}, {}};
  if (const Entity* stored = module.entities.find(uid)) entity = *stored;
  for (const auto& [attr, binding] : module.schema.find_type(uid.type)->bindings) {
    if (auto value = bound_value(binding, event)) entity.attrs.insert_or_assign(attr, *value);
  }
  return entity;
}

// The directories above a file or directory, outermost first, each in the one before where the schema lets directories
// be in directories. Adds what the resource is in to its parents.
std::vector<Entity> directories_above(const Module& module, Entity& resource) {
  std::vector<Entity> above;
  const EntityType* directory = module.schema.kernel_type(KernelKind::directory);
  if (!directory || !module.schema.find_type(resource.uid.type)->ancestors.contains(directory->name)) return above;
  const bool nested = directory->ancestors.contains(directory->name);
  for (const std::string& path : ancestor_directories(resource.uid.id)) {
    KernelEventData seen{KernelEventId::file_read, {}, {{"directory.path", Value(path)}}, {}, true, {}};
    Entity entity = observed_entity(module, seen, {directory->name, path});
    if (nested && !above.empty()) entity.parents.push_back(above.back().uid);
    above.push_back(std::move(entity));
  }
  for (std::size_t i = nested && !above.empty() ? above.size() - 1 : 0; i < above.size(); ++i) {
    resource.parents.push_back(above[i].uid);
  }
  return above;
}

// The hosts whose names are known, as parents of the endpoint.
void add_hosts(const Module& module, const KernelEventData& event, Entity& resource) {
  const EntityType* host = module.schema.kernel_type(KernelKind::host);
  if (!host || !module.schema.find_type(resource.uid.type)->ancestors.contains(host->name)) return;
  for (const std::string& name : event.hosts) resource.parents.push_back({host->name, name});
}

Status read_hosts(const Json& json, KernelEventData& event) {
  for (const Json& name : json) {
    if (!name.is_string() || !is_canonical_host(name.get<std::string>())) return Error{"`hosts` lists names of hosts, in lower case and without a final dot"};
    event.hosts.push_back(name.get<std::string>());
  }
  return Unit{};
}

Result<EntityUid> resource_of(const RequestEnv& env, const KernelEventData& event) {
  if (kernel_event(event.event).resource == KernelKind::endpoint) {
    auto endpoint = endpoint_of(event);
    if (!endpoint) return endpoint.error();
    return EntityUid{env.resource, endpoint_id(endpoint->first, endpoint->second)};
  }
  auto text = resource_text(event);
  if (!text) return text.error();
  return EntityUid{env.resource, *text};
}

// What a hook always sees must be given if the resource's type has it: the entity would not fit the schema.
Status check_complete(const Module& module, const RequestEnv& env, const KernelEventData& event) {
  for (const auto& [attr, binding] : module.schema.find_type(env.resource)->bindings) {
    const Observable* observable = find_observable(binding.name);
    check(observable, "what is bound to a resource is observed");
    if (!observable->always_present || event.observed.contains(binding.name)) continue;
    return Error{fmt::format("the event has no `{}`", binding.name)};
  }
  return Unit{};
}

void fill_context(const Module& module, const Action& action, const KernelEventData& event, Materialised& result) {
  for (const auto& [attr, declared] : module.schema.types[action.context].attrs) {
    auto binding = action.bindings.find(attr);
    if (binding == action.bindings.end()) {
      result.open.push_back(attr);
    } else if (auto value = bound_value(binding->second, event)) {
      result.request.context.insert_or_assign(attr, *value);
    } else if (binding->second.kind == AttrBinding::Kind::observable) {
      result.open.push_back(attr);   // the caller did not say what the hook saw
    }
  }
}

Result<Json> member(const Json& json, const char* key, bool object) {
  auto it = json.find(key);
  if (it == json.end()) {
    if (object) return Json::object();
    return Error{fmt::format("the event has no `{}`", key)};
  }
  if (object ? !it->is_object() : !it->is_string()) {
    return Error{fmt::format("`{}` must be {}", key, object ? "an object" : "a string")};
  }
  return *it;
}

}  // namespace

Result<std::string> resource_text(const KernelEventData& event) {
  switch (kernel_event(event.event).resource) {
    case KernelKind::socket: return socket_of(event);
    case KernelKind::syscall: return call_of(event);
    case KernelKind::system: return operation_of(event);
    case KernelKind::file:
    case KernelKind::directory: return path_of(event);
    case KernelKind::endpoint:
    case KernelKind::process:
    case KernelKind::host: break;
  }
  internal_error("an event about something without a text");
}

Result<KernelEventData> event_from_json(const Schema& schema, const Json& json) {
  if (!json.is_object()) return Error{"an event is a JSON object"};
  for (const auto& [key, value] : json.items()) {
    if (key != "event" && key != "principal" && key != "observed" && key != "facts" && key != "directory" && key != "hosts") {
      return Error{fmt::format("an event has no `{}`", key)};
    }
  }
  Result<Json> name = member(json, "event", false), principal = member(json, "principal", false);
  Result<Json> observed = member(json, "observed", true), facts = member(json, "facts", true);
  for (const Result<Json>* part : {&name, &principal, &observed, &facts}) {
    if (!part->ok()) return part->error();
  }
  const KernelEvent* event = find_event(name->get<std::string>());
  if (!event) return Error{fmt::format("{} is no event of the kernel model", quote(name->get<std::string>()))};
  auto uid = parse_uid(principal->get<std::string>());
  if (!uid) return Error{"`principal` is not an entity: write it as Type::\"id\""};
  KernelEventData result{event->id, *uid, {}, {}, false, {}};
  if (auto hosts = json.find("hosts"); hosts != json.end()) {
    if (!hosts->is_array()) return Error{"`hosts` must be a list"};
    if (Status read = read_hosts(*hosts, result); !read) return read.error();
  }
  if (auto directory = json.find("directory"); directory != json.end()) {
    if (!directory->is_boolean()) return Error{"`directory` must be true or false"};
    result.directory = directory->get<bool>();
  }
  if (Status read = read_observed(*observed, result); !read) return read.error();
  if (Status read = read_facts(schema, *facts, result); !read) return read.error();
  if (Status done = complete(result); !done) return done.error();
  return result;
}

Result<Materialised> materialise(const Module& module, const KernelEventData& given) {
  const EntityType* type = module.schema.find_type(given.principal.type);
  if (!type || type->kernel != KernelKind::process) {
    return Error{fmt::format("`{}` is not of a type that `@kernel(\"process\")` binds", to_text(given.principal))};
  }
  if (!module.entities.find(given.principal)) {
    return Error{fmt::format("`{}` is not among the entities", to_text(given.principal))};
  }
  const RequestEnv* env = environment_of(module, given);
  if (!env) return Error{"no-applicable-action: no action binds this event for this principal"};
  KernelEventData event = given;
  if (Status done = complete(event); !done) return done.error();
  if (Status done = check_complete(module, *env, event); !done) return done.error();
  auto resource = resource_of(*env, event);
  if (!resource) return resource.error();
  Materialised result{{given.principal, env->action, *resource, {}}, {}, {}};
  Entity observed = observed_entity(module, event, *resource);
  std::vector<Entity> seen = directories_above(module, observed);
  add_hosts(module, event, observed);
  seen.push_back(std::move(observed));
  auto entities = module.entities.with(std::move(seen));
  if (!entities) return entities.error();
  result.entities = std::move(*entities);
  fill_context(module, *module.schema.find_action(env->action), event, result);
  return result;
}

}  // namespace kerf
