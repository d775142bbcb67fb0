// Small file helpers: whole reads with a bound, whole writes, atomic replacement, text that is safe to print.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "ir/base/result.h"

namespace kerf::loader {

// Fails past `most` bytes.
Result<std::string> read_all(int fd, std::uint64_t most);
Result<std::string> read_file(const std::string& path, std::uint64_t most);
// A new file (fails if it exists), mode 0600.
Status write_file(const std::string& path, std::string_view bytes);
// Writes beside `path` and renames: a reader sees the old content or the new one.
Status replace_file(const std::string& path, std::string_view bytes);
bool has_directory(const std::string& path);
bool has_file(const std::string& path);     // of any kind
Status remove_tree(const std::string& path);

// Printable ASCII stays, but a backslash is doubled; every other byte becomes \xNN. Unambiguous.
std::string escape_bytes(std::string_view bytes);

}  // namespace kerf::loader
