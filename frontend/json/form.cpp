// JSON objects against the few forms that Cedar's policies and schemas have. Unknown fields are refused everywhere: a
// field that is not understood could be the one that limits a policy.
#include "frontend/json/form.h"

#include <algorithm>

#include "frontend/ast/text.h"

namespace kerf {
namespace {

std::string_view noun(JsonKind kind) {
  switch (kind) {
    case JsonKind::null: return "null";
    case JsonKind::boolean: return "true or false";
    case JsonKind::integer: return "a whole number";
    case JsonKind::other_number: return "a number";
    case JsonKind::string: return "a string";
    case JsonKind::array: return "an array";
    case JsonKind::object: return "an object";
  }
  internal_error("every kind of JSON has a noun");
}

}  // namespace

std::string listed(std::initializer_list<std::string_view> words) {
  std::string out;
  std::size_t i = 0;
  for (std::string_view word : words) {
    if (i != 0) out += i + 1 == words.size() ? " or " : ", ";
    out += fmt::format("`{}`", word);
    ++i;
  }
  return out;
}

bool Form::is(JsonId id, JsonKind kind, std::string_view wanted) {
  if (node(id).kind == kind) return true;
  if (node(id).kind == JsonKind::null) report(Code::K6003, span(id)).with_help(fmt::format("{} is expected here", wanted));
  else report(Code::K1301, span(id), wanted.empty() ? noun(kind) : wanted, describe(node(id)));
  return false;
}

bool Form::object(JsonId id, std::string_view what, std::initializer_list<std::string_view> fields) {
  if (!is(id, JsonKind::object, what)) return false;
  bool good = true;
  for (JsonId child = node(id).first; child.valid(); child = node(child).next) {
    std::string_view key = node(child).key;
    if (std::find(fields.begin(), fields.end(), key) != fields.end()) continue;
    Diagnostic& diagnostic = report(Code::K1303, json_.key_span(child), key, what);
    if (auto near = closest(key, {fields.begin(), fields.end()})) diagnostic.with_help(fmt::format("did you mean `{}`?", *near));
    else if (fields.size() != 0) diagnostic.with_help(fmt::format("its fields are {}", listed(fields)));
    good = false;
  }
  return good;
}

void Form::warn_others(JsonId id, std::string_view what, std::initializer_list<std::string_view> fields) {
  for (JsonId child = node(id).first; child.valid(); child = node(child).next) {
    std::string_view key = node(child).key;
    if (std::find(fields.begin(), fields.end(), key) == fields.end()) report(Code::K1312, json_.key_span(child), key, what);
  }
}

JsonId Form::required(JsonId object, std::string_view field) {
  JsonId id = json_.find(object, field);
  if (!id.valid()) report(Code::K1302, json_.open_span(object), field);
  return id;
}

std::optional<std::string> Form::string(JsonId id) {
  if (!is(id, JsonKind::string, "a string")) return std::nullopt;
  return std::string(node(id).text);
}

std::optional<std::size_t> Form::one_of(JsonId id, std::string_view what, std::initializer_list<std::string_view> words) {
  if (!is(id, JsonKind::string, what)) return std::nullopt;
  auto found = std::find(words.begin(), words.end(), node(id).text);
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  report(Code::K1304, span(id), node(id).text, what).with_help(fmt::format("write {}", listed(words)));
  return std::nullopt;
}

std::optional<ast::Name> Form::name(JsonId id, bool reserved_ok) {
  if (!is(id, JsonKind::string, "a name")) return std::nullopt;
  return name(node(id).text, span(id), reserved_ok);
}

std::optional<ast::Name> Form::name(std::string_view text, Span at, bool reserved_ok) {
  std::string_view rest = text;
  for (bool more = true; more;) {
    std::size_t colon = rest.find("::");
    std::string_view word = rest.substr(0, colon);
    if (!ast::is_word(word)) {
      report(Code::K1306, at, text).with_help("a name is `Word` or `Namespace::Word`, without white space");
      return std::nullopt;
    }
    if (ast::is_reserved_word(word)) return report(Code::K1008, at, word), std::nullopt;
    if (word == "__cedar" && !reserved_ok) return report(Code::K1009, at, word), std::nullopt;
    more = colon != std::string_view::npos;
    if (more) rest.remove_prefix(colon + 2);
  }
  return ast::Name{std::string(text), at};
}

bool Form::is_uid(JsonId id) const {
  if (node(id).kind != JsonKind::object) return false;
  JsonId type = optional(id, "type"), name = optional(id, "id");
  return type.valid() && name.valid() && node(type).kind == JsonKind::string && node(name).kind == JsonKind::string;
}

bool Form::is_call(JsonId id) const {
  if (node(id).kind != JsonKind::object) return false;
  JsonId function = optional(id, "fn"), args = optional(id, "args");
  if (!function.valid() || node(function).kind != JsonKind::string) return false;
  return optional(id, "arg").valid() || (args.valid() && node(args).kind == JsonKind::array);
}

std::optional<ast::EntityRef> Form::entity(JsonId id) {
  JsonId body = id;
  if (node(id).kind == JsonKind::object) {
    if (JsonId expr = optional(id, "__expr"); expr.valid() && node(expr).kind == JsonKind::string) {
      report(Code::K6011, json_.key_span(expr));
      return std::nullopt;
    }
    JsonId inner = optional(id, "__entity");
    if (inner.valid() && (is_uid(inner) || !is_uid(id))) body = inner;
  }
  // With its form the other keys do not count; without it they may say what is wrong.
  if (!is_uid(body) && !object(body, "an entity", {"type", "id"})) return std::nullopt;
  JsonId type = required(body, "type"), name_id = required(body, "id");
  if (!type.valid() || !name_id.valid()) return std::nullopt;
  std::optional<ast::Name> type_name = name(type);
  std::optional<std::string> text = string(name_id);
  if (!type_name || !text) return std::nullopt;
  return ast::EntityRef{std::move(*type_name), std::move(*text), span(id)};
}

std::vector<ast::Annotation> Form::annotations(JsonId holder) {
  std::vector<ast::Annotation> out;
  JsonId id = optional(holder, "annotations");
  if (!id.valid() || !is(id, JsonKind::object, "an object of annotations")) return out;
  for (JsonId child = node(id).first; child.valid(); child = node(child).next) {
    if (!ast::is_word(node(child).key)) {
      report(Code::K1306, json_.key_span(child), node(child).key).with_help("an annotation's key is one word");
      continue;
    }
    ast::Annotation annotation{std::string(node(child).key), std::nullopt, json_.key_span(child), span(child)};
    if (node(child).kind != JsonKind::null) {
      annotation.value = string(child);
      if (!annotation.value) continue;
    }
    out.push_back(std::move(annotation));
  }
  return out;
}

}  // namespace kerf
