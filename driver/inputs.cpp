// Paths -> named texts, in an order that does not depend on the command line.
#include "driver/inputs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace kerf {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxBytes = kMaxInputMiB << 20;

// Regular files are refused by their size before they are read; of pipes and devices no more than the bound is read.
bool read_descriptor(int fd, const std::string& name, std::string& text, Diagnostics& diagnostics) {
  struct stat status {};
  if (::fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
    if (status.st_size > static_cast<off_t>(kMaxBytes)) {
      diagnostics.report(Code::K7902, {}, name, kMaxInputMiB);
      return false;
    }
    text.reserve(static_cast<std::size_t>(status.st_size));
  }
  char buffer[1 << 16];
  for (;;) {
    ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      diagnostics.report(Code::K7901, {}, name, std::strerror(errno));
      return false;
    }
    if (n == 0) return true;
    text.append(buffer, static_cast<std::size_t>(n));
    if (text.size() > kMaxBytes) {
      diagnostics.report(Code::K7902, {}, name, kMaxInputMiB);
      return false;
    }
  }
}

void read_one(const std::string& path, std::string name, std::vector<InputFile>& files, Diagnostics& diagnostics) {
  int fd = path == "-" ? ::dup(0) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    diagnostics.report(Code::K7901, {}, path, std::strerror(errno));
    return;
  }
  InputFile file{std::move(name), {}, InputFormat::cedar, path == "-" ? "" : path};
  if (read_descriptor(fd, path, file.text, diagnostics)) files.push_back(std::move(file));
  ::close(fd);
}

std::vector<std::string> expand(const std::vector<std::string>& paths, std::string_view ending, Diagnostics& diagnostics) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (path == "-" || !fs::is_directory(path, error)) {
      files.push_back(path);
      continue;
    }
    for (fs::recursive_directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
      if (it->is_regular_file(error) && it->path().extension() == ending) files.push_back(it->path().string());
    }
    if (error) diagnostics.report(Code::K7901, {}, path, error.message());
  }
  return files;
}

fs::path common_directory(const std::vector<std::string>& paths) {
  fs::path common;
  bool first = true;
  for (const std::string& path : paths) {
    if (path == "-") continue;
    fs::path parent = fs::absolute(path).lexically_normal().parent_path();
    if (first) {
      common = parent;
      first = false;
      continue;
    }
    fs::path shared;
    for (auto a = common.begin(), b = parent.begin(); a != common.end() && b != parent.end() && *a == *b; ++a, ++b) {
      shared /= *a;
    }
    common = shared;
  }
  return common;
}

}  // namespace

std::optional<InputFile> read_file(const std::string& path, Diagnostics& diagnostics) {
  std::vector<InputFile> files;
  std::string name = path == "-" ? "<stdin>" : fs::path(path).filename().generic_string();
  read_one(path, std::move(name), files, diagnostics);   // reading a directory fails by itself
  if (files.empty()) return std::nullopt;
  return std::move(files.front());
}

InputFormat format_of(const std::string& option, const std::string& path) {
  bool json = option.empty() ? path.ends_with(".json") : option == "json";
  return json ? InputFormat::json : InputFormat::cedar;
}

std::vector<InputFile> read_files(const std::vector<std::string>& paths, const std::string& format, Diagnostics& diagnostics) {
  std::vector<std::string> expanded = expand(paths, format == "json" ? ".json" : ".cedar", diagnostics);
  fs::path common = common_directory(expanded);
  std::vector<InputFile> files;
  for (const std::string& path : expanded) {
    std::string name = path == "-" ? "<stdin>"
                                   : fs::absolute(path).lexically_normal().lexically_relative(common).generic_string();
    std::size_t before = files.size();
    read_one(path, std::move(name), files, diagnostics);
    if (files.size() != before) files.back().format = format_of(format, path);
  }
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return files;
}

Status replace_file(const std::string& path, const std::string& text) {
  std::string temporary = path + ".XXXXXX";
  int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return Error{std::strerror(errno)};
  struct stat old {};
  mode_t mode = ::stat(path.c_str(), &old) == 0 ? old.st_mode & 07777 : 0644;
  std::size_t done = 0;
  bool good = ::fchmod(fd, mode) == 0;
  while (good && done < text.size()) {
    ssize_t n = ::write(fd, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    good = n > 0;
    if (good) done += static_cast<std::size_t>(n);
  }
  good = good && ::fsync(fd) == 0;
  int reason = errno;
  good = ::close(fd) == 0 && good;
  if (good && ::rename(temporary.c_str(), path.c_str()) == 0) return Unit{};
  if (good) reason = errno;
  ::unlink(temporary.c_str());
  return Error{std::strerror(reason)};
}

}  // namespace kerf
