// Bindings over time: facts come and go, the loader dies, the garbage is collected, the command ends in every way.
#include <doctest/doctest.h>

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>

#include "calls.h"
#include "dialogue.h"
#include "runtime/loader/loader.h"
#include "runtime/loader/state.h"
#include "world.h"

using namespace kerf;
using namespace kerf::test;

namespace {

loader::BindingStatus status_of(const std::string& name) {
  auto all = loader::status();
  REQUIRE(all.ok());
  for (const auto& binding : *all) {
    if (binding.name == name) return binding;
  }
  return {};
}

bool leaves_nothing(const std::string& name) {
  auto host = loader::find_host();
  REQUIRE(host.ok());
  for (const std::string& root : {host->cgroups, host->pins, host->states}) {
    if (std::filesystem::exists(root + "/" + name)) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("facts change decisions while the command runs, and deadlines end them") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir;
  REQUIRE(compile_sample(listeners, dir / "bundle") == "");
  Dialogue talk;
  for (const char* step : {"unset", "set", "high", "timed", "expired", "cleared"}) {
    talk.pause(step);
    talk.ask(tcp_to(listeners.tcp_fact));
  }
  Running running({.bundle = dir / "bundle", .calls = talk.calls()}, talk.dir());
  REQUIRE(talk.reached("unset"));
  std::string name = binding_of(dir / "bundle");
  REQUIRE(name != "");
  talk.go("unset");
  REQUIRE(talk.reached("set"));
  CHECK(code_of(loader::set_fact(name, "delegation_depth", "3", 0)) == "");
  CHECK(status_of(name).facts.at("delegation_depth") == "3");
  talk.go("set");
  REQUIRE(talk.reached("high"));
  CHECK(code_of(loader::set_fact(name, "delegation_depth", "4", 0)) == "");
  talk.go("high");
  REQUIRE(talk.reached("timed"));
  CHECK(code_of(loader::set_fact(name, "delegation_depth", "1", 1500)) == "");
  talk.go("timed");
  REQUIRE(talk.reached("expired"));
  ::usleep(1600 * 1000);
  CHECK(status_of(name).facts.empty());
  talk.go("expired");
  REQUIRE(talk.reached("cleared"));
  CHECK(code_of(loader::set_fact(name, "delegation_depth", "1", 0)) == "");
  CHECK(code_of(loader::clear_fact(name, "delegation_depth")) == "");
  SUBCASE("refused changes leave the record alone") {
    CHECK(code_of(loader::set_fact(name, "delegation_depth", "deep", 0)) == "K7305");
    CHECK(code_of(loader::set_fact(name, "depth", "1", 0)) == "K7304");
    CHECK(code_of(loader::clear_fact(name, "depth")) == "K7304");
    CHECK(code_of(loader::set_fact("r0000000000", "delegation_depth", "1", 0)) == "K7602");
    CHECK(code_of(loader::set_fact("../../etc", "delegation_depth", "1", 0)) == "K7602");
  }
  talk.go("cleared");
  RunResult result = running.finish();
  CHECK(Dialogue::answers(talk.calls(), result.errors) == std::vector{ECONNREFUSED, 0, ECONNREFUSED, 0, ECONNREFUSED, ECONNREFUSED});
  CHECK(leaves_nothing(name));
}

TEST_CASE("facts given at the start") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir;
  REQUIRE(compile_sample(listeners, dir / "bundle") == "");
  RunResult result = run_kerf({.bundle = dir / "bundle", .facts = {"delegation_depth=2"}, .calls = {tcp_to(listeners.tcp_fact)}});
  CHECK(result.errors == std::vector{0});
}

TEST_CASE("many quick changes of facts under load never open a gap") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir;
  REQUIRE(compile_sample(listeners, dir / "bundle") == "");
  Dialogue talk;
  talk.pause("start");
  for (int i = 0; i < 400; ++i) talk.ask(tcp_to(listeners.tcp_refused));
  Running running({.bundle = dir / "bundle", .calls = talk.calls()}, talk.dir());
  REQUIRE(talk.reached("start"));
  std::string name = binding_of(dir / "bundle");
  talk.go("start");
  // some may come after the command has ended: then there is no binding to change
  for (int i = 0; i < 20; ++i) static_cast<void>(loader::set_fact(name, "delegation_depth", std::to_string(i), 0).ok());
  RunResult result = running.finish();
  std::vector<int> answers = Dialogue::answers(talk.calls(), result.errors);
  CHECK(answers.size() == 400);
  CHECK(std::count(answers.begin(), answers.end(), ECONNREFUSED) == 400);
  for (const Json& event : result.events) CHECK(event["reason"] == "no-permit");   // never no-record in between
}

TEST_CASE("a killed kerf leaves enforcement on; gc removes it when the tasks are gone") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir;
  REQUIRE(compile_sample(listeners, dir / "bundle") == "");
  Dialogue talk;
  talk.pause("killed");
  talk.ask(tcp_to(listeners.tcp_refused));
  talk.ask(tcp_to(listeners.tcp_allowed));
  talk.pause("checked");
  std::string name;
  {
    Running running({.bundle = dir / "bundle", .calls = talk.calls()}, talk.dir());
    REQUIRE(talk.reached("killed"));
    name = binding_of(dir / "bundle");
    REQUIRE(name != "");
    ::kill(running.pid(), SIGKILL);
    running.finish();
  }
  CHECK(status_of(name).alive);
  auto nothing = loader::gc();
  REQUIRE(nothing.ok());
  CHECK(std::find(nothing->begin(), nothing->end(), name) == nothing->end());
  talk.go("killed");
  REQUIRE(talk.reached("checked"));
  std::ifstream lines(talk.dir() / "calls");
  std::vector<int> errors;
  for (int error; lines >> error;) errors.push_back(error);
  REQUIRE(errors.size() >= 4);
  CHECK(errors[2] == ECONNREFUSED);
  CHECK(errors[3] == 0);
  talk.go("checked");
  for (int waited = 0; waited < 5000 && status_of(name).alive; waited += 10) ::usleep(10000);
  auto removed = loader::gc();
  REQUIRE(removed.ok());
  CHECK(std::find(removed->begin(), removed->end(), name) != removed->end());
  CHECK(leaves_nothing(name));
  CHECK(status_of(name).name == "");
}

TEST_CASE("counters and hits in the status") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir;
  REQUIRE(compile_sample(listeners, dir / "bundle") == "");
  Dialogue talk;
  for (int i = 0; i < 3; ++i) talk.ask(tcp_to(listeners.tcp_allowed));
  talk.ask(tcp_to(listeners.tcp_refused));
  talk.ask("raw");
  talk.pause("done");
  Running running({.bundle = dir / "bundle", .calls = talk.calls()}, talk.dir());
  REQUIRE(talk.reached("done"));
  auto status = status_of(binding_of(dir / "bundle"));
  CHECK(status.alive);
  CHECK(status.mode == "enforce");
  CHECK(status.principal == kAgent);
  CHECK(status.decisions == 4);   // the probe's are not counted
  CHECK(status.guards == 1);
  CHECK(status.denials == 2);
  CHECK(status.events_lost == 0);
  CHECK(status.degraded == degraded_here(dir / "bundle"));
  CHECK(status.programs.size() >= 5);
  CHECK(status.enforced.size() + status.degraded.size() == 12);
  REQUIRE(status.hits.size() == 3);
  for (const auto& policy : status.hits) CHECK_MESSAGE(policy.hits == (policy.id == "ports" ? 3u : 0u), policy.id);
  talk.go("done");
  running.finish();
}

TEST_CASE("with two bindings a change must name its own") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir;
  REQUIRE(compile_sample(listeners, dir / "bundle") == "");
  Dialogue one, two;
  one.pause("up");
  two.pause("up");
  Running first({.bundle = dir / "bundle", .calls = one.calls()}, one.dir());
  Running second({.bundle = dir / "bundle", .calls = two.calls()}, two.dir());
  REQUIRE(one.reached("up"));
  REQUIRE(two.reached("up"));
  CHECK(code_of(loader::set_fact("", "delegation_depth", "1", 0)) == "K7601");
  one.go("up");
  two.go("up");
  CHECK(first.finish().status == 0);
  CHECK(second.finish().status == 0);
}

TEST_CASE("status of the command") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir;
  REQUIRE(compile_sample(listeners, dir / "bundle") == "");
  auto status = [&](std::vector<std::string> command) { return run_kerf({.bundle = dir / "bundle", .command = std::move(command)}).status; };
  CHECK(status({"/bin/true"}) == 0);
  CHECK(status({"sh", "-c", "exit 7"}) == 7);
  CHECK(status({"sh", "-c", "kill -TERM $$"}) == 128 + SIGTERM);
  CHECK(status({"/no/such/command"}) == 127);
  CHECK(status({"no-such-command-in-path"}) == 127);
  CHECK(status({"/etc/passwd"}) == 126);
}

TEST_CASE("a signal to kerf goes to the command") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir, run;
  REQUIRE(compile_sample(listeners, dir / "bundle") == "");
  std::string script = "trap 'exit 42' USR1; touch " + (run / "ready") + "; while :; do sleep 0.05; done";
  Running running({.bundle = dir / "bundle", .command = {"sh", "-c", script}}, run);
  REQUIRE(wait_until_exists(run / "ready"));
  ::kill(running.pid(), SIGUSR1);
  CHECK(running.finish().status == 42);
}

TEST_CASE("a command that makes events without end is still signalled") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir;
  REQUIRE(compile_sample(listeners, dir / "bundle") == "");
  Dialogue dialogue;
  dialogue.ask("touch " + (dialogue.dir() / "start.reached"));
  dialogue.ask("flood 127.0.0.1 " + std::to_string(listeners.tcp_refused));
  Running running({.bundle = dir / "bundle", .calls = dialogue.calls()}, dialogue.dir());
  REQUIRE(dialogue.reached("start"));
  ::usleep(500'000);
  time_t begin = ::time(nullptr);
  ::kill(running.pid(), SIGTERM);
  CHECK(running.finish().status == 128 + SIGTERM);
  CHECK(::time(nullptr) - begin < 10);
}

TEST_CASE("tasks that outlive the command stay enforced") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir, run;
  REQUIRE(compile_sample(listeners, dir / "bundle") == "");
  std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  std::string script = self + " --calls " + (run / "late") + " 'wait " + (run / "go") + "' '" + tcp_to(listeners.tcp_refused) + "' 'touch " +
                       (run / "over") + "' </dev/null >/dev/null 2>&1 & exit 3";
  Running running({.bundle = dir / "bundle", .command = {"sh", "-c", script}}, run);
  RunResult result = running.finish();
  CHECK(result.status == 3);
  CHECK(result.output.find("stays enforced") != std::string::npos);
  std::string name = binding_of(dir / "bundle");
  CHECK(name != "");
  perform("touch " + (run / "go"));
  REQUIRE(wait_until_exists(run / "over"));
  std::ifstream lines(run / "late");
  int waited = -1, refused = -1;
  lines >> waited >> refused;
  CHECK(refused == ECONNREFUSED);
  for (int ms = 0; ms < 5000 && status_of(name).alive; ms += 10) ::usleep(10000);
  REQUIRE(loader::gc().ok());
  CHECK(leaves_nothing(name));
}

TEST_CASE("the command inherits nothing of ours") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir, run;
  REQUIRE(compile_sample(listeners, dir / "bundle") == "");
  std::string list = "ls -l /proc/self/fd > " + (run / "fds") + "; grep -E 'Sig(Blk|Ign)' /proc/self/status > " + (run / "signals");
  Running running({.bundle = dir / "bundle", .command = {"sh", "-c", list}}, run);
  CHECK(running.finish().status == 0);
  std::ifstream fds(run / "fds");
  for (std::string line; std::getline(fds, line);) {
    for (const char* ours : {"bpf", "cgroup", "/run/kerf", "pidfd", "signalfd", "eventpoll", "/events"}) CHECK_MESSAGE(line.find(ours) == std::string::npos, line);
  }
  std::ifstream signals(run / "signals");
  for (std::string name, mask; signals >> name >> mask;) {
    if (name == "SigBlk:") CHECK(mask == "0000000000000000");
  }
}

TEST_CASE("a damaged binding is said to be damaged") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir;
  REQUIRE(compile_sample(listeners, dir / "bundle") == "");
  Dialogue talk;
  talk.pause("up");
  Running running({.bundle = dir / "bundle", .calls = talk.calls()}, talk.dir());
  REQUIRE(talk.reached("up"));
  std::string name = binding_of(dir / "bundle");
  auto host = loader::find_host();
  REQUIRE(host.ok());
  std::string directory = loader::state_directory(*host, name);
  SUBCASE("state") {
    std::ofstream(directory + "/state.json") << "{}";
    CHECK(code_of(loader::set_fact(name, "delegation_depth", "1", 0)) == "K7603");
  }
  SUBCASE("bundle copy") {
    std::ofstream(loader::bundle_copy(*host, name, 1) + "/entities.json") << "[]";
    CHECK(code_of(loader::set_fact(name, "delegation_depth", "1", 0)) == "K7106");
  }
  SUBCASE("pins") {
    ::unlink((loader::pin_directory(*host, name, 1) + "/kerf_bindings").c_str());
    CHECK(code_of(loader::set_fact(name, "delegation_depth", "1", 0)) == "K7603");
  }
  SUBCASE("a pin of another kind") {
    std::string pins = loader::pin_directory(*host, name, 1);
    ::rename((pins + "/kerf_bindings").c_str(), (pins + "/x").c_str());
    ::rename((pins + "/kerf_state").c_str(), (pins + "/kerf_bindings").c_str());
    ::rename((pins + "/x").c_str(), (pins + "/kerf_state").c_str());
    CHECK(code_of(loader::set_fact(name, "delegation_depth", "1", 0)) == "K7603");
  }
  talk.go("up");
  CHECK(running.finish().status == 0);
  CHECK(leaves_nothing(name));
}
