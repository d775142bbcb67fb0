// inotify and stat -> changed().
#include "runtime/serve/watch.h"

#include <sys/inotify.h>
#include <sys/stat.h>

#include <boost/asio/buffer.hpp>
#include <filesystem>

namespace kerf::serve {
namespace {

constexpr std::chrono::milliseconds kSettle{100}, kLook{2000};

}  // namespace

Watch::Watch(boost::asio::io_context& context, std::vector<std::string> files, Print known, std::function<void()> changed)
    : files_(std::move(files)), changed_(std::move(changed)), told_(known), seen_(std::move(known)), events_(context), timer_(context) {
  if (const int fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC); fd >= 0) {
    events_.assign(fd);
    add_watches();
    wait_event();
  }
  wait_tick(kSettle);
}

void Watch::stop() {
  boost::system::error_code ignored;
  events_.close(ignored);
  timer_.cancel();
}

Watch::Print Watch::look(const std::vector<std::string>& files) {
  Print print;
  for (const std::string& file : files) {
    struct stat status {};
    if (::stat(file.c_str(), &status) != 0) status = {};
    print.insert(print.end(), {status.st_dev, status.st_ino, static_cast<std::uint64_t>(status.st_size),
                               static_cast<std::uint64_t>(status.st_mtim.tv_sec), static_cast<std::uint64_t>(status.st_mtim.tv_nsec)});
  }
  return print;
}

// A directory may have been replaced by another of its name: watches are by inode, and adding one twice is nothing.
void Watch::add_watches() {
  constexpr std::uint32_t mask = IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_ATTRIB | IN_ONLYDIR;
  for (const std::string& file : files_) {
    std::error_code ignored;
    std::filesystem::path directory = std::filesystem::absolute(file, ignored).parent_path();
    for (int level = 0; level < 2; ++level, directory = directory.parent_path()) {
      ::inotify_add_watch(events_.native_handle(), directory.c_str(), mask);
    }
  }
}

void Watch::wait_event() {
  events_.async_read_some(boost::asio::buffer(buffer_), [this](const boost::system::error_code& error, std::size_t) {
    if (error) return;
    wait_tick(kSettle);
    wait_event();
  });
}

void Watch::wait_tick(std::chrono::milliseconds time) {
  timer_.expires_after(time);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) on_tick();
  });
}

// Told when two looks agree with each other and not with what was told before.
void Watch::on_tick() {
  Print now = look(files_);
  const bool settled = now == seen_, news = now != told_;
  seen_ = std::move(now);
  if (!news) return wait_tick(kLook);
  if (!settled) return wait_tick(kSettle);
  told_ = seen_;
  if (events_.is_open()) add_watches();
  changed_();
  wait_tick(kLook);
}

}  // namespace kerf::serve
