// Where kerf-codegen is. The kernel's list of mappings says which file this code came from; unlike what the dynamic linker
// was told, that path is absolute and does not follow the working directory.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "driver/pipeline.h"

namespace kerf {
namespace {

namespace fs = std::filesystem;

// A line: `7f00-7f10 r-xp 00000000 08:01 123    /usr/bin/kerf`. Empty if it is not the line of `address`, or of no file.
std::string mapped_file(const char* line, std::uintptr_t address) {
  unsigned long begin = 0, end = 0;
  int path_at = 0;
  if (std::sscanf(line, "%lx-%lx %*s %*s %*s %*s %n", &begin, &end, &path_at) < 2) return {};
  if (address < begin || address >= end || path_at == 0 || line[path_at] != '/') return {};
  std::string path(line + path_at);
  if (!path.empty() && path.back() == '\n') path.pop_back();
  return path;
}

std::string file_of_this_code() {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> maps(std::fopen("/proc/self/maps", "re"), std::fclose);
  auto address = reinterpret_cast<std::uintptr_t>(&codegen_helper_path);
  char* line = nullptr;
  std::size_t capacity = 0;
  std::string path;
  while (maps && path.empty() && ::getline(&line, &capacity, maps.get()) > 0) path = mapped_file(line, address);
  std::free(line);
  return path;
}

}  // namespace

std::string codegen_helper_path() {
  std::string file = file_of_this_code();
  if (file.empty()) return {};
  fs::path here = fs::path(file).parent_path();
  std::error_code error;
  for (const char* place : {"kerf-codegen", KERF_LIBEXEC_FROM_BIN "/kerf-codegen", KERF_LIBEXEC_FROM_LIB "/kerf-codegen"}) {
    fs::path path = (here / place).lexically_normal();
    if (fs::is_regular_file(path, error)) return path.string();
  }
  return {};
}

}  // namespace kerf
