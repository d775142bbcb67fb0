// How long open() takes, by the time stamp counter: time_opens PATH COUNT. In a guest that counts instructions as time a tick is
// one of them. Linked statically, so that policies have nothing else to permit.
//   prints "NUMBER OPEN CLOSE MEDIAN": ticks of all opens and of all closes, and the median of one open
#include <fcntl.h>
#include <unistd.h>
#include <x86intrin.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 3) return 64;
  const long count = std::atol(argv[2]);
  constexpr long kWarm = 100;
  std::vector<std::uint64_t> ticks;
  ticks.reserve(static_cast<std::size_t>(count));
  std::uint64_t opens = 0, closes = 0;
  for (long i = -kWarm; i < count; ++i) {
    const std::uint64_t start = __rdtsc();
    const int fd = ::open(argv[1], O_RDONLY);
    const std::uint64_t opened = __rdtsc();
    if (fd < 0) return errno;
    ::close(fd);
    const std::uint64_t closed = __rdtsc();
    if (i < 0) continue;
    ticks.push_back(opened - start);
    opens += opened - start;
    closes += closed - opened;
  }
  if (ticks.empty()) return 64;
  std::nth_element(ticks.begin(), ticks.begin() + count / 2, ticks.end());
  std::printf("%ld %lu %lu %lu\n", count, opens, closes, ticks[static_cast<std::size_t>(count / 2)]);
}
