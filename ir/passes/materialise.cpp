// A kernel event to the Cedar request that it stands for. The one decision: the resource always exists, with what the
// hook observed merged over what is stored; context attributes that nothing gives a value stay open.
#include "ir/passes/materialise.h"

#include <fmt/format.h>

#include "ir/base/check.h"
#include "ir/values/extension.h"

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
    case TypeKind::set:
    case TypeKind::empty_set: return value.kind() == ValueKind::set;
    case TypeKind::record: return value.kind() == ValueKind::record;
    case TypeKind::decimal: return value.kind() == ValueKind::decimal;
    case TypeKind::ip: return value.kind() == ValueKind::ip;
    case TypeKind::datetime: return value.kind() == ValueKind::datetime;
    case TypeKind::duration: return value.kind() == ValueKind::duration;
    case TypeKind::never: return false;
  }
  internal_error("type kind");
}

// The type that the schema gives a published fact, or nothing.
std::optional<TypeKind> fact_type(const Schema& schema, const std::string& name) {
  for (const auto& [uid, action] : schema.actions) {
    if (action.events.empty()) continue;
    for (const auto& [attr, binding] : action.bindings) {
      if (binding.kind != AttrBinding::Kind::fact || binding.name != name) continue;
      return schema.types[schema.types[action.context].attrs.at(attr).type].kind;
    }
  }
  return std::nullopt;
}

Status read_observed(const Json& json, KernelEventData& event) {
  for (const auto& [name, value] : json.items()) {
    const Observable* observable = find_observable(name);
    if (!observable) return Error{fmt::format("`{}` is no observable of the kernel model", name)};
    if (observable->id == ObservableId::endpoint_host) return Error{"`endpoint.host` is not observed by this version"};
    Result<Value> read = value_of_type(value, observable->type);
    if (!read) return Error{fmt::format("observed `{}`: {}", name, read.error().message)};
    if (!has_kind(*read, observable->type)) return Error{fmt::format("observed `{}` has the wrong type", name)};
    event.observed.insert_or_assign(name, *read);
  }
  return Unit{};
}

Status read_facts(const Schema& schema, const Json& json, KernelEventData& event) {
  for (const auto& [name, value] : json.items()) {
    auto type = fact_type(schema, name);
    if (!type) return Error{fmt::format("no governed action has a fact `{}`", name)};
    Result<Value> read = value_of_type(value, *type);
    if (!read) return Error{fmt::format("fact `{}`: {}", name, read.error().message)};
    if (!has_kind(*read, *type)) return Error{fmt::format("fact `{}` has the wrong type", name)};
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
  return std::pair{normalise_address(address), static_cast<std::uint16_t>(number)};
}

// The environment that the event belongs to.
const RequestEnv* environment_of(const Module& module, const KernelEventData& event) {
  for (const RequestEnv& env : module.environments) {
    const Action* action = module.schema.find_action(env.action);
    const EntityType* resource = module.schema.find_type(env.resource);
    if (!action || !resource || env.principal != event.principal.type) continue;
    if (resource->kernel != kernel_event(event.event).resource) continue;
    for (KernelEventId id : action->events) {
      if (id == event.event) return &env;
    }
  }
  return nullptr;
}

// Values that the event gives to bound attributes; the observed endpoint is given apart, normalised.
std::optional<Value> bound_value(const AttrBinding& binding, const KernelEventData& event) {
  const auto& values = binding.kind == AttrBinding::Kind::fact ? event.facts : event.observed;
  auto it = values.find(binding.name);
  if (it == values.end()) return std::nullopt;
  return it->second;
}

Entity observed_endpoint(const Module& module, const RequestEnv& env, const KernelEventData& event,
                         const EntityUid& uid) {
  Entity entity{uid, {}, {}, {}};
  if (const Entity* stored = module.entities.find(uid)) entity = *stored;
  for (const auto& [attr, binding] : module.schema.find_type(env.resource)->bindings) {
    if (auto value = bound_value(binding, event)) entity.attrs.insert_or_assign(attr, *value);
  }
  return entity;
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

Result<KernelEventData> event_from_json(const Schema& schema, const Json& json) {
  if (!json.is_object()) return Error{"an event is a JSON object"};
  for (const auto& [key, value] : json.items()) {
    if (key != "event" && key != "principal" && key != "observed" && key != "facts") {
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
  KernelEventData result{event->id, *uid, {}, {}};
  if (Status read = read_observed(*observed, result); !read) return read.error();
  if (Status read = read_facts(schema, *facts, result); !read) return read.error();
  auto endpoint = endpoint_of(result);
  if (!endpoint) return endpoint.error();
  result.observed.insert_or_assign("endpoint.ip", Value(endpoint->first));
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
  auto endpoint = endpoint_of(event);
  if (!endpoint) return endpoint.error();
  event.observed.insert_or_assign("endpoint.ip", Value(endpoint->first));
  const EntityUid resource{env->resource, endpoint_id(endpoint->first, endpoint->second)};
  Materialised result{{given.principal, env->action, resource, {}}, {}, {}};
  auto entities = module.entities.with({observed_endpoint(module, *env, event, resource)});
  if (!entities) return entities.error();
  result.entities = std::move(*entities);
  fill_context(module, *module.schema.find_action(env->action), event, result);
  return result;
}

}  // namespace kerf
