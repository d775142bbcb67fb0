// ANTLR's expected sets to words. Token names are those of the language ("an identifier", "an operator"), keywords that
// are only identifiers at a place are left out, and an expression is named as such instead of by its first tokens.
#include "frontend/parse/syntax_error.h"

#include <algorithm>

namespace kerf {

using antlr4::Token;

void FirstError::keep(antlr4::Parser& parser, const Token* at) {
  if (!describe) return;
  token = at;
  context = parser.getContext();
  rule = context->getRuleIndex();
  expected.clear();
  // After a longer look ahead the expected set belongs to another token.
  if (at != parser.getCurrentToken()) return;
  for (ssize_t type : parser.getExpectedTokens().toList()) expected.push_back(static_cast<std::size_t>(type));
}

void FirstError::recover(antlr4::Parser* parser, std::exception_ptr error) {
  try {
    std::rethrow_exception(error);
  } catch (const antlr4::RecognitionException& recognition) {
    keep(*parser, recognition.getOffendingToken());
  }
  throw Stop();
}

Token* FirstError::recoverInline(antlr4::Parser* parser) {
  keep(*parser, parser->getCurrentToken());
  throw Stop();
}

bool ends_operand(std::size_t type) {
  bool keyword = type >= Tokens::IF && type <= Tokens::HAS;
  return (is_word_token(type) && !keyword) || type == Tokens::STRING || type == Tokens::NUMBER || type == Tokens::SLOT ||
         type == Tokens::RPAREN || type == Tokens::RBRACK || type == Tokens::RBRACE;
}

bool starts_expression(std::size_t type) {
  return is_word_token(type) || type == Tokens::STRING || type == Tokens::NUMBER || type == Tokens::SLOT ||
         type == Tokens::LPAREN || type == Tokens::LBRACK || type == Tokens::LBRACE || type == Tokens::NOT ||
         type == Tokens::MINUS;
}

namespace {

// A place that takes any identifier takes `principal` too; one that takes an expression takes a number.
enum class Place { words, identifier, expression };

Place place_of(const std::vector<std::size_t>& types) {
  auto has = [&](std::size_t type) { return std::find(types.begin(), types.end(), type) != types.end(); };
  if (has(Tokens::NUMBER)) return Place::expression;
  return has(Tokens::PRINCIPAL) && has(Tokens::IDENT) ? Place::identifier : Place::words;
}

bool is_operator(std::size_t type) {
  return (type >= Tokens::OROR && type <= Tokens::PERCENT) ||
         (type >= Tokens::IN && type <= Tokens::HAS);
}

std::string name_of(std::size_t type) {
  if (type == Token::EOF) return "the end of the text";
  if (type == Tokens::STRING) return "a string";
  if (type == Tokens::IDENT) return "an identifier";
  static const antlr4::dfa::Vocabulary& vocabulary = []() -> const antlr4::dfa::Vocabulary& {
    static const Tokens lexer(nullptr);
    return lexer.getVocabulary();
  }();
  std::string literal = vocabulary.getLiteralName(type);  // 'in'
  return literal.size() < 2 ? literal : fmt::format("`{}`", literal.substr(1, literal.size() - 2));
}

}  // namespace

std::string expected_text(const std::vector<std::size_t>& types, bool operator_fits) {
  Place place = place_of(types);
  std::vector<std::string> names;
  if (operator_fits) names.push_back("an operator");
  if (place == Place::expression) names.push_back("an expression");
  if (place == Place::identifier) names.push_back("an identifier");
  for (std::size_t type : types) {
    if (place == Place::expression && starts_expression(type)) continue;
    if (place == Place::identifier && is_word_token(type)) continue;
    // Where `when` or `is` fit, an identifier is only accepted for the sake of a better message.
    if (place == Place::words && type == Tokens::IDENT && types.size() > 1) continue;
    if (place == Place::words && type == Tokens::IF) continue;
    if (type == Tokens::ASSIGN && types.size() > 3) continue;
    if (operator_fits && is_operator(type)) continue;
    names.push_back(name_of(type));
  }
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i != 0) text += i + 1 == names.size() ? " or " : ", ";
    text += names[i];
  }
  return text.empty() ? "something else" : text;
}

std::string found_text(const TokenReader& reader, const Token& token) {
  if (token.getType() == Token::EOF) return "the end of the file";
  std::string_view text = reader.text(token);
  constexpr std::size_t kShown = 32;
  if (token.getType() == Tokens::STRING && (text.size() > kShown || text.find('\n') != text.npos)) return "a string";
  if (text.size() > kShown) return fmt::format("`{}..`", text.substr(0, kShown));
  return fmt::format("`{}`", text);
}

const Token* token_before(TokenReader& reader, const Token& token) {
  std::size_t index = token.getTokenIndex();
  return index == 0 ? nullptr : reader.stream().get(index - 1);
}

}  // namespace kerf
