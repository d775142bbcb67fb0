// Running programs, and mapping them to run.
#include <doctest/doctest.h>

#include <cerrno>

#include "stage.h"

using namespace kerf::test;

namespace {

std::vector<Told> exec_of(const std::string& path) { return {{"file.exec", path, "no-permit"}}; }

Scene programs() {
  return Scene(stage("files"), [] {
    for (const char* zone : {"/zone/open", "/zone/runnable", "/zone/secret", "/zone/readable", "/zone/drop"}) {
      put_copy("/guest/tiny", std::string(zone) + "/tiny");
      put_copy("/guest/dynamic", std::string(zone) + "/dynamic");
    }
    put("/zone/runnable/script", "#!/zone/runnable/tiny\n", 0755);
    put("/zone/runnable/script-of-secret", "#!/zone/secret/tiny\n", 0755);
    put("/zone/secret/script", "#!/zone/runnable/tiny\n", 0755);
    put_copy("/guest/tiny", "/zone/runnable/setuid", 04755);
  });
}

}  // namespace

TEST_CASE("exec") {
  Scene scene = programs();
  scene.refuses("exec /zone/secret/tiny", EACCES, exec_of("/zone/secret/tiny"));
  scene.refuses("exec /zone/readable/tiny", EACCES, exec_of("/zone/readable/tiny"));
  scene.refuses("open /zone/secret/tiny path ; exec-remembered", EACCES, exec_of("/zone/secret/tiny"));
  scene.refuses("exec /zone/open/../secret/tiny", EACCES, exec_of("/zone/secret/tiny"));
  scene.refuses("exec /zone/runnable/setuid", EACCES, {{"file.exec", "/zone/runnable/setuid", "forbid"}});
  scene.tells("exec /zone/runnable/tiny", {{"file.exec", "/zone/runnable/tiny", "permit"}});   // not file.read
  scene.allows("exec /zone/open/tiny");
}

TEST_CASE("exec of a memfd") {
  Scene scene = programs();
  scene.refuses("exec-memory /zone/open/tiny", EACCES, exec_of("kerf:memfd"));
}

TEST_CASE("a script needs its interpreter") {
  Scene scene = programs();
  scene.allows("exec /zone/runnable/script");
  scene.refuses("exec /zone/secret/script", EACCES, exec_of("/zone/secret/script"));
  scene.refuses("exec /zone/runnable/script-of-secret", EACCES, exec_of("/zone/secret/tiny"));
}

TEST_CASE("ld.so ./binary") {
  constexpr int kCannotLoad = 127;
  Scene scene = programs();
  scene.allows("exec /zone/runnable/dynamic");
  scene.allows("exec /lib64/ld-linux-x86-64.so.2 /zone/open/dynamic");
  scene.ends("exec /lib64/ld-linux-x86-64.so.2 /zone/readable/dynamic", kCannotLoad, exec_of("/zone/readable/dynamic"));
  scene.ends("exec /lib64/ld-linux-x86-64.so.2 /zone/runnable/dynamic", kCannotLoad, {{"file.read", "/zone/runnable/dynamic", "no-permit"}});
}

TEST_CASE("dlopen") {
  Scene scene(stage("files"), [] {
    put_copy("/guest/dynamic", "/zone/runnable/dynamic");
    for (const char* zone : {"/zone/open", "/zone/readable", "/zone/secret"}) put_copy("/guest/library.so", std::string(zone) + "/library.so");
  });
  scene.allows("exec /zone/runnable/dynamic /zone/open/library.so");
  scene.ends("exec /zone/runnable/dynamic /zone/readable/library.so", 1, exec_of("/zone/readable/library.so"));
  scene.ends("exec /zone/runnable/dynamic /zone/secret/library.so", 1, {{"file.read", "/zone/secret/library.so", "no-permit"}});
}

TEST_CASE("exec by a thread that is not the leader") {
  Scene scene = programs();
  scene.refuses("exec-by-thread /zone/secret/tiny", EACCES, exec_of("/zone/secret/tiny"));
  scene.allows("exec-by-thread /zone/runnable/tiny");
  // the program that it became is still bound
  Scene after(stage("files"), [] {
    put("/zone/secret/f");
    put_copy("/guest/actor", "/zone/runnable/actor");
  });
  after.ends("exec-by-thread /zone/runnable/actor do open%20/zone/secret/f%20r", ENOENT, {{"file.read", "/zone/secret/f", "no-permit"}});
}

TEST_CASE("mapping a file to run it") {
  Scene scene = programs();
  scene.refuses("mmap-exec /zone/readable/tiny", EACCES, exec_of("/zone/readable/tiny"));
  scene.refuses("mprotect-exec /zone/readable/tiny", EACCES, exec_of("/zone/readable/tiny"));
  scene.allows("mmap-exec /zone/open/tiny");
  scene.allows("mprotect-exec /zone/open/tiny");
}
