// Files to sources. A file's name in every output is its path relative to the deepest directory common to the inputs
// of its kind, so the same tree compiles to the same bytes anywhere.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "ir/base/diagnostic.h"

namespace kerf {

inline constexpr std::size_t kMaxInputMiB = 256;

struct InputFile {
  std::string name;   // shown and stored
  std::string text;
};

// One file; a directory is refused. "-" is standard input, named "<stdin>". Unreadable or too large files are
// reported (K7901, K7902); the result is then empty.
std::optional<InputFile> read_file(const std::string& path, Diagnostics& diagnostics);
// The same for policies, sorted by name; directories stand for the *.cedar files below them.
std::vector<InputFile> read_files(const std::vector<std::string>& paths, Diagnostics& diagnostics);

}  // namespace kerf
