// Files to sources. A file's name in every artefact is its path relative to the deepest directory common to the inputs
// of its kind, so the same tree compiles to the same bytes anywhere.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "ir/base/diagnostic.h"
#include "ir/base/result.h"

namespace kerf {

inline constexpr std::size_t kMaxInputMiB = 256;

enum class InputFormat { cedar, json };

struct InputFile {
  std::string name;   // stored
  std::string text;
  InputFormat format = InputFormat::cedar;
  std::string path = {};   // as the caller wrote it, for messages
};

// What the option says, else the ending of the name: `.json` is JSON.
InputFormat format_of(const std::string& option, const std::string& path);

// One file; a directory is refused. "-" is standard input, named "<stdin>". Unreadable or too large files are
// reported (K7901, K7902); the result is then empty.
std::optional<InputFile> read_file(const std::string& path, Diagnostics& diagnostics);
// The same for policies, sorted by name; directories stand for the *.cedar files below them (*.json if `format` is
// "json"). `format`: "cedar", "json", or "" for what each name says.
std::vector<InputFile> read_files(const std::vector<std::string>& paths, const std::string& format, Diagnostics& diagnostics);

// Writes beside the file and renames; the old content stays if anything fails.
Status replace_file(const std::string& path, const std::string& text);

}  // namespace kerf
