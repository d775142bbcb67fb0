// Making, moving, linking and removing names, and the guard that keeps policies from being walked round by them.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "stage.h"

using namespace kerf::test;

namespace {

bool kernel_is(const char* release) {
  utsname name{};
  ::uname(&name);
  return std::strncmp(name.release, release, std::strlen(release)) == 0;
}

std::vector<Told> write_of(const std::string& path) { return {{"file.write", path, "no-permit"}}; }

// The event is one that would be allowed at the new name and is not at the old.
std::vector<Told> guard(const std::string& event, const std::string& path) { return {{event, path, "guard"}}; }

}  // namespace

TEST_CASE("hard link") {
  Scene scene(stage("files"), [] {
    for (const char* path : {"/zone/open/f", "/zone/readable/f", "/zone/drop/f", "/zone/secret/f"}) put(path);
  });
  // made after binding, to where policies allow more
  scene.refuses("link /zone/secret/f /zone/open/new", EXDEV, guard("file.read", "/zone/open/new"));
  scene.refuses("link /zone/readable/f /zone/open/new", EXDEV, guard("file.write", "/zone/open/new"));
  scene.refuses("link /zone/drop/f /zone/open/new", EXDEV, guard("file.read", "/zone/open/new"));
  scene.refuses("open /zone/secret/f path ; link-remembered /zone/open/new", EXDEV, guard("file.read", "/zone/open/new"));
  scene.refuses("open /zone/secret/f path ; link-empty /zone/open/new", EXDEV, guard("file.read", "/zone/open/new"));
  // out of a permitted tree
  scene.refuses("link /zone/open/f /zone/secret/new", ENOENT, write_of("/zone/secret/new"));
  scene.refuses("link /zone/open/f /zone/readable/new", ENOENT, write_of("/zone/readable/new"));
  scene.allows("link /zone/open/f /zone/open/new");
  scene.allows("link /zone/open/f /zone/drop/new");
}

TEST_CASE("rename into, out of, and exchange") {
  Scene scene(stage("files"), [] {
    for (const char* path : {"/zone/open/f", "/zone/open/g", "/zone/readable/f", "/zone/drop/f", "/zone/secret/f"}) put(path);
  });
  scene.refuses("rename /zone/open/f /zone/secret/new", ENOENT, write_of("/zone/secret/new"));
  // making the new name, and removing the file that has it
  scene.refuses("rename /zone/open/f /zone/secret/f", ENOENT, {{"file.write", "/zone/secret/f", "no-permit"}, {"file.write", "/zone/secret/f", "no-permit"}});
  scene.refuses("rename /zone/secret/f /zone/open/new", ENOENT, write_of("/zone/secret/f"));
  scene.refuses("rename /zone/readable/f /zone/open/new", ENOENT, write_of("/zone/readable/f"));
  scene.refuses("rename-noreplace /zone/readable/f /zone/open/new", ENOENT, write_of("/zone/readable/f"));
  scene.refuses("rename /zone/drop/f /zone/open/new", EXDEV, guard("file.read", "/zone/open/new"));
  scene.refuses("exchange /zone/open/f /zone/drop/f", EXDEV, guard("file.read", "/zone/drop/f"));
  scene.refuses("exchange /zone/drop/f /zone/open/f", EXDEV, guard("file.read", "/zone/open/f"));
  scene.allows("rename /zone/open/f /zone/open/new");
  scene.allows("rename /zone/open/f /zone/open/g");
  scene.allows("rename /zone/open/f /zone/drop/new");
  scene.allows("exchange /zone/open/f /zone/open/g");
}

TEST_CASE("rename of a parent directory") {
  Scene scene(stage("files"), [] {
    put_directory("/zone/open/vault");
    put("/zone/open/vault/key");
    put_directory("/zone/open/plain");
    put("/zone/open/plain/key");
    put_directory("/zone/drop/d");
    put("/zone/drop/d/f");
    put_directory("/zone/secret/d");
    put("/zone/secret/d/f");
  });
  // below the new name other names are forbidden than below the old one
  scene.refuses("rename /zone/open/vault /zone/open/other", EXDEV, guard("file.read", "/zone/open/other"));
  scene.refuses("rename /zone/drop/d /zone/open/d", EXDEV, guard("file.read", "/zone/open/d"));
  scene.refuses("rename /zone/secret/d /zone/open/d", ENOENT, write_of("/zone/secret/d"));
  scene.refuses("exchange /zone/open/plain /zone/open/vault", EXDEV, guard("file.read", "/zone/open/vault"));
  scene.allows("rename /zone/open/plain /zone/open/other");
}

TEST_CASE("making names") {
  Scene scene(stage("files"), [] {});
  scene.refuses("mkdir /zone/secret/new", ENOENT, write_of("/zone/secret/new"));
  scene.refuses("mkfifo /zone/secret/new", ENOENT, write_of("/zone/secret/new"));
  scene.refuses("mkfile /zone/secret/new", ENOENT, write_of("/zone/secret/new"));
  scene.refuses("mkdevice /zone/secret/new", ENOENT, write_of("/zone/secret/new"));
  scene.refuses("bind-socket /zone/secret/new", ENOENT, write_of("/zone/secret/new"));
  scene.refuses("symlink /zone/open /zone/secret/new", ENOENT, write_of("/zone/secret/new"));
  for (const char* step : {"mkdir", "mkfifo", "mkfile", "bind-socket", "symlink x"}) scene.allows(std::string(step) + " /zone/open/new");
}

TEST_CASE("removing names") {
  Scene scene(stage("files"), [] {
    for (const char* zone : {"/zone/open", "/zone/secret"}) {
      put(std::string(zone) + "/f");
      put_directory(std::string(zone) + "/d");
      put_symlink("f", std::string(zone) + "/l");
    }
  });
  scene.refuses("unlink /zone/secret/f", ENOENT, write_of("/zone/secret/f"));
  scene.refuses("unlink /zone/secret/l", ENOENT, write_of("/zone/secret/l"));
  scene.refuses("rmdir /zone/secret/d", ENOENT, write_of("/zone/secret/d"));
  scene.allows("unlink /zone/open/f");
  scene.allows("unlink /zone/open/l");
  scene.allows("rmdir /zone/open/d");
}

TEST_CASE("an unlinked file keeps its last name") {
  Scene scene(stage("files"), [] {
    put("/zone/open/f");
    put("/zone/secret/f");
  });
  scene.tells("open /zone/open/f r ; unlink /zone/open/f ; reopen r",
              {{"file.read", "/zone/open/f", "permit"}, {"file.write", "/zone/open/f", "permit"}, {"file.read", "/zone/open/f", "permit"}});
}

TEST_CASE("every event with an action of its own") {
  Scene scene(stage("fine"), [] {
    for (const char* zone : {"no-create", "no-delete", "no-rename", "no-link", "no-stat", "no-load", "no-exec", "no-truncate", "no-chmod", "no-chown",
                             "no-mkdir", "no-mknod", "no-symlink", "no-rmdir", "no-ioctl", "no-receive", "free"}) {
      std::string path = std::string("/zone/open/") + zone;
      put_directory(path);
      put(path + "/f");
      put_copy("/guest/tiny", path + "/run");
      put_directory(path + "/d");
      put_symlink("f", path + "/l");
    }
    put("/zone/secret/f");
  });
  scene.refuses("open /zone/open/no-create/new w+creat", EACCES, {{"file.create", "/zone/open/no-create/new", "forbid"}});
  scene.refuses("mkfile /zone/open/no-create/new", EACCES, {{"file.create", "/zone/open/no-create/new", "forbid"}});
  scene.refuses("open /zone/open/no-create rw+tmpfile", EACCES, {{"file.create", "/zone/open/no-create/#", "forbid"}});
  scene.refuses("unlink /zone/open/no-delete/f", EACCES, {{"file.delete", "/zone/open/no-delete/f", "forbid"}});
  scene.refuses("rename /zone/open/no-rename/f /zone/open/free/new", EACCES, {{"file.rename", "/zone/open/no-rename/f", "forbid"}});
  scene.refuses("rename /zone/open/free/f /zone/open/no-rename/new", EACCES, {{"file.rename", "/zone/open/no-rename/new", "forbid"}});
  scene.refuses("link /zone/open/no-link/f /zone/open/free/new", EACCES, {{"file.link", "/zone/open/no-link/f", "forbid"}});
  scene.refuses("link /zone/open/free/f /zone/open/no-link/new", EACCES, {{"file.link", "/zone/open/no-link/new", "forbid"}});
  scene.refuses("stat /zone/open/no-stat/f", ENOENT, {{"file.stat", "/zone/open/no-stat/f", "forbid"}});
  scene.refuses("lstat /zone/secret/f", ENOENT, {{"file.stat", "/zone/secret/f", "no-permit"}});
  scene.refuses("open /zone/open/no-stat/f r ; fstat", ENOENT, {{"file.stat", "/zone/open/no-stat/f", "forbid"}});
  scene.refuses("mmap-exec /zone/open/no-load/run", EACCES, {{"lib.load", "/zone/open/no-load/run", "forbid"}});
  scene.refuses("mprotect-exec /zone/open/no-load/run", EACCES, {{"lib.load", "/zone/open/no-load/run", "forbid"}});
  scene.refuses("exec /zone/open/no-exec/run", EACCES, {{"file.exec", "/zone/open/no-exec/run", "forbid"}});
  auto refused = [&](const std::string& steps, const std::string& event, const std::string& path) {
    scene.refuses(steps, EACCES, {{"file." + event, "/zone/open/no-" + event + "/" + path, "forbid"}});
  };
  refused("truncate /zone/open/no-truncate/f 1", "truncate", "f");
  refused("open /zone/open/no-truncate/f rw+idle ; ftruncate 1", "truncate", "f");
  refused("open /zone/open/no-truncate/f w+trunc", "truncate", "f");
  refused("open /zone/open/no-truncate/f r+trunc", "truncate", "f");
  refused("chmod /zone/open/no-chmod/f 600", "chmod", "f");
  refused("open /zone/open/no-chmod/f r ; fchmod 600", "chmod", "f");
  refused("chmod /zone/open/no-chmod/d 700", "chmod", "d");
  refused("chown /zone/open/no-chown/f 1000", "chown", "f");
  refused("mkdir /zone/open/no-mkdir/new", "mkdir", "new");
  refused("mkfifo /zone/open/no-mknod/new", "mknod", "new");
  refused("mkdevice /zone/open/no-mknod/new", "mknod", "new");
  refused("symlink f /zone/open/no-symlink/new", "symlink", "new");
  refused("rmdir /zone/open/no-rmdir/d", "rmdir", "d");
  for (const char* how : {"ioctl", "ioctl32"}) {
    refused(std::string("open /zone/open/no-ioctl/f r ; ") + how + " 21531", "ioctl", "f");   // FIONREAD
    scene.allows(std::string("open /zone/open/no-ioctl/f r ; ") + how + " 21585");            // FIOCLEX
  }
  // what is refused does not arrive
  scene.refuses("open /zone/open/no-receive/f rw+idle ; pass", ENODATA, {{"file.receive", "/zone/open/no-receive/f", "forbid"}});
  scene.allows("open /zone/open/no-receive/f path ; pass");
  // what is there is open to the others
  for (const char* zone : {"no-create", "no-truncate"}) {
    const std::string at = std::string("/zone/open/") + zone;
    for (const char* steps : {"mkdir $/new", "mkfifo $/new", "symlink f $/new", "rmdir $/d", "open $/f r ; ioctl 21531", "open $/f rw ; pass", "open $/f w",
                              "chmod $/f 600", "chown $/f 1000"}) {
      std::string text = steps;
      scene.allows(text.replace(text.find('$'), 1, at));
    }
  }
  scene.allows("truncate /zone/open/free/f 1");
  scene.allows("mkfile /zone/open/no-mknod/new");
  scene.allows("unlink /zone/open/no-rmdir/f");
  // an ioctl may be allowed by its command, which no name tells: only names that are treated alike are the same for it
  scene.refuses("rename /zone/open/no-ioctl/f /zone/open/free/new", EXDEV, guard("file.ioctl", "/zone/open/free/new"));
  scene.refuses("link /zone/open/no-ioctl/f /zone/open/free/new", EXDEV, guard("file.ioctl", "/zone/open/free/new"));
  scene.refuses("exchange /zone/open/free/f /zone/open/no-ioctl/f", EXDEV, guard("file.ioctl", "/zone/open/no-ioctl/f"));
  scene.allows("rename /zone/open/no-ioctl/f /zone/open/no-ioctl/new");
  // a link or rename to where one action more is allowed
  scene.refuses("link /zone/open/no-stat/f /zone/open/free/new", EXDEV, guard("file.stat", "/zone/open/free/new"));
  scene.refuses("rename /zone/open/no-exec/run /zone/open/free/new", EXDEV, guard("file.exec", "/zone/open/free/new"));
  scene.allows("exec /zone/open/no-load/run");   // mapped by execve itself: an exec, nothing else
  scene.allows("mmap-exec /zone/open/no-exec/run");
  scene.allows("rename /zone/open/free/f /zone/open/free/new");
  scene.allows("stat /zone/open/free/f");
}

TEST_CASE("opened for appending") {
  // 6.9 and later write where pwritev2 says, and ask nobody
  const bool keeps = kernel_is("6.1.");
  if (!keeps) {
    Ran ran = run_kerf({"run", "--bundle", "/guest/bundles/append", "--principal", "Agent::\"a\"", "--", "/guest/actor"});
    CHECK(ran.status != 0);
    CHECK_MESSAGE(ran.output.find("--allow-degraded=append") != std::string::npos, ran.output);
  }
  Scene scene(stage("append", Governed::files, keeps ? "" : "append"), [] {
    for (const char* path : {"/zone/drop/log", "/zone/readable/log", "/zone/open/log"}) put(path, "first");
  });
  const std::string log = "/zone/drop/log", open = "open " + log + " rw+append+idle ; ";
  const std::vector<Told> write = {{"file.write", log, "no-permit"}};
  scene.tells("open " + log + " rw+append", {{"file.read", log, "permit"}, {"file.append", log, "permit"}});
  scene.allows(open + "use rw");
  scene.allows(open + "set-flags append");
  scene.allows(open + "allocate");
  scene.refuses("open " + log + " w", ENOENT, write);
  scene.refuses("open " + log + " w+append+trunc", ENOENT, write);
  scene.refuses(open + "set-flags r", ENOENT, write);
  scene.refuses(open + "share rw", ENOENT, write);
  scene.refuses(open + "share r", ENOENT, write);
  scene.refuses(open + "punch", ENOENT, write);
  scene.refuses(open + "ftruncate 0", ENOENT, write);
  scene.refuses("truncate " + log + " 0", ENOENT, write);
  scene.refuses("open /zone/readable/log w+append", ENOENT, {{"file.append", "/zone/readable/log", "no-permit"}});
  for (const char* steps : {"set-flags r ; use w", "share rw", "punch", "ftruncate 0"}) scene.allows("open /zone/open/log rw+append+idle ; " + std::string(steps));
  if (keeps) CHECK(stage("append").bound().perform(open + "write-anywhere") == Outcome{2, EOPNOTSUPP});
  stage("append").bound().finish();
}

// The last case of this stage.
TEST_CASE("a killed kerf leaves enforcement on") {
  Stage& here = stage("fine");
  here.events();
  clean_zone();
  put("/zone/secret/f");
  put("/zone/open/f");
  REQUIRE(::kill(here.bound().started(), SIGKILL) == 0);
  CHECK(here.bound().perform("open /zone/secret/f r") == Outcome{1, ENOENT});
  CHECK(here.bound().perform("open /zone/open/f rw") == Outcome{});
  CHECK(here.bound().perform("fork ; fork ; open /zone/secret/f w") == Outcome{3, ENOENT});
  // more refusals than the ring of events has room for, with nobody who reads it
  CHECK(here.bound().perform("repeat 5000 /zone/secret/f") == Outcome{});
  CHECK(here.bound().perform("open /zone/secret/f r") == Outcome{1, ENOENT});
  CHECK(here.bound().perform("open /zone/open/f r") == Outcome{});
  CHECK(run_kerf({"gc"}).output.find("removed") == std::string::npos);
  here.bound().finish();
  ::usleep(300000);
  Ran collected = run_kerf({"gc"});
  CHECK_MESSAGE(collected.output.find("removed") != std::string::npos, collected.output);
}
