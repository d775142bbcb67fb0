// What changes while bound tasks are at work: the mode of their binding, and the bundle itself.
#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <random>

#include "calls.h"
#include "loaded.h"
#include "runtime/loader/facts.h"
#include "runtime/loader/process.h"
#include "world.h"

using namespace kerf;
using namespace kerf::test;

namespace {

std::uint64_t parameter(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

std::vector<int> answers(const std::string& file, std::size_t count) {
  for (int waited = 0; waited < 20'000; waited += 10) {
    std::ifstream lines(file);
    std::vector<int> errors;
    for (int error; lines >> error;) errors.push_back(error);
    if (errors.size() >= count) return errors;
    ::usleep(10'000);
  }
  return {};
}

}  // namespace

TEST_CASE("the mode of a binding is switched while its tasks run") {
  if (!can_enforce()) return;
  Scene scene;
  TempDir talk;
  Cgroup cgroup(cgroup_path("mode"));
  Loaded loaded(scene.dir / "bundle");
  std::string binding = loaded.bind(cgroup.path());
  std::string udp = "127.0.0.1 " + std::to_string(scene.listeners.udp_allowed);
  std::vector<std::string> steps{"keep " + udp}, round{tcp_to(scene.listeners.tcp_allowed), tcp_to(scene.listeners.tcp_refused), "raw", "send-kept"};
  const std::vector<std::pair<std::string, std::vector<int>>> modes = {{"enforce", {0, ECONNREFUSED, EPERM, 0}},
                                                                       {"audit", {0, 0, EPERM, 0}},
                                                                       {"quarantine", {ECONNREFUSED, ECONNREFUSED, EPERM, EPERM}},
                                                                       {"enforce", {0, ECONNREFUSED, EPERM, 0}}};
  for (std::size_t i = 0; i < modes.size(); ++i) {
    steps.push_back("wait " + (talk / std::to_string(i)));
    steps.insert(steps.end(), round.begin(), round.end());
  }
  auto child = loader::clone_into(cgroup.fd(), [&] { return perform_all(talk / "calls", steps); });
  REQUIRE(child.ok());
  std::string before = "enforce";
  for (std::size_t i = 0; i < modes.size(); ++i) {
    auto changed = loader::set_mode(binding, modes[i].first);
    REQUIRE_MESSAGE(changed.ok(), (changed.ok() ? "" : changed.error().message));
    CHECK(*changed == before);
    before = modes[i].first;
    CHECK(loaded.rows().at(0).mode == before);
    perform("touch " + (talk / std::to_string(i)));
    std::vector<int> all = answers(talk / "calls", 1 + 5 * (i + 1));
    REQUIRE(all.size() == 1 + 5 * (i + 1));
    CHECK(all[0] == 0);
    CHECK_MESSAGE(std::vector<int>(all.end() - 4, all.end()) == modes[i].second, modes[i].first);
    if (i == 1) REQUIRE(loaded.replace(scene.dir / "bundle").ok());   // the mode goes along
    if (i == 1) CHECK(loaded.rows().at(0).mode == "audit");
  }
  CHECK(loader::wait_status(*child) == 0);
  CHECK(failure(loader::set_mode(binding, "permissive")) == "K7416");
  CHECK(failure(loader::set_mode(Loaded::name() + "/77", "audit")) == "K7602");
}

TEST_CASE("hits are of satisfied policies, with the time of the last, and can be left out") {
  if (!can_enforce()) return;
  Scene scene;
  std::string port = std::to_string(scene.listeners.tcp_allowed);
  REQUIRE(compile_with_sample_schema("@id(\"open\") permit(principal, action == Action::\"connect\", resource) when { resource.port == " + port + " };\n"
                                     "@id(\"closed\") forbid(principal, action == Action::\"connect\", resource) when { resource.ip == ip(\"127.0.0.2\") };\n",
                                     scene.dir / "counted") == "");
  Cgroup cgroup(cgroup_path("hits"));
  Loaded loaded(scene.dir / "counted");
  loaded.bind(cgroup.path());
  std::uint64_t start_ns = loader::boot_time_ns();
  CHECK(cgroup.call({"tcp 127.0.0.1 " + port, "tcp 127.0.0.2 " + port, "tcp 127.0.0.1 1"}) == std::vector{0, ECONNREFUSED, ECONNREFUSED});
  loader::BindingStatus row = loaded.rows().at(0);
  REQUIRE(row.hits.size() == 2);
  for (const auto& policy : row.hits) {
    CHECK_MESSAGE(policy.hits == (policy.id == "open" ? 2u : 1u), policy.id);   // the forbid overrides it, and it is satisfied
    CHECK(policy.last_ns >= start_ns);
    CHECK(policy.last_ns <= loader::boot_time_ns());
    CHECK(policy.last.size() == std::string("2026-01-02T03:04:05.000000006Z").size());
  }
  CHECK(row.count_hits);
  CHECK(row.map_bytes > 500'000);   // the ring alone
  CHECK(row.program_bytes > 0);
  auto replaced = loader::load({.bundle_dir = scene.dir / "counted", .name = Loaded::name(), .replace = true, .count_hits = false,
                                .allow_degraded = degraded_here(scene.dir / "counted")});
  REQUIRE(replaced.ok());
  CHECK(cgroup.call({"tcp 127.0.0.1 " + port, "tcp 127.0.0.2 " + port}) == std::vector{0, ECONNREFUSED});
  row = loaded.rows().at(0);
  CHECK(!row.count_hits);
  CHECK(row.decisions >= 2);
  for (const auto& policy : row.hits) CHECK(policy.hits == 0);
}

namespace {

// What a task of the binding tells by memory.
struct Told {
  std::atomic<std::uint64_t> connects, wrong_allows, wrong_refusals, other;
  std::atomic<int> stop;
};

int try_connect(int port) {
  int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int error = fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 ? errno : 0;
  ::close(fd);
  return error;
}

int connect_all_the_time(Told& told, int both_allow, int both_refuse) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);            // not longer than a test that is ended
  [[maybe_unused]] int niceness = ::nice(10);   // the loader has its turns too
  while (told.stop == 0) {
    int allowed = try_connect(both_allow), refused = try_connect(both_refuse);
    told.connects += 2;
    if (allowed != 0) (allowed == ECONNREFUSED ? told.wrong_refusals : told.other) += 1;
    if (refused != ECONNREFUSED) (refused == 0 ? told.wrong_allows : told.other) += 1;
  }
  return 0;
}

}  // namespace

// KERF_SWAPS replacements (default 20), KERF_CONNECTS connections at least (default 20,000), every fifth loader killed on its
// way at a moment that KERF_SEED chooses. `make swaps` makes a hundred and a million.
TEST_CASE("over many replacements what both bundles allow is allowed, and what both refuse is refused") {
  if (!can_enforce()) return;
  Scene scene;
  const int both_allow = 4001, both_refuse = 4002;   // nobody has to listen: a datagram socket connects to anything
  auto text = [&](int own) {
    return "permit(principal, action == Action::\"connect\", resource) when { resource.port == " + std::to_string(both_allow) + " };\n"
           "permit(principal, action == Action::\"connect\", resource) when { resource.port == " + std::to_string(own) + " };\n";
  };
  REQUIRE(compile_with_sample_schema(text(4003), scene.dir / "one") == "");
  REQUIRE(compile_with_sample_schema(text(4004), scene.dir / "two") == "");
  const std::uint64_t swaps = parameter("KERF_SWAPS", 20), connects = parameter("KERF_CONNECTS", 20'000);
  std::mt19937_64 random(parameter("KERF_SEED", 7));
  void* memory = ::mmap(nullptr, sizeof(Told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  auto& told = *static_cast<Told*>(memory);
  Cgroup cgroup(cgroup_path("many"));
  Loaded loaded(scene.dir / "one");
  loaded.bind(cgroup.path());
  std::vector<loader::Child> workers;
  for (int i = 0; i < 2; ++i) {
    auto child = loader::clone_into(cgroup.fd(), [&] { return connect_all_the_time(told, both_allow, both_refuse); });
    REQUIRE(child.ok());
    workers.push_back(std::move(*child));
  }
  std::uint64_t longest_us = 100'000, done = 0, killed = 0;
  for (std::uint64_t turn = 0; done < swaps; ++turn) {
    const std::string bundle = scene.dir / (turn % 2 ? "one" : "two");
    if (turn % 5 != 4) {
      std::uint64_t start_ns = loader::boot_time_ns();
      auto replaced = loaded.replace(bundle);
      REQUIRE_MESSAGE(replaced.ok(), (replaced.ok() ? "" : replaced.error().message));
      longest_us = (loader::boot_time_ns() - start_ns) / 1000;
      ++done;
      continue;
    }
    pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) ::_exit(loaded.replace(bundle).ok() ? 0 : 1);
    ::usleep(static_cast<useconds_t>(random() % (longest_us + 1)));
    ::kill(pid, SIGKILL);
    int status = 0;
    ::waitpid(pid, &status, 0);
    killed += WIFSIGNALED(status);
    ::usleep(2000);   // whatever it left is at work
    if (turn % 2) REQUIRE(loader::gc().ok());   // else the next replacement tidies
  }
  for (int waited = 0; told.connects < connects && waited < 600'000; waited += 10) ::usleep(10'000);
  told.stop = 1;
  for (const loader::Child& worker : workers) CHECK(loader::wait_status(worker) == 0);
  MESSAGE(done << " replacements, " << killed << " loaders killed, " << told.connects.load() << " connections");
  CHECK(told.connects >= connects);
  CHECK(killed > 0);
  CHECK(told.wrong_allows == 0);
  CHECK(told.wrong_refusals == 0);
  CHECK(told.other == 0);
  ::munmap(memory, sizeof(Told));
}
