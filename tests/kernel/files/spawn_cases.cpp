// New processes and threads with a limit that cannot be passed, and conditions on what a task is.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>
#include <vector>

#include "stage.h"

using namespace kerf::test;

namespace {

Stage& here() { return stage("spawn", Governed::net); }

void set_up() {
  put("/zone/open/f");
}

// The server and the child that performs the steps are there before: 14 more make 16.
void check_full(const std::string& steps, const Outcome& expected = {1, EAGAIN}) {
  here().events();
  const Outcome outcome = here().bound().perform(steps);
  CHECK_MESSAGE(outcome == expected, steps << ": " << to_text(outcome));
}

void kill_left(const std::string& file) {
  std::ifstream pids(file);
  for (pid_t pid; pids >> pid;) ::kill(pid, SIGKILL);
}

}  // namespace

TEST_CASE("spawn: as many processes and threads as the policy says, and none more") {
  check_full("fill-with-children 14");
  check_full("fill-with-threads 14");
  check_full("fill-racing 14 4 4");
  check_full("fail-late 100 ; fill-with-children 14", {2, EAGAIN});
  // the leader's task goes when another thread executes
  check_full("exec-by-thread /guest/actor do fill-with-children%2014", {0, EAGAIN});
  here().events();
  CHECK(here().bound().perform("child") == Outcome{});
  bool told = false;
  for (const kerf::Json& event : here().events()) {
    if (event["event"] != "process.spawn") continue;
    told = true;
    CHECK(event["resource"]["id"] == "fork");
    CHECK(event["observed"]["process.live"].get<int>() < 16);
    CHECK(event["observed"]["process.comm"] == "actor");
    CHECK(event["observed"]["process.cap_chown"] == true);
    CHECK(event["determining"] == kerf::Json({"sixteen"}));
  }
  CHECK(told);
}

TEST_CASE("spawn: by the kind of task and the name of who makes it") {
  Scene scene(here(), set_up);
  scene.allows("name single ; child");
  scene.refuses("name single ; thread", EAGAIN, {{"process.spawn", "thread", "forbid"}});
  scene.allows("name childless-by-it ; thread");
  scene.refuses("name childless-by-it ; child", EAGAIN, {{"process.spawn", "fork", "forbid"}});
  scene.allows("name %c3%bc ; child ; thread");
  scene.refuses("name %ff ; child", EAGAIN, {{"process.spawn", "fork", "not-text"}});
}

TEST_CASE("spawn: who is there at the bind, comes later, or below; another bundle in place; the dead") {
  const std::string own = "/sys/fs/cgroup/spawn", nested = own + "/nested", left = "/tmp/spawn-left";
  REQUIRE(::mkdir(own.c_str(), 0755) == 0);
  REQUIRE(::mkdir(nested.c_str(), 0755) == 0);
  Ran ran = run_kerf({"load", "--bundle", "/guest/bundles/spawn", "--name", "spawn"});
  REQUIRE_MESSAGE(ran.status == 0, ran.output);
  {
    Actor first({"/guest/actor", "serve"}, "/tmp/spawn-first"), second({"/guest/actor", "serve"}, "/tmp/spawn-second");
    REQUIRE(first.ready());
    REQUIRE(second.ready());
    auto check_room = [](Actor& actor, int count) {
      const Outcome outcome = actor.perform("fill-with-children " + std::to_string(count));
      CHECK_MESSAGE((outcome == Outcome{1, EAGAIN}), count << ": " << to_text(outcome));
    };
    REQUIRE(move_to(own, first.pid()));
    CHECK(first.perform("leave 3 " + left) == Outcome{});
    ran = run_kerf({"bind", "--name", "spawn", "--principal", "Agent::\"a\"", "--cgroup", own});
    REQUIRE_MESSAGE(ran.status == 0, ran.output);
    check_room(first, 11);
    REQUIRE(move_to(nested, second.pid()));
    check_room(first, 10);
    check_room(second, 10);
    ran = run_kerf({"load", "--replace", "--name", "spawn", "--bundle", "/guest/bundles/spawn"});
    CHECK_MESSAGE(ran.status == 0, ran.output);
    check_room(first, 10);
    REQUIRE(move_to("/sys/fs/cgroup", second.pid()));
    check_room(second, 10);
    kill_left(left);
    check_room(first, 13);
    second.finish();
    check_room(first, 14);
  }
  ran = run_kerf({"unload", "spawn", "--force"});
  CHECK_MESSAGE(ran.status == 0, ran.output);
  ::rmdir(nested.c_str());
  ::rmdir(own.c_str());
}

TEST_CASE("spawn: name, capabilities and pid namespace of a task, at other events") {
  const std::string victim = std::to_string(here().free().pid());
  Scene scene(here(), set_up);
  auto refused = [&](const std::string& steps, const char* reason) { scene.refuses(steps, EPERM, {{"system.signal", "signal", reason}}); };
  scene.allows("name chosen ; kill " + victim + " 18");
  scene.allows("name chose ; kill " + victim + " 18");
  refused("name chos ; kill " + victim + " 18", "no-permit");
  refused("name %ff ; kill " + victim + " 18", "not-text");
  scene.allows("kill " + victim + " 23");
  refused("drop-capability 13 ; kill " + victim + " 23", "no-permit");
  refused("drop-capability 40 ; kill " + victim + " 23", "no-permit");
  scene.allows("drop-capability 12 ; kill " + victim + " 23");
  refused("new-user ; kill " + victim + " 23", "no-permit");
  scene.allows("kill-child 28");
  refused("new-pids ; fork ; kill-child 28", "no-permit");
  scene.refuses("drop-capability 13 ; unlink /zone/open/f", EACCES, {{"file.delete", "/zone/open/f", "no-permit"}});
  scene.refuses("name keeper ; unlink /zone/open/f", EACCES, {{"file.delete", "/zone/open/f", "no-permit"}});
  scene.allows("unlink /zone/open/f");
  scene.refuses("drop-capability 13 ; connect 11", ECONNREFUSED, {{"net.connect", "", "no-permit"}});
}
