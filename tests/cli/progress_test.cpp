// Words come after a second, on a terminal, and leave it clean.
#include "driver/cli/progress.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>

namespace {

// What a terminal (or a pipe) got from work of that length.
std::string told(bool terminal, bool wanted, int work_ms) {
  int reading = -1, writing = -1;
  if (terminal) {
    reading = ::posix_openpt(O_RDWR | O_NOCTTY);
    REQUIRE(reading >= 0);
    REQUIRE(::grantpt(reading) == 0);
    REQUIRE(::unlockpt(reading) == 0);
    writing = ::open(::ptsname(reading), O_RDWR | O_NOCTTY);
  } else {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    reading = ends[0], writing = ends[1];
  }
  REQUIRE(writing >= 0);
  {
    kerf::cli::Progress words(writing, wanted, "working");
    std::this_thread::sleep_for(std::chrono::milliseconds(work_ms));
  }
  // A terminal hands on what is written in its own time.
  std::string all;
  char buffer[1000];
  for (pollfd ready{reading, POLLIN, 0}; ::poll(&ready, 1, 300) == 1;) {
    const ssize_t n = ::read(reading, buffer, sizeof buffer);
    if (n <= 0) break;
    all.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(writing);
  ::close(reading);
  return all;
}

}  // namespace

TEST_CASE("long work is told of on a terminal, and the words go with it") {
  std::string words = told(true, true, 4000);   // room for a busy machine
  CHECK(words.find("kerf: working (1 s)") != std::string::npos);
  CHECK(words.ends_with("\r\x1b[K"));
}

TEST_CASE("no words about short work, to a file, or when they are not wanted") {
  CHECK(told(true, true, 50).empty());
  CHECK(told(false, true, 1500).empty());
  CHECK(told(true, false, 1500).empty());
}
