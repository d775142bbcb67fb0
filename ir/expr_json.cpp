// Expressions to JSON. `&&` and `||` are associative, errors included, so their chains are written as balanced trees:
// a thousand operands then nest ten levels, and readers can keep a bound on nesting.
#include "ir/expr_json.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/base/check.h"
#include "ir/values/extension.h"

namespace kerf {

namespace {

Json one(std::string_view key, Json value) {
  Json::object_t object;
  object.emplace(key, std::move(value));
  return Json(std::move(object));
}

// {"call":["offset",{"datetime":"1970-01-01"},{"duration":"…"}]}: a datetime without constructor text.
Json far_datetime(const Datetime& d) {
  Json::array_t call{"offset", one("datetime", "1970-01-01"), one("duration", to_text(Duration{d.ms}))};
  return one("call", std::move(call));
}

// Is every part of the value a literal of the format? Only datetimes outside the years 0 to 9999 are not.
bool is_literal(const Value& value) {
  if (const Datetime* d = value.as_datetime()) return has_text(*d);
  if (const ValueSet* set = value.as_set()) return std::all_of(set->begin(), set->end(), is_literal);
  const ValueRecord* record = value.as_record();
  return record == nullptr ||
         std::all_of(record->begin(), record->end(), [](const auto& field) { return is_literal(field.second); });
}

Json set_to_json(const ValueSet& set, bool literal) {
  Json::array_t elements;
  for (const Value& element : set) elements.push_back(literal_to_json(element));
  return one(literal ? "SetValue" : "Set", std::move(elements));
}

Json record_to_json(const ValueRecord& record, bool literal) {
  Json::object_t fields;
  for (const auto& [name, value] : record) fields.emplace(name, literal_to_json(value));
  return one(literal ? "RecordValue" : "Record", std::move(fields));
}

}  // namespace

Json literal_to_json(const Value& value) {
  switch (value.kind()) {
    case ValueKind::boolean: return one("Bool", *value.as_bool());
    case ValueKind::long_: return one("Long", std::to_string(*value.as_long()));
    case ValueKind::string: return one("String", *value.as_string());
    case ValueKind::entity: return one("Entity", uid_to_json(*value.as_entity()));
    case ValueKind::set: return set_to_json(*value.as_set(), is_literal(value));
    case ValueKind::record: return record_to_json(*value.as_record(), is_literal(value));
    case ValueKind::decimal: return one("decimal", to_text(*value.as_decimal()));
    case ValueKind::ip: return one("ip", to_text(*value.as_ip()));
    case ValueKind::datetime:
      return has_text(*value.as_datetime()) ? one("datetime", to_text(*value.as_datetime()))
                                            : far_datetime(*value.as_datetime());
    case ValueKind::duration: return one("duration", to_text(*value.as_duration()));
  }
  internal_error("unknown kind of value");
}

namespace {

Json pattern_to_json(const Pattern& pattern) {
  Json::array_t pieces(pattern.pieces.begin(), pattern.pieces.end());
  return one("pieces", std::move(pieces));
}

class Writer {
 public:
  explicit Writer(const Body& body) : body_(body) {}

  Json write(NodeId id) const {
    const std::string text(op_row(body_[id].op).text);
    switch (body_[id].op) {
      case Op::literal: return literal_to_json(body_.literal(id));
      case Op::variable: return one("Var", std::string(to_text(body_.variable(id))));
      case Op::and_:
      case Op::or_: return balanced(text, chain(body_, id, body_[id].op));
      case Op::has_attr:
      case Op::get_attr:
      case Op::is: return one(text, Json::array_t{write(body_.arg(id, 0)), body_.name(id)});
      case Op::like: return one(text, Json::array_t{write(body_.arg(id, 0)), pattern_to_json(body_.pattern(id))});
      case Op::call: return one(text, operands(id, {body_.name(id)}));
      case Op::record: return record(id);
      case Op::not_:
      case Op::if_:
      case Op::eq:
      case Op::less:
      case Op::less_eq:
      case Op::add:
      case Op::sub:
      case Op::mul:
      case Op::neg:
      case Op::in:
      case Op::has_tag:
      case Op::get_tag:
      case Op::contains:
      case Op::contains_all:
      case Op::contains_any:
      case Op::is_empty:
      case Op::set: return one(text, operands(id, {}));
    }
    internal_error("unknown operator");
  }

 private:
  Json operands(NodeId id, Json::array_t before) const {
    for (NodeId arg : body_.args(id)) before.push_back(write(arg));
    return Json(std::move(before));
  }

  Json record(NodeId id) const {
    Json::object_t fields;
    for (std::size_t i = 0; i < body_[id].arg_count; ++i) fields.emplace(body_.field(id, i), write(body_.arg(id, i)));
    return one("Record", std::move(fields));
  }

  Json balanced(const std::string& op, std::span<const NodeId> operands) const {
    if (operands.size() == 1) return write(operands[0]);
    std::size_t half = operands.size() / 2;
    return one(op, Json::array_t{balanced(op, operands.first(half)), balanced(op, operands.subspan(half))});
  }

  const Body& body_;
};

Result<Value> set_from(const Json& json) {
  if (!json.is_array()) return Error{"a SetValue is an array"};
  std::vector<Value> elements;
  for (const Json& element : json) {
    auto value = literal_from_json(element);
    if (!value.ok()) return value.error();
    elements.push_back(std::move(value).value());
  }
  return Value::set(std::move(elements));
}

Result<Value> record_from(const Json& json) {
  if (!json.is_object()) return Error{"a RecordValue is an object"};
  ValueRecord fields;
  for (const auto& [name, element] : json.items()) {
    auto value = literal_from_json(element);
    if (!value.ok()) return value.error();
    fields.emplace(name, std::move(value).value());
  }
  return Value(std::move(fields));
}

Result<Value> long_from(const std::string& text) {
  bool negative = text.starts_with('-');
  std::int64_t number = 0;
  for (char c : std::string_view(text).substr(negative ? 1 : 0)) {
    std::int64_t digit = c - '0';
    if (digit < 0 || digit > 9 || __builtin_mul_overflow(number, std::int64_t{10}, &number) ||
        __builtin_add_overflow(number, negative ? -digit : digit, &number)) {
      return Error{fmt::format("{} is not a Long", quote(text))};
    }
  }
  if (std::to_string(number) != text) return Error{fmt::format("{} is not a Long", quote(text))};
  return Value(number);
}

template <class T>
Result<Value> extension(Result<T> read) {
  if (!read.ok()) return read.error();
  return Value(read.value());
}

Result<Value> text_literal(const std::string& kind, const std::string& text) {
  if (kind == "String") return Value(text);
  if (kind == "Long") return long_from(text);
  if (kind == "ip") return extension(read_ip(text));
  if (kind == "decimal") return extension(read_decimal(text));
  if (kind == "datetime") return extension(read_datetime(text));
  if (kind == "duration") return extension(read_duration(text));
  return Error{fmt::format("{} is not a kind of literal", quote(kind))};
}

}  // namespace

Json expr_to_json(const Body& body, NodeId node) { return Writer(body).write(node); }

Result<Value> literal_from_json(const Json& json) {
  if (!json.is_object() || json.size() != 1) return Error{"a literal is an object with one key"};
  const std::string& kind = json.begin().key();
  const Json& content = *json.begin();
  if (content.is_string()) return text_literal(kind, content.get_ref<const std::string&>());
  if (kind == "Bool" && content.is_boolean()) return Value(content.get<bool>());
  if (kind == "SetValue") return set_from(content);
  if (kind == "RecordValue") return record_from(content);
  if (kind == "Entity") {
    auto uid = uid_from_json(content);
    if (!uid.ok()) return uid.error();
    return Value(std::move(uid).value());
  }
  return Error{fmt::format("{} is not a kind of literal", quote(kind))};
}

}  // namespace kerf
