// What the gateway's engine does beside deciding on one core, as a table: allocations a decision, two threads against one,
// and changes of entities against a whole build, all in one run.
//   leaf edge   a parent added to or removed from an entity without descendants, all entities in turn
//   wide edge   the same for the entity with the most descendants, k of them
//   upsert      an entity that is there already, given again
//   bench_engine WORKLOAD…
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "bench/workload.h"
#include "runtime/gateway/editor.h"
#include "tests/unit/gateway/allocations.h"

namespace {

using namespace kerf;
using namespace kerf::bench;
using Clock = std::chrono::steady_clock;

double us_since(Clock::time_point begin) { return std::chrono::duration<double, std::micro>(Clock::now() - begin).count(); }
double at(std::vector<double>& times, std::size_t percent) {
  if (times.empty()) return 0;
  std::sort(times.begin(), times.end());
  return times[std::min(times.size() - 1, times.size() * percent / 100)];
}

void decide_all(const Workload& workload, gateway::Query& query, gateway::Answer& answer) {
  for (const Request& request : workload.requests) {
    workload.engine->set(query, request.principal, request.action, request.resource, request.context);
    workload.engine->decide(query, answer);
  }
}

double allocations(const Workload& workload) {
  gateway::Query query(*workload.engine);
  gateway::Answer answer;
  auto all = [&] { decide_all(workload, query, answer); };
  all();
  return static_cast<double>(allocations_in(all)) / static_cast<double>(workload.requests.size());
}

// Decisions a second of so many threads, for some time.
double rate(const Workload& workload, int count) {
  constexpr auto kTime = std::chrono::milliseconds(300);
  std::atomic<std::size_t> decisions{0};
  std::vector<std::thread> threads;
  const auto begin = Clock::now();
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&] {
      gateway::Query query(*workload.engine);
      gateway::Answer answer;
      std::size_t own = 0;
      for (; Clock::now() - begin < kTime; own += workload.requests.size()) decide_all(workload, query, answer);
      decisions += own;
    });
  }
  for (std::thread& thread : threads) thread.join();
  return static_cast<double>(decisions) / us_since(begin);
}

struct Changes {
  std::vector<double> leaf, upsert, wide;
  std::size_t descendants = 0;
  double build_ms = 0;
};

double timed(gateway::Editor& editor, const gateway::EntityChange& change) {
  const auto begin = Clock::now();
  const Status status = editor.change(change);
  const double us = us_since(begin);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.error().message.c_str());
  return us;
}

Changes change(const Workload& workload) {
  Changes changes;
  const auto begin = Clock::now();
  gateway::Editor editor = *gateway::Editor::build({std::shared_ptr<void>(), &workload.engine->table()}, workload.store);
  changes.build_ms = us_since(begin) / 1e3;
  const std::vector<Entity>& all = workload.store.all();
  const EntityUid* widest = nullptr;
  const std::size_t step = std::max<std::size_t>(all.size() / 2000, 1);
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i % step != 0 && all[i].parents.size() != 0) continue;   // tops are all looked at
    const std::size_t below = workload.store.descendants(all[i].uid).size();
    if (below > changes.descendants) widest = &all[i].uid, changes.descendants = below;
    if (below != 0 || changes.leaf.size() >= 4000) continue;
    gateway::EntityChange add, remove, again;
    const EntityUid parent = all[i].parents.empty() ? EntityUid{all[i].uid.type, "kerf-bench-parent"} : all[i].parents.front();
    (all[i].parents.empty() ? add.add_parents : add.remove_parents).push_back({all[i].uid, {parent}});
    (all[i].parents.empty() ? remove.remove_parents : remove.add_parents).push_back({all[i].uid, {parent}});
    again.upsert.push_back(all[i]);
    changes.leaf.push_back(timed(editor, add));
    changes.leaf.push_back(timed(editor, remove));
    changes.upsert.push_back(timed(editor, again));
  }
  if (widest == nullptr) return changes;
  gateway::EntityChange add, remove;
  add.add_parents.push_back({*widest, {{widest->type, "kerf-bench-top"}}});
  remove.remove_parents.push_back(add.add_parents.front());
  for (int i = 0; i < 5; ++i) {
    changes.wide.push_back(timed(editor, add));
    changes.wide.push_back(timed(editor, remove));
  }
  return changes;
}

}  // namespace

int main(int argc, char** argv) {
  std::puts("| workload | policies | entities | allocations a decision | 2 threads / 1 | leaf edge µs, p50 / p99 | upsert µs, p50 / p99 | "
            "edge with k descendants: k | µs | ns a descendant | build ms |");
  std::puts("|---|---|---|---|---|---|---|---|---|---|---|");
  for (int i = 1; i < argc; ++i) {
    const Result<Workload> read = read_workload(argv[i]);
    if (!read.ok()) {
      std::fprintf(stderr, "%s: %s\n", argv[i], read.error().message.c_str());
      return 1;
    }
    const Workload& workload = *read;
    const double one = rate(workload, 1), two = rate(workload, 2);
    Changes changes = change(workload);
    const double wide = at(changes.wide, 50);
    std::printf("| %s | %zu | %zu | %.2f | %.2f | %.1f / %.1f | %.1f / %.1f | %zu | %.1f | %.0f | %.1f |\n", workload.name.c_str(),
                workload.policies, workload.entities, allocations(workload), two / one, at(changes.leaf, 50), at(changes.leaf, 99),
                at(changes.upsert, 50), at(changes.upsert, 99), changes.descendants, wide,
                changes.descendants == 0 ? 0 : wide * 1e3 / static_cast<double>(changes.descendants), changes.build_ms);
  }
}
