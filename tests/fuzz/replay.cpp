// Runs every kept input through its target: replay DIR, with DIR/TARGET/*. An input that fails ends the program; its name
// is the last that is printed. The slowest is printed too.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/fuzz/target.h"

namespace fs = std::filesystem;
using namespace kerf;

namespace {

std::vector<fs::path> files_of(const fs::path& directory) {
  std::vector<fs::path> files;
  if (fs::is_directory(directory)) {
    for (const auto& entry : fs::directory_iterator(directory)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// False: there is none.
bool replay(const fs::path& directory, const char* name, void (*target)(std::string_view)) {
  double slowest = 0;
  fs::path which;
  std::vector<fs::path> files = files_of(directory / name);
  for (const fs::path& file : files) {
    fmt::print("{}\n", file.string());
    std::fflush(stdout);
    auto start = std::chrono::steady_clock::now();
    target(read_file(file));
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (seconds > slowest) slowest = seconds, which = file;
  }
  fmt::print("{}: {} inputs, the slowest takes {:.3f} s ({})\n", name, files.size(), slowest, which.filename().string());
  return !files.empty();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  bool all = true;
#define TARGET(name) all = replay(argv[1], #name, fuzz::name) && all;
  KERF_FUZZ_TARGETS(TARGET)
#undef TARGET
  if (!all) fmt::print(stderr, "a target has no input\n");
  return all ? 0 : 1;
}
