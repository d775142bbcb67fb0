// Files as people give them: too large, endless, no files at all.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "driver/inputs.h"

using namespace kerf;
namespace fs = std::filesystem;

namespace {

class Directory {
 public:
  Directory() {
    std::string pattern = (fs::temp_directory_path() / "kerf-inputs-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Directory() { fs::remove_all(path_); }
  fs::path operator/(const char* name) const { return path_ / name; }

 private:
  fs::path path_;
};

std::string code_of(const fs::path& path) {
  Diagnostics diagnostics;
  std::optional<InputFile> file = read_file(path.string(), diagnostics);
  CHECK(file.has_value() == diagnostics.all().empty());
  return file ? "" : std::string(catalogue_row(diagnostics.all().at(0).code).name);
}

}  // namespace

TEST_CASE("a file of the largest size is read, one byte more is refused") {
  Directory directory;
  fs::path file = directory / "p.cedar";
  std::ofstream(file.string()).flush();
  fs::resize_file(file, kMaxInputMiB << 20);
  CHECK(code_of(file) == "");
  fs::resize_file(file, (kMaxInputMiB << 20) + 1);
  CHECK(code_of(file) == "K7902");
}

TEST_CASE("what has no end is refused at the bound; what is no file is refused at once") {
  Directory directory;
  CHECK(code_of("/dev/zero") == "K7902");
  CHECK(code_of("/dev/null") == "");
  CHECK(code_of(directory / "") == "K7901");
  CHECK(code_of(directory / "missing") == "K7901");
  fs::create_symlink("loop", directory / "loop");
  CHECK(code_of(directory / "loop") == "K7901");
}

TEST_CASE("a pipe is read to its end") {
  Directory directory;
  fs::path pipe = directory / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  std::thread writer([&] { std::ofstream(pipe.string()) << "permit(principal, action, resource);"; });
  Diagnostics diagnostics;
  std::optional<InputFile> file = read_file(pipe.string(), diagnostics);
  writer.join();
  REQUIRE(file);
  CHECK(file->text == "permit(principal, action, resource);");
}
