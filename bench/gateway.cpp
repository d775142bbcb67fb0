// The gateway's evaluator on the workloads, with google-benchmark: time per decision for three ways of asking,
//   ids          the request is in numbers, its context's values were looked up before
//   strings      uids as texts, the context as Cedar values
//   reasons      as strings, with determining and erroring policies
//   json         a request's text in, a decision line out
//   cold         as strings, but each decision finds the processor's caches full of something else
// The iteration time is the mean over all requests of a pass; p50_ns and p99_ns are percentiles over requests of each
// request's minimum over repetitions. A workload with one answer that is not the official engine's is not measured.
//   bench_gateway WORKLOAD… [--benchmark_…]
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <list>

#include "bench/workload.h"

namespace {

using namespace kerf;
using namespace kerf::bench;
using Clock = std::chrono::steady_clock;

enum class Tier { ids, strings, reasons, json, cold };

struct Ids {
  std::uint32_t principal, action, resource;
};

class Runner {
 public:
  Runner(const Workload& workload, Tier tier) : workload_(workload), engine_(*workload.engine), tier_(tier), query_(engine_) {
    if (tier == Tier::json) {
      for (const std::string& line : workload.lines) {
        texts_.push_back(line);
        texts_.back().resize(line.size() + gateway::Engine::kPadding, ' ');
      }
    }
    if (tier != Tier::ids) return;
    for (const Request& request : workload.requests) {
      queries_.emplace_back(engine_);
      auto find = [&](const EntityUid& uid) { return engine_.find(uid.type, uid.id); };
      engine_.set(queries_.back(), find(request.principal), find(request.action), find(request.resource), request.context);
      engine_.allows(queries_.back());
    }
  }
  bool ask(std::size_t i) {
    if (tier_ == Tier::ids) return engine_.allows(queries_[i]);
    if (tier_ == Tier::json) return ask_json(i);
    const Request& request = workload_.requests[i];
    engine_.set(query_, request.principal, request.action, request.resource, request.context);
    if (tier_ == Tier::strings || tier_ == Tier::cold) return engine_.allows(query_);
    engine_.decide(query_, answer_);
    return answer_.allow;
  }

 private:
  bool ask_json(std::size_t i) {
    const std::string& text = texts_[i];
    if (!engine_.set(query_, std::string_view(text).substr(0, text.size() - gateway::Engine::kPadding), text.size()).ok()) return false;
    engine_.decide(query_, answer_);
    line_.clear();
    engine_.append_json(line_, query_, answer_);
    return answer_.allow;
  }

  const Workload& workload_;
  const gateway::Engine& engine_;
  Tier tier_;
  gateway::Query query_;
  gateway::Answer answer_;
  std::vector<gateway::Query> queries_;
  std::vector<std::string> texts_;
  std::string line_;
};

// Of each request the minimum over repetitions of a short run.
std::vector<double> minima(Runner& runner, std::size_t requests) {
  constexpr int kRepetitions = 25, kRun = 64;
  std::vector<double> best(requests, 1e18);
  for (int repetition = 0; repetition < kRepetitions; ++repetition) {
    for (std::size_t i = 0; i < requests; ++i) {
      const auto begin = Clock::now();
      for (int k = 0; k < kRun; ++k) benchmark::DoNotOptimize(runner.ask(i));
      const double ns = std::chrono::duration<double, std::nano>(Clock::now() - begin).count() / kRun;
      best[i] = std::min(best[i], ns);
    }
  }
  std::sort(best.begin(), best.end());
  return best;
}

// Of each request one run, after as much was read as no cache holds.
std::vector<double> cold(Runner& runner, std::size_t requests) {
  static std::vector<std::uint64_t> other(std::size_t{64} << 17, 1);
  std::vector<double> times;
  for (std::size_t i = 0; i < std::min<std::size_t>(requests, 60); ++i) {
    std::uint64_t sum = 0;
    for (std::size_t at = 0; at < other.size(); at += 8) sum += other[at];
    benchmark::DoNotOptimize(sum);
    const auto begin = Clock::now();
    benchmark::DoNotOptimize(runner.ask(i));
    times.push_back(std::chrono::duration<double, std::nano>(Clock::now() - begin).count());
  }
  std::sort(times.begin(), times.end());
  return times;
}

void measure(benchmark::State& state, const Workload& workload, Tier tier) {
  Runner runner(workload, tier);
  const std::size_t requests = tier == Tier::ids ? std::min<std::size_t>(workload.requests.size(), 200) : workload.requests.size();
  for (auto _ : state) {
    for (std::size_t i = 0; i < requests; ++i) benchmark::DoNotOptimize(runner.ask(i));
  }
  state.counters["mean_ns"] = benchmark::Counter(static_cast<double>(requests) * 1e-9, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
  const std::vector<double> best = tier == Tier::cold ? cold(runner, requests) : minima(runner, requests);
  state.counters["p50_ns"] = best[best.size() / 2];
  state.counters["p99_ns"] = best[best.size() * 99 / 100];
  if (tier == Tier::json) {
    std::size_t bytes = 0;
    for (const std::string& line : workload.lines) bytes += line.size();
    state.counters["line_bytes"] = static_cast<double>(bytes) / static_cast<double>(workload.lines.size());
  }
  state.counters["policies"] = static_cast<double>(workload.policies);
  state.counters["load_ms"] = workload.load_ms;
  state.counters["build_ms"] = workload.build_ms;
  for (const auto& [what, bytes] : workload.engine->memory()) state.counters[what + "_bytes"] = static_cast<double>(bytes);
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  std::list<Workload> workloads;
  for (int i = 1; i < argc; ++i) {
    Result<Workload> workload = read_workload(argv[i]);
    if (!workload.ok()) {
      std::fprintf(stderr, "%s: %s\n", argv[i], workload.error().message.c_str());
      return 1;
    }
    const std::size_t differences = count_differences(*workload);
    if (differences != 0) {
      std::fprintf(stderr, "%s: %zu answers differ from the official engine: not measured\n", argv[i], differences);
      continue;
    }
    const Workload& kept = workloads.emplace_back(*std::move(workload));
    for (auto [name, tier] : {std::pair{"ids", Tier::ids}, std::pair{"strings", Tier::strings}, std::pair{"reasons", Tier::reasons},
                              std::pair{"json", Tier::json}, std::pair{"cold", Tier::cold}}) {
      benchmark::RegisterBenchmark((kept.name + "/" + name).c_str(), [&kept, tier](benchmark::State& state) { measure(state, kept, tier); })->UseRealTime();   // as the official engine is timed
    }
  }
  benchmark::RunSpecifiedBenchmarks();
}
