// `like` patterns: literal scalars and wildcards. `*` matches any run, newlines included; nothing else is special.
// Matching is byte-wise, which equals Cedar's scalar-wise matching on valid UTF-8 (design: not-text).
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace kerf {

struct Pattern {
  // The literals between wildcards: "a*b" is {"a","b"}; "a" is {"a"}; "*" is {"",""}; runs of `*` are one wildcard.
  std::vector<std::string> pieces{""};
  friend auto operator<=>(const Pattern&, const Pattern&) = default;
};

bool matches(const Pattern& pattern, std::string_view text);  // O(n*m) worst case, no recursion
std::string to_text(const Pattern& pattern);                  // quoted, `\*` for a literal star

}  // namespace kerf
