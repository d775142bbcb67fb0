// How enforcement begins, changes and ends: what is refused before it begins, a loader that is killed or gone, one bundle
// in another's place under load, containers.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>

#include "stage.h"

using namespace kerf::test;

namespace {

const Outcome kDone{};
const Outcome kNotFound{1, ENOENT};

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Elements of the pinned map kerf_tasks of the bundle `life`.
std::size_t tagged_tasks() {
  std::string pin;
  for (const auto& entry : std::filesystem::recursive_directory_iterator("/sys/fs/bpf/kerf/life")) {
    if (entry.path().filename() == "kerf_tasks") pin = entry.path();
  }
  bpf_attr attr{};
  attr.pathname = reinterpret_cast<std::uint64_t>(pin.c_str());
  long map = ::syscall(SYS_bpf, BPF_OBJ_GET, &attr, sizeof attr);
  REQUIRE_MESSAGE(map >= 0, "kerf_tasks: " << pin);
  std::uint64_t key = 0, next = 0;
  std::size_t count = 0;
  for (bool first = true;; first = false, key = next) {
    bpf_attr step{};
    step.map_fd = static_cast<std::uint32_t>(map);
    step.key = first ? 0 : reinterpret_cast<std::uint64_t>(&key);
    step.next_key = reinterpret_cast<std::uint64_t>(&next);
    if (::syscall(SYS_bpf, BPF_MAP_GET_NEXT_KEY, &step, sizeof step) != 0) break;
    ++count;
  }
  ::close(static_cast<int>(map));
  return count;
}

// A bundle that is loaded, and a cgroup with a free actor that waits to be bound.
class Loaded {
 public:
  explicit Loaded(const std::string& bundle) {
    Ran ran = run_kerf({"load", "--bundle", "/guest/bundles/" + bundle, "--name", "life"});
    REQUIRE_MESSAGE(ran.status == 0, ran.output);
  }
  ~Loaded() {
    Ran ran = run_kerf({"unload", "life", "--force"});
    CHECK_MESSAGE(ran.status == 0, ran.output);
  }
  void replace(const std::string& bundle) {
    Ran ran = run_kerf({"load", "--replace", "--name", "life", "--bundle", "/guest/bundles/" + bundle});
    CHECK_MESSAGE(ran.status == 0, ran.output);
  }
  void bind(pid_t pid) {
    std::string own = "/sys/fs/cgroup/life-" + std::to_string(pid);
    REQUIRE(::mkdir(own.c_str(), 0755) == 0);
    REQUIRE(move_to(own, pid));
    Ran ran = run_kerf({"bind", "--name", "life", "--principal", "Agent::\"a\"", "--pid", std::to_string(pid)});
    REQUIRE_MESSAGE(ran.status == 0, ran.output);
  }
};

// The root of a container: overlayfs over a directory of /zone, with a volume of /zone bound into it.
[[noreturn]] void become_container() {
  auto must = [](bool good, int line) {
    if (!good) ::_exit(line);
  };
  must(::unshare(CLONE_NEWNS) == 0, 91);
  must(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, 92);
  must(::mount("overlay", "/zone/open/root", "overlay", 0, "lowerdir=/zone/secret/image,upperdir=/layers/container,workdir=/layers/container-work") == 0, 93);
  must(::mount("/zone/secret/volume", "/zone/open/root/volume", nullptr, MS_BIND, nullptr) == 0, 94);
  must(::mount("proc", "/zone/open/root/proc", "proc", 0, nullptr) == 0, 95);
  must(::chdir("/zone/open/root") == 0 && ::mount(".", "/", nullptr, MS_MOVE, nullptr) == 0 && ::chroot(".") == 0, 96);
  ::execl("/app/actor", "/app/actor", "serve", nullptr);
  ::_exit(97);
}

void make_image() {
  for (const char* path : {"/zone/open/root", "/zone/secret/image/app", "/zone/secret/image/volume", "/zone/secret/image/proc",
                           "/zone/secret/image/etc", "/zone/secret/volume/public", "/zone/secret/volume/private"}) {
    put_directory(path);
  }
  for (const char* path : {"/layers/container", "/layers/container-work"}) ::mkdir(path, 0755);
  put_copy("/guest/actor", "/zone/secret/image/app/actor");
  put("/zone/secret/image/app/data");
  put("/zone/secret/image/etc/data");
  put("/zone/secret/volume/public/f");
  put("/zone/secret/volume/private/f");
}

}  // namespace

TEST_CASE("literals that pass a symbolic link are refused at bind, with the real path") {
  Ran ran = run_kerf({"run", "--bundle", "/guest/bundles/merged", "--principal", "Agent::\"a\"", "--", "/guest/actor"});
  CHECK(ran.status == 125);
  CHECK_MESSAGE(contains(ran.output, "K7309"), ran.output);
  CHECK_MESSAGE(contains(ran.output, "/bin/su"), ran.output);
  CHECK_MESSAGE(contains(ran.output, "/usr/bin/su"), ran.output);
}

// Each loading takes seconds in an emulated machine, so one serves all of it.
TEST_CASE("load and bind: nobody stays, enforcement does; containers; a bundle in another's place under load") {
  clean_zone();
  put("/zone/secret/f");
  put("/zone/open/f");
  put("/zone/readable/f");
  make_image();
  Loaded loaded("files");
  Actor actor({"/guest/actor", "serve"}, "/tmp/life");
  REQUIRE(actor.ready());
  CHECK(actor.perform("open /zone/secret/f r") == kDone);
  loaded.bind(actor.pid());
  CHECK(actor.perform("open /zone/secret/f r") == kNotFound);
  CHECK(actor.perform("open /zone/open/f rw") == kDone);

  // tags come and go with tasks
  std::size_t before = tagged_tasks();
  CHECK(before >= 1);
  CHECK(actor.perform("fork-many 300") == kDone);
  CHECK(actor.perform("fork-many 300") == kDone);
  ::usleep(300000);
  CHECK(tagged_tasks() <= before + 1);

  Actor contained(std::function<void()>(become_container), "/tmp/container");
  REQUIRE_MESSAGE(contained.ready(), contained.errors());
  CHECK(contained.perform("open /volume/private/f r") == kDone);
  loaded.bind(contained.pid());
  CHECK(contained.perform("open /app/data rw") == kDone);              // copied up
  CHECK(contained.perform("open /etc/data r") == kNotFound);
  CHECK(contained.perform("open /volume/public/f rw") == kDone);
  CHECK(contained.perform("open /volume/private/f r") == kNotFound);
  CHECK(contained.perform("open /volume/public/../private/f r") == kNotFound);
  CHECK(contained.perform("open /proc/self/root/volume/private/f r") == kNotFound);
  CHECK(contained.perform("open /app/new rw+creat+excl") == kDone);
  CHECK(contained.perform("open /etc/new w+creat") == kNotFound);
  CHECK(actor.perform("open /zone/secret/volume/public/f r") == kNotFound);   // each by the names that it sees

  REQUIRE(actor.ask("alternate /zone/open/f /zone/secret/f /zone/open/stop"));
  loaded.replace("small");
  put("/zone/open/stop");
  Outcome outcome = actor.answer();
  CHECK_MESSAGE(outcome == kDone, to_text(outcome));
  CHECK(actor.perform("open /zone/secret/f r") == kNotFound);
  CHECK(actor.perform("open /zone/readable/f r") == kNotFound);   // this bundle permits less
  CHECK(actor.perform("open /zone/open/f r") == kDone);
}

// KERF_SWAPS replacements (default 1) while KERF_OPENS files (default 2,000) or more are opened. A second one beside each is killed
// on its way, at a moment that KERF_SEED chooses: the old bundle or the new one is in force, never none.
TEST_CASE("opens during many replacements: what both allow passes, what both refuse does not") {
  auto parameter = [](const char* name, long otherwise) { return std::getenv(name) ? std::atol(std::getenv(name)) : otherwise; };
  const long swaps = parameter("KERF_SWAPS", 1), opens = parameter("KERF_OPENS", 2000);
  std::mt19937_64 random(static_cast<std::uint64_t>(parameter("KERF_SEED", 7)));
  clean_zone();
  put("/zone/secret/f");
  put("/zone/open/f");
  Loaded loaded("files");
  Actor actor({"/guest/actor", "serve"}, "/tmp/swaps");
  REQUIRE(actor.ready());
  loaded.bind(actor.pid());
  std::uint64_t longest_us = 1;
  int killed = 0;
  auto while_opening = [&](const std::function<void()>& change) {
    ::unlink("/zone/open/stop");
    REQUIRE(actor.ask("alternate /zone/open/f /zone/secret/f /zone/open/stop " + std::to_string(opens / swaps / 2)));
    change();
    put("/zone/open/stop");
    Outcome outcome = actor.answer();
    CHECK_MESSAGE(outcome == kDone, to_text(outcome));
  };
  for (long turn = 0; turn < swaps; ++turn) {
    const auto start = std::chrono::steady_clock::now();
    while_opening([&] { loaded.replace(turn % 2 ? "files" : "small"); });
    longest_us = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start).count());
    while_opening([&] {
      const pid_t loader = ::fork();
      REQUIRE(loader >= 0);
      if (loader == 0) {
        const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
        ::dup2(nowhere, STDOUT_FILENO);
        ::dup2(nowhere, STDERR_FILENO);
        ::execl("/guest/kerf", "kerf", "load", "--replace", "--name", "life", "--bundle", "/guest/bundles/small", nullptr);
        ::_exit(124);
      }
      ::usleep(static_cast<useconds_t>(random() % longest_us));
      ::kill(loader, SIGKILL);
      int status = 0;
      ::waitpid(loader, &status, 0);
      killed += WIFSIGNALED(status);
    });
    CHECK(actor.perform("open /zone/open/f r") == kDone);
    CHECK(actor.perform("open /zone/secret/f r") == kNotFound);
  }
  MESSAGE(swaps << " replacements during " << opens << " opens or more, " << killed << " loaders killed");
  CHECK((killed > 0 || swaps < 4));   // one may be faster than its killer
  CHECK(run_kerf({"gc"}).status == 0);
  CHECK(actor.perform("open /zone/secret/f r") == kNotFound);
}

TEST_CASE("file systems mounted after a bind have names when the mounts are learned anew") {
  clean_zone();
  for (const char* path : {"/zone/open/late", "/zone/secret/late"}) put_directory(path);
  Loaded loaded("small");
  Actor actor({"/guest/actor", "serve"}, "/tmp/late");
  REQUIRE(actor.ready());
  loaded.bind(actor.pid());
  for (const char* path : {"/zone/open/late", "/zone/secret/late"}) {
    REQUIRE(::mount("late", path, "tmpfs", 0, nullptr) == 0);
    put(std::string(path) + "/f");
  }
  put("/zone/open/f");
  CHECK(actor.perform("open /zone/open/f r") == kDone);
  CHECK(actor.perform("open /zone/open/late/f r") == kNotFound);
  Ran ran = run_kerf({"refresh", "life"});
  CHECK_MESSAGE(ran.status == 0, ran.output);
  CHECK(actor.perform("open /zone/open/late/f r") == kDone);
  CHECK(actor.perform("open /zone/open/f r") == kDone);
  CHECK(actor.perform("open /zone/secret/late/f r") == kNotFound);   // it has a name now, and no policy permits it
  CHECK_MESSAGE(contains(run_kerf({"status"}).output, "anchor     /zone/open/late"), "");
  CHECK(actor.perform("open /zone/open/late/f path ; reopen r") == kDone);
  for (const char* path : {"/zone/open/late", "/zone/secret/late"}) REQUIRE(::umount(path) == 0);
  CHECK(run_kerf({"refresh", "life"}).status == 0);
  CHECK(!contains(run_kerf({"status"}).output, "/zone/open/late"));
  CHECK(actor.perform("open /zone/open/f r") == kDone);
  Ran bound = run_kerf({"refresh", "life/9"});
  CHECK_MESSAGE(contains(bound.output, "K7602"), bound.output);

  // a cgroup that hands out a controller has no tasks of its own
  const std::string all = "/sys/fs/cgroup/cgroup.subtree_control", inner = "/sys/fs/cgroup/inner";
  std::ofstream(all) << "+memory";
  REQUIRE(::mkdir(inner.c_str(), 0755) == 0);
  REQUIRE(::mkdir((inner + "/leaf").c_str(), 0755) == 0);
  std::ofstream(inner + "/cgroup.subtree_control") << "+memory";
  ran = run_kerf({"bind", "--name", "life", "--principal", "Agent::\"a\"", "--cgroup", inner});
  CHECK(ran.status == 1);
  CHECK_MESSAGE(contains(ran.output, "K7414"), ran.output);
  CHECK_MESSAGE(contains(ran.output, "(memory)"), ran.output);
  ran = run_kerf({"bind", "--name", "life", "--principal", "Agent::\"a\"", "--cgroup", inner + "/leaf"});
  CHECK_MESSAGE(ran.status == 0, ran.output);
}
