// `like`: the pieces between wildcards against a text. The first piece is anchored at the begin, the last at the end,
// and each between is taken at its leftmost place: with `*` as the only metacharacter leftmost is always right.
#include "ir/values/pattern.h"

#include "ir/values/value.h"

namespace kerf {

bool matches(const Pattern& pattern, std::string_view text) {
  const std::vector<std::string>& pieces = pattern.pieces;
  if (pieces.size() == 1) return text == pieces.front();
  if (!text.starts_with(pieces.front())) return false;
  text.remove_prefix(pieces.front().size());
  if (!text.ends_with(pieces.back())) return false;
  text.remove_suffix(pieces.back().size());
  for (std::size_t i = 1; i + 1 < pieces.size(); ++i) {
    std::size_t at = text.find(pieces[i]);
    if (at == std::string_view::npos) return false;
    text.remove_prefix(at + pieces[i].size());
  }
  return true;
}

std::string to_text(const Pattern& pattern) {
  std::string out = "\"";
  for (std::size_t i = 0; i < pattern.pieces.size(); ++i) {
    if (i > 0) out += '*';
    std::string quoted = quote(pattern.pieces[i]);
    for (char c : std::string_view(quoted).substr(1, quoted.size() - 2)) {
      if (c == '*') out += '\\';
      out += c;
    }
  }
  return out + '"';
}

}  // namespace kerf
