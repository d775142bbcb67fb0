// Text to the tokens of grammar/CedarTokens.g4, without the generated lexer: parsing is mostly reading tokens. A test
// compares the two, token for token, on the corpus and on texts spoiled at random. Internal to this folder.
#pragma once
#include <cstdint>
#include <string_view>

#include "CedarTokens.h"

namespace kerf {

using Tokens = grammar::CedarTokens;

struct Lexeme {
  std::size_t type;   // of Tokens, or Token::EOF at the end
  std::uint32_t begin, end;
};

class Lexer {
 public:
  // The text is valid UTF-8 without a byte order mark.
  explicit Lexer(std::string_view text, std::uint32_t at = 0) : text_(text), at_(at) {}

  // The next token; white space and comments are passed over.
  Lexeme next();
  std::uint32_t at() const { return at_; }   // where the next call starts

 private:
  bool starts(std::uint32_t at, std::string_view what) const { return text_.substr(at, what.size()) == what; }
  void skip_blank();
  Lexeme token(std::size_t type, std::uint32_t end);
  Lexeme word();
  Lexeme number();
  Lexeme string();
  Lexeme block_comment();
  Lexeme symbol();

  std::string_view text_;
  std::uint32_t at_;
};

}  // namespace kerf
