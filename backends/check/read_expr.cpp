// JSON -> nodes. The one decision: the format's page is all that is known here; the writer's code is not shared, so that
// a slip in it is seen and not repeated.
#include "backends/check/read_expr.h"

#include <fmt/format.h>

#include <optional>

#include "ir/values/extension.h"
#include "ir/values/operations.h"

namespace kerf::proof {

namespace {

std::string shown(const Json& json) {
  std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text.size() <= 80 ? text : text.substr(0, 77) + "...";
}

Error wrong(const Json& json, std::string_view why) { return {fmt::format("`{}` {}", shown(json), why)}; }

Result<Value> read_long(const std::string& text) {
  const bool negative = text.starts_with('-');
  const std::string_view digits = std::string_view(text).substr(negative ? 1 : 0);
  const bool plain = !digits.empty() && digits.size() <= 19 && digits.find_first_not_of("0123456789") == std::string_view::npos &&
                     (digits == "0" ? !negative : digits.front() != '0');
  if (!plain) return Error{fmt::format("`{}` is not a Long", text)};
  unsigned long long magnitude = 0;   // at most 19 digits fit
  for (char c : digits) magnitude = magnitude * 10 + static_cast<unsigned>(c - '0');
  const unsigned long long limit = (1ull << 63) - (negative ? 0 : 1);
  if (magnitude > limit) return Error{fmt::format("`{}` is out of range for a Long", text)};
  return Value(static_cast<std::int64_t>(negative ? 0 - magnitude : magnitude));
}

template <class T>
Result<Value> as_value(std::optional<T> read, const Json& json) {
  if (!read) return wrong(json, "is not the text of a literal");
  return Value(*read);
}

class ExprReader {
 public:
  explicit ExprReader(Body& body) : body_(body) {}

  std::optional<NodeId> read(const Json& json) {
    if (++depth_ > kMaxExprNesting) return fail({"an expression nests too deep"});
    std::optional<NodeId> made = read_one(json);
    --depth_;
    return made;
  }
  Error error() const { return error_; }

 private:
  std::nullopt_t fail(Error error) {
    if (error_.message.empty()) error_ = std::move(error);
    return std::nullopt;
  }

  std::optional<NodeId> read_one(const Json& json) {
    if (!json.is_object() || json.size() != 1) return fail(wrong(json, "is no expression: an object with one key"));
    const std::string& key = json.begin().key();
    const Json& content = *json.begin();
    if (key == "Var") return read_variable(json, content);
    if (key == "Set") return read_operator(json, Op::set, content);
    if (key == "Record") return read_record(json, content);
    if (key == "call") return read_call(json, content);
    if (key == "like") return read_like(json, content);
    for (const OpRow& row : op_rows()) {
      if (row.text != key || row.arity <= 0) continue;
      if (payload_of(row.op) == Payload::name) return read_named(json, row.op, content);
      return read_operator(json, row.op, content);
    }
    Result<Value> value = read_literal(json);
    if (!value) return fail(value.error());
    return body_.add_literal(std::move(*value), {});
  }

  std::optional<NodeId> read_variable(const Json& json, const Json& content) {
    for (Var var : {Var::principal, Var::action, Var::resource, Var::context}) {
      if (content.is_string() && content.get_ref<const std::string&>() == to_text(var)) return body_.add_variable(var, {});
    }
    return fail(wrong(json, "names no variable"));
  }

  // The operands from `first` on.
  std::optional<std::vector<NodeId>> read_operands(const Json& content, std::size_t first) {
    std::vector<NodeId> operands;
    for (std::size_t i = first; i < content.size(); ++i) {
      std::optional<NodeId> operand = read(content[i]);
      if (!operand) return std::nullopt;
      operands.push_back(*operand);
    }
    return operands;
  }

  std::optional<NodeId> read_operator(const Json& json, Op op, const Json& content) {
    const int arity = op_row(op).arity;
    if (!content.is_array() || (arity >= 0 && content.size() != static_cast<std::size_t>(arity))) {
      return fail(wrong(json, "has another number of operands"));
    }
    auto operands = read_operands(content, 0);
    if (!operands) return std::nullopt;
    return body_.add(op, std::move(*operands), {});
  }

  std::optional<NodeId> read_named(const Json& json, Op op, const Json& content) {
    if (!content.is_array() || content.size() != 2 || !content[1].is_string()) return fail(wrong(json, "needs an operand and a name"));
    std::optional<NodeId> operand = read(content[0]);
    if (!operand) return std::nullopt;
    return body_.add_named(op, content[1].get<std::string>(), {*operand}, {});
  }

  std::optional<NodeId> read_call(const Json& json, const Json& content) {
    if (!content.is_array() || content.empty() || !content[0].is_string()) return fail(wrong(json, "names no function"));
    const std::string& name = content[0].get_ref<const std::string&>();
    if (!is_extension_function(name) && !is_extension_method(name)) return fail(wrong(json, "names no function of Cedar"));
    auto operands = read_operands(content, 1);
    if (!operands) return std::nullopt;
    return body_.add_named(Op::call, name, std::move(*operands), {});
  }

  std::optional<NodeId> read_like(const Json& json, const Json& content) {
    const bool shape = content.is_array() && content.size() == 2 && content[1].is_object() && content[1].size() == 1 &&
                       content[1].contains("pieces") && content[1]["pieces"].is_array() && !content[1]["pieces"].empty();
    if (!shape) return fail(wrong(json, "is no comparison with a pattern"));
    Pattern pattern{{}};
    for (const Json& piece : content[1]["pieces"]) {
      if (!piece.is_string()) return fail(wrong(json, "has a piece that is no text"));
      pattern.pieces.push_back(piece.get<std::string>());
    }
    std::optional<NodeId> operand = read(content[0]);
    if (!operand) return std::nullopt;
    return body_.add_like(*operand, std::move(pattern), {});
  }

  std::optional<NodeId> read_record(const Json& json, const Json& content) {
    if (!content.is_object()) return fail(wrong(json, "is no record"));
    std::vector<std::string> names;
    std::vector<NodeId> values;
    for (const auto& [name, field] : content.items()) {
      std::optional<NodeId> value = read(field);
      if (!value) return std::nullopt;
      names.push_back(name);
      values.push_back(*value);
    }
    return body_.add_record(std::move(names), std::move(values), {});
  }

  Result<Value> read_literal(const Json& json) {
    if (!json.is_object() || json.size() != 1) return wrong(json, "is no literal");
    if (++depth_ > kMaxExprNesting) return Error{"a literal nests too deep"};
    Result<Value> value = read_literal(json, json.begin().key(), *json.begin());
    --depth_;
    return value;
  }

  Result<Value> read_literal(const Json& json, const std::string& kind, const Json& content) {
    if (kind == "Bool" && content.is_boolean()) return Value(content.get<bool>());
    if (kind == "SetValue" && content.is_array()) {
      std::vector<Value> elements;
      for (const Json& element : content) {
        Result<Value> value = read_literal(element);
        if (!value) return value;
        elements.push_back(std::move(*value));
      }
      return Value::set(std::move(elements));
    }
    if (kind == "RecordValue" && content.is_object()) {
      ValueRecord fields;
      for (const auto& [name, field] : content.items()) {
        Result<Value> value = read_literal(field);
        if (!value) return value;
        fields.emplace(name, std::move(*value));
      }
      return Value(std::move(fields));
    }
    if (kind == "Entity") {
      Result<EntityUid> uid = read_uid(content);
      if (!uid) return uid.error();
      return Value(std::move(*uid));
    }
    if (!content.is_string()) return wrong(json, "is no operator and no literal");
    const std::string& text = content.get_ref<const std::string&>();
    if (kind == "String") return Value(text);
    if (kind == "Long") return read_long(text);
    if (kind == "ip") return as_value(parse_ip(text), json);
    if (kind == "decimal") return as_value(parse_decimal(text), json);
    if (kind == "datetime") return as_value(parse_datetime(text), json);
    if (kind == "duration") return as_value(parse_duration(text), json);
    return wrong(json, "is no operator and no literal");
  }

  Body& body_;
  int depth_ = 0;
  Error error_;
};

}  // namespace

Result<NodeId> read_expr(const Json& json, Body& body) {
  ExprReader reader(body);
  std::optional<NodeId> made = reader.read(json);
  if (!made) return reader.error();
  return *made;
}

Result<EntityUid> read_uid(const Json& json) {
  const bool shape = json.is_object() && json.size() == 2 && json.contains("type") && json.contains("id") &&
                     json["type"].is_string() && json["id"].is_string();
  if (!shape) return wrong(json, "is no entity: an object with `type` and `id`");
  return EntityUid{json["type"].get<std::string>(), json["id"].get<std::string>()};
}

}  // namespace kerf::proof
