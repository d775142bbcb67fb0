// Size, for files: many policies, long sets and long paths load, decide right, and cost a hook what the path's length does.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>

#include "paths.h"
#include "rig.h"

using namespace kerf;
using namespace kerf::test;

namespace {

std::string long_path(std::string path, std::size_t bytes, std::mt19937_64& random) {
  while (path.size() < bytes) path += fmt::format("/{:016x}", random()).substr(0, bytes - path.size());
  if (path.back() == '/') path.back() = 'x';
  return path;
}

struct Figures {
  double emit_ms = 0, short_ns = 0, long_ns = 0;
  std::size_t bytes = 0;
  std::uint32_t verified = 0;
};

// `seeds`: paths that the tests are about; they are asked as they are, and as beginnings of paths of 60 and 4,000 bytes.
Figures check_size(const char* name, const Program& program, const std::vector<std::string>& seeds) {
  Figures figures;
  auto start = std::chrono::steady_clock::now();
  Result<BpfObject> object = emit(program);
  figures.emit_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  if (!object) FAIL(object.error().message);
  figures.bytes = object->elf.size();
  auto loaded = Loaded::load(program, std::move(*object), false);
  if (!loaded) FAIL(loaded.error().message);
  for (const auto& [program_name, insns] : (*loaded)->verified_insns) figures.verified = std::max(figures.verified, insns);
  Binding binding;
  binding.directory_env = 1;
  REQUIRE((*loaded)->bind(1, binding) == 0);
  std::mt19937_64 random(1);
  std::vector<std::string> exact, short_paths, long_paths;
  for (std::size_t i = 0; i < 512; ++i) {
    const std::string& seed = seeds[random() % seeds.size()];
    exact.push_back(seed);
    short_paths.push_back(long_path(seed, 60, random));
    long_paths.push_back(long_path(seed, 4000, random));
  }
  std::size_t wrong = 0;
  for (const auto* paths : {&exact, &short_paths, &long_paths}) {
    std::vector<kerf_seen> events = file_events(*paths, random);
    double ns = (*loaded)->nanoseconds_per_decision(1, events, *paths);
    if (paths == &short_paths) figures.short_ns = ns;
    if (paths == &long_paths) figures.long_ns = ns;
    std::vector<kerf_decision> decisions = (*loaded)->decide(1, events, *paths);
    REQUIRE(decisions.size() == events.size());
    for (std::size_t i = 0; i < 60; ++i) {
      std::string found = difference(expected_file(program, binding, events[i], (*paths)[i]), decisions[i]);
      if (!found.empty() && wrong++ < 3) MESSAGE((*paths)[i].substr(0, 80) << ": " << found);
    }
  }
  CHECK(wrong == 0);
  fmt::print("{}: emit {:.0f} ms, {} bytes, load {:.0f} ms, at most {} verified instructions; a decision takes {:.0f} ns (60 bytes), "
             "{:.0f} ns (4,000 bytes)\n", name, figures.emit_ms, figures.bytes, (*loaded)->load_ms, figures.verified, figures.short_ns, figures.long_ns);
  CHECK(figures.verified < 150000);   // of 1,000,000
  return figures;
}

void add_test(Program& program, Effect effect, PathTest test) {
  KernelEnv& env = env_of(program);
  env.paths.push_back(std::move(test));
  add_row(program, effect).path = {{static_cast<std::uint32_t>(env.paths.size() - 1), Outcome::true_}};
}

}  // namespace

TEST_CASE("one policy about one tree") {
  if (!kernel_takes_bpf()) return;
  Program program = make_file_program();
  add_test(program, Effect::permit, files({}, {"/workspace"}));
  check_size("one policy", program, {"/workspace", "/workspace/a", "/etc/passwd"});
}

TEST_CASE("10,000 policies about different paths") {
  if (!kernel_takes_bpf()) return;
  Program program = make_file_program();
  std::vector<std::string> seeds;
  for (int i = 0; i < 10000; ++i) {
    seeds.push_back(fmt::format("/srv/tenant{}/project-{:04x}/data", i % 100, i * 7919 % 65536));
    switch (i % 4) {
      case 0: add_test(program, Effect::permit, files({seeds.back()})); break;
      case 1: add_test(program, Effect::permit, files({}, {seeds.back()})); break;
      case 2: add_test(program, i % 8 == 2 ? Effect::permit : Effect::forbid, pattern({seeds.back(), ""})); break;
      default: add_test(program, Effect::forbid, files({seeds.back() + "/secret", seeds.back() + "/key"}, {seeds.back() + "/private"}));
    }
  }
  check_size("10,000 policies", program, seeds);
}

TEST_CASE("10,000 policies with patterns") {
  if (!kernel_takes_bpf()) return;
  Program program = make_file_program();
  std::vector<std::string> seeds;
  for (int i = 0; i < 10000; ++i) {
    seeds.push_back(fmt::format("/home/u{}/x.txt", i));
    add_test(program, Effect::permit, pattern({fmt::format("/home/u{}/", i), ".txt"}));
  }
  check_size("10,000 patterns", program, seeds);
}

TEST_CASE("a set of 100,000 files") {
  if (!kernel_takes_bpf()) return;
  Program program = make_file_program();
  std::mt19937_64 random(5);
  std::vector<std::string> names;
  for (int i = 0; i < 100000; ++i) names.push_back(fmt::format("/data/objects/{:02x}/{:016x}{:08x}", random() % 256, random(), random() & 0xffffffff));
  add_test(program, Effect::permit, files(names));
  add_test(program, Effect::permit, files({}, {"/data"}));
  check_size("100,000 files", program, names);
}
