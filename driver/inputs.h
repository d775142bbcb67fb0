// Files to sources. A file's name in every output is its path relative to the deepest directory common to the inputs
// of its kind, so the same tree compiles to the same bytes anywhere.
#pragma once
#include <string>
#include <vector>

#include "ir/base/diagnostic.h"

namespace kerf {

inline constexpr std::size_t kMaxInputMiB = 256;

struct InputFile {
  std::string name;   // shown and stored
  std::string text;
};

// Sorted by name. "-" is standard input, named "<stdin>". Directories stand for the *.cedar files below them.
// Unreadable or too large files are reported (K7901, K7902).
std::vector<InputFile> read_files(const std::vector<std::string>& paths, Diagnostics& diagnostics);

}  // namespace kerf
