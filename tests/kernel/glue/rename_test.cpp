// Rename and link: events at both names, and the guard between them.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>

#include "rig.h"

namespace {

using namespace kerf::test;

constexpr std::uint32_t bit(int event) { return 1u << event; }
constexpr unsigned kExchange = 2, kWhiteout = 4;

void fresh() {
  REQUIRE(std::system("rm -rf /tmp/w; mkdir -p /tmp/w/deny /tmp/w/dir /tmp/w/other; echo a > /tmp/w/f; echo b > /tmp/w/deny/f; echo c > /tmp/w/g") == 0);
}
long renamed(const char* from, const char* to, unsigned flags = 0) { return ::syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags); }
bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

}  // namespace

TEST_CASE("rename, where it is governed: asked for both names") {
  Rig& rig = Rig::fresh(Variant::all);
  fresh();
  CHECK(rig.inside([] { return renamed("/tmp/w/f", "/tmp/w/h"); }) == "0\nrename /tmp/w/f permit\nrename /tmp/w/h permit\n");
  CHECK(rig.inside([] { return renamed("/tmp/w/h", "/tmp/w/g"); }) == "0\nrename /tmp/w/h permit\nrename /tmp/w/g permit\n");
  CHECK(rig.inside([] { return renamed("/tmp/w/dir", "/tmp/w/dir2"); }) == "0\nrename /tmp/w/dir dir permit\nrename /tmp/w/dir2 dir permit\n");
  rig.deny(bit(KERF_EVENT_FILE_RENAME));
  CHECK(rig.inside([] { return renamed("/tmp/w/deny/f", "/tmp/w/h"); }) == "105\nrename /tmp/w/deny/f forbid 105\nrename /tmp/w/h permit\n");
  CHECK(rig.inside([] { return renamed("/tmp/w/g", "/tmp/w/deny/g"); }) == "105\nrename /tmp/w/g permit\nrename /tmp/w/deny/g forbid 105\n");
  CHECK(rig.inside([] { return renamed("/tmp/w/g", "/tmp/w/other", kExchange); }) ==
        "0\nrename /tmp/w/g permit\nrename /tmp/w/g dir permit\nrename /tmp/w/other permit\nrename /tmp/w/other dir permit\n");
}

TEST_CASE("rename, where it is not governed: a deletion and a creation") {
  Rig& rig = Rig::fresh(Variant::few);
  fresh();
  CHECK(rig.inside([] { return renamed("/tmp/w/f", "/tmp/w/h"); }) == "0\nwrite /tmp/w/f permit\nwrite /tmp/w/h new permit\n");
  CHECK(rig.inside([] { return renamed("/tmp/w/h", "/tmp/w/g"); }) ==
        "0\nwrite /tmp/w/h permit\nwrite /tmp/w/g new permit\nwrite /tmp/w/g permit\n");
  CHECK(rig.inside([] { return renamed("/tmp/w/g", "/tmp/w/other", kExchange); }) ==
        "0\nwrite /tmp/w/g permit\nwrite /tmp/w/g new dir permit\nwrite /tmp/w/other new permit\nwrite /tmp/w/other dir permit\n");
  CHECK(rig.inside([] { return renamed("/tmp/w/other", "/tmp/w/h", kWhiteout); }) ==
        "0\nwrite /tmp/w/other permit\nwrite /tmp/w/other new permit\nwrite /tmp/w/h new permit\n");
  rig.deny(bit(KERF_EVENT_FILE_WRITE));
  CHECK(rig.inside([] { return renamed("/tmp/w/h", "/tmp/w/deny/f"); }) ==
        "102\nwrite /tmp/w/h permit\nwrite /tmp/w/deny/f new forbid 102\nwrite /tmp/w/deny/f forbid 102\n");
}

TEST_CASE("the guard: no governed event may become allowed") {
  Rig& rig = Rig::fresh(Variant::all);
  fresh();
  rig.deny(bit(KERF_EVENT_FILE_READ));
  const std::string both = "rename /tmp/w/deny/f permit\nrename /tmp/w/x permit\n";
  CHECK(rig.inside([] { return renamed("/tmp/w/deny/f", "/tmp/w/x"); }) == "18\n" + both + "read /tmp/w/x guard-rename 18\n");
  CHECK(exists("/tmp/w/deny/f"));
  CHECK(rig.inside([] { return ::link("/tmp/w/deny/f", "/tmp/w/x"); }) ==
        "18\nlink /tmp/w/deny/f permit\nlink /tmp/w/x permit\nread /tmp/w/x guard-rename 18\n");
  CHECK(!exists("/tmp/w/x"));
  CHECK(rig.inside([] { return renamed("/tmp/w/f", "/tmp/w/deny/x"); }) == "0\nrename /tmp/w/f permit\nrename /tmp/w/deny/x permit\n");
  CHECK(rig.inside([] { return ::link("/tmp/w/g", "/tmp/w/deny/g"); }) == "0\nlink /tmp/w/g permit\nlink /tmp/w/deny/g permit\n");
  CHECK(rig.inside([] { return ::link("/tmp/w/g", "/tmp/w/g2"); }) == "0\nlink /tmp/w/g permit\nlink /tmp/w/g2 permit\n");
  // exchange: what was at the new name gets the old one
  CHECK(rig.inside([] { return renamed("/tmp/w/g", "/tmp/w/deny/f", kExchange); }).find("read /tmp/w/deny/f guard-rename 18\n") != std::string::npos);
  CHECK(rig.inside([] { return renamed("/tmp/w/deny/f", "/tmp/w/g", kExchange); }).find("read /tmp/w/g guard-rename 18\n") != std::string::npos);
  // audit lets policy denials pass, the guard holds
  rig.set_mode(KERF_MODE_AUDIT);
  CHECK(rig.inside([] { return renamed("/tmp/w/deny/f", "/tmp/w/x"); }).find("18\n") == 0);
  rig.set_mode(KERF_MODE_ENFORCE);
  rig.waive(1u << KERF_GUARD_RENAME);
  CHECK(rig.inside([] { return renamed("/tmp/w/deny/f", "/tmp/w/x"); }) == "0\n" + both);
}

TEST_CASE("the guard on directories: every name below must be treated as before") {
  Rig& rig = Rig::fresh(Variant::all);
  fresh();
  rig.deny(bit(KERF_EVENT_FILE_READ) | kOnlyFiles);
  const std::string refused = "18\nrename /tmp/w/deny dir permit\nrename /tmp/w/x dir permit\nread /tmp/w/x dir guard-rename 18\n";
  CHECK(rig.inside([] { return renamed("/tmp/w/deny", "/tmp/w/x"); }) == refused);
  CHECK(rig.inside([] { return renamed("/tmp/w/dir", "/tmp/w/other/deny"); }).find("18\n") == 0);
  CHECK(rig.inside([] { return renamed("/tmp/w/dir", "/tmp/w/other/dir"); }).find("0\n") == 0);
  CHECK(rig.inside([] { return renamed("/tmp/w/deny", "/tmp/w/other", kExchange); }).find("18\n") == 0);
  REQUIRE(::mkdir("/tmp/w/deny/a", 0755) == 0);
  REQUIRE(::mkdir("/tmp/w/deny/b", 0755) == 0);
  CHECK(rig.inside([] { return renamed("/tmp/w/deny/a", "/tmp/w/deny/b"); }).find("0\n") == 0);
}

TEST_CASE("the guard holds where nothing is asked: only reading and the like is governed") {
  Rig& rig = Rig::fresh(Variant::few);
  fresh();
  rig.set_mode(KERF_MODE_QUARANTINE);
  CHECK(rig.inside([] { return ::link("/tmp/w/f", "/tmp/w/h"); }).find("102\n") == 0);
  rig.set_mode(KERF_MODE_AUDIT);
  // no name can be given to either: the guard cannot compare
  REQUIRE(std::system("mkdir -p /run/w; echo a > /run/w/f") == 0);
  CHECK(rig.inside([] { return renamed("/run/w/f", "/run/w/g"); }).find("18\n") == 0);
  CHECK(exists("/run/w/f"));
}
