// Bytes of files in and out. The one decision: state is replaced by rename only, so a crash never leaves half a file.
#include "runtime/loader/files.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "runtime/loader/failure.h"
#include "runtime/loader/fd.h"

namespace kerf::loader {
namespace {

Error file_error(const char* what, const std::string& path, int error) {
  return Error{fmt::format("cannot {} `{}`: {}", what, path, errno_text(error))};
}

Status write_all(int fd, const std::string& path, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return file_error("write", path, errno);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return Unit{};
}

}  // namespace

std::string errno_text(int error) {
  // The kernel's own, and none of the C library's: of a program that the verifier took.
  if (error == 524) return "not supported (ENOTSUPP): the kernel's JIT compiler gave up, and its log says more";
  const char* name = ::strerrorname_np(error);
  const char* text = ::strerrordesc_np(error);
  return name != nullptr && text != nullptr ? fmt::format("{} ({})", text, name) : fmt::format("error {}", error);
}

Result<std::string> read_all(int fd, std::uint64_t most) {
  std::string bytes;
  constexpr std::size_t kStep = 1 << 16;
  for (;;) {
    std::size_t have = bytes.size();
    bytes.resize(have + kStep);
    ssize_t n = ::read(fd, bytes.data() + have, kStep);
    bytes.resize(have + (n > 0 ? static_cast<std::size_t>(n) : 0));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error{errno_text(errno)};
    if (n == 0) return bytes;
    if (bytes.size() > most) return Error{fmt::format("larger than {} bytes", most)};
  }
}

Result<std::string> read_file(const std::string& path, std::uint64_t most) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.ok()) return file_error("open", path, errno);
  return read_all(fd.get(), most);
}

Status write_file(const std::string& path, std::string_view bytes) {
  Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd.ok()) return file_error("create", path, errno);
  return write_all(fd.get(), path, bytes);
}

Status replace_file(const std::string& path, std::string_view bytes) {
  std::string beside = path + ".new";
  ::unlink(beside.c_str());
  if (auto done = write_file(beside, bytes); !done) return done;
  if (::rename(beside.c_str(), path.c_str()) != 0) return file_error("replace", path, errno);
  return Unit{};
}

bool has_directory(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error);
}

bool has_file(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(std::filesystem::symlink_status(path, error));
}

Status remove_tree(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) return Error{fmt::format("cannot remove `{}`: {}", path, error.message())};
  return Unit{};
}

std::string escape_bytes(std::string_view bytes) {
  std::string text;
  for (unsigned char byte : bytes) {
    if (byte == '\\') text += "\\\\";
    else if (byte >= 0x20 && byte < 0x7f) text += static_cast<char>(byte);
    else text += fmt::format("\\x{:02x}", byte);
  }
  return text;
}

}  // namespace kerf::loader
