#include "ir/base/parallel.h"

#include <algorithm>
#include <exception>
#include <system_error>
#include <thread>
#include <vector>

namespace kerf {

std::size_t job_count(std::size_t wanted, std::size_t items, std::size_t least) {
  if (wanted == 0) wanted = std::min<std::size_t>(std::max(1u, std::thread::hardware_concurrency()), kMostJobs);
  return std::clamp<std::size_t>(items / std::max<std::size_t>(least, 1), 1, wanted);
}

void run_jobs(std::size_t jobs, std::size_t count,
              const std::function<void(std::size_t, std::size_t, std::size_t)>& work) {
  std::vector<std::exception_ptr> thrown(jobs);
  auto run = [&](std::size_t job) {
    try {
      work(job, count * job / jobs, count * (job + 1) / jobs);
    } catch (...) {
      thrown[job] = std::current_exception();
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t job = 0; job + 1 < jobs; ++job) {
    try {
      threads.emplace_back(run, job);
    } catch (const std::system_error&) {
      run(job);
    }
  }
  run(jobs - 1);
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& one : thrown) {
    if (one) std::rethrow_exception(one);
  }
}

}  // namespace kerf
