// What a task does to its surroundings does not change what the names of files are: mounts, roots, cgroups, other file
// systems.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "stage.h"

using namespace kerf::test;

namespace {

const std::vector<Told> kRead = {{"file.read", "/zone/secret/f", "no-permit"}};

void secret_and_mount_point() {
  put("/zone/secret/f");
  put_directory("/zone/open/at");
  put_directory("/zone/open/root/zone/secret");
  put("/zone/open/root/zone/secret/f");
  put("/zone/readable/f");
}

Told guard(const std::string& name) { return {"guard", "", name}; }

}  // namespace

TEST_CASE("mounting is refused") {
  Scene scene(stage("files"), secret_and_mount_point);
  scene.refuses("unshare-mounts", EPERM, {guard("mount")});
  scene.refuses("unshare-user ; bind /zone/secret /zone/open/at", EPERM, {guard("mount")});
}

TEST_CASE("bind mount, mount name space, chroot, open_tree: with the guard waived the canonical path still decides") {
  Scene scene(stage("waived"), secret_and_mount_point);
  scene.refuses_after("unshare-mounts ; bind /zone/secret /zone/open/at ; open /zone/open/at/f r", ENOENT, kRead);
  scene.refuses_after("unshare-mounts ; open-tree /zone/secret ; move-mount /zone/open/at ; open /zone/open/at/f r", ENOENT, kRead);
  scene.refuses_after("unshare-mounts ; open-tree /zone/secret ; open-below f r", ENOENT, kRead);
  scene.refuses_after("unshare-mounts ; bind /zone /zone/open/at ; umount /zone/open/at ; open /zone/secret/f r", ENOENT, kRead);
  scene.refuses_after("unshare-mounts ; mount tmpfs /zone/open/at ; open /zone/open/at/f w+creat ; open /zone/open/at/f r", ENOENT,
                      {{"file.read", "", "no-path"}});
  scene.refuses_after("unshare-mounts ; fs-mount tmpfs ; open-below f r+creat", ENOENT, {{"file.read", "", "no-path"}});
  scene.refuses_after("unshare-mounts ; bind /zone/open /zone/secret ; open /zone/secret/root/zone/secret/f r ; open /zone/readable/f r", ENOENT,
                      {{"file.read", "/zone/readable/f", "no-permit"}});
  // in the new root "/zone/secret/f" is a file of /zone/open, and "/f" one of /zone/secret
  scene.allows("chroot /zone/open/root ; open /zone/secret/f r");
  scene.refuses("chroot /zone/secret ; open /f r", ENOENT, kRead);
}

TEST_CASE("a nested cgroup made later, and a task moved out") {
  Stage& here = stage("files");
  Scene scene(here, secret_and_mount_point);
  std::string home = cgroup_of(here.bound().pid()), nested = home + "/later", other = "/sys/fs/cgroup/other";
  REQUIRE(home.size() > 15);
  REQUIRE(::mkdir(nested.c_str(), 0755) == 0);
  ::mkdir(other.c_str(), 0755);
  REQUIRE(move_to(nested, here.bound().pid()));
  scene.refuses("open /zone/secret/f r", ENOENT, kRead);
  scene.allows("open /zone/open/root/zone/secret/f r");
  REQUIRE(move_to(other, here.bound().pid()));
  CHECK(cgroup_of(here.bound().pid()) == other);
  scene.refuses("open /zone/secret/f r", ENOENT, kRead);   // the principal is for life
  scene.allows("open /zone/open/root/zone/secret/f r");
  REQUIRE(move_to(home, here.bound().pid()));
  CHECK(::rmdir(nested.c_str()) == 0);
  CHECK(::rmdir(other.c_str()) == 0);
}

TEST_CASE("a task that is put into the bound cgroup") {
  Stage& here = stage("files");
  clean_zone();
  secret_and_mount_point();
  Actor joined({"/guest/actor", "serve"}, "/tmp/joined");
  REQUIRE(joined.ready());
  CHECK(joined.perform("open /zone/secret/f r") == Outcome{});
  REQUIRE(move_to(cgroup_of(here.bound().pid()), joined.pid()));
  here.events();
  CHECK(joined.perform("open /zone/secret/f r") == Outcome{1, ENOENT});
  CHECK(joined.perform("open /zone/open/root/zone/secret/f r") == Outcome{});
  std::vector<kerf::Json> events = here.events();
  REQUIRE(events.size() == 2);
  CHECK(events[0]["reason"] == "no-permit");
  CHECK(events[1]["reason"] == "permit");
}

TEST_CASE("tmpfs") {
  Scene scene(stage("files"), [] {
    put("/mnt/tmpfs/f");
    put("/mnt/tmpfs/secret");
  });
  scene.allows("open /mnt/tmpfs/f rw");
  scene.refuses("open /mnt/tmpfs/secret r", ENOENT, {{"file.read", "/mnt/tmpfs/secret", "no-permit"}});
}

TEST_CASE("overlayfs: one event for one open, upper, lower and copied up") {
  Scene scene(stage("files"), [] {
    ::unlink("/mnt/overlay/secret-new");
    put("/mnt/overlay/upper");
  });
  auto told = [](const std::string& event, const std::string& name) { return Told{event, "/mnt/overlay/" + name, "permit"}; };
  scene.tells("open /mnt/overlay/read r", {told("file.read", "read")});
  scene.tells("open /mnt/overlay/upper r", {told("file.read", "upper")});
  // the free actor has copied the file up before: the second time it is an upper one. So names that it does not touch:
  Stage& here = stage("files");
  here.events();
  CHECK(here.bound().perform("open /mnt/overlay/append w+append") == Outcome{});
  CHECK(here.bound().perform("open /mnt/overlay/truncate r+trunc") == Outcome{});
  CHECK(here.bound().perform("truncate /mnt/overlay/both 0") == Outcome{});
  CHECK(here.bound().perform("chmod /mnt/overlay/mode 600") == Outcome{});
  CHECK(here.bound().perform("open /mnt/overlay/new rw+creat+excl") == Outcome{});
  std::string events;
  for (const kerf::Json& event : here.events()) {
    events += event["event"].get<std::string>() + " " + event["file"]["path"].get<std::string>() + " " + event["decision"].get<std::string>() + "\n";
  }
  // O_TRUNC is asked about at the open, and where the kernel truncates
  CHECK(events == "file.write /mnt/overlay/append allow\n"
                  "file.read /mnt/overlay/truncate allow\nfile.write /mnt/overlay/truncate allow\nfile.write /mnt/overlay/truncate allow\n"
                  "file.write /mnt/overlay/both allow\n"
                  "file.write /mnt/overlay/mode allow\n"
                  "file.write /mnt/overlay/new allow\n"
                  "file.read /mnt/overlay/new allow\nfile.write /mnt/overlay/new allow\n");
  scene.tells("list /mnt/overlay/merged", {told("file.list", "merged")});
  scene.refuses("open /mnt/overlay/secret r", ENOENT, {{"file.read", "/mnt/overlay/secret", "no-permit"}});
  scene.refuses("open /mnt/overlay/secret-copy w", ENOENT, {{"file.write", "/mnt/overlay/secret-copy", "no-permit"}});
  scene.refuses("open /layers/lower/read r", ENOENT, {{"file.read", "/layers/lower/read", "no-permit"}});
  scene.refuses("rename /mnt/overlay/upper /mnt/overlay/secret-new", ENOENT, {{"file.write", "/mnt/overlay/secret-new", "no-permit"}});
}

TEST_CASE("case-insensitive directories have more than one name for a file") {
  Scene scene(stage("files"), [] {});
  put("/mnt/ext4/folded/f");
  put("/mnt/ext4/plain");
  scene.allows("open /mnt/ext4/plain rw");
  scene.refuses("open /mnt/ext4/folded/f r", ENOENT, {{"file.read", "/mnt/ext4/folded/f", "name-ambiguous"}});
  scene.refuses("open /mnt/ext4/folded/F r", ENOENT, {{"file.read", "/mnt/ext4/folded/f", "name-ambiguous"}});
  put("/mnt/vfat/secret");
  scene.refuses("open /mnt/vfat/SECRET r", ENOENT, {{"file.read", "/mnt/vfat/secret", "name-ambiguous"}});
}

TEST_CASE("guards: what a bound task may not do to the machine") {
  Stage& here = stage("files");
  Scene scene(here, [] { put("/zone/secret/f"); });
  std::string victim = std::to_string(here.free().pid());
  scene.refuses("bpf", EPERM, {guard("bpf")});
  scene.refuses("kill " + victim + " 18", EPERM, {guard("signal")});
  scene.refuses("trace " + victim, EPERM, {guard("ptrace")});
  scene.refuses("open /proc/" + victim + "/mem rw+idle", EACCES, {guard("ptrace")});
  scene.refuses("open /sys/fs/cgroup/cgroup.procs w+idle", EPERM, {guard("protected-file")});
  scene.refuses("open /proc/sys/kernel/core_pattern w+idle", EPERM, {guard("protected-file")});
}

TEST_CASE("many children at once, and none is forgotten") {
  Scene scene(stage("files"), [] { put("/zone/secret/f"); });
  scene.allows("fork-many 500");
  scene.refuses("fork-many 500 ; open /zone/secret/f r", ENOENT, kRead);
}
