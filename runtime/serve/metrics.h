// What a worker counts. One thread writes; any may read.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/gateway/live.h"

namespace kerf::serve {

class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

inline constexpr std::array<int, 9> kStatuses{200, 400, 404, 405, 408, 413, 431, 500, 503};
// Upper bounds of the latency histogram, in nanoseconds; the last bucket has none.
inline constexpr std::array<std::uint64_t, 13> kBuckets{250,    500,     1'000,   2'500,     5'000,     10'000,    25'000,
                                                        50'000, 100'000, 250'000, 1'000'000, 5'000'000, 25'000'000};

struct Metrics {
  Counter allow, deny, with_errors;
  std::array<Counter, 3> faults;                    // by RequestFault::Kind
  std::array<Counter, kStatuses.size()> responses;
  std::array<Counter, kBuckets.size() + 1> latency; // of HTTP requests that decide, reading and writing their JSON included
  Counter latency_ns;

  void respond(int status);
  void took(std::uint64_t ns);
};

// Of the process; written by the thread that loads.
struct Reloads {
  Counter ok, refused;
  std::atomic<std::int64_t> last_ok{0};             // seconds since 1970
};

// Prometheus' text format.
std::string metrics_text(const std::vector<const Metrics*>& workers, const Reloads& reloads, const gateway::Loaded& loaded,
                         std::size_t connections);

}  // namespace kerf::serve
