// Source texts and spans. Offsets are UTF-8 bytes, half open; lines and columns are 1-based, columns count bytes
// of the line as Unicode scalar values. A source's name is what is stored: never an absolute path.
#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "ir/base/id.h"

namespace kerf {

struct SourceTag;
using SourceId = Id<SourceTag>;

struct Span {
  SourceId source;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;

  bool valid() const { return source.valid(); }
  friend auto operator<=>(const Span&, const Span&) = default;
};

struct LineColumn {
  std::uint32_t line = 1;
  std::uint32_t column = 1;
};

class Sources {
 public:
  // `name`: what artefacts say, e.g. "policies.cedar" or "<stdin>". `path`: where messages say it is, as the caller
  // knows it; empty: the name. The text must be valid UTF-8 (see find_invalid_utf8).
  SourceId add(std::string name, std::string text, std::string path = {});

  const std::string& name(SourceId id) const { return files_.at(id.index).name; }
  const std::string& path(SourceId id) const { return files_.at(id.index).path; }
  std::string_view text(SourceId id) const { return files_.at(id.index).text; }
  std::string_view text(Span span) const;
  LineColumn locate(SourceId id, std::uint32_t offset) const;
  std::string_view line_text(SourceId id, std::uint32_t line) const;  // without the line end
  std::size_t size() const { return files_.size(); }

 private:
  struct File {
    std::string name, text, path;
    std::vector<std::uint32_t> line_starts;
  };
  std::deque<File> files_;
};

// Offset of the first byte that is not valid UTF-8 (RFC 3629: no surrogates, no overlong forms), or npos.
std::size_t find_invalid_utf8(std::string_view text);

}  // namespace kerf
