// Text to tokens. A comment belongs to the token before it if they share a line, else to the next one.
#include "frontend/format/tokens.h"

#include <array>

namespace kerf {
namespace {

bool is_letter(char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view symbol_at(std::string_view text) {
  constexpr std::array<std::string_view, 7> kLong = {"::", "==", "!=", "<=", ">=", "&&", "||"};
  for (std::string_view symbol : kLong) {
    if (text.starts_with(symbol)) return symbol;
  }
  return text.substr(0, 1);
}

std::string_view word_at(std::string_view text) {
  std::size_t end = 0;
  while (end < text.size() && (is_letter(text[end]) || is_digit(text[end]))) ++end;
  return text.substr(0, end);
}

std::string_view string_at(std::string_view text) {
  std::size_t end = 1;
  while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
  return text.substr(0, end + 1);
}

// White space of any script; anything else that is not ASCII stands in strings and comments only.
bool is_space(char c) {
  auto byte = static_cast<unsigned char>(c);
  return byte == ' ' || (byte >= '\t' && byte <= '\r') || byte >= 0x80;
}

std::string trimmed(std::string_view comment) {
  std::size_t end = comment.find_last_not_of(" \t\r\n\f\v");
  return std::string(comment.substr(0, end == std::string_view::npos ? 0 : end + 1));
}

}  // namespace

std::vector<FormatToken> read_format_tokens(std::string_view text) {
  std::vector<FormatToken> tokens;
  std::vector<std::string> comments;
  bool same_line = false;   // as the last token
  auto add = [&](FormatToken::Kind kind, std::string_view word) {
    tokens.push_back({kind, word, std::move(comments), {}});
    comments.clear();
    same_line = true;
    text.remove_prefix(word.size());
  };
  while (!text.empty()) {
    char c = text[0];
    if (c == '\n' || c == '\r') same_line = false;
    if (text.starts_with("//")) {
      std::string_view comment = text.substr(0, text.find_first_of("\n\r"));
      if (same_line && tokens.back().trailing.empty()) tokens.back().trailing = trimmed(comment);
      else comments.push_back(trimmed(comment));
      same_line = false;
      text.remove_prefix(comment.size());
    } else if (is_space(c)) {
      text.remove_prefix(1);
    } else if (is_letter(c)) {
      add(FormatToken::Kind::word, word_at(text));
    } else if (is_digit(c)) {
      add(FormatToken::Kind::number, word_at(text));
      std::string_view& digits = tokens.back().text;   // as the official formatter writes it
      digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size() - 1));
    } else if (c == '"') {
      add(FormatToken::Kind::string, string_at(text));
    } else if (c == '?') {
      add(FormatToken::Kind::slot, text.substr(0, 1 + word_at(text.substr(1)).size()));
    } else {
      add(FormatToken::Kind::symbol, symbol_at(text));
    }
  }
  tokens.push_back({FormatToken::Kind::end, {}, std::move(comments), {}});
  return tokens;
}

}  // namespace kerf
