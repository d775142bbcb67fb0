#include "driver/cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <system_error>

namespace kerf::cli {
namespace {

void put(int fd, const std::string& text) {
  [[maybe_unused]] ssize_t n = ::write(fd, text.data(), text.size());   // a terminal that takes nothing loses nothing
}

}  // namespace

Progress::Progress(int fd, bool wanted, std::string what) : fd_(fd), what_(std::move(what)) {
  if (!wanted || ::isatty(fd) == 0) return;
  try {
    teller_ = std::thread([this] { tell(); });
  } catch (const std::system_error&) {   // then without words
  }
}

Progress::~Progress() {
  if (!teller_.joinable()) return;
  {
    std::lock_guard hold(mutex_);
    done_ = true;
  }
  ended_.notify_one();
  teller_.join();
}

void Progress::tell() {
  std::unique_lock hold(mutex_);
  int seconds = 0;
  while (!ended_.wait_for(hold, std::chrono::seconds(1), [this] { return done_; })) {
    put(fd_, fmt::format("\r\x1b[Kkerf: {} ({} s)", what_, ++seconds));
  }
  if (seconds != 0) put(fd_, "\r\x1b[K");
}

}  // namespace kerf::cli
