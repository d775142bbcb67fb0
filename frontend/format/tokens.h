// Tokens of Cedar text with their comments. Only for text that has parsed. Internal to this folder.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace kerf {

struct FormatToken {
  enum class Kind { word, number, string, slot, symbol, end } kind = Kind::end;
  std::string_view text;
  std::vector<std::string> leading;   // lines of comments before it
  std::string trailing;               // the comment after it, on its line
};

// The last token is `end`; its leading comments are the file's last.
std::vector<FormatToken> read_format_tokens(std::string_view text);

}  // namespace kerf
