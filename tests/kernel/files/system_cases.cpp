// Operations on the system and on other tasks, by policies: what they permit is open although a guard would have closed it.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "stage.h"

using namespace kerf::test;

namespace {

Stage& here() { return stage("system", Governed::net); }
// Policies that permit what those of `system` refuse, and the other way about.
Stage& reverse() { return stage("reverse", Governed::net); }

void set_up() { put_directory("/zone/open/at"); }

struct Way {
  std::string event, operation, steps;
  int error;
};

void check_refused(const Way& way, Stage& at = here()) {
  Scene(at, set_up).refuses_after(way.steps, way.error, {{way.event, way.operation, "no-permit"}});
}

}  // namespace

TEST_CASE("system: mounts and roots, one policy for each") {
  Scene scene(here(), set_up);
  scene.allows("new-mounts ; mount tmpfs /zone/open/at ; umount /zone/open/at");
  check_refused({"system.mount", "mount", "new-mounts ; mount proc /zone/open/at", EACCES});
  check_refused({"system.mount", "mount", "new-mounts ; bind /zone/open /zone/open/at", EACCES});
  check_refused({"system.mount", "move_mount", "new-mounts ; open-tree /zone/open ; move-mount /zone/open/at", EACCES});
  check_refused({"system.mount", "move_mount", "new-mounts ; fs-mount tmpfs ; move-mount /zone/open/at", EACCES});
  check_refused({"system.mount", "chroot", "chroot /zone/open", EACCES});
  // the root here cannot be pivoted by anybody; who is bound is not told so
  here().events();
  CHECK(here().free().perform("pivot-root /play/m /play/m") == Outcome{1, EINVAL});
  CHECK(here().bound().perform("pivot-root /play/m /play/m") == Outcome{1, EACCES});
  std::vector<kerf::Json> events = here().events();   // the capability that it takes comes first
  REQUIRE(!events.empty());
  CHECK(events.back()["system"]["operation"] == "pivot_root");
  CHECK(events.back()["decision"] == "deny");
}

TEST_CASE("system: calls of the newer mount interface that no hook of mounts sees take a capability") {
  for (const char* steps : {"open-tree /zone/open", "fs-mount tmpfs", "set-mount /zone", "reconfigure /zone"}) {
    Scene(here(), set_up).allows(std::string("new-mounts ; ") + steps);
    check_refused({"system.capability", "capable", steps, EPERM}, reverse());
  }
}

TEST_CASE("system: other tasks, of the same binding and of none") {
  const std::string victim = std::to_string(here().free().pid());
  Scene scene(here(), set_up);
  scene.allows("kill-child 10");
  scene.allows("trace-child");
  scene.allows("kill " + victim + " 18");
  scene.allows("kill " + victim + " 0");
  check_refused({"system.signal", "signal", "kill " + victim + " 28", EPERM});
  check_refused({"system.signal", "signal", "queue " + victim + " 28", EPERM});
  check_refused({"system.ptrace", "ptrace", "trace " + victim, EPERM});
  check_refused({"system.ptrace", "ptrace", "read-memory " + victim, EPERM});
  here().events();
  here().bound().perform("kill " + victim + " 18");
  std::vector<kerf::Json> events = here().events();
  REQUIRE(events.size() == 1);
  CHECK(events[0]["determining"] == kerf::Json({"gentle"}));
  CHECK(events[0]["observed"]["signal.number"] == 18);
  CHECK(events[0]["observed"]["target.own"] == false);
  CHECK(events[0]["observed"]["target.pid"] == here().free().pid());
}

TEST_CASE("system: bpf, perf, keys, io_uring, user namespaces") {
  Scene scene(here(), set_up);
  scene.allows("bpf");
  check_refused({"system.perf", "perf_event_open", "perf", EPERM});
  check_refused({"system.io_uring", "io_uring_setup", "uring", EPERM});
  check_refused({"system.keyring", "key_alloc", "add-key", EPERM});
  check_refused({"system.namespace", "user_namespace", "new-user", EPERM});
}

TEST_CASE("system: to be traced by the parent, and the use of keys") {
  check_refused({"system.ptrace", "traceme", "be-traced", EPERM});
  Scene(reverse(), set_up).allows("be-traced");
  Scene(here(), set_up).allows("use-keyring");
  check_refused({"system.keyring", "key_permission", "use-keyring", ENOKEY}, reverse());   // it is as if there were none
  check_refused({"system.keyring", "key_permission", "add-key", EPERM}, reverse());   // made, but not to be used
}

TEST_CASE("system: modules, of memory and of a file") {
  for (const char* steps : {"load-module", "load-module /guest/actor"}) {
    check_refused({"system.module", "module_load", steps, EPERM});
    Scene(reverse(), set_up).allows(steps);
  }
}

TEST_CASE("system: capabilities, one by one") {
  Scene scene(here(), set_up);
  here().events();
  CHECK(here().free().perform("nice") == Outcome{});
  CHECK(here().bound().perform("nice").step == 1);
  bool told = false;
  for (const kerf::Json& event : here().events()) {
    if (event["decision"] != "deny") continue;
    told = true;
    CHECK(event["event"] == "system.capability");
    CHECK(event["observed"]["capability.number"] == 23);
  }
  CHECK(told);
}

TEST_CASE("system: modules that the kernel would load by itself") {
  here().events();
  CHECK(here().bound().perform("unknown-family") == Outcome{});
  bool told = false;
  for (const kerf::Json& event : here().events()) {
    if (event["event"] == "system.module") told = event["system"]["operation"] == "module_request" && event["decision"] == "deny";
  }
  CHECK(told);
}

TEST_CASE("system: kernel variables") {
  Scene scene(here(), set_up);
  scene.allows("new-network ; variable net/ipv4/ip_default_ttl 65");
  check_refused({"system.sysctl", "sysctl/net/core/somaxconn", "new-network ; variable net/core/somaxconn 100", EPERM});
}

TEST_CASE("system: the other guards stay") {
  Scene scene(here(), set_up);
  scene.refuses("open /proc/sys/kernel/core_pattern w+idle", EPERM, {{"guard", "", "protected-file"}});
  scene.refuses("socket 17 3 768", EPERM, {{"net.connect", "", "guard"}});
}
