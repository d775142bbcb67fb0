// Every guard, each way that it closes: with a bundle that waives none, and with one that waives just it. The bundles
// govern connections alone, but for the guard on names: guards stand when anything is governed.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "stage.h"

using namespace kerf::test;

namespace {

struct Way {
  std::string guard, steps;
  int error = EPERM;
};

const char* const kPins = "/sys/fs/bpf/guards";
const char* const kGroup = "/sys/fs/cgroup/guards";

// `victim`: a process that is not bound.
std::vector<Way> ways(const std::string& victim) {
  std::string pins = kPins, group = kGroup;
  return {
      {"raw-socket", "socket 2 3 1"},
      {"raw-socket", "socket 10 3 58"},
      {"raw-socket", "socket 2 3 255"},
      {"packet-socket", "socket 17 3 768"},
      {"packet-socket", "socket 17 2 768"},
      {"bpf", "bpf"},
      {"mount", "new-mounts ; mount tmpfs /zone/open/at"},
      {"mount", "new-mounts ; bind /zone/secret /zone/open/at"},
      {"mount", "new-mounts ; umount /play/m"},
      {"mount", "new-mounts ; open-tree /zone/secret ; move-mount /zone/open/at"},
      {"mount", "new-mounts ; fs-mount tmpfs ; move-mount /zone/open/at"},
      {"mount", "chroot /zone/open"},
      {"ptrace", "trace " + victim},
      {"ptrace", "read-memory " + victim},
      {"ptrace", "open /proc/" + victim + "/mem rw+idle", EACCES},
      {"ptrace", "open /proc/" + victim + "/environ r", EACCES},
      {"signal", "kill " + victim + " 18"},
      {"signal", "kill-thread " + victim + " 18"},
      {"signal", "kill-descriptor " + victim + " 18"},
      {"signal", "queue " + victim + " 18"},
      {"protected-file", "open " + group + "/cgroup.procs w+idle"},
      {"protected-file", "rmdir " + group},
      {"protected-file", "rmdir " + pins + "/empty"},
      {"protected-file", "rename " + pins + "/empty " + pins + "/other"},
      {"protected-file", "unlink " + pins + "/link"},
      {"protected-file", "open /proc/sys/kernel/core_pattern w+idle"},
      {"protected-file", "open /proc/sys/kernel/modprobe w+idle"},
      {"protected-file", "open /proc/sys/kernel/poweroff_cmd w+idle"},
      {"protected-file", "open /proc/sys/kernel/usermodehelper/bset w+idle"},
      {"source-routing", "send-routed 7"},
      {"source-routing", "send-routed-late 7"},
  };
}

void set_up() {
  std::string pins = kPins;
  put_directory("/zone/open/at");
  for (const char* name : {"/empty", "/other"}) ::rmdir((pins + name).c_str());
  ::unlink((pins + "/link").c_str());
  ::mkdir(kGroup, 0755);
  ::mkdir(kPins, 0700);
  ::mkdir((pins + "/empty").c_str(), 0700);
  ::symlink("nowhere", (pins + "/link").c_str());
}

// Sockets are refused at an event's hook, so that their record names it.
Told told(const std::string& guard) {
  bool socket = guard.ends_with("-socket");
  return socket ? Told{"net.connect", "", "guard"} : Told{"guard", "", guard};
}

void check_refused(Stage& here, const Way& way) { Scene(here, set_up).refuses_after(way.steps, way.error, {told(way.guard)}); }

// The guard's own ways are open, and one of each other guard is not.
void check_waived(const std::string& guard) {
  Stage& here = stage("without-" + guard, Governed::net);
  std::string last;
  for (const Way& way : ways(std::to_string(here.free().pid()))) {
    INFO(way.guard);
    if (way.guard == guard) Scene(here, set_up).allows(way.steps);
    else if (way.guard != last) check_refused(here, way);
    last = way.guard;
  }
}

const std::vector<Told> kRenamed = {{"file.read", "/zone/open/new", "guard"}};

}  // namespace

TEST_CASE("guards: each way is closed to bound tasks, and open to others") {
  Stage& here = stage("net", Governed::net);
  for (const Way& way : ways(std::to_string(here.free().pid()))) check_refused(here, way);
  // the root here cannot be pivoted by anybody; who is bound is not told so
  here.events();
  CHECK(here.free().perform("pivot-root /play/m /play/m") == Outcome{1, EINVAL});
  CHECK(here.bound().perform("pivot-root /play/m /play/m") == Outcome{1, EPERM});
  std::vector<kerf::Json> events = here.events();
  REQUIRE(events.size() == 1);
  CHECK(events[0]["guard"] == "mount");
  CHECK(here.bound().perform("kill " + std::to_string(here.free().pid()) + " 0") == Outcome{});   // sends nothing
  CHECK(here.events().empty());
}

TEST_CASE("guards: a packet's event has no process") {
  Stage& here = stage("net", Governed::net);
  here.events();
  CHECK(here.bound().perform("send-routed 7") == Outcome{1, EPERM});
  std::vector<kerf::Json> events = here.events();
  REQUIRE(events.size() == 2);   // the connection, which is allowed, and the packet
  CHECK(events[0]["decision"] == "allow");
  CHECK(events[1]["guard"] == "source-routing");
  CHECK(events[1]["process"].is_null());
  CHECK(events[1]["event"].is_null());
  CHECK(events[1]["binding_id"] == events[0]["binding_id"]);
  CHECK(events[1]["cgroup_id"] == events[0]["cgroup_id"]);
  CHECK(events[1]["generation"] == events[0]["generation"]);
}

TEST_CASE("guards: waived by its name, each lets go of what is its own and of nothing else") {
  for (const char* guard : {"raw-socket", "packet-socket", "bpf", "mount", "ptrace", "signal", "protected-file", "source-routing"}) check_waived(guard);
}

TEST_CASE("guards: names, refused and waived") {
  auto put_secret = [] { put("/zone/secret/f"); };
  for (const char* word : {"rename", "link"}) {
    std::string steps = std::string(word) + " /zone/secret/f /zone/open/new";
    Scene(stage("small"), put_secret).refuses(steps, EXDEV, kRenamed);
    Scene(stage("without-rename"), put_secret).allows(steps);
  }
  Scene(stage("without-rename"), put_secret).refuses("bpf", EPERM, {{"guard", "", "bpf"}});
}

TEST_CASE("guards: mounts are learned anew only where bound tasks cannot mount") {
  for (const char* bundle : {"small", "waived"}) {
    Stage& here = stage(bundle);
    INFO(bundle);
    put("/zone/secret/f");
    here.events();
    CHECK(here.bound().perform("open /zone/secret/f r") == Outcome{1, ENOENT});
    std::vector<kerf::Json> events = here.events();
    REQUIRE(events.size() == 1);
    Ran ran = run_kerf({"refresh", events[0]["binding"].get<std::string>()});
    bool waived = std::string(bundle) == "waived";
    CHECK_MESSAGE(ran.status == (waived ? 1 : 0), ran.output);
    CHECK_MESSAGE((ran.output.find("guard-mount") != std::string::npos) == waived, ran.output);
    CHECK(here.bound().perform("open /zone/secret/f r") == Outcome{1, ENOENT});
  }
}

TEST_CASE("a kernel that hides the lock of renames: nothing is loaded, and it is said why") {
  const char* const setting = "/proc/sys/kernel/kptr_restrict";
  std::string before;
  std::ifstream(setting) >> before;
  std::ofstream(setting) << "2";
  Ran ran = run_kerf({"run", "--bundle", "/guest/bundles/small", "--principal", "Agent::\"a\"", "--", "/guest/actor"});
  std::ofstream(setting) << before;
  CHECK(ran.status == 125);
  CHECK_MESSAGE(ran.output.find("K7410") != std::string::npos, ran.output);
  CHECK_MESSAGE(ran.output.find("`rename_lock`") != std::string::npos, ran.output);
}
