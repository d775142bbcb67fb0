// One JSON object with one key is one expression. The one decision: what comes out is what the same policy written as
// text would give, so values that only JSON can write (`{"Value": [1]}`) become the literals and calls of the text.
#include "frontend/json/read_expressions.h"

#include <algorithm>

#include "frontend/ast/text.h"

namespace kerf {

using ast::ExprId;

namespace {

constexpr std::pair<std::string_view, ast::BinaryOp> kBinary[] = {
    {"==", ast::BinaryOp::eq},      {"!=", ast::BinaryOp::not_eq_},  {"in", ast::BinaryOp::in},
    {"<", ast::BinaryOp::less},     {"<=", ast::BinaryOp::less_eq},  {">", ast::BinaryOp::greater},
    {">=", ast::BinaryOp::greater_eq}, {"&&", ast::BinaryOp::and_},  {"||", ast::BinaryOp::or_},
    {"+", ast::BinaryOp::add},      {"-", ast::BinaryOp::sub},       {"*", ast::BinaryOp::mul},
};

constexpr std::string_view kWords[] = {"Value", "Var", "Slot", "!", "neg", ".", "has", "like", "is", "if-then-else",
                                       "Set", "Record", "isEmpty"};
constexpr std::string_view kBinaryMethods[] = {"contains", "containsAll", "containsAny", "getTag", "hasTag"};

constexpr std::string_view kFunctions[] = {
#define FUNCTION(name) #name,
#include "frontend/ast/functions.def"
};
struct MethodName {
  std::string_view name;
  int arity;
};
constexpr MethodName kMethods[] = {
#define METHOD(name, arity) {#name, arity},
#include "frontend/ast/functions.def"
};

template <class Range>
bool contains(const Range& range, std::string_view word) {
  return std::find(std::begin(range), std::end(range), word) != std::end(range);
}

bool is_extension_method(std::string_view name) {
  return std::any_of(std::begin(kMethods), std::end(kMethods), [&](const auto& m) { return m.name == name && m.arity < 0; });
}

std::vector<std::string> expression_keys() {
  std::vector<std::string> keys(std::begin(kWords), std::end(kWords));
  for (const auto& [text, op] : kBinary) keys.emplace_back(text);
  for (std::string_view name : kFunctions) keys.emplace_back(name);
  for (const MethodName& method : kMethods) keys.emplace_back(method.name);
  return keys;
}

}  // namespace

ExprId JsonExpressions::read(JsonId id) {
  if (!form_.is(id, JsonKind::object, "an expression (an object with one key)")) return {};
  JsonId key = form_.node(id).first;
  if (!key.valid()) {
    form_.report(Code::K1305, form_.span(id), "none");
    return {};
  }
  if (JsonId second = form_.node(key).next; second.valid()) {
    form_.report(Code::K1305, form_.json().key_span(second), fmt::format("`{}` and `{}`", form_.node(key).key, form_.node(second).key));
    return {};
  }
  return read_operator(key);
}

ExprId JsonExpressions::read_operator(JsonId id) {
  std::string_view key = form_.node(id).key;
  for (const auto& [text, op] : kBinary) {
    if (text == key) return read_binary(id, op);
  }
  if (contains(kBinaryMethods, key)) return read_method(id, key);
  if (contains(kFunctions, key) || is_extension_method(key)) return read_call(id, key);
  if (key == "Value") return read_value(id);
  if (key == "Var") return read_variable(id);
  if (key == "!") return read_unary(id, false);
  if (key == "neg") return read_unary(id, true);
  if (key == ".") return read_get(id);
  if (key == "has") return read_has(id);
  if (key == "like") return read_like(id);
  if (key == "is") return read_is(id);
  if (key == "if-then-else") return read_if(id);
  if (key == "Set") return read_set(id);
  if (key == "Record") return read_record(id);
  if (key == "isEmpty") return read_empty_test(id);
  if (key == "Slot") {
    form_.report(Code::K1114, form_.span(id), form_.node(id).text);
    return {};
  }
  Diagnostic& diagnostic = form_.report(Code::K1304, form_.json().key_span(id), key, "an expression of Cedar");
  if (auto near = closest(key, expression_keys())) diagnostic.with_help(fmt::format("did you mean `{}`?", *near));
  return {};
}

ExprId JsonExpressions::child(JsonId object, std::string_view field) {
  JsonId id = form_.required(object, field);
  return id.valid() ? read(id) : ExprId();
}

JsonExpressions::Operands JsonExpressions::operands(JsonId id) {
  if (!form_.object(id, "an object with `left` and `right`", {"left", "right"})) return {};
  ExprId left = child(id, "left"), right = child(id, "right");
  return {left, right, left.valid() && right.valid()};
}

ExprId JsonExpressions::read_binary(JsonId id, ast::BinaryOp op) {
  Operands both = operands(id);
  return both.good ? add(ast::Binary{op, both.left, both.right, form_.json().key_span(id)}, id) : ExprId();
}

ExprId JsonExpressions::read_method(JsonId id, std::string_view name) {
  Operands both = operands(id);
  if (!both.good) return {};
  ast::Attr method{std::string(name), false, form_.json().key_span(id)};
  std::vector<ExprId> args(1, both.right);
  return add(ast::MethodCall{both.left, std::move(method), std::move(args)}, id);
}

ExprId JsonExpressions::read_empty_test(JsonId id) {
  if (!form_.object(id, "an object with `arg`", {"arg"})) return {};
  ExprId object = child(id, "arg");
  return object.valid() ? add(ast::MethodCall{object, {"isEmpty", false, form_.json().key_span(id)}, {}}, id) : ExprId();
}

ExprId JsonExpressions::read_unary(JsonId id, bool negate) {
  if (!form_.object(id, "an object with `arg`", {"arg"})) return {};
  ExprId operand = child(id, "arg");
  if (!operand.valid()) return {};
  return negate ? add(ast::Negate{operand}, id) : add(ast::Not{operand}, id);
}

ExprId JsonExpressions::read_variable(JsonId id) {
  auto index = form_.one_of(id, "a variable", {"principal", "action", "resource", "context"});
  constexpr ast::Var kVars[] = {ast::Var::principal, ast::Var::action, ast::Var::resource, ast::Var::context};
  return index ? add(ast::VarExpr{kVars[*index]}, id) : ExprId();
}

ExprId JsonExpressions::read_get(JsonId id) {
  if (!form_.object(id, "an object with `left` and `attr`", {"left", "attr"})) return {};
  ExprId object = child(id, "left");
  JsonId name = form_.required(id, "attr");
  std::optional<std::string> attr = name.valid() ? form_.string(name) : std::nullopt;
  if (!object.valid() || !attr) return {};
  return add(ast::GetAttr{object, {std::move(*attr), false, form_.span(name)}, false}, id);
}

ExprId JsonExpressions::read_has(JsonId id) {
  if (!form_.is(id, JsonKind::object, "an object with `left` and `attr`")) return {};
  form_.warn_others(id, "an object with `left` and `attr`", {"left", "attr"});
  ExprId object = child(id, "left");
  JsonId attr = form_.required(id, "attr");
  if (!attr.valid()) return {};
  std::vector<ast::Attr> path;
  auto step = [&](JsonId name) {
    std::optional<std::string> text = form_.string(name);
    if (text) path.push_back({std::move(*text), false, form_.span(name)});
    return text.has_value();
  };
  if (form_.node(attr).kind == JsonKind::array) {
    if (!form_.node(attr).first.valid()) return form_.report(Code::K1301, form_.span(attr), "an attribute or more", "none"), ExprId();
    for (JsonId name = form_.node(attr).first; name.valid(); name = form_.node(name).next) {
      if (!step(name)) return {};
    }
  } else if (!step(attr)) {
    return {};
  }
  return object.valid() ? has_path(id, object, std::move(path)) : ExprId();
}

// Text has no `has "a b".c`: such a path is written out.
ExprId JsonExpressions::has_path(JsonId id, ExprId object, std::vector<ast::Attr> path) {
  bool words = std::all_of(path.begin(), path.end(), [](const ast::Attr& attr) { return ast::is_attribute_word(attr.name); });
  if (path.size() == 1 || words) return add(ast::HasAttr{object, std::move(path)}, id);
  ExprId all;
  for (const ast::Attr& attr : path) {
    ExprId has = add(ast::HasAttr{object, {attr}}, id);
    all = all.valid() ? add(ast::Binary{ast::BinaryOp::and_, all, has, attr.span}, id) : has;
    object = add(ast::GetAttr{object, attr, false}, id);
  }
  return all;
}

ExprId JsonExpressions::read_like(JsonId id) {
  if (!form_.object(id, "an object with `left` and `pattern`", {"left", "pattern"})) return {};
  ExprId object = child(id, "left");
  JsonId pattern = form_.required(id, "pattern");
  if (!pattern.valid() || !form_.is(pattern, JsonKind::array, "an array of `\"Wildcard\"` and `{\"Literal\": …}`")) return {};
  ast::LikePattern out{{""}};
  for (JsonId piece = form_.node(pattern).first; piece.valid(); piece = form_.node(piece).next) {
    if (form_.node(piece).kind == JsonKind::string) {
      if (!form_.one_of(piece, "a piece of a pattern", {"Wildcard"})) return {};
      out.pieces.emplace_back();
      continue;
    }
    if (!form_.object(piece, "a piece of a pattern", {"Literal"})) return {};
    JsonId literal = form_.required(piece, "Literal");
    std::optional<std::string> text = literal.valid() ? form_.string(literal) : std::nullopt;
    if (!text) return {};
    out.pieces.back() += *text;
  }
  return object.valid() ? add(ast::Like{object, std::move(out), form_.span(pattern)}, id) : ExprId();
}

ExprId JsonExpressions::read_is(JsonId id) {
  if (!form_.object(id, "an object with `left` and `entity_type`", {"left", "entity_type", "in"})) return {};
  ExprId object = child(id, "left");
  JsonId type = form_.required(id, "entity_type"), in = form_.optional(id, "in");
  std::optional<ast::Name> name = type.valid() ? form_.name(type) : std::nullopt;
  std::optional<ExprId> group;
  if (in.valid() && form_.node(in).kind != JsonKind::null) group = read(in);
  if (!object.valid() || !name || (group && !group->valid())) return {};
  return add(ast::Is{object, std::move(*name), group}, id);
}

ExprId JsonExpressions::read_if(JsonId id) {
  if (!form_.object(id, "an object with `if`, `then` and `else`", {"if", "then", "else"})) return {};
  ExprId test = child(id, "if"), yes = child(id, "then"), no = child(id, "else");
  return test.valid() && yes.valid() && no.valid() ? add(ast::If{test, yes, no}, id) : ExprId();
}

template <class Read>
std::optional<std::vector<ExprId>> JsonExpressions::list(JsonId id, Read read) {
  if (!form_.is(id, JsonKind::array, "an array")) return std::nullopt;
  std::vector<ExprId> out;
  bool good = true;
  for (JsonId item = form_.node(id).first; item.valid(); item = form_.node(item).next) {
    out.push_back(read(item));
    good = good && out.back().valid();
  }
  if (!good) return std::nullopt;
  return out;
}

// Fields of JSON have no order; they are kept by name, as in a value.
template <class Read>
ExprId JsonExpressions::record(JsonId id, bool quoted, Read read) {
  if (!form_.is(id, JsonKind::object, "an object")) return {};
  ast::RecordLit out;
  bool good = true;
  for (JsonId field = form_.node(id).first; field.valid(); field = form_.node(field).next) {
    ExprId value = read(field);
    good = good && value.valid();
    out.fields.push_back({{std::string(form_.node(field).key), quoted, form_.json().key_span(field)}, value});
  }
  std::sort(out.fields.begin(), out.fields.end(), [](const auto& a, const auto& b) { return a.name.name < b.name.name; });
  return good ? add(std::move(out), id) : ExprId();
}

ExprId JsonExpressions::read_set(JsonId id) {
  auto elements = list(id, [&](JsonId item) { return read(item); });
  return elements ? add(ast::SetLit{std::move(*elements)}, id) : ExprId();
}

ExprId JsonExpressions::read_record(JsonId id) {
  return record(id, false, [&](JsonId field) { return read(field); });
}

ExprId JsonExpressions::read_call(JsonId id, std::string_view name) {
  auto args = list(id, [&](JsonId item) { return read(item); });
  return args ? call(id, name, std::move(*args), false) : ExprId();
}

ExprId JsonExpressions::call(JsonId id, std::string_view name, std::vector<ExprId> args, bool value) {
  Span at = form_.json().key_span(id);
  if (contains(kFunctions, name)) return add(ast::FunctionCall{{std::string(name), at}, std::move(args), value}, id);
  if (args.empty()) {
    form_.report(Code::K1133, form_.span(id), name, "at least 1 argument", "none");
    return {};
  }
  ExprId object = args.front();
  args.erase(args.begin());
  return add(ast::MethodCall{object, {std::string(name), false, at}, std::move(args), value}, id);
}

ExprId JsonExpressions::read_value(JsonId id) {
  const JsonNode& node = form_.node(id);
  switch (node.kind) {
    case JsonKind::null: form_.report(Code::K6003, form_.span(id)); return {};
    case JsonKind::other_number: form_.report(Code::K6004, form_.span(id), node.text); return {};
    case JsonKind::boolean: return add(ast::BoolLit{node.boolean}, id);
    case JsonKind::integer: return add(ast::LongLit{node.integer}, id);
    case JsonKind::string: return add(ast::StringLit{std::string(node.text)}, id);
    case JsonKind::array: {
      auto elements = list(id, [&](JsonId item) { return read_value(item); });
      return elements ? add(ast::SetLit{std::move(*elements)}, id) : ExprId();
    }
    case JsonKind::object: break;
  }
  if (JsonId body = escape_body(id); body.valid()) return read_escape(id, body);
  return record(id, true, [&](JsonId field) { return read_value(field); });
}

// An escape is an object with that one key, whose content has the escape's form; else it is a record.
JsonId JsonExpressions::escape_body(JsonId object) const {
  JsonId body = form_.node(object).first;
  if (!body.valid() || form_.node(body).next.valid()) return {};
  std::string_view key = form_.node(body).key;
  bool escape = (key == "__entity" && form_.is_uid(body)) || (key == "__extn" && form_.is_call(body)) ||
                (key == "__expr" && form_.node(body).kind == JsonKind::string);
  return escape ? body : JsonId();
}

ExprId JsonExpressions::read_escape(JsonId id, JsonId body) {
  std::string_view key = form_.node(body).key;
  if (key == "__expr") return form_.report(Code::K6011, form_.json().key_span(body)), ExprId();
  if (key == "__entity") {
    std::optional<ast::EntityRef> uid = form_.entity(body);
    return uid ? add(ast::EntityLit{std::move(*uid)}, id) : ExprId();
  }
  JsonId function = form_.required(body, "fn"), one = form_.optional(body, "arg");
  std::string name(form_.node(function).text);
  if (!contains(kFunctions, name) && !is_extension_method(name)) return form_.report(Code::K6013, form_.span(function), name), ExprId();
  std::optional<std::vector<ExprId>> args;
  if (one.valid()) {
    ExprId arg = read_value(one);
    if (arg.valid()) args = {arg};
  } else {
    args = list(form_.required(body, "args"), [&](JsonId item) { return read_value(item); });
  }
  return args ? call(id, name, std::move(*args), true) : ExprId();
}

}  // namespace kerf
