// JSON to Cedar values, directed by types. The forms are those of the official reader: an entity may be written
// `{type, id}` or `{__entity: …}`, an extension value as its argument, as `{fn, arg}` or `{__extn: …}`; a function
// that returns a plain value may stand, spelled out, where that value is expected.
#include "frontend/sema/read_value.h"

#include <algorithm>

#include "ir/canonical.h"
#include "ir/values/host_name.h"
#include "ir/values/json.h"
#include "ir/values/operations.h"

namespace kerf {
namespace {

// Argument types of the extension functions, for implicit forms in arguments.
struct Signature {
  std::string_view function;
  TypeKind args[2];
  std::size_t count;
};
constexpr Signature kSignatures[] = {
    {"ip", {TypeKind::string}, 1},
    {"decimal", {TypeKind::string}, 1},
    {"datetime", {TypeKind::string}, 1},
    {"duration", {TypeKind::string}, 1},
    {"lessThan", {TypeKind::decimal, TypeKind::decimal}, 2},
    {"lessThanOrEqual", {TypeKind::decimal, TypeKind::decimal}, 2},
    {"greaterThan", {TypeKind::decimal, TypeKind::decimal}, 2},
    {"greaterThanOrEqual", {TypeKind::decimal, TypeKind::decimal}, 2},
    {"isIpv4", {TypeKind::ip}, 1},
    {"isIpv6", {TypeKind::ip}, 1},
    {"isLoopback", {TypeKind::ip}, 1},
    {"isMulticast", {TypeKind::ip}, 1},
    {"isInRange", {TypeKind::ip, TypeKind::ip}, 2},
    {"offset", {TypeKind::datetime, TypeKind::duration}, 2},
    {"durationSince", {TypeKind::datetime, TypeKind::datetime}, 2},
    {"toDate", {TypeKind::datetime}, 1},
    {"toTime", {TypeKind::datetime}, 1},
    {"toMilliseconds", {TypeKind::duration}, 1},
    {"toSeconds", {TypeKind::duration}, 1},
    {"toMinutes", {TypeKind::duration}, 1},
    {"toHours", {TypeKind::duration}, 1},
    {"toDays", {TypeKind::duration}, 1},
};

const Signature* find_signature(std::string_view function) {
  for (const Signature& signature : kSignatures) {
    if (signature.function == function) return &signature;
  }
  return nullptr;
}

std::string_view constructor_of(TypeKind kind) {
  switch (kind) {
    case TypeKind::ip: return "ip";
    case TypeKind::decimal: return "decimal";
    case TypeKind::datetime: return "datetime";
    case TypeKind::duration: return "duration";
    case TypeKind::never:
    case TypeKind::true_:
    case TypeKind::false_:
    case TypeKind::boolean:
    case TypeKind::long_:
    case TypeKind::string:
    case TypeKind::entity:
    case TypeKind::set:
    case TypeKind::empty_set:
    case TypeKind::record: break;
  }
  internal_error("only extension types have constructors");
}

// For types without parts, where the kind of a value says it all.
bool has_type(const Value& value, TypeKind kind) {
  switch (value.kind()) {
    case ValueKind::boolean: return kind == TypeKind::boolean;
    case ValueKind::long_: return kind == TypeKind::long_;
    case ValueKind::string: return kind == TypeKind::string;
    case ValueKind::decimal: return kind == TypeKind::decimal;
    case ValueKind::ip: return kind == TypeKind::ip;
    case ValueKind::datetime: return kind == TypeKind::datetime;
    case ValueKind::duration: return kind == TypeKind::duration;
    case ValueKind::entity:
    case ValueKind::set:
    case ValueKind::record: return false;
  }
  internal_error("every kind of value has a type");
}

std::string example(TypeKind kind) {
  switch (kind) {
    case TypeKind::ip: return "an address is written \"10.0.0.1\", \"10.0.0.0/8\" or \"2001:db8::1\"";
    case TypeKind::decimal: return "a decimal is written as a string: \"1.5\", at most four digits after the point";
    case TypeKind::datetime: return "a datetime is written \"2024-01-31\" or \"2024-01-31T12:00:00Z\"";
    case TypeKind::duration: return "a duration is written \"1d2h3m4s5ms\"";
    case TypeKind::never:
    case TypeKind::true_:
    case TypeKind::false_:
    case TypeKind::boolean:
    case TypeKind::long_:
    case TypeKind::string:
    case TypeKind::entity:
    case TypeKind::set:
    case TypeKind::empty_set:
    case TypeKind::record: break;
  }
  internal_error("only extension types have constructors");
}

}  // namespace

std::string expected_text(const Types& types, TypeId id) {
  const Type& type = types[id];
  switch (type.kind) {
    case TypeKind::record: return "a record (an object)";
    case TypeKind::set: return "a set (an array)";
    case TypeKind::entity: return fmt::format("an entity of type `{}`", type.entity_types.front());
    case TypeKind::boolean:
    case TypeKind::long_:
    case TypeKind::string:
    case TypeKind::decimal:
    case TypeKind::ip:
    case TypeKind::datetime:
    case TypeKind::duration: return fmt::format("`{}`", types.text(id));
    case TypeKind::never:
    case TypeKind::true_:
    case TypeKind::false_:
    case TypeKind::empty_set: break;
  }
  internal_error("a declared type has one of the declarable kinds");
}

std::string ValueReader::place_text() const {
  if (place_kind_.empty()) return {};
  std::string text = place_name_.empty() ? std::string(place_kind_) : fmt::format("{} `{}`", place_kind_, place_name_);
  return entity_ ? fmt::format("{} of {}", text, to_text(*entity_)) : text;
}

std::nullopt_t ValueReader::mismatch(JsonId id, TypeId type) {
  const JsonNode& node = json_[id];
  if (node.kind == JsonKind::null) {
    report(Code::K6003, json_.span(id)).with_help("leave the attribute out if it has no value");
  } else if (node.kind == JsonKind::other_number && schema_.types[type].kind == TypeKind::long_) {
    report(Code::K6004, json_.span(id), node.text);
  } else {
    report(Code::K6010, json_.span(id), expected_text(schema_.types, type), describe(node));
  }
  return std::nullopt;
}

bool ValueReader::refuse_null_and_expr(JsonId id) {
  const JsonNode& node = json_[id];
  if (node.kind == JsonKind::null) {
    report(Code::K6003, json_.span(id)).with_help("leave the attribute out if it has no value");
    return true;
  }
  if (node.kind == JsonKind::object) {
    if (JsonId expr = json_.find(id, "__expr"); expr.valid() && json_[expr].kind == JsonKind::string) {
      report(Code::K6011, json_.key_span(expr)).with_help("write `__entity`, `__extn` or plain JSON");
      return true;
    }
  }
  return false;
}

std::optional<Value> ValueReader::read(JsonId id, TypeId type) {
  switch (schema_.types[type].kind) {
    case TypeKind::boolean:
    case TypeKind::long_:
    case TypeKind::string: return read_primitive(id, type);
    case TypeKind::entity: return read_entity(id, schema_.types[type]);
    case TypeKind::set: return read_set(id, type);
    case TypeKind::record: return read_record(id, type);
    case TypeKind::decimal:
    case TypeKind::ip:
    case TypeKind::datetime:
    case TypeKind::duration: return read_extension(id, type);
    case TypeKind::never:
    case TypeKind::true_:
    case TypeKind::false_:
    case TypeKind::empty_set: return std::nullopt;  // the schema has an error, which is reported
  }
  internal_error("every kind of type is read");
}

std::optional<Value> ValueReader::checked(JsonId id, TypeId type, Value value) {
  if (strictness_ == Strictness::shape || has_type(value, schema_.types[type].kind)) return value;
  report(Code::K6010, json_.span(id), expected_text(schema_.types, type), to_text(value));
  return std::nullopt;
}

std::optional<Value> ValueReader::read_primitive(JsonId id, TypeId type) {
  const JsonNode& node = json_[id];
  const TypeKind kind = schema_.types[type].kind;
  if (node.kind == JsonKind::boolean && kind == TypeKind::boolean) return Value(node.boolean);
  if (node.kind == JsonKind::integer && kind == TypeKind::long_) return Value(node.integer);
  if (node.kind == JsonKind::string && kind == TypeKind::string) return Value(std::string(node.text));
  const bool function = node.kind == JsonKind::object && json_.find(id, "__extn").valid();
  if (!function && strictness_ == Strictness::full) {
    if (!refuse_null_and_expr(id)) mismatch(id, type);
    return std::nullopt;
  }
  auto value = read_untyped(id);
  if (!value) return std::nullopt;
  return checked(id, type, std::move(*value));
}

std::optional<Value> ValueReader::read_entity(JsonId id, const Type& type) {
  auto uid = read_uid(id);
  if (!uid) return std::nullopt;
  if (!has_name(*uid, id)) return std::nullopt;
  if (strictness_ == Strictness::shape) return Value(std::move(*uid));
  if (uid->type != type.entity_types.front()) {
    report(Code::K6010, json_.span(id), fmt::format("an entity of type `{}`", type.entity_types.front()),
           to_text(*uid));
    return std::nullopt;
  }
  if (!check_uid(*uid, id_span(id), schema_, *this)) return std::nullopt;
  return Value(std::move(*uid));
}

std::optional<EntityUid> ValueReader::read_uid(JsonId id) {
  if (json_[id].kind == JsonKind::null || json_[id].kind == JsonKind::object) {
    if (refuse_null_and_expr(id)) return std::nullopt;
  }
  if (JsonId body = uid_body(id); body.valid()) {
    return EntityUid{std::string(json_[json_.find(body, "type")].text), std::string(json_[json_.find(body, "id")].text)};
  }
  Diagnostic& diagnostic = report(Code::K6005, json_.span(id), describe(json_[id]));
  diagnostic.with_help("an entity is written {\"type\": \"T\", \"id\": \"…\"}");
  return std::nullopt;
}

// Where `type` and `id` are: in `__entity` or, if that has no such form, beside it.
JsonId ValueReader::uid_body(JsonId id) const {
  if (json_[id].kind != JsonKind::object) return {};
  for (JsonId body : {json_.find(id, "__entity"), id}) {
    if (body.valid() && is_uid(body)) return body;
  }
  return {};
}

bool ValueReader::is_uid(JsonId id) const {
  if (json_[id].kind != JsonKind::object) return false;
  const JsonId type = json_.find(id, "type"), name = json_.find(id, "id");
  return type.valid() && name.valid() && json_[type].kind == JsonKind::string && json_[name].kind == JsonKind::string;
}

bool ValueReader::is_call(JsonId id) const {
  if (json_[id].kind != JsonKind::object) return false;
  const JsonId function = json_.find(id, "fn"), args = json_.find(id, "args");
  if (!function.valid() || json_[function].kind != JsonKind::string) return false;
  return json_.find(id, "arg").valid() || (args.valid() && json_[args].kind == JsonKind::array);
}

bool ValueReader::has_name(const EntityUid& uid, JsonId id) {
  if (is_name(uid.type)) return true;
  report(Code::K6008, json_.span(json_.find(uid_body(id), "type")), "the name of an entity type", quote(uid.type));
  return false;
}

Span ValueReader::id_span(JsonId uid) const { return json_.span(json_.find(uid_body(uid), "id")); }

std::optional<Value> ValueReader::read_set(JsonId id, TypeId type) {
  if (json_[id].kind != JsonKind::array) return mismatch(id, type);
  const TypeId element = schema_.types[type].element;
  std::vector<Value> values;
  bool good = true;
  for (JsonId child = json_[id].first; child.valid() && !exhausted(); child = json_[child].next) {
    auto value = read(child, element);
    if (value) values.push_back(std::move(*value));
    good = good && value.has_value();
  }
  if (!good) return std::nullopt;
  return Value::set(std::move(values));
}

std::optional<Value> ValueReader::read_record(JsonId id, TypeId type) {
  if (json_[id].kind != JsonKind::object) return mismatch(id, type);
  const std::map<std::string, AttrType>& attrs = schema_.types[type].attrs;
  ValueRecord record;
  bool good = true;
  for (JsonId child = json_[id].first; child.valid() && !exhausted(); child = json_[child].next) {
    auto attr = attrs.find(std::string(json_[child].key));
    if (attr == attrs.end()) {
      Diagnostic& diagnostic = report(Code::K6006, json_.key_span(child), json_[child].key);
      std::vector<std::string> names;
      for (const auto& [name, declared] : attrs) names.push_back(name);
      if (auto near = closest(json_[child].key, names)) diagnostic.with_help(fmt::format("did you mean `{}`?", *near));
      good = false;
      continue;
    }
    auto value = read(child, attr->second.type);
    if (value) record.emplace(attr->first, std::move(*value));
    good = good && value.has_value();
  }
  if (good && record.size() < attrs.size()) {
    for (const auto& [name, attr] : attrs) {
      if (!attr.required || record.contains(name)) continue;
      report(Code::K6007, json_.open_span(id), name);
      good = false;
    }
  }
  if (!good) return std::nullopt;
  return Value(std::move(record));
}

std::optional<Value> ValueReader::read_extension(JsonId id, TypeId type) {
  const JsonNode& node = json_[id];
  const TypeKind kind = schema_.types[type].kind;
  if (node.kind == JsonKind::string) {
    EvalResult value = op_call(constructor_of(kind), {Value(std::string(node.text))});
    if (value) return std::move(value).value();
    report(Code::K6012, json_.span(id), value.error().message).with_help(example(kind));
    return std::nullopt;
  }
  if (refuse_null_and_expr(id)) return std::nullopt;
  if (node.kind != JsonKind::object) return mismatch(id, type);
  JsonId body = json_.find(id, "__extn");
  if (!body.valid() || !is_call(body)) body = id;
  if (!is_call(body)) return mismatch(id, type);
  const JsonId function = json_.find(body, "fn"), arg = json_.find(body, "arg"), args = json_.find(body, "args");
  auto value = call(function, arg.valid() ? arg : args, !arg.valid(), true);
  if (!value) return std::nullopt;
  return checked(id, type, std::move(*value));
}

// `list`: `args` is an array of arguments. `typed`: arguments may be written in implicit forms.
std::optional<Value> ValueReader::call(JsonId function, JsonId args, bool list, bool typed) {
  const std::string_view name = json_[function].text;
  const Signature* signature = find_signature(name);
  if (!signature) {
    report(Code::K6013, json_.span(function), name);
    return std::nullopt;
  }
  std::vector<JsonId> ids;
  if (!list) {
    ids.push_back(args);
  } else if (json_[args].kind == JsonKind::array) {
    for (JsonId child = json_[args].first; child.valid(); child = json_[child].next) ids.push_back(child);
  }
  if (ids.size() != signature->count) {
    report(Code::K6014, json_.span(args), name, signature->count, signature->count == 1 ? "" : "s", ids.size());
    return std::nullopt;
  }
  std::vector<Value> values;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    auto value = typed ? read(ids[i], schema_.types.simple(signature->args[i])) : read_untyped(ids[i]);
    if (!value) return std::nullopt;
    values.push_back(std::move(*value));
  }
  EvalResult result = op_call(name, values);
  if (result) return std::move(result).value();
  report(Code::K6012, json_.span(args), result.error().message);
  return std::nullopt;
}

std::optional<Value> ValueReader::read_untyped(JsonId id) {
  const JsonNode& node = json_[id];
  const bool alone = node.kind != JsonKind::object || (node.first.valid() && !json_[node.first].next.valid());
  if (alone && refuse_null_and_expr(id)) return std::nullopt;
  if (node.kind == JsonKind::boolean) return Value(node.boolean);
  if (node.kind == JsonKind::integer) return Value(node.integer);
  if (node.kind == JsonKind::string) return Value(std::string(node.text));
  if (node.kind == JsonKind::other_number) {
    report(Code::K6004, json_.span(id), node.text);
    return std::nullopt;
  }
  // An escape is an object with that one key, whose content has the escape's form; else it is a record.
  if (node.kind == JsonKind::object && node.first.valid() && !json_[node.first].next.valid()) {
    const JsonId body = node.first;
    if (json_[body].key == "__extn" && is_call(body)) {
      const JsonId arg = json_.find(body, "arg");
      return call(json_.find(body, "fn"), arg.valid() ? arg : json_.find(body, "args"), !arg.valid(), false);
    }
    if (json_[body].key == "__entity" && is_uid(body)) {
      auto uid = read_uid(id);
      if (!uid || !has_name(*uid, id)) return std::nullopt;
      return Value(std::move(*uid));
    }
  }
  std::vector<Value> elements;
  ValueRecord record;
  for (JsonId child = node.first; child.valid(); child = json_[child].next) {
    auto value = read_untyped(child);
    if (!value) return std::nullopt;
    if (node.kind == JsonKind::array) {
      elements.push_back(std::move(*value));
    } else {
      record.emplace(std::string(json_[child].key), std::move(*value));
    }
  }
  if (node.kind == JsonKind::array) return Value::set(std::move(elements));
  return Value(std::move(record));
}

namespace {

bool check_spelling(const EntityUid& uid, KernelKind kind, Span span, ValueReader& reader) {
  std::optional<std::string> better;
  switch (kind) {
    case KernelKind::process:
    case KernelKind::syscall: return true;   // names of calls are checked with the plan
    case KernelKind::host:
      if (is_canonical_host(uid.id)) return true;
      better = suggest_host(uid.id);
      break;
    case KernelKind::endpoint:
      if (parse_endpoint_id(uid.id)) return true;
      better = suggest_endpoint_id(uid.id);
      break;
    case KernelKind::file:
      if (is_canonical_file_id(uid.id)) return true;
      better = suggest_path(uid.id);
      break;
    case KernelKind::directory:
      if (is_canonical_path(uid.id)) return true;
      better = suggest_path(uid.id);
      break;
    case KernelKind::socket:
      if (is_socket_id(uid.id)) return true;
      break;
    case KernelKind::system:
      if (event_of_operation(uid.id)) return true;
      break;
  }
  Diagnostic& diagnostic = reader.report(Code::K6015, span, to_text(uid), to_text(kind));
  if (better) {
    const std::string text = Json(*better).dump();
    diagnostic.with_help(fmt::format("write {}", text));
    if (span.valid()) diagnostic.with_fix(span, text);
  } else if (kind == KernelKind::endpoint) {
    diagnostic.with_help("an endpoint's id is \"10.0.0.1:443\" or \"[2001:db8::1]:443\"");
  } else if (kind == KernelKind::system) {
    diagnostic.with_help("an operation's id is one of those that the page on kernel bindings lists, such as \"mount\", or \"sysctl/\" and a variable's name");
  } else if (kind == KernelKind::socket) {
    diagnostic.with_help("a socket's id is its family and type: \"inet/stream\", \"inet6/dgram\", \"packet/raw\", \"netlink/raw\"");
  } else {
    diagnostic.with_help("a path is absolute, without `.`, `..`, `//` and trailing slash, of at most 4096 bytes and 128 components");
  }
  return false;
}

}  // namespace

bool check_uid(const EntityUid& uid, Span span, const Schema& schema, ValueReader& reader) {
  const EntityType* type = schema.find_type(uid.type);
  if (!type) {
    if (schema.find_action(uid)) return true;
    reader.report(Code::K6016, span, to_text(uid));
    return false;
  }
  if (type->enum_ids && !type->enum_index.contains(uid.id)) {
    Diagnostic& diagnostic = reader.report(Code::K6017, span, uid.type, uid.id);
    if (auto near = closest(uid.id, *type->enum_ids)) diagnostic.with_help(fmt::format("did you mean {}?", quote(*near)));
    return false;
  }
  return !type->kernel || check_spelling(uid, *type->kernel, span, reader);
}

}  // namespace kerf
