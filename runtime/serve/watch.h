// Tells when files change: inotify on their directories and those above, for promptness, and a look at the files every
// two seconds for what inotify does not see (other machines' writes, links). A change is told once it has settled.
#pragma once
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace kerf::serve {

class Watch {
 public:
  using Print = std::vector<std::uint64_t>;   // device, inode, size and time of each file
  static Print look(const std::vector<std::string>& files);

  // `known`: what look() said before the files were read.
  Watch(boost::asio::io_context& context, std::vector<std::string> files, Print known, std::function<void()> changed);
  void stop();

 private:
  void add_watches();
  void wait_event();
  void wait_tick(std::chrono::milliseconds time);
  void on_tick();

  std::vector<std::string> files_;
  std::function<void()> changed_;
  Print told_, seen_;
  boost::asio::posix::stream_descriptor events_;
  boost::asio::steady_timer timer_;
  std::array<char, 4096> buffer_;
};

}  // namespace kerf::serve
