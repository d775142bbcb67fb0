// Operands, attributes and calls of the parse tree to expressions. A name alone is no value: it is a variable, the type
// of an entity, or called; everything else is refused here with what was probably meant.
#include <charconv>

#include "frontend/ast/text.h"
#include "frontend/parse/expressions.h"

namespace kerf {

using antlr4::Token;
using ast::ExprId;

namespace {

std::optional<ast::Var> find_variable(std::size_t type) {
  if (type == Tokens::PRINCIPAL) return ast::Var::principal;
  if (type == Tokens::ACTION) return ast::Var::action;
  if (type == Tokens::RESOURCE) return ast::Var::resource;
  if (type == Tokens::CONTEXT) return ast::Var::context;
  return std::nullopt;
}

bool is_function(std::string_view name) {
#define FUNCTION(f) \
  if (name == #f) return true;
#include "frontend/ast/functions.def"
  return false;
}

// Arity, -1 for any; nothing if there is no such method.
std::optional<int> find_method(std::string_view name) {
#define METHOD(m, arity) \
  if (name == #m) return arity;
#include "frontend/ast/functions.def"
  return std::nullopt;
}

std::vector<std::string> callable_names() {
  return {
#define FUNCTION(f) #f,
#define METHOD(m, arity) #m,
#include "frontend/ast/functions.def"
  };
}

void suggest(Diagnostic& diagnostic, std::string_view word, Span at, const std::vector<std::string>& candidates) {
  std::optional<std::string> meant = closest(word, candidates);
  if (meant) diagnostic.with_help(fmt::format("did you mean `{}`?", *meant)).with_fix(at, *meant);
}

// A path that ends with an id or a record.
bool is_entity(Cedar::PrimaryContext& primary) {
  for (Cedar::PathTailContext* tail : primary.tails) {
    if (tail->part == nullptr) return true;
  }
  return false;
}

// Neither an entity nor one of the words that are values.
bool is_plain_name(Cedar::PrimaryContext& primary) {
  if (primary.head == nullptr || is_entity(primary)) return false;
  if (!primary.tails.empty()) return true;
  std::size_t type = primary.head->getStart()->getType();
  return !find_variable(type) && type != Tokens::TRUE && type != Tokens::FALSE;
}

std::vector<const Token*> words_of(Cedar::PrimaryContext& primary) {
  std::vector<const Token*> words = {primary.head->getStart()};
  for (Cedar::PathTailContext* tail : primary.tails) {
    if (tail->part != nullptr) words.push_back(tail->part->getStart());
  }
  return words;
}

std::string arguments(std::size_t count) {
  return count == 0 ? "no argument" : count == 1 ? "one argument" : fmt::format("{} arguments", count);
}

}  // namespace

std::optional<ast::Attr> ExpressionReader::read_attr_word(const Token& word) {
  if (!check_word(reader_, word, false, diagnostics_)) return std::nullopt;
  return ast::Attr{std::string(reader_.text(word)), false, reader_.span(word)};
}

std::optional<ast::Attr> ExpressionReader::read_attr_string(const Token& string) {
  std::optional<std::string> name = read_string(reader_, string, diagnostics_);
  if (!name) return std::nullopt;
  return ast::Attr{std::move(*name), true, reader_.span(string)};
}

ExprId ExpressionReader::read_number(const Token& digits, const Token* minus) {
  Span at = minus == nullptr ? reader_.span(digits) : reader_.span(*minus, digits);
  std::string_view text = reader_.text(digits);
  std::uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::uint64_t largest = static_cast<std::uint64_t>(INT64_MAX) + (minus == nullptr ? 0 : 1);
  if (error != std::errc() || value > largest) {
    std::string shown = text.size() > 40 ? fmt::format("{}..", text.substr(0, 40)) : std::string(text);
    diagnostics_.report(Code::K1007, reader_.span(digits), shown);
    return {};
  }
  auto number = static_cast<std::int64_t>(minus == nullptr ? value : ~value + 1);
  return add({ast::LongLit{number}, at}, {});
}

ExprId ExpressionReader::read_slot(const Token& slot) {
  diagnostics_.report(Code::K1114, reader_.span(slot), reader_.text(slot));
  return {};
}

std::optional<ast::EntityRef> ExpressionReader::read_entity(Cedar::PrimaryContext& primary) {
  for (std::size_t i = 0; i < primary.tails.size(); ++i) {
    Cedar::PathTailContext& tail = *primary.tails[i];
    if (tail.record != nullptr) {
      diagnostics_.report(Code::K1139, span(*tail.record));
      return std::nullopt;
    }
    if (tail.id != nullptr && i + 1 < primary.tails.size()) {
      diagnostics_.report(Code::K1002, span(*primary.tails[i + 1]), "an operator after the entity's id",
                          fmt::format("`{}`", reader_.text(span(*primary.tails[i + 1]))));
      return std::nullopt;
    }
  }
  std::optional<ast::Name> type = read_path(reader_, words_of(primary), false, diagnostics_);
  std::optional<std::string> id = read_string(reader_, *primary.tails.back()->id, diagnostics_);
  if (!type || !id) return std::nullopt;
  return ast::EntityRef{std::move(*type), std::move(*id), span(primary)};
}

ExprId ExpressionReader::read(Cedar::PrimaryContext& primary) {
  if (primary.number != nullptr) return read_number(*primary.number, nullptr);
  if (primary.text != nullptr) {
    std::optional<std::string> value = read_string(reader_, *primary.text, diagnostics_);
    return value ? add({ast::StringLit{std::move(*value)}, span(primary)}, {}) : ExprId();
  }
  if (primary.slot != nullptr) return read_slot(*primary.slot);
  if (primary.head != nullptr) return read_name(primary);
  if (primary.inner != nullptr) return read(*primary.inner);
  if (primary.record != nullptr) return read_record(*primary.record);
  std::vector<ExprId> elements;
  for (Cedar::ExprContext* item : primary.items) elements.push_back(read(*item));
  return add({ast::SetLit{elements}, span(primary)}, elements);
}

ExprId ExpressionReader::read_name(Cedar::PrimaryContext& primary) {
  if (is_entity(primary)) {
    std::optional<ast::EntityRef> uid = read_entity(primary);
    return uid ? add({ast::EntityLit{std::move(*uid)}, span(primary)}, {}) : ExprId();
  }
  Span at = span(primary);
  std::size_t type = primary.head->getStart()->getType();
  if (primary.tails.empty()) {
    if (std::optional<ast::Var> var = find_variable(type)) return add({ast::VarExpr{*var}, at}, {});
    if (type == Tokens::TRUE || type == Tokens::FALSE) return add({ast::BoolLit{type == Tokens::TRUE}, at}, {});
  }
  std::optional<ast::Name> name = read_path(reader_, words_of(primary), false, diagnostics_);
  if (!name) return {};
  Diagnostic& diagnostic = diagnostics_.report(Code::K1128, at, name->text);
  suggest(diagnostic, name->text, at, {"principal", "action", "resource", "context", "true", "false"});
  diagnostic.with_help(fmt::format("a string is written \"{}\", an entity {}::\"id\"", name->text, name->text));
  return {};
}

std::optional<ast::Attr> ExpressionReader::read_field_name(Cedar::FieldContext& field) {
  if (field.reserved != nullptr) return read_attr_word(*field.reserved);
  Cedar::PrimaryContext* primary = lone_primary(*field.key, false);
  if (primary != nullptr && primary->text != nullptr) return read_attr_string(*primary->text);
  if (primary != nullptr && primary->head != nullptr && primary->tails.empty()) {
    return read_attr_word(*primary->head->getStart());
  }
  diagnostics_.report(Code::K1137, span(*field.key), describe(*field.key));
  return std::nullopt;
}

ExprId ExpressionReader::read_record(Cedar::RecordLitContext& record) {
  std::vector<ast::RecordField> fields;
  std::vector<ExprId> values;
  std::unordered_map<std::string, Span> seen;
  bool good = true;
  for (Cedar::FieldContext* field : record.fields) {
    std::optional<ast::Attr> name = read_field_name(*field);
    values.push_back(read(*field->value));
    if (!name) {
      good = false;
      continue;
    }
    auto [first, is_new] = seen.emplace(name->name, name->span);
    if (!is_new) {
      good = false;
      diagnostics_.report(Code::K1138, name->span, name->name).with_related(first->second, "first given here");
    }
    fields.push_back({std::move(*name), values.back()});
  }
  return good ? add({ast::RecordLit{std::move(fields)}, span(record)}, values) : ExprId();
}

bool ExpressionReader::read_args(Cedar::AccessContext& call, std::vector<ExprId>& args) {
  bool good = true;
  for (Cedar::ExprContext* arg : call.args) {
    args.push_back(read(*arg));
    good = good && args.back().valid();
  }
  return good;
}

ExprId ExpressionReader::read_function(Cedar::PrimaryContext& primary, Cedar::AccessContext& call) {
  std::vector<ExprId> args;
  bool good = read_args(call, args);
  std::optional<ast::Name> name = read_path(reader_, words_of(primary), false, diagnostics_);
  if (!name) return {};
  if (!is_function(name->text)) {
    if (find_method(name->text)) {
      diagnostics_.report(Code::K1131, name->span, name->text).with_help(fmt::format("write `e.{}(..)`", name->text));
    } else {
      suggest(diagnostics_.report(Code::K1129, name->span, name->text), name->text, name->span, callable_names());
    }
    return {};
  }
  if (!good) return {};
  return add({ast::FunctionCall{std::move(*name), args}, join(span(primary), span(call))}, args);
}

ExprId ExpressionReader::read_method(ExprId object, Cedar::MemberContext& member, std::size_t access) {
  const Token& word = *member.accesses[access]->attr->getStart();
  Cedar::AccessContext& call = *member.accesses[access + 1];
  std::vector<ExprId> args;
  bool good = read_args(call, args);
  std::optional<ast::Attr> name = read_attr_word(word);
  if (!name) return {};
  std::optional<int> arity = find_method(name->name);
  if (!arity) {
    if (is_function(name->name)) {
      diagnostics_.report(Code::K1132, name->span, name->name).with_help(fmt::format("write `{}(..)`", name->name));
    } else {
      suggest(diagnostics_.report(Code::K1130, name->span, name->name), name->name, name->span, callable_names());
    }
    return {};
  }
  if (*arity >= 0 && args.size() != static_cast<std::size_t>(*arity)) {
    diagnostics_.report(Code::K1133, span(call), name->name, arguments(static_cast<std::size_t>(*arity)), arguments(args.size()));
    return {};
  }
  if (!good) return {};
  std::vector<ExprId> children = args;
  children.push_back(object);
  return add({ast::MethodCall{object, std::move(*name), std::move(args)}, join(span(member), span(call))}, children);
}

ExprId ExpressionReader::read_attr(ExprId object, Cedar::MemberContext& member, Cedar::AccessContext& access) {
  Span whole = join(span(member), span(access));
  if (access.attr != nullptr) {
    std::optional<ast::Attr> attr = read_attr_word(*access.attr->getStart());
    return attr ? add({ast::GetAttr{object, std::move(*attr), false}, whole}, {object}) : ExprId();
  }
  Cedar::PrimaryContext* key = lone_primary(*access.key, false);
  if (key == nullptr || key->text == nullptr) {
    diagnostics_.report(Code::K1136, span(*access.key), describe(*access.key));
    return {};
  }
  std::optional<ast::Attr> attr = read_attr_string(*key->text);
  return attr ? add({ast::GetAttr{object, std::move(*attr), true}, whole}, {object}) : ExprId();
}

ExprId ExpressionReader::read(Cedar::MemberContext& member) {
  const auto& accesses = member.accesses;
  Cedar::PrimaryContext& primary = *member.object;
  if (accesses.empty()) return read(primary);
  ExprId object;
  std::size_t next = 0;
  if (is_plain_name(primary)) {
    if (accesses[0]->call == nullptr) {
      std::optional<ast::Name> name = read_path(reader_, words_of(primary), false, diagnostics_);
      if (!name) return {};
      suggest(diagnostics_.report(Code::K1135, name->span, name->text), name->text, name->span,
              {"principal", "action", "resource", "context"});
      return {};
    }
    object = read_function(primary, *accesses[0]);
    next = 1;
  } else {
    object = read(primary);
  }
  for (; next < accesses.size(); ++next) {
    Cedar::AccessContext& access = *accesses[next];
    bool method = access.attr != nullptr && next + 1 < accesses.size() && accesses[next + 1]->call != nullptr;
    if (access.call != nullptr) {
      std::string what = next == 0 && primary.head != nullptr ? fmt::format("`{}`", reader_.text(span(primary))) : "this";
      diagnostics_.report(Code::K1134, span(access), what);
      return {};
    }
    object = method ? read_method(object, member, next++) : read_attr(object, member, access);
  }
  return object;
}

}  // namespace kerf
