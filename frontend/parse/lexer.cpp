// One function a kind of token, chosen by its first character. As in the grammar the longest token wins, and every
// character belongs to some token.
#include "frontend/parse/lexer.h"

#include <algorithm>
#include <array>

namespace kerf {
namespace {

enum class Kind : std::uint8_t { other, blank, word, digit, quote };

constexpr std::array<Kind, 256> kinds() {
  std::array<Kind, 256> all{};
  for (unsigned char c = 0x09; c <= 0x0d; ++c) all[c] = Kind::blank;
  all[' '] = Kind::blank;
  for (unsigned char c = 'a'; c <= 'z'; ++c) all[c] = all[static_cast<unsigned char>(c - 'a' + 'A')] = Kind::word;
  all['_'] = Kind::word;
  for (unsigned char c = '0'; c <= '9'; ++c) all[c] = Kind::digit;
  all['"'] = Kind::quote;
  return all;
}
constexpr std::array<Kind, 256> kKinds = kinds();

Kind kind(char c) { return kKinds[static_cast<unsigned char>(c)]; }

struct Keyword {
  std::string_view text;
  std::size_t type;
};
constexpr Keyword kKeywords[] = {   // sorted
    {"action", Tokens::ACTION}, {"appliesTo", Tokens::APPLIES_TO}, {"attributes", Tokens::ATTRIBUTES},
    {"context", Tokens::CONTEXT}, {"else", Tokens::ELSE}, {"entity", Tokens::ENTITY}, {"enum", Tokens::ENUM},
    {"false", Tokens::FALSE}, {"forbid", Tokens::FORBID}, {"has", Tokens::HAS}, {"if", Tokens::IF}, {"in", Tokens::IN},
    {"is", Tokens::IS}, {"like", Tokens::LIKE}, {"namespace", Tokens::NAMESPACE}, {"permit", Tokens::PERMIT},
    {"principal", Tokens::PRINCIPAL}, {"resource", Tokens::RESOURCE}, {"tags", Tokens::TAGS}, {"then", Tokens::THEN},
    {"true", Tokens::TRUE}, {"type", Tokens::TYPE}, {"unless", Tokens::UNLESS}, {"when", Tokens::WHEN},
};

// Where the keywords with each first letter begin.
constexpr std::array<std::uint8_t, 129> keyword_starts() {
  std::array<std::uint8_t, 129> starts{};
  for (std::size_t c = 0; c < starts.size(); ++c) {
    for (const Keyword& keyword : kKeywords) starts[c] += static_cast<std::size_t>(keyword.text[0]) < c ? 1 : 0;
  }
  return starts;
}
constexpr std::array<std::uint8_t, 129> kKeywordStarts = keyword_starts();

std::size_t type_of_word(std::string_view word) {
  auto first = static_cast<unsigned char>(word[0]);
  for (std::size_t i = kKeywordStarts[first]; i < kKeywordStarts[first + 1]; ++i) {
    if (kKeywords[i].text == word) return kKeywords[i].type;
  }
  return Tokens::IDENT;
}

bool continues_scalar(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// Bytes of the white space beyond ASCII that `text` starts with, or 0: U+0085, U+00A0, U+1680, U+2000-200A, U+2028,
// U+2029, U+202F, U+205F, U+3000.
std::uint32_t wide_blank(std::string_view text) {
  auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0; };
  if (byte(0) == 0xc2) return byte(1) == 0x85 || byte(1) == 0xa0 ? 2 : 0;
  if (byte(0) == 0xe1) return byte(1) == 0x9a && byte(2) == 0x80 ? 3 : 0;
  if (byte(0) == 0xe3) return byte(1) == 0x80 && byte(2) == 0x80 ? 3 : 0;
  if (byte(0) != 0xe2) return 0;
  if (byte(1) == 0x81) return byte(2) == 0x9f ? 3 : 0;
  bool blank = (byte(2) >= 0x80 && byte(2) <= 0x8a) || byte(2) == 0xa8 || byte(2) == 0xa9 || byte(2) == 0xaf;
  return byte(1) == 0x80 && blank ? 3 : 0;
}

}  // namespace

void Lexer::skip_blank() {
  while (at_ < text_.size()) {
    char c = text_[at_];
    if (kind(c) == Kind::blank) {
      ++at_;
    } else if (c == '/' && starts(at_, "//")) {
      at_ = static_cast<std::uint32_t>(std::min(text_.find_first_of("\n\r", at_), text_.size()));
    } else if (std::uint32_t length = wide_blank(text_.substr(at_, 3)); length != 0) {
      at_ += length;
    } else {
      return;
    }
  }
}

Lexeme Lexer::token(std::size_t type, std::uint32_t end) {
  Lexeme lexeme{type, at_, end};
  at_ = end;
  return lexeme;
}

Lexeme Lexer::next() {
  skip_blank();
  if (at_ == text_.size()) return {antlr4::Token::EOF, at_, at_};
  switch (kind(text_[at_])) {
    case Kind::word: return word();
    case Kind::digit: return number();
    case Kind::quote: return string();
    case Kind::blank:
    case Kind::other: return symbol();
  }
  return symbol();
}

Lexeme Lexer::word() {
  std::uint32_t end = at_ + 1;
  while (end < text_.size() && (kind(text_[end]) == Kind::word || kind(text_[end]) == Kind::digit)) ++end;
  return token(type_of_word(text_.substr(at_, end - at_)), end);
}

Lexeme Lexer::number() {
  std::uint32_t end = at_ + 1;
  while (end < text_.size() && kind(text_[end]) == Kind::digit) ++end;
  return token(Tokens::NUMBER, end);
}

// A backslash takes the next character with it, but no line feed: there the string is broken off.
Lexeme Lexer::string() {
  std::uint32_t end = at_ + 1;
  while (end < text_.size()) {
    char c = text_[end++];
    if (c == '"') return token(Tokens::STRING, end);
    if (c != '\\') continue;
    if (end == text_.size() || text_[end] == '\n') break;
    ++end;
  }
  return token(Tokens::WRONG_STRING, end);
}

// Stars that nothing follows are tokens of their own, so an open comment ends before those at the end of the text.
Lexeme Lexer::block_comment() {
  std::size_t close = text_.find("*/", at_ + 2);
  if (close != std::string_view::npos) return token(Tokens::WRONG_COMMENT, static_cast<std::uint32_t>(close + 2));
  std::size_t last = text_.find_last_not_of('*');
  return token(Tokens::WRONG_COMMENT, std::max(at_ + 2, static_cast<std::uint32_t>(last + 1)));
}

Lexeme Lexer::symbol() {
  char second = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
  auto one = [&](std::size_t type) { return token(type, at_ + 1); };
  auto pair = [&](char with, std::size_t both, std::size_t alone) {
    return second == with ? token(both, at_ + 2) : token(alone, at_ + 1);
  };
  switch (text_[at_]) {
    case '|': return pair('|', Tokens::OROR, Tokens::WRONG);
    case '&': return pair('&', Tokens::ANDAND, Tokens::WRONG);
    case '=': return pair('=', Tokens::EQEQ, Tokens::ASSIGN);
    case '!': return pair('=', Tokens::NOT_EQ, Tokens::NOT);
    case '<': return pair('=', Tokens::LESS_EQ, Tokens::LESS);
    case '>': return pair('=', Tokens::GREATER_EQ, Tokens::GREATER);
    case ':': return pair(':', Tokens::COLCOL, Tokens::COLON);
    case '+': return one(Tokens::PLUS);
    case '-': return one(Tokens::MINUS);
    case '*': return one(Tokens::STAR);
    case '/': return second == '*' ? block_comment() : one(Tokens::SLASH);
    case '%': return one(Tokens::PERCENT);
    case '@': return one(Tokens::AT);
    case '.': return one(Tokens::DOT);
    case ',': return one(Tokens::COMMA);
    case ';': return one(Tokens::SEMI);
    case '(': return one(Tokens::LPAREN);
    case ')': return one(Tokens::RPAREN);
    case '[': return one(Tokens::LBRACK);
    case ']': return one(Tokens::RBRACK);
    case '{': return one(Tokens::LBRACE);
    case '}': return one(Tokens::RBRACE);
    case '?': {
      std::uint32_t end = at_ + 1;
      if (kind(second) != Kind::word) return token(Tokens::QUESTION, end);
      while (end < text_.size() && (kind(text_[end]) == Kind::word || kind(text_[end]) == Kind::digit)) ++end;
      return token(Tokens::SLOT, end);
    }
  }
  std::uint32_t end = at_ + 1;
  while (end < text_.size() && continues_scalar(text_[end])) ++end;
  return token(Tokens::WRONG, end);
}

}  // namespace kerf
