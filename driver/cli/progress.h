// Words about work that takes longer than a second, on a terminal: they come after a second and go when the work ends.
#pragma once
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace kerf::cli {

class Progress {
 public:
  // Silent unless `fd` is a terminal and `wanted`.
  Progress(int fd, bool wanted, std::string what);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

 private:
  void tell();
  int fd_;
  std::string what_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool done_ = false;
  std::thread teller_;
};

}  // namespace kerf::cli
