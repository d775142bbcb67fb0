// Work on several threads whose results are the same as on one: ranges of items in order, one thread each, results
// joined in order by the caller.
#pragma once
#include <cstddef>
#include <functional>

namespace kerf {

inline constexpr std::size_t kMostJobs = 8;   // unless more are asked for

// How many threads pay for `items` if each should get at least `least`. `wanted` 0: as many as there are processors.
std::size_t job_count(std::size_t wanted, std::size_t items, std::size_t least);

// work(job, first, last) for each of `jobs` ranges of [0, count). The last range runs here; a thread that the system does
// not give runs here too. What `work` throws (the first range's, when all have ended) is thrown here.
void run_jobs(std::size_t jobs, std::size_t count,
              const std::function<void(std::size_t job, std::size_t first, std::size_t last)>& work);

}  // namespace kerf
