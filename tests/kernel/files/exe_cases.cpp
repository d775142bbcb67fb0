// The path of a task's executable, at the moment of the event: what it is called however it was found, and what it is called now.
#include <doctest/doctest.h>

#include <cerrno>
#include <string>
#include <vector>

#include "stage.h"

using namespace kerf::test;

namespace {

const std::string kTrusted = "/zone/runnable/actor", kOther = "/zone/open/actor", kRoot = "/zone/open/root";

// Without the guards on the executable and on mounts.
Stage& waived() { return stage("exe-waived"); }

Scene executables(Stage& on = stage("exe")) {
  return Scene(on, [] {
    for (const char* name : {"f", "g", "h", "m"}) put(std::string("/zone/secret/") + name);
    put_copy("/guest/actor", kTrusted);
    put_copy("/guest/actor", kOther);
  });
}

// `program` runs, and its steps are those of a task of that executable.
std::string run(const std::string& program, const std::string& steps, const std::string& word = "exec") {
  std::string escaped;
  for (char c : steps) escaped += c == ' ' ? "%20" : c == ';' ? "%3b" : std::string(1, c);
  return word + " " + program + " do " + escaped;
}

std::vector<Told> unread(const std::string& file, const char* reason = "no-permit") { return {{"file.read", "/zone/secret/" + file, reason}}; }

const std::string kRead = "open /zone/secret/f r";
const std::vector<Told> kGuarded = {{"guard", "", "exe-file"}};

}  // namespace

TEST_CASE("exe: the same program under two names") {
  Scene scene = executables();
  scene.allows(run(kTrusted, kRead));
  scene.ends(run(kOther, kRead), ENOENT, unread("f"));
  scene.refuses(kRead, ENOENT, unread("f"));
  scene.tells(run(kTrusted, kRead), {{"process.spawn", "fork", "permit"}, {"file.read", "/zone/secret/f", "permit"}});
}

TEST_CASE("exe: other ways to the same file, and other names for it") {
  Scene scene(stage("exe"), [] {
    put("/zone/secret/f");
    put_copy("/guest/actor", kTrusted);
    put_symlink(kTrusted, "/zone/open/link");
    put_link(kTrusted, "/zone/open/hard");
  });
  scene.allows(run("/zone/open/link", kRead));
  scene.allows(run("/zone/open/../runnable/./actor", kRead));
  scene.allows(run("/proc/self/root/zone/runnable/actor", kRead));
  scene.ends(run("/zone/open/hard", kRead), ENOENT, unread("f"));
}

TEST_CASE("exe: renamed and removed while it runs") {
  Scene scene = executables();
  scene.ends_after(run(kTrusted, "rename /zone/runnable/actor /zone/open/moved ; " + kRead), ENOENT, unread("f"));
  scene.allows(run(kTrusted, "unlink /zone/runnable/actor ; " + kRead));   // it keeps the name that it had
  scene.allows(run(kOther, "unlink /zone/runnable/actor ; rename /zone/open/actor /zone/runnable/actor ; " + kRead));
}

TEST_CASE("exe: a script is its interpreter") {
  Scene scene(stage("exe"), [] {
    for (const char* name : {"f", "g"}) put(std::string("/zone/secret/") + name);
    put("/zone/open/script", "#!/bin/bash\nexec 3< \"$1\"\n", 0755);
    put("/zone/runnable/actor", "#!/bin/bash\nexec 3< \"$1\"\n", 0755);
  });
  scene.allows("exec /zone/open/script /zone/secret/g");
  scene.ends("exec /zone/runnable/actor /zone/secret/f", 1, unread("f"));
}

TEST_CASE("exe: a memfd, whatever it calls itself") {
  Scene scene = executables();
  scene.ends(run(kTrusted, kRead, "exec-memory"), ENOENT, unread("f"));
  scene.allows(run(kTrusted, "open /zone/secret/m r", "exec-memory"));
  scene.ends(run(kTrusted, "open /zone/secret/m r"), ENOENT, unread("m"));
}

TEST_CASE("exe: a program that ld.so was called with is ld.so") {
  Scene scene(stage("exe"), [] {
    put_copy("/guest/dynamic", kTrusted);
    put_copy("/guest/library.so", "/zone/secret/f");
  });
  scene.allows("exec " + kTrusted + " /zone/secret/f");
  scene.ends("exec /lib64/ld-linux-x86-64.so.2 " + kTrusted + " /zone/secret/f", 1, unread("f"));
}

TEST_CASE("exe: a guard does not let a task say that it is another one") {
  Scene scene = executables();
  for (const char* step : {"exe-file ", "exe-file-high ", "exe-map ", "exe-map-high "}) scene.refuses("leave-file ; " + (step + kTrusted), EPERM, kGuarded);
  scene.ends(run(kOther, "leave-file ; exe-file " + kTrusted), EPERM, kGuarded);
  scene.refuses("new-user ; leave-file ; exe-map " + kTrusted, EPERM, kGuarded);
  scene.allows("other-prctls");
}

TEST_CASE("exe: with the guard waived what a task says is believed") {
  Scene scene = executables(waived());
  for (const char* step : {"exe-file-high ", "exe-map ", "new-user ; exe-map "}) scene.allows("leave-file ; " + (step + kTrusted) + " ; " + kRead);
  scene.ends(run(kTrusted, "leave-file ; exe-file " + kOther + " ; " + kRead), ENOENT, unread("f"));
  scene.allows("other-prctls");
  scene.refuses("bpf", EPERM, {{"guard", "", "bpf"}});
}

TEST_CASE("exe: bind mount, mount name space, chroot: the canonical path still decides") {
  Scene scene(waived(), [] {
    put("/zone/secret/f");
    put_copy("/guest/actor", kTrusted);
    put_copy("/guest/actor", kOther);
    for (const char* name : {"/zone/open/at", "/zone/open/root/zone/secret", "/zone/open/root/zone/runnable"}) put_directory(name);
    put_copy("/guest/actor", kRoot + kTrusted);
  });
  scene.allows("new-mounts ; " + run(kTrusted, kRead));
  scene.allows("new-mounts ; bind /zone/runnable /zone/open/at ; " + run("/zone/open/at/actor", kRead));
  scene.ends("new-mounts ; bind /zone/open /zone/runnable ; " + run(kTrusted, kRead), ENOENT, unread("f"));
  scene.ends("new-mounts ; bind " + kOther + " " + kTrusted + " ; " + run(kTrusted, kRead), ENOENT, unread("f"));
  const std::string secret = "new-mounts ; bind /zone/secret " + kRoot + "/zone/secret ; ";
  scene.ends(secret + "chroot " + kRoot + " ; " + run(kTrusted, kRead), ENOENT, unread("f"));
  scene.allows(secret + "bind /zone/runnable " + kRoot + "/zone/runnable ; chroot " + kRoot + " ; " + run(kTrusted, kRead));
  // what is mounted later has no name
  scene.ends("new-mounts ; mount tmpfs /zone/runnable ; copy /guest/actor " + kTrusted + " ; " + run(kTrusted, kRead), ENOENT, unread("f", "no-path"));
}

TEST_CASE("exe: patterns, and a name that is no text or too long") {
  const std::string far = "/zone/open/deep/actor";
  const std::string name(200, 'x');
  Scene scene(stage("exe"), [=] {
    put("/zone/secret/h");
    put_directory("/zone/open/deep");
    put_directory("/zone/open/dep");
    put_copy("/guest/actor", far);
    put_copy("/guest/actor", "/zone/open/dep/factory");
    put_copy("/guest/actor", "/zone/open/deep/\xff");
    put_copy("/guest/actor", "/zone/open/deep/" + name);
  });
  const std::string read = "open /zone/secret/h r";
  scene.allows(run(far, read));
  scene.ends(run("/zone/open/dep/factory", read), ENOENT, unread("h"));
  scene.ends(run("/zone/open/deep/" + name, read), ENOENT, unread("h"));
  scene.ends(run("/zone/open/deep/%ff", read), ENOENT, unread("h", "not-text"));
}

TEST_CASE("exe: of other events") {
  const std::string victim = std::to_string(stage("exe").free().pid());
  Scene scene = executables();
  scene.ends(run(kOther, "kill " + victim + " 18"), EPERM, {{"system.signal", "signal", "no-permit"}});
  scene.allows(run(kTrusted, "kill " + victim + " 18"));
  scene.ends(run(kOther, "child"), EAGAIN, {{"process.spawn", "fork", "forbid"}});
  scene.allows(run(kTrusted, "child"));
  scene.ends(run(kOther, "connect 11"), ECONNREFUSED, {{"net.connect", "", "no-permit"}});
  stage("exe").events();
  stage("exe").bound().perform(run(kTrusted, "connect 11"));
  bool connected = false;
  for (const kerf::Json& event : stage("exe").events()) {
    if (event["event"] != "net.connect") continue;
    connected = event["decision"] == "allow";
    CHECK(event["observed"]["process.exe"] == kTrusted);
    CHECK(event["determining"] == kerf::Json({"connect"}));
  }
  CHECK(connected);
}
