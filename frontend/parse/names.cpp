// Words to names: reserved words are tokens of the grammar wherever a name may stand, so that they are refused here with
// the word's own place and not as a general syntax error.
#include "frontend/parse/names.h"

#include "frontend/ast/text.h"
#include "frontend/parse/unescape.h"

namespace kerf {

bool check_word(const TokenReader& reader, const antlr4::Token& word, bool allow_cedar, Diagnostics& diagnostics) {
  Span at = reader.span(word);
  std::string_view text = reader.text(at);
  if (ast::is_reserved_word(text)) {
    diagnostics.report(Code::K1008, at, text);
    return false;
  }
  if (text == "__cedar" && !allow_cedar) {
    diagnostics.report(Code::K1009, at, text);
    return false;
  }
  return true;
}

std::optional<ast::Name> read_path(const TokenReader& reader, const std::vector<const antlr4::Token*>& words,
                                   bool allow_cedar, Diagnostics& diagnostics) {
  ast::Name name;
  bool good = true;
  for (const antlr4::Token* word : words) {
    good = check_word(reader, *word, allow_cedar, diagnostics) && good;
    if (!name.text.empty()) name.text += "::";
    name.text += reader.text(*word);
  }
  name.span = reader.span(*words.front(), *words.back());
  if (!good) return std::nullopt;
  return name;
}

std::optional<std::string> read_string(const TokenReader& reader, const antlr4::Token& token, Diagnostics& diagnostics) {
  Span at = reader.span(token);
  return unescape(reader.text(at), at, diagnostics);
}

void AnnotationReader::add(const antlr4::ParserRuleContext& rule, const antlr4::Token& key, const antlr4::Token* value) {
  ast::Annotation annotation{std::string(reader_.text(key)), std::nullopt, reader_.span(rule), {}};
  if (value != nullptr) {
    annotation.value_span = reader_.span(*value);
    annotation.value = read_string(reader_, *value, diagnostics_);
  }
  auto [first, is_new] = seen_.emplace(annotation.key, annotation.span);
  if (!is_new) {
    diagnostics_.report(Code::K1010, annotation.span, annotation.key).with_related(first->second, "first given here");
    return;
  }
  annotations_.push_back(std::move(annotation));
}

}  // namespace kerf
