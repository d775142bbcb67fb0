// Who is bound, for how long; and what bound tasks may not do to others.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "rig.h"

namespace {

using namespace kerf::test;

const std::string kRead = "0\nread /tmp/t permit\n";

long open_file() { return ::open("/tmp/t", O_RDONLY); }
void fresh() { REQUIRE(std::system("echo a > /tmp/t") == 0); }
void enter(const std::string& cgroup) {
  int fd = ::open((cgroup + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC);
  if (::write(fd, "0", 1) != 1) ::_exit(3);
  ::close(fd);
}
long wait_for(pid_t child) {
  int status = 0;
  if (::waitpid(child, &status, 0) != child || status != 0) errno = WEXITSTATUS(status) ? WEXITSTATUS(status) : ECHILD;
  return status == 0 ? 0 : -1;
}
long in_child(const std::function<long()>& call) {
  pid_t child = ::fork();
  if (child == 0) ::_exit(call() < 0 ? errno : 0);
  return wait_for(child);
}
long in_thread(long (*call)()) {
  pthread_t thread;
  void* result = nullptr;
  ::pthread_create(&thread, nullptr, [](void* f) { return reinterpret_cast<void*>(reinterpret_cast<long (*)()>(f)()); }, reinterpret_cast<void*>(call));
  ::pthread_join(thread, &result);
  return reinterpret_cast<long>(result);
}
// A process outside, with a pipe to end it.
struct Outsider {
  pid_t pid;
  int end;
  Outsider() {
    int fds[2];
    REQUIRE(::pipe(fds) == 0);
    pid = ::fork();
    if (pid == 0) {
      ::close(fds[1]);
      char byte;
      ::_exit(static_cast<int>(::read(fds[0], &byte, 1)));
    }
    ::close(fds[0]);
    end = fds[1];
  }
  ~Outsider() {
    ::close(end);
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
};

}  // namespace

// The part that a thread of a bound process executes.
int exec_part() { return open_file() < 0 ? errno : 0; }

TEST_CASE("what a bound task starts is bound, wherever it is moved") {
  Rig& rig = Rig::fresh(Variant::few);
  fresh();
  std::string elsewhere = "/sys/fs/cgroup/elsewhere", nested = rig.cgroup() + "/nested";
  ::mkdir(elsewhere.c_str(), 0755);
  ::mkdir(nested.c_str(), 0755);
  CHECK(rig.outside(open_file) == "0\n");
  CHECK(rig.inside(open_file) == kRead);
  CHECK(rig.inside([] { return in_child(open_file); }) == kRead);
  CHECK(rig.inside([] { return in_child([] { return in_child(open_file); }); }) == kRead);
  CHECK(rig.inside([] { return in_thread(open_file); }) == kRead);
  // moved by somebody else
  int pipes[2];
  REQUIRE(::pipe(pipes) == 0);
  pid_t mover = ::fork();
  if (mover == 0) {
    int pid = 0;
    ::alarm(30);
    if (::read(pipes[0], &pid, sizeof pid) != sizeof pid) ::_exit(1);
    int fd = ::open((elsewhere + "/cgroup.procs").c_str(), O_WRONLY);
    std::string text = std::to_string(pid);
    ::_exit(::write(fd, text.data(), text.size()) < 0);
  }
  CHECK(rig.inside([&] {
    int pid = ::getpid();
    if (::write(pipes[1], &pid, sizeof pid) != sizeof pid) return -1l;
    auto moved = [&] {
      char line[256] = "";
      int fd = ::open("/proc/self/cgroup", O_RDONLY);
      long size = ::read(fd, line, sizeof line - 1);
      ::close(fd);
      return size > 0 && std::string(line).find("elsewhere") != std::string::npos;
    };
    while (!moved()) ::usleep(20000);
    return open_file();
  }).find("\n" + kRead.substr(2)) != std::string::npos);
  ::waitpid(mover, nullptr, 0);
  CHECK(rig.entering([&] { enter(nested); }, open_file) == kRead);
  // a process that is in the cgroup from its first moment
  rig.events();
  int directory = ::open(rig.cgroup().c_str(), O_RDONLY | O_DIRECTORY);
  clone_args args{};
  args.flags = CLONE_INTO_CGROUP;
  args.exit_signal = SIGCHLD;
  args.cgroup = static_cast<std::uint64_t>(directory);
  pid_t child = static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
  if (child == 0) ::_exit(open_file() < 0 ? errno : 0);
  REQUIRE(child > 0);
  CHECK(wait_for(child) == 0);
  CHECK(rig.events() == kRead.substr(2));
  ::close(directory);
  ::rmdir(nested.c_str());
  ::rmdir(elsewhere.c_str());
}

TEST_CASE("all threads of a process that is moved in; a thread that executes keeps its tag") {
  Rig& rig = Rig::fresh(Variant::few);
  fresh();
  static int cgroup = -1;
  static volatile int phase = 0;
  cgroup = ::open((rig.cgroup() + "/cgroup.procs").c_str(), O_WRONLY);
  rig.events();
  pid_t child = ::fork();
  if (child == 0) {
    ::alarm(30);
    pthread_t thread;
    ::pthread_create(&thread, nullptr, [](void*) -> void* {
      while (phase == 0) ::usleep(1000);
      if (open_file() < 0) ::_exit(1);
      ::execl("/proc/self/exe", "test_glue", "--exec", nullptr);
      ::_exit(2);
    }, nullptr);
    if (::write(cgroup, "0", 1) != 1) ::_exit(3);
    phase = 1;
    for (;;) ::pause();
  }
  CHECK(wait_for(child) == 0);
  std::string events = rig.events();
  CHECK(events.find("read /tmp/t permit\nexec ") == 0);
  CHECK(events.rfind("read /tmp/t permit\n") > 20);
  ::close(cgroup);
}

TEST_CASE("tags: the iterator, tasks without one, a full map, and none left over") {
  Rig& rig = Rig::fresh(Variant::few);
  fresh();
  int fd = rig.map("kerf_tasks");
  // without a tag in a bound cgroup: refused, as without record
  int pipes[2];
  REQUIRE(::pipe(pipes) == 0);
  auto waiting = [&] {
    char byte;
    long size = ::read(pipes[0], &byte, 1);
    return size == 1 ? open_file() : -1;
  };
  auto meanwhile = [&](const std::function<void()>& act) {
    pid_t helper = ::fork();
    if (helper == 0) {
      ::usleep(300000);
      act();
      ::_exit(::write(pipes[1], "x", 1) != 1);
    }
    std::string text = rig.inside(waiting);
    ::waitpid(helper, nullptr, 0);
    return text;
  };
  CHECK(meanwhile([&] { rig.remove_tags(); }) == "101\nread  no-record 101\n");
  CHECK(meanwhile([&] { rig.remove_tags(); rig.run_iterator(); }) == kRead);
  CHECK(rig.no_tags_soon());
  // full: no fork, and who enters is refused and counted
  auto fill = [&] {
    kerf_tag tag{99, 0, 0};
    for (std::uint64_t key = 1; bpf_map_update_elem(fd, &key, &tag, BPF_NOEXIST) == 0; ++key) {
    }
  };
  auto empty = [&] { rig.remove_tags(); };
  fill();
  CHECK(rig.tags() == KERF_MAX_TASKS);
  CHECK(rig.inside(open_file) == "101\nread  no-record 101\n");
  CHECK(rig.counters().tags_lost == 1);
  empty();
  CHECK(meanwhile([&] { fill(); }) == kRead);
  empty();
  CHECK(rig.no_tags_soon());
}

TEST_CASE("who comes is counted, and who goes is counted out") {
  Rig& rig = Rig::fresh(Variant::few);
  fresh();
  REQUIRE(rig.no_tags_soon());
  rig.set_live(0);
  static int pipes[2];
  REQUIRE(::pipe(pipes) == 0);
  pid_t helper = ::fork();   // looks from outside: one that entered, a child, a thread of the child
  if (helper == 0) {
    std::uint64_t most = 0;
    for (int i = 0; i < 400 && most < 3; ++i, ::usleep(5000)) most = std::max(most, rig.live());
    ::_exit(::write(pipes[1], "xxx", 3) != 3 || most != 3);
  }
  CHECK(rig.inside([] {
    return in_child([] {
      return in_thread([] {
        char byte;
        return ::read(pipes[0], &byte, 1) == 1 ? 0l : -1l;
      });
    });
  }) == "0\n");
  CHECK(wait_for(helper) == 0);
  CHECK(rig.no_tags_soon());
  CHECK(rig.live() == 0);
  // a fork that fails after the hook is counted out
  CHECK(rig.inside([] {
    const pid_t wanted = 1;
    clone_args args{};
    args.exit_signal = SIGCHLD;
    args.set_tid = reinterpret_cast<__u64>(&wanted);
    args.set_tid_size = 1;
    for (int i = 0; i < 20; ++i) {
      if (::syscall(SYS_clone3, &args, sizeof args) >= 0 || errno != EEXIST) return -1l;
    }
    return 0l;
  }) == "0\n");
  CHECK(rig.no_tags_soon());
  CHECK(rig.live() == 0);
}

TEST_CASE("a full map refuses to fork") {
  Rig& rig = Rig::fresh(Variant::few);
  int pipes[2], fd = rig.map("kerf_tasks");
  REQUIRE(::pipe(pipes) == 0);
  pid_t helper = ::fork();
  if (helper == 0) {
    ::usleep(300000);
    kerf_tag tag{99, 0, 0};
    for (std::uint64_t key = 1; bpf_map_update_elem(fd, &key, &tag, BPF_NOEXIST) == 0; ++key) {
    }
    ::_exit(::write(pipes[1], "x", 1) != 1);
  }
  CHECK(rig.inside([&] {
    char byte;
    if (::read(pipes[0], &byte, 1) != 1) return -1l;
    return static_cast<long>(::fork());
  }) == std::to_string(EAGAIN) + "\n");
  ::waitpid(helper, nullptr, 0);
}

TEST_CASE("guards: bpf, mounts, roots") {
  Rig& rig = Rig::fresh(Variant::few);
  const std::string mount = "1\nmount guard 1\n";
  CHECK(rig.inside([] { return ::syscall(SYS_bpf, 0, nullptr, 0); }) == "1\nbpf guard 1\n");
  REQUIRE(std::system("mkdir -p /tmp/m /tmp/n") == 0);
  CHECK(rig.inside([] { return ::mount("none", "/tmp/m", "tmpfs", 0, nullptr); }) == mount);
  CHECK(rig.inside([] { return ::mount("/tmp/m", "/tmp/n", nullptr, MS_BIND, nullptr); }) == mount);
  CHECK(rig.inside([] { return ::umount2("/tmp", MNT_DETACH); }) == mount);
  CHECK(rig.inside([] { return ::chroot("/tmp"); }) == mount);
  CHECK(rig.inside([] { ::unshare(CLONE_NEWNS | CLONE_NEWUSER); return ::mount("none", "/tmp/m", "tmpfs", 0, nullptr); }) == mount);
  CHECK(rig.inside([] {
    int tree = static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, "/tmp/m", 1 /* OPEN_TREE_CLONE */));
    return ::syscall(SYS_move_mount, tree, "", AT_FDCWD, "/tmp/n", 4 /* MOVE_MOUNT_F_EMPTY_PATH */);
  }) == mount);
  CHECK(rig.outside([] { return ::mount("none", "/tmp/m", "tmpfs", 0, nullptr); }) == "0\n");
  CHECK(rig.outside([] { return ::umount("/tmp/m"); }) == "0\n");
  rig.set_mode(KERF_MODE_AUDIT);
  CHECK(rig.inside([] { return ::chroot("/tmp"); }) == mount);
}

TEST_CASE("guards: tasks of another binding or of none") {
  Rig& rig = Rig::fresh(Variant::few);
  Outsider outsider;
  pid_t other = outsider.pid;
  CHECK(rig.inside([=] { return ::kill(other, SIGTERM); }) == "1\nsignal guard 1\n");
  CHECK(rig.inside([=] { return ::kill(other, 0); }) == "0\n");
  CHECK(rig.inside([=] { return ::ptrace(PTRACE_ATTACH, other, nullptr, nullptr); }) == "1\nptrace guard 1\n");
  std::string memory = "/proc/" + std::to_string(other) + "/mem";
  CHECK(rig.inside([=] { return ::open(memory.c_str(), O_RDWR); }).find("ptrace guard 1\n") != std::string::npos);
  CHECK(rig.inside([] { return ::kill(::getpid(), 0) | ::raise(SIGCHLD); }) == "0\n");
  CHECK(rig.inside([] {
    pid_t child = ::fork();
    if (child == 0) for (;;) ::pause();
    long result = ::ptrace(PTRACE_ATTACH, child, nullptr, nullptr);
    result |= ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    return result;
  }) == "0\n");
  CHECK(::kill(other, 0) == 0);
}

TEST_CASE("guards: files that tell the kernel what to run, who is where, and what enforces") {
  Rig& rig = Rig::fresh(Variant::few);
  REQUIRE(bpf_obj_pin(rig.map("kerf_state"), "/sys/fs/bpf/glue") == 0);
  rig.anchor("/sys", "/sys");
  rig.anchor("/sys/fs/cgroup", "/sys/fs/cgroup");
  auto writes = [](const std::string& path) { return [path] { return static_cast<long>(::open(path.c_str(), O_WRONLY)); }; };
  const std::string refused = "1\n";
  std::string procs = rig.cgroup() + "/cgroup.procs";
  for (const std::string& path : {procs, std::string("/proc/sys/kernel/core_pattern"), std::string("/proc/sys/kernel/modprobe"),
                                  std::string("/proc/sys/kernel/usermodehelper/bset"), std::string("/sys/kernel/uevent_helper")}) {
    if (::access(path.c_str(), F_OK) != 0) continue;
    CAPTURE(path);
    std::string text = rig.inside(writes(path));
    CHECK(text.find("protected guard 1\n") != std::string::npos);
    CHECK(text.find("0\n") != 0);
    CHECK(rig.outside(writes(path)) == "0\n");
  }
  CHECK(rig.inside([] { return ::open("/proc/sys/kernel/core_pattern", O_RDONLY); }) == "0\nread /proc/sys/kernel/core_pattern permit\n");
  CHECK(rig.inside([] { return ::open("/proc/sys/kernel/threads-max", O_WRONLY); }) == "0\nwrite /proc/sys/kernel/threads-max permit\n");
  rig.set_mode(KERF_MODE_AUDIT);   // the fs has no anchor: the event passes, the guard does not
  CHECK(rig.inside([] { return ::unlink("/sys/fs/bpf/glue"); }).find("protected guard 1\n") != std::string::npos);
  CHECK(rig.inside([] { return ::rename("/sys/fs/bpf/glue", "/sys/fs/bpf/glue2"); }).find("0\n") != 0);
  CHECK(::access("/sys/fs/bpf/glue", F_OK) == 0);
  REQUIRE(::mkdir((rig.cgroup() + "/below").c_str(), 0755) == 0);
  std::string below = rig.cgroup() + "/below";
  CHECK(rig.inside([&] { return ::rmdir(below.c_str()); }).find("protected guard 1\n") != std::string::npos);
  CHECK(::rmdir(below.c_str()) == 0);
  CHECK(::unlink("/sys/fs/bpf/glue") == 0);
}

TEST_CASE("guards: another executable") {
  Rig& rig = Rig::fresh(Variant::few);
  auto set = [](unsigned long kind) {
    return [=] { return static_cast<long>(::prctl(PR_SET_MM, kind, ~0ul, 0ul, 0ul)); };
  };
  const std::string refused = "1\nexe guard 1\n", other = std::to_string(EINVAL) + "\n";
  for (unsigned long high : {0ul, 1ul << 32}) {
    CHECK(rig.inside(set(high | PR_SET_MM_EXE_FILE)) == refused);
    CHECK(rig.inside(set(high | PR_SET_MM_MAP)) == refused);
    CHECK(rig.outside(set(high | PR_SET_MM_EXE_FILE)) == std::to_string(EBADF) + "\n");
    CHECK(rig.inside(set(high | PR_SET_MM_START_CODE)) == other);
    CHECK(rig.outside(set(high | PR_SET_MM_START_CODE)) == other);
  }
  CHECK(rig.inside([] { return static_cast<long>(::prctl(PR_SET_MM_EXE_FILE, PR_SET_MM, 0ul, 0ul, 0ul)); }) ==
        rig.outside([] { return static_cast<long>(::prctl(PR_SET_MM_EXE_FILE, PR_SET_MM, 0ul, 0ul, 0ul)); }));
  CHECK(rig.inside([] { return static_cast<long>(::prctl(PR_SET_NAME, "other")); }) == "0\n");
  rig.set_mode(KERF_MODE_AUDIT);
  CHECK(rig.inside(set(PR_SET_MM_EXE_FILE)) == refused);
}
