// Line tables are built once when a source is added; locate() is a binary search.
#include "ir/base/source.h"

#include <algorithm>

namespace kerf {

SourceId Sources::add(std::string name, std::string text, std::string path) {
  if (path.empty()) path = name;
  File file{std::move(name), std::move(text), std::move(path), {0}};
  for (std::size_t i = 0; i < file.text.size(); ++i) {
    if (file.text[i] == '\n') file.line_starts.push_back(static_cast<std::uint32_t>(i + 1));
  }
  files_.push_back(std::move(file));
  return SourceId(files_.size() - 1);
}

std::string_view Sources::text(Span span) const {
  return text(span.source).substr(span.begin, span.end - span.begin);
}

LineColumn Sources::locate(SourceId id, std::uint32_t offset) const {
  const File& file = files_.at(id.index);
  offset = std::min<std::uint32_t>(offset, static_cast<std::uint32_t>(file.text.size()));
  auto after = std::upper_bound(file.line_starts.begin(), file.line_starts.end(), offset);
  auto line = static_cast<std::uint32_t>(after - file.line_starts.begin());
  std::uint32_t column = 1;
  for (std::uint32_t i = file.line_starts[line - 1]; i < offset; ++i) {
    if ((static_cast<unsigned char>(file.text[i]) & 0xc0) != 0x80) ++column;
  }
  return {line, column};
}

std::string_view Sources::line_text(SourceId id, std::uint32_t line) const {
  const File& file = files_.at(id.index);
  if (line == 0 || line > file.line_starts.size()) return {};
  std::size_t begin = file.line_starts[line - 1];
  std::size_t end = line < file.line_starts.size() ? file.line_starts[line] : file.text.size();
  std::string_view text = std::string_view(file.text).substr(begin, end - begin);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

std::size_t find_invalid_utf8(std::string_view text) {
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  auto continuation = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xc0) == 0x80; };
  std::size_t i = 0;
  while (i < text.size()) {
    unsigned char b = byte(i);
    std::size_t length = 0;
    if (b < 0x80) {
      length = 1;
    } else if (b >= 0xc2 && b <= 0xdf && continuation(i + 1)) {
      length = 2;
    } else if (b >= 0xe0 && b <= 0xef && continuation(i + 1) && continuation(i + 2)) {
      bool overlong = b == 0xe0 && byte(i + 1) < 0xa0;
      bool surrogate = b == 0xed && byte(i + 1) >= 0xa0;
      if (!overlong && !surrogate) length = 3;
    } else if (b >= 0xf0 && b <= 0xf4 && continuation(i + 1) && continuation(i + 2) && continuation(i + 3)) {
      bool overlong = b == 0xf0 && byte(i + 1) < 0x90;
      bool too_large = b == 0xf4 && byte(i + 1) >= 0x90;
      if (!overlong && !too_large) length = 4;
    }
    if (length == 0) return i;
    i += length;
  }
  return std::string_view::npos;
}

}  // namespace kerf
