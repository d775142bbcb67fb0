// What the gateway's engine does beside deciding on one core, as a table: allocations a decision, two threads against one,
// and changes of entities against a whole build, all in one run.
//   leaf edge   a parent added to or removed from an entity without descendants, all entities in turn
//   wide edge   the same for the entity with the most descendants, k of them
//   upsert      an entity that is there already, given again
//   policy      one removed and added again in one change, whose table was read before; up to 100 of them, in turn
// and what policies take from the heap: of the table that was read and of the engine, less the same engine without
// policies; and without what only names them (ids, annotations, places in the source).
//   bench_engine WORKLOAD…
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <thread>

#include "bench/workload.h"
#include "runtime/gateway/editor.h"
#include "runtime/gateway/table_merge.h"
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

std::shared_ptr<const gateway::Table> without(const gateway::Table& table, const gateway::PolicyBits& removed) {
  const gateway::TablePart part{&table.state(), &removed};
  return std::make_shared<const gateway::Table>(gateway::merge_tables({&part, 1}));
}

std::vector<double> change_policies(const Workload& workload) {
  const gateway::Table& table = workload.engine->table();
  gateway::Editor editor = *gateway::Editor::build({std::shared_ptr<void>(), &table}, workload.store);
  const std::size_t policies = table.policies().size(), count = std::min<std::size_t>(policies, 100);
  std::vector<double> times;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t policy = i * (policies / count);
    gateway::PolicyBits others((policies + 63) / 64, ~std::uint64_t{0});
    others[policy / 64] &= ~(std::uint64_t{1} << (policy % 64));
    gateway::PolicyChange change{{table.policies()[policy].id}, without(table, others)};
    if (i == 0) (void)editor.change({{}, nullptr});   // makes the index of ids
    const auto begin = Clock::now();
    const Status status = editor.change(change);
    times.push_back(us_since(begin));
    if (!status.ok()) std::fprintf(stderr, "%s\n", status.error().message.c_str());
  }
  return times;
}

// What stays of the heap of what is made.
template <class Make>
double heap_of(Make make) {
  const std::ptrdiff_t before = kerf::test::live_bytes();
  const auto made = make();
  return static_cast<double>(kerf::test::live_bytes() - before);
}

void print_memory(const std::string& directory, const Workload& workload) {
  const gateway::Table& table = workload.engine->table();
  const auto policies = static_cast<double>(table.policies().size());
  std::ifstream file(directory + "/table.json", std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const auto none = without(table, gateway::PolicyBits((table.policies().size() + 63) / 64, ~std::uint64_t{0}));
  auto engine = [&](std::shared_ptr<const gateway::Table> of) { return heap_of([&] { return gateway::Engine::build(of, workload.store); }); };
  const double read = heap_of([&] { return gateway::Table::read(text); });
  const double arranged = engine({std::shared_ptr<void>(), &table}) - engine(none);
  const double names = heap_of([&] { return std::vector<gateway::PolicyInfo>(table.policies()); });
  std::printf("| %s | %.0f | %.0f | %.0f | %.0f | %.0f |\n", workload.name.c_str(), policies, read / policies, arranged / policies,
              (read + arranged) / policies, (read + arranged - names) / policies);
}

}  // namespace

int main(int argc, char** argv) {
  std::puts("| workload | policies | entities | allocations a decision | 2 threads / 1 | leaf edge µs, p50 / p99 | upsert µs, p50 / p99 | "
            "edge with k descendants: k | µs | ns a descendant | policy µs, p50 / p99 | build ms |");
  std::puts("|---|---|---|---|---|---|---|---|---|---|---|---|");
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
    std::vector<double> policy = change_policies(workload);
    std::printf("| %s | %zu | %zu | %.2f | %.2f | %.1f / %.1f | %.1f / %.1f | %zu | %.1f | %.0f | %.1f / %.1f | %.1f |\n", workload.name.c_str(),
                workload.policies, workload.entities, allocations(workload), two / one, at(changes.leaf, 50), at(changes.leaf, 99),
                at(changes.upsert, 50), at(changes.upsert, 99), changes.descendants, wide,
                changes.descendants == 0 ? 0 : wide * 1e3 / static_cast<double>(changes.descendants), at(policy, 50), at(policy, 99),
                changes.build_ms);
  }
  std::puts("\n| heap, bytes a policy | policies | table | engine | both | both, without ids, annotations and spans |\n|---|---|---|---|---|---|");
  for (int i = 1; i < argc; ++i) {
    const Result<Workload> read = read_workload(argv[i]);
    if (read.ok() && read->policies >= 1000) print_memory(argv[i], *read);
  }
}
