// What a decision costs in this kernel: the decision bytes of an object, run by the self-test program, warm, above an
// empty call. The machine has other work: the minimum of many short runs is the figure, the median is shown beside it.
//   bench_kernel [PART OF A NAME]...
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>

#include "tests/unit/bpf/paths.h"
#include "tests/unit/bpf/rig.h"

namespace {

using namespace kerf;
using namespace kerf::test;

constexpr __u32 kRepeat = KERF_SELFTEST_REPEATS;
constexpr int kRuns = 150;

struct Event {
  kerf_seen seen;
  std::string path;
};

struct Case {
  std::string name;
  Program program;
  Event hit, miss;
  std::vector<Event> mixed;     // one after the other
  double target_ns = 0;         // 0: none
};

struct Figure {
  double least = 0, median = 0;
};

class Bench {
 public:
  Bench(Loaded& loaded) : loaded_(loaded) {}

  void put(const std::vector<Event>& events, __u32 count) {
    count_ = count;
    for (__u32 i = 0; i < count; ++i) {
      const Event& event = events[i % events.size()];
      kerf_selftest_in element{1, 0, event.seen};
      bpf_map_update_elem(loaded_.map("kerf_selftest_in"), &i, &element, BPF_ANY);
      if (event.path.empty()) continue;
      auto path = std::make_unique<kerf_selftest_path>();
      std::copy(event.path.begin(), event.path.end(), path->path);
      bpf_map_update_elem(loaded_.map("kerf_selftest_path"), &i, path.get(), BPF_ANY);
    }
  }
  // Nanoseconds of one more of this part, above an empty call in its place.
  Figure again(kerf_selftest_part part, bool hits = true) {
    return above({count_, kRepeat, part, !hits}, {count_, kRepeat, KERF_SELFTEST_NOTHING, !hits}, count_ * (kRepeat - 1.0));
  }
  // Nanoseconds of the first of each event, above fetching it.
  Figure once() { return above({count_, 1, KERF_SELFTEST_DECISION, 0}, {count_, 0, KERF_SELFTEST_DECISION, 0}, count_); }

 private:
  // In turn, so that both meet the machine in one state.
  Figure above(const kerf_selftest_args& what, const kerf_selftest_args& base, double times) {
    std::vector<double> with, without;
    for (int i = 0; i < kRuns; ++i) {
      with.push_back(run(what));
      without.push_back(run(base));
    }
    std::sort(with.begin(), with.end());
    std::sort(without.begin(), without.end());
    return {(with.front() - without.front()) / times, (with[kRuns / 2] - without[kRuns / 2]) / times};
  }
  double run(kerf_selftest_args args) {
    LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &args, .ctx_size_in = sizeof args);
    auto start = std::chrono::steady_clock::now();
    int error = bpf_prog_test_run_opts(bpf_program__fd(loaded_.program("kerf_selftest")), &options);
    auto end = std::chrono::steady_clock::now();
    if (error || options.retval) fmt::print(stderr, "test run: {} retval {}\n", error, options.retval);
    return std::chrono::duration<double, std::nano>(end - start).count();
  }

  Loaded& loaded_;
  __u32 count_ = 0;
};

kerf_seen connect(std::uint32_t address, std::uint32_t port, std::uint32_t uid = 0) {
  kerf_seen seen{};
  seen.uid = uid;
  seen.net.address_low = address;
  seen.net.port = port;
  seen.net.protocol = 6;
  return seen;
}

constexpr std::uint32_t kNetwork = 0x0a000000;

Case addresses(std::uint32_t n) {
  Case made{fmt::format("addresses, {} policies", n), make_program(), {}, {}, {}, 80};
  for (std::uint32_t i = 0; i < n; ++i) add_row(made.program, Effect::permit).address = AddressSet{{prefix4(kNetwork + (i << 8), 24)}, {}};
  made.hit.seen = connect(kNetwork + (n / 2 << 8) + 7, 443);
  made.miss.seen = connect(0xc0a80001, 443);
  for (std::uint32_t i = 0; i < 1024; ++i) made.mixed.push_back({connect(kNetwork + (i * 7919 % n << 8) + i % 251, 443), {}});
  return made;
}

Case ports(std::uint32_t n) {
  Case made{fmt::format("ports, {} policies", n), make_program(), {}, {}, {}, 80};
  for (std::uint32_t i = 0; i < n; ++i) add_row(made.program, Effect::permit).port = PortSet{{static_cast<std::uint16_t>(i + 1024), static_cast<std::uint16_t>(i + 1024)}};
  made.hit.seen = connect(kNetwork, 1024 + n / 2);
  made.miss.seen = connect(kNetwork, 80);
  for (std::uint32_t i = 0; i < 1024; ++i) made.mixed.push_back({connect(kNetwork + i, 1024 + i * 7919 % n), {}});
  return made;
}

Case endpoints(std::uint32_t n) {
  Case made{fmt::format("ids of endpoints, {} policies", n), make_program(), {}, {}, {}, 80};
  for (std::uint32_t i = 0; i < n; ++i) {
    add_row(made.program, Effect::permit).endpoint = EndpointSet{{endpoint4(kNetwork + i * 77, static_cast<std::uint16_t>(i))}, false};
  }
  made.hit.seen = connect(kNetwork + n / 2 * 77, static_cast<std::uint16_t>(n / 2));
  made.miss.seen = connect(kNetwork + 5, 9);
  for (std::uint32_t i = 0; i < 1024; ++i) {
    std::uint32_t at = i * 7919 % n;
    made.mixed.push_back({connect(kNetwork + at * 77, static_cast<std::uint16_t>(at)), {}});
  }
  return made;
}

enum class To { ip4, ip6, ip6_host };

// Of everything, permits and forbids. `to`: what the events are to. IPv6 policies are about networks, or about hosts.
Case mixture(std::uint32_t n, To to_what) {
  const bool hosts = to_what == To::ip6_host;
  const char* events = hosts ? ", to an IPv6 host" : to_what == To::ip6 ? ", to an IPv6 address" : "";
  Case made{fmt::format("addresses with ports, IPv6, ids, {} policies{}", n, events), make_program(), {}, {}, {}, 80};
  for (std::uint32_t i = 0; i < n; ++i) {
    KernelRow& row = add_row(made.program, i % 5 ? Effect::permit : Effect::forbid);
    switch (i % 4) {
      case 0: row.address = AddressSet{{prefix4(kNetwork + (i << 8), 24)}, {}}; break;
      case 1: row.address = AddressSet{{}, {prefix6(0x20010db800000000u + i, hosts ? 1 : 0, hosts ? 128 : 64)}}; break;
      case 2: row.endpoint = EndpointSet{{endpoint4(kNetwork + i * 77, static_cast<std::uint16_t>(i))}, false}; break;
      default:
        row.address = AddressSet{{prefix4(kNetwork + (i << 8), 24)}, {}};
        row.port = PortSet{{443, 443}};
    }
  }
  const std::uint32_t hit = n / 2 | 3;
  made.hit.seen = connect(kNetwork + (hit % n << 8) + 7, 443);
  made.miss.seen = connect(0xc0a80001, 443);
  for (std::uint32_t i = 0; i < 1024; ++i) made.mixed.push_back({connect(kNetwork + (i * 7919 % n << 8) + i % 251, i % 2 ? 443 : 80), {}});
  if (to_what == To::ip4) return made;
  auto to = [hosts](Event& event, std::uint64_t network) {
    event.seen.net.v6 = 1;
    event.seen.net.address_high = network;
    if (hosts) event.seen.net.address_low = 1;
  };
  std::uint32_t network = n / 2 | 1;
  while (network % 4 != 1 || network % 5 == 0) ++network;   // a permit's
  to(made.hit, 0x20010db800000000u + network % n);
  to(made.miss, 0x20020db800000000u);
  for (std::uint32_t i = 0; i < 1024; ++i) to(made.mixed[i], 0x20010db800000000u + i * 7919 % n);
  return made;
}

// context.uid == N.
Case numbers(std::uint32_t n) {
  Case made{fmt::format("numbers (uid), {} policies", n), make_program(), {}, {}, {}, 80};
  for (std::uint32_t i = 0; i < n; ++i) {
    KernelRow& row = add_row(made.program, Effect::permit);
    Body& body = made.program.module.policies[row.policy.index].body;
    NodeId test = body.add(Op::eq, {context_attr(body, "uid"), number(body, 1000 + i)}, {});
    KernelEnv& env = env_of(made.program);
    row.code = {{static_cast<std::uint32_t>(env.code.size()), Outcome::true_}};
    env.code.push_back({row.policy, test, {}, {}});
  }
  made.hit.seen = connect(kNetwork, 443, 1000 + n / 2);
  made.miss.seen = connect(kNetwork, 443, 5);
  for (std::uint32_t i = 0; i < 1024; ++i) made.mixed.push_back({connect(kNetwork + i, 443, 1000 + i * 7919 % n), {}});
  return made;
}

std::string to_60(std::string path, std::uint32_t seed) {
  std::mt19937_64 random(seed);
  while (path.size() < 60) path += fmt::format("/{:016x}", random()).substr(0, 60 - path.size());
  if (path.back() == '/') path.back() = 'x';
  return path;
}

void add_path(Case& made, PathTest test) {
  KernelEnv& env = env_of(made.program);
  env.paths.push_back(std::move(test));
  add_row(made.program, Effect::permit).path = {{static_cast<std::uint32_t>(env.paths.size() - 1), Outcome::true_}};
}

Event open_event(const std::string& path) {
  std::mt19937_64 random(1);
  Event event{file_event(path, random), path};
  event.seen.file.directory = 0;
  return event;
}

void finish_paths(Case& made, std::uint32_t n, const std::function<std::string(std::uint32_t)>& inside) {
  made.hit = open_event(inside(n / 2));
  made.miss = open_event(to_60("/usr/lib/x86_64-linux-gnu", 1));
  for (std::uint32_t i = 0; i < 1024; ++i) made.mixed.push_back(open_event(inside(i * 7919 % n)));
}

std::string prefix_of(std::uint32_t i) { return fmt::format("/srv/tenant{}/project-{:04x}/data", i % 100, i * 7919 % 65536); }

Case prefixes(std::uint32_t n) {
  Case made{fmt::format("literal prefixes, {} policies", n), make_file_program(), {}, {}, {}, 60};
  for (std::uint32_t i = 0; i < n; ++i) add_path(made, i % 2 ? files({}, {prefix_of(i)}) : pattern({prefix_of(i), ""}));
  finish_paths(made, n, [](std::uint32_t i) { return to_60(prefix_of(i), i); });
  return made;
}

// Whole names of 60 bytes, which are read to their end.
Case whole_names(std::uint32_t n) {
  Case made{fmt::format("files of 60 bytes, {} policies", n), make_file_program(), {}, {}, {}, 60};
  for (std::uint32_t i = 0; i < n; ++i) add_path(made, files({to_60(prefix_of(i), i)}));
  finish_paths(made, n, [](std::uint32_t i) { return to_60(prefix_of(i), i); });
  return made;
}

Case inner_wildcards(std::uint32_t n) {
  Case made{fmt::format("inner wildcards, {} policies", n), make_file_program(), {}, {}, {}, 120};
  for (std::uint32_t i = 0; i < n; ++i) add_path(made, pattern({fmt::format("/home/u{}/", i), i % 3 ? ".txt" : ".key"}));
  finish_paths(made, n, [](std::uint32_t i) {
    std::string path = to_60(fmt::format("/home/u{}", i), i);
    return path.substr(0, 56) + (i % 3 ? ".txt" : ".key");
  });
  return made;
}

std::vector<std::function<Case()>> all_cases() {
  std::vector<std::function<Case()>> cases;
  for (std::uint32_t n : {10u, 1000u, 10000u, 50000u}) {
    cases.push_back([n] { return addresses(n); });
    cases.push_back([n] { return ports(n); });
    cases.push_back([n] { return endpoints(n); });
    for (To to : {To::ip4, To::ip6, To::ip6_host}) cases.push_back([n, to] { return mixture(n, to); });
    cases.push_back([n] { return numbers(n); });
  }
  for (std::uint32_t n : {10u, 1000u, 10000u}) {
    cases.push_back([n] { return prefixes(n); });
    cases.push_back([n] { return whole_names(n); });
    cases.push_back([n] { return inner_wildcards(n); });
  }
  return cases;
}

std::string verified(const Loaded& loaded, std::size_t policies) {
  std::uint32_t most = 0;
  for (const auto& [name, insns] : loaded.verified_insns) most = std::max(most, insns);
  return fmt::format("{} | {:.1f}", most, most / static_cast<double>(policies));
}

void measure(const Case& test) {
  auto start = std::chrono::steady_clock::now();
  Result<BpfObject> object = emit(test.program);
  const double emit_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  if (!object) return fmt::print("| {} | {}\n", test.name, object.error().message);
  const std::size_t object_kib = object->elf.size() >> 10, binding_kib = object->layout.binding_bytes >> 10;
  auto loaded = Loaded::load(test.program, std::move(*object), false);
  if (!loaded) return fmt::print("| {} | {}\n", test.name, loaded.error().message);
  Binding binding;
  const bool file = !test.hit.path.empty();
  if (file) binding.directory_env = 1;
  if ((*loaded)->bind(1, binding)) return fmt::print("| {} | not bound\n", test.name);
  Bench bench(**loaded);
  std::string matching = "– | –";
  bench.put({test.hit}, 16);
  const Figure hit = bench.again(file ? KERF_SELFTEST_DECIDING : KERF_SELFTEST_DECISION);
  const Figure uncounted = bench.again(file ? KERF_SELFTEST_DECIDING : KERF_SELFTEST_DECISION, false);
  const Figure match = file ? bench.again(KERF_SELFTEST_MATCHING) : Figure{};
  bench.put({test.miss}, 16);
  const Figure miss = bench.again(file ? KERF_SELFTEST_DECIDING : KERF_SELFTEST_DECISION);
  const Figure match_miss = file ? bench.again(KERF_SELFTEST_MATCHING) : Figure{};
  if (file) matching = fmt::format("{:.0f} ({:.0f}) | {:.0f}", match.least, match.median, match_miss.least);
  bench.put(test.mixed, 1024);
  const Figure mixed = bench.once();
  const double figure = file ? match.least : std::max(uncounted.least, miss.least);
  fmt::print("| {} | {} | {:.0f} ({:.0f}) | {:.0f} | {:.0f} | {:.0f} | {:.0f} | {} | {:.0f} | {} | {} | {} |\n", test.name, matching, uncounted.least, uncounted.median, hit.least, miss.least,
             mixed.least, test.target_ns, figure <= test.target_ns ? "met" : "NOT met", emit_ms, verified(**loaded, test.program.module.policies.size()), object_kib, binding_kib);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (!kernel_takes_bpf()) return 0;
  fmt::print("| policies | matching a path of 60 bytes, ns | no policy's path | deciding: permitted, ns | with hits counted | refused | 1,024 different events in turn, all of it | target | | emit, ms | verified instructions | a policy | object, KiB | a binding, KiB |\n"
             "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
  for (const auto& make : all_cases()) {
    const Case test = make();
    bool wanted = argc == 1;
    for (int i = 1; i < argc; ++i) wanted = wanted || test.name.find(argv[i]) != std::string::npos;
    if (wanted) measure(test);
  }
  return 0;
}
