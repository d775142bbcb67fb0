// Bundles that stay loaded: cgroups are bound and let go, one bundle takes another's place, and what a killed kerf leaves
// is tidied. Network only: it works on every kernel that lets us load.
#include <doctest/doctest.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>

#include "calls.h"
#include "loaded.h"
#include "runtime/loader/cgroup.h"
#include "runtime/loader/facts.h"
#include "runtime/loader/instance.h"
#include "runtime/loader/process.h"
#include "world.h"

using namespace kerf;
using namespace kerf::test;

TEST_CASE("several cgroups are bound to principals of one bundle, and let go") {
  if (!can_enforce()) return;
  Scene scene;
  Cgroup one(cgroup_path("one")), two(cgroup_path("two"));
  CHECK(one.call(scene.calls()) == std::vector{0, 0, 0});
  Loaded loaded(scene.dir / "bundle");
  CHECK(one.call(scene.calls()) == std::vector{0, 0, 0});        // loaded, nobody bound
  REQUIRE(loaded.rows().size() == 1);
  CHECK(loaded.rows()[0].id == 0);
  std::string first = loaded.bind(one.path()), second = loaded.bind(two.path(), "Agent::\"risky\"", {{"delegation_depth", "1"}});
  CHECK(first != second);
  CHECK(loaded.rows().size() == 2);
  CHECK(one.call(scene.calls()) == std::vector{0, ECONNREFUSED, ECONNREFUSED});
  CHECK(two.call(scene.calls()) == std::vector{ECONNREFUSED, ECONNREFUSED, 0});
  CHECK(failure(loader::set_fact(Loaded::name(), "delegation_depth", "1", 0)) == "K7601");
  CHECK(failure(loader::set_fact(first, "delegation_depth", "1", 0)) == "");
  CHECK(one.call(scene.calls()) == std::vector{0, ECONNREFUSED, 0});
  CHECK(failure(loader::clear_fact(first, "delegation_depth")) == "");
  CHECK(failure(loader::unload(Loaded::name(), false)) == "K7607");
  CHECK(failure(loader::unbind(first)) == "");
  CHECK(failure(loader::unbind(first)) == "K7602");
  CHECK(one.call(scene.calls()) == std::vector{0, 0, 0});
  CHECK(two.call(scene.calls()) == std::vector{ECONNREFUSED, ECONNREFUSED, 0});
  std::string again = loaded.bind(one.path());                   // what the cgroup was before does not count
  CHECK(again != first);
  CHECK(one.call(scene.calls()) == std::vector{0, ECONNREFUSED, ECONNREFUSED});
}

TEST_CASE("cgroups and requests that cannot be bound") {
  if (!can_enforce()) return;
  Scene scene;
  Cgroup outer(cgroup_path("outer"));
  Cgroup inner(outer.path() + "/inner");
  Loaded loaded(scene.dir / "bundle");
  auto bind = [&](loader::BindOptions options) {
    options.name = Loaded::name();
    if (options.principal.empty()) options.principal = kAgent;
    return failure(loader::bind(options));
  };
  CHECK(bind({.cgroup = cgroup_mount()}) == "K7414");
  CHECK(bind({.cgroup = "/tmp"}) == "K7414");
  CHECK(bind({.cgroup = outer.path() + "/none"}) == "K7404");
  CHECK(bind({.pid = 999999999}) == "K7415");
  CHECK(bind({.principal = "Agent::\"nobody\"", .cgroup = inner.path()}) == "K7302");
  CHECK(bind({.cgroup = inner.path(), .mode = "permissive"}) == "K7416");
  CHECK(bind({.cgroup = inner.path(), .facts = {{"depth", "1"}}}) == "K7304");
  loaded.bind(inner.path());
  CHECK(bind({.cgroup = inner.path()}) == "K7414");              // bound already
  CHECK(bind({.cgroup = outer.path()}) == "K7414");              // a bound cgroup is below it
  Cgroup below(inner.path() + "/below");
  CHECK(bind({.cgroup = below.path()}) == "K7414");
  CHECK(below.call({tcp_to(scene.listeners.tcp_refused)}) == std::vector{ECONNREFUSED});
  auto child = loader::clone_into(outer.fd(), [&] { return bind({.cgroup = outer.path() + "/."}) == "K7414" ? 0 : 1; });
  REQUIRE(child.ok());
  CHECK(loader::wait_status(*child) == 0);                       // kerf itself runs in it
  CHECK(failure(loader::load({.bundle_dir = scene.dir / "bundle", .name = Loaded::name(), .allow_degraded = degraded_here(scene.dir / "bundle")})) == "K7605");
  CHECK(failure(loader::load({.bundle_dir = scene.dir / "bundle", .name = "../x"})) == "K7606");
  CHECK(failure(loader::load({.bundle_dir = scene.dir / "bundle", .replace = true})) == "K7606");
}

TEST_CASE("the cgroup of a process is bound, with what runs in it") {
  if (!can_enforce()) return;
  Scene scene;
  Cgroup cgroup(cgroup_path("pid"));
  Loaded loaded(scene.dir / "bundle");
  TempDir talk;
  auto child = loader::clone_into(cgroup.fd(), [&] {
    return perform_all(talk / "calls", {tcp_to(scene.listeners.tcp_refused), "touch " + (talk / "ready"), "wait " + (talk / "go"),
                                        tcp_to(scene.listeners.tcp_refused), tcp_to(scene.listeners.tcp_allowed)});
  });
  REQUIRE(child.ok());
  REQUIRE(wait_until_exists(talk / "ready"));
  auto report = loader::bind({.name = Loaded::name(), .principal = kAgent, .pid = child->pid});
  CHECK_MESSAGE(report.ok(), (report.ok() ? "" : report.error().message));
  if (report) CHECK(report->cgroup == cgroup.path());
  perform("touch " + (talk / "go"));
  CHECK(loader::wait_status(*child) == 0);
  std::ifstream lines(talk / "calls");
  std::vector<int> errors;
  for (int error; lines >> error;) errors.push_back(error);
  CHECK(errors == std::vector{0, 0, 0, ECONNREFUSED, 0});
}

TEST_CASE("one bundle takes another's place, with its bindings and facts") {
  if (!can_enforce()) return;
  Scene scene;
  std::string open = "@id(\"open\") permit(principal, action == Action::\"connect\", resource) when { resource.port == " +
                     std::to_string(scene.listeners.tcp_refused) + " };\n@id(\"deep\") permit(principal, action == Action::\"connect\", resource)\n"
                     "when { resource.port == " + std::to_string(scene.listeners.tcp_fact) + " && context has delegation_depth };\n";
  REQUIRE(compile_with_sample_schema(open, scene.dir / "other") == "");
  Cgroup cgroup(cgroup_path("swap"));
  Loaded loaded(scene.dir / "bundle");
  std::string binding = loaded.bind(cgroup.path(), kAgent, {{"delegation_depth", "9"}});
  CHECK(cgroup.call(scene.calls()) == std::vector{0, ECONNREFUSED, ECONNREFUSED});
  auto swapped = loaded.replace(scene.dir / "other");
  REQUIRE_MESSAGE(swapped.ok(), (swapped.ok() ? "" : swapped.error().message));
  CHECK(swapped->generation == 2);
  CHECK(cgroup.call(scene.calls()) == std::vector{ECONNREFUSED, 0, 0});
  CHECK(failure(loader::clear_fact(binding, "delegation_depth")) == "");
  CHECK(cgroup.call(scene.calls()) == std::vector{ECONNREFUSED, 0, ECONNREFUSED});
  REQUIRE(loaded.replace(scene.dir / "bundle").ok());
  CHECK(cgroup.call(scene.calls()) == std::vector{0, ECONNREFUSED, ECONNREFUSED});
  CHECK(loaded.rows()[0].generation == 3);
  auto host = loader::find_host();
  CHECK(std::distance(std::filesystem::directory_iterator(host->pins + "/" + Loaded::name()), {}) == 1);
}

TEST_CASE("a replacement that does not know a bound principal changes nothing") {
  if (!can_enforce()) return;
  Scene scene;
  REQUIRE(compile("permit(principal, action, resource);",
                  "@kernel(\"process\") entity Agent; @kernel(\"endpoint\") entity Destination;\n"
                  "@kernel(\"net.connect\") action connect appliesTo { principal: [Agent], resource: [Destination] };",
                  R"([{"uid":{"type":"Agent","id":"other"},"attrs":{},"parents":[]}])", scene.dir / "other") == "");
  Cgroup cgroup(cgroup_path("keep"));
  Loaded loaded(scene.dir / "bundle");
  loaded.bind(cgroup.path());
  CHECK(failure(loaded.replace(scene.dir / "other")) == "K7302");
  CHECK(cgroup.call(scene.calls()) == std::vector{0, ECONNREFUSED, ECONNREFUSED});
  CHECK(loaded.rows()[0].generation == 1);
}

TEST_CASE("under load a replacement never lets through what neither bundle allows") {
  if (!can_enforce()) return;
  Scene scene;
  Cgroup cgroup(cgroup_path("load"));
  Loaded loaded(scene.dir / "bundle");
  loaded.bind(cgroup.path());
  TempDir talk;
  std::vector<std::string> calls{"touch " + (talk / "ready")};
  for (int i = 0; i < 3000; ++i) calls.push_back(tcp_to(scene.listeners.tcp_refused));
  auto child = loader::clone_into(cgroup.fd(), [&] { return perform_all(talk / "calls", calls); });
  REQUIRE(child.ok());
  REQUIRE(wait_until_exists(talk / "ready"));
  for (int i = 0; i < 3; ++i) CHECK(loaded.replace(scene.dir / "bundle").ok());
  CHECK(loader::wait_status(*child) == 0);
  std::ifstream lines(talk / "calls");
  int error = 0, refused = 0;
  lines >> error;
  while (lines >> error) refused += error == ECONNREFUSED;
  CHECK(refused == 3000);
}

TEST_CASE("killed at any moment of a replacement, the old bundle or the new one is in force") {
  if (!can_enforce()) return;
  Scene scene;
  std::string open = "permit(principal, action == Action::\"connect\", resource) when { resource.port == " + std::to_string(scene.listeners.tcp_refused) + " };";
  REQUIRE(compile_with_sample_schema(open, scene.dir / "other") == "");
  Cgroup cgroup(cgroup_path("kill"));
  Loaded loaded(scene.dir / "bundle");
  loaded.bind(cgroup.path());
  std::vector<int> old_answers{0, ECONNREFUSED, ECONNREFUSED}, new_answers{ECONNREFUSED, 0, ECONNREFUSED};
  int killed = 0, done = 0;
  Loaded::name();
  for (int after_ms = 5; done == 0 && after_ms < 20'000; after_ms = after_ms * 8 / 5) {
    pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) ::_exit(loaded.replace(scene.dir / "other").ok() ? 0 : 1);
    ::usleep(static_cast<useconds_t>(after_ms) * 1000);
    ::kill(pid, SIGKILL);
    int status = 0;
    ::waitpid(pid, &status, 0);
    killed += WIFSIGNALED(status);
    done += WIFEXITED(status) && WEXITSTATUS(status) == 0;
    CHECK((WIFSIGNALED(status) || WEXITSTATUS(status) == 0));
    std::vector<int> answers = cgroup.call(scene.calls());
    bool at_most = answers[2] == ECONNREFUSED && !(answers[0] == 0 && answers[1] == 0);   // never the union of the two
    CHECK_MESSAGE(at_most, after_ms);
    auto tidied = loader::gc();
    CHECK_MESSAGE(tidied.ok(), (tidied.ok() ? "" : tidied.error().message));
    answers = cgroup.call(scene.calls());
    CHECK_MESSAGE((answers == old_answers || answers == new_answers), after_ms);
    if (answers == new_answers) CHECK(loaded.replace(scene.dir / "bundle").ok());
  }
  CHECK(killed > 3);
  CHECK(done == 1);
}

namespace {

// A step of the loader in a process of its own, killed after a random part of the time that it took before.
class Killed {
 public:
  explicit Killed(std::function<bool()> step) : step_(std::move(step)) {}
  // True: it was killed on the way.
  bool attempt(std::mt19937& random) {
    pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    std::uint64_t start_ns = loader::boot_time_ns();
    if (pid == 0) ::_exit(step_() ? 0 : 1);
    ::usleep(static_cast<useconds_t>(std::uniform_int_distribution<std::uint64_t>(0, longest_ns_)(random) / 1000));
    int status = 0;
    if (::waitpid(pid, &status, WNOHANG) == 0) ::kill(pid, SIGKILL), ::waitpid(pid, &status, 0);
    if (!WIFSIGNALED(status)) longest_ns_ = std::max<std::uint64_t>(longest_ns_ / 2, loader::boot_time_ns() - start_ns);
    else longest_ns_ += longest_ns_ / 8;
    return WIFSIGNALED(status);
  }

 private:
  std::function<bool()> step_;
  std::uint64_t longest_ns_ = 200'000'000;
};

}  // namespace

// KERF_KILLS moments (default 200) of every step that changes something, chosen by KERF_SEED.
TEST_CASE("killed at random moments of any step, what is bound stays enforced") {
  if (!can_enforce()) return;
  auto setting = [](const char* name, unsigned otherwise) { return std::getenv(name) != nullptr ? static_cast<unsigned>(std::atoi(std::getenv(name))) : otherwise; };
  unsigned seed = setting("KERF_SEED", 1), moments = setting("KERF_KILLS", 200);
  INFO("KERF_SEED=" << seed);
  std::mt19937 random(seed);
  Scene scene;
  Cgroup bound(cgroup_path("bound")), other(cgroup_path("other"));
  Loaded loaded(scene.dir / "bundle");
  std::string binding = loaded.bind(bound.path()), name = Loaded::name();
  auto other_binding = [&] {   // whole ones: what a bind or unbind had under way is for gc
    for (const auto& row : loaded.rows()) {
      if (row.cgroup == other.path() && row.mode == "enforce") return row.name + "/" + std::to_string(row.id);
    }
    return std::string();
  };
  Killed steps[] = {
      Killed([&] { return loader::bind({.name = name, .principal = kAgent, .cgroup = other.path()}).ok(); }),
      Killed([&] { std::string whole = other_binding(); return whole.empty() || loader::unbind(whole).ok(); }),
      Killed([&] { return loaded.replace(scene.dir / "bundle").ok(); }),
      Killed([&] { return loader::set_fact(binding, "delegation_depth", "5", 0).ok(); }),
      Killed([&] { return loader::gc().ok(); }),
  };
  unsigned killed = 0;
  for (unsigned i = 0; i < moments; ++i) {
    bool hit = steps[i % std::size(steps)].attempt(random);
    killed += hit;
    INFO("step " << i % std::size(steps) << " of moment " << i);
    CHECK(bound.call({tcp_to(scene.listeners.tcp_refused)}).at(0) == ECONNREFUSED);
    if (!other_binding().empty()) CHECK(other.call({tcp_to(scene.listeners.tcp_refused)}).at(0) == ECONNREFUSED);
    if (hit && i % 2 == 0) {
      auto tidied = loader::gc();
      CHECK_MESSAGE(tidied.ok(), (tidied.ok() ? "" : tidied.error().message));
      CHECK(bound.call({tcp_to(scene.listeners.tcp_allowed)}).at(0) == 0);
    }
  }
  CHECK(killed > moments / 4);
  REQUIRE(loader::gc().ok());
  CHECK(bound.call({tcp_to(scene.listeners.tcp_allowed), tcp_to(scene.listeners.tcp_refused)}) == std::vector<int>{0, ECONNREFUSED});
  if (std::string left = other_binding(); !left.empty()) CHECK(loader::unbind(left).ok());
}

TEST_CASE("gc lets go bindings whose cgroup is gone, and nothing else") {
  if (!can_enforce()) return;
  Scene scene;
  Cgroup stays(cgroup_path("stays"));
  Loaded loaded(scene.dir / "bundle");
  std::string kept = loaded.bind(stays.path()), lost;
  {
    Cgroup goes(cgroup_path("goes"));
    lost = loaded.bind(goes.path());
  }
  auto removed = loader::gc();
  REQUIRE(removed.ok());
  CHECK(std::find(removed->begin(), removed->end(), lost) != removed->end());
  CHECK(std::find(removed->begin(), removed->end(), kept) == removed->end());
  CHECK(std::find(removed->begin(), removed->end(), Loaded::name()) == removed->end());
  CHECK(loaded.rows().size() == 1);
  CHECK(stays.call(scene.calls()) == std::vector{0, ECONNREFUSED, ECONNREFUSED});
}

TEST_CASE("a loaded bundle whose state is damaged is not collected, and can be unloaded") {
  if (!can_enforce()) return;
  Scene scene;
  Cgroup cgroup(cgroup_path("damaged"));
  Loaded loaded(scene.dir / "bundle");
  loaded.bind(cgroup.path());
  auto host = loader::find_host();
  std::ofstream(loader::state_directory(*host, Loaded::name()) + "/state.json") << "{}";
  CHECK(failure(loader::gc()) == "K7603");
  CHECK(cgroup.call(scene.calls()) == std::vector{0, ECONNREFUSED, ECONNREFUSED});
  CHECK(failure(loader::bind({.name = Loaded::name(), .principal = kAgent, .cgroup = cgroup.path()})) == "K7603");
}

TEST_CASE("modes of a binding") {
  if (!can_enforce()) return;
  Scene scene;
  Cgroup audited(cgroup_path("audit")), still(cgroup_path("quarantine"));
  Loaded loaded(scene.dir / "bundle");
  auto bind = [&](const Cgroup& cgroup, const char* mode) {
    return failure(loader::bind({.name = Loaded::name(), .principal = kAgent, .cgroup = cgroup.path(), .mode = mode}));
  };
  CHECK(bind(audited, "audit") == "");
  CHECK(bind(still, "quarantine") == "");
  CHECK(audited.call(scene.calls()) == std::vector{0, 0, 0});
  CHECK(still.call(scene.calls()) == std::vector{ECONNREFUSED, ECONNREFUSED, ECONNREFUSED});
  CHECK(audited.call({"raw"}) == std::vector{EPERM});            // guards hold
}

TEST_CASE("a command gets no descriptors but the three, unless they are asked for") {
  if (!can_enforce()) return;
  Scene scene;
  int fd = ::open("/dev/null", O_RDONLY);      // inherited
  REQUIRE(fd > 2);
  std::string script = "[ -e /proc/self/fd/" + std::to_string(fd) + " ] && exit 9; exit 3";
  CHECK(run_kerf({.bundle = scene.dir / "bundle", .command = {"sh", "-c", script}}).status == 3);
  ::close(fd);
}

TEST_CASE("events of a loaded bundle are followed over a replacement") {
  if (!can_enforce()) return;
  Scene scene;
  Cgroup cgroup(cgroup_path("events"));
  Loaded loaded(scene.dir / "bundle");
  loaded.bind(cgroup.path());
  pid_t reader = ::fork();
  REQUIRE(reader >= 0);
  if (reader == 0) ::_exit(loader::follow_events(Loaded::name(), scene.dir / "events").ok() ? 0 : 1);
  auto events = [&] {
    std::vector<Json> list;
    std::ifstream lines(scene.dir / "events");
    for (std::string line; std::getline(lines, line);) {
      Json event = Json::parse(line);
      if (event["reason"] != "no-record") list.push_back(std::move(event));   // the probe's
    }
    return list;
  };
  auto wait_for = [&](std::size_t count) {
    for (int i = 0; i < 1000 && events().size() < count; ++i) ::usleep(10'000);
    return events().size() == count;
  };
  CHECK(wait_until_exists(scene.dir / "events"));
  CHECK(cgroup.call({tcp_to(scene.listeners.tcp_refused)}) == std::vector{ECONNREFUSED});
  CHECK(wait_for(1));
  CHECK(loaded.replace(scene.dir / "bundle").ok());
  CHECK(cgroup.call({tcp_to(scene.listeners.tcp_refused)}) == std::vector{ECONNREFUSED});
  CHECK(wait_for(2));
  ::kill(reader, SIGTERM);
  int status = 0;
  ::waitpid(reader, &status, 0);
  CHECK(status == 0);
  for (const Json& event : events()) CHECK(event["principal"]["id"] == "a1");
  if (events().size() == 2) CHECK(events()[1]["generation"] == "2");
}
