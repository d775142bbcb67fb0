// Steps that make tasks, and steps that change what a task is known by.
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/membarrier.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <vector>

#include "steps.h"

namespace kerf::test {
namespace {

constexpr int kMost = 200, kTooMany = 200;

// How many could be made, and what the next one failed with.
struct Made {
  int count = 0, error = 0;
};

// A pipe that tasks wait at until it is closed.
struct Gate {
  int ends[2] = {-1, -1};
  Gate() {
    if (::pipe2(ends, O_CLOEXEC) != 0) ::_exit(97);
  }
  void wait() const {
    char byte;
    while (::read(ends[0], &byte, 1) < 0 && errno == EINTR) {
    }
  }
  void open() const { ::close(ends[1]); }
};

[[noreturn]] void wait_at(const Gate& gate) {
  ::close(gate.ends[1]);
  gate.wait();
  ::_exit(0);
}

void reap() {
  while (::wait(nullptr) > 0) {
  }
}

Made make_children() {
  Gate gate;
  Made made;
  for (; made.count < kMost; ++made.count) {
    const pid_t child = ::fork();
    if (child == 0) wait_at(gate);
    if (child < 0) {
      made.error = errno;
      break;
    }
  }
  gate.open();
  ::close(gate.ends[0]);
  reap();
  return made;
}

Made make_threads() {
  static Gate* gate;
  gate = new Gate;
  Made made;
  std::vector<pthread_t> threads;
  pthread_attr_t small;
  ::pthread_attr_init(&small);
  ::pthread_attr_setstacksize(&small, 65536);
  for (; made.count < kMost && made.error == 0; made.count = static_cast<int>(threads.size())) {
    pthread_t thread;
    made.error = ::pthread_create(&thread, &small, [](void*) -> void* { return gate->wait(), nullptr; }, nullptr);
    if (made.error == 0) threads.push_back(thread);
  }
  gate->open();
  for (pthread_t thread : threads) ::pthread_join(thread, nullptr);
  ::close(gate->ends[0]);
  delete gate;
  return made;
}

struct Shared {
  std::atomic<int> ready, go, made, failed, error;
};

[[noreturn]] void race(Shared& shared, const Gate& gate) {
  ++shared.ready;
  while (shared.go == 0) {
  }
  pid_t child;
  while ((child = ::fork()) > 0 && ++shared.made < kMost) {
  }
  if (child == 0) wait_at(gate);
  shared.error = errno;
  ++shared.failed;
  ::close(gate.ends[1]);
  gate.wait();
  reap();
  ::_exit(0);
}

// Some make children at the same time, as many as they can.
Made make_racing(int racers) {
  Gate gate;
  auto* shared = static_cast<Shared*>(::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  Made made;
  for (; made.count < racers; ++made.count) {
    const pid_t child = ::fork();
    if (child == 0) race(*shared, gate);
    if (child < 0) break;
  }
  while (shared->ready < made.count) ::usleep(1000);
  shared->go = 1;
  while (shared->failed < made.count) ::usleep(1000);
  made.count += shared->made;
  made.error = shared->error;
  gate.open();
  ::close(gate.ends[0]);
  reap();
  ::munmap(shared, sizeof(Shared));
  return made;
}

void wait_for_the_dead() {
  ::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
  ::usleep(20000);
}

// Nobody may be made who is one too many, ever; but the kernel lets go of those of the last try some time after their end.
template <class Make>
int fill(int room, int times, const Make& make) {
  int error = 0;
  for (int tries = 0; tries < 100 && times > 0; ++tries) {
    const Made made = make();
    if (made.count > room) return kTooMany + std::min(made.count - room, 50);
    error = made.error;
    if (made.count == room) --times;
    else wait_for_the_dead();
  }
  return times > 0 ? ETIME : error;
}

// Fails in the kernel after its hook: there is a process 1.
int fail_late(int count) {
  const pid_t wanted = 1;
  clone_args args{};
  args.exit_signal = SIGCHLD;
  args.set_tid = reinterpret_cast<__u64>(&wanted);
  args.set_tid_size = 1;
  for (int i = 0; i < count; ++i) {
    const long child = ::syscall(SYS_clone3, &args, sizeof args);
    if (child == 0) ::_exit(0);
    if (child > 0 || errno != EEXIST) return child > 0 ? kTooMany : errno;
  }
  return 0;
}

// They stay, and whoever reads the file can kill them.
int leave(int count, const std::string& file) {
  std::ofstream pids(file);
  for (int i = 0; i < count; ++i) {
    const pid_t child = ::fork();
    if (child < 0) return errno;
    if (child == 0) {
      ::alarm(400);
      for (;;) ::pause();
    }
    pids << child << "\n";
  }
  return 0;
}

int drop_capability(unsigned number) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2];
  if (::syscall(SYS_capget, &header, data) != 0) return errno;
  data[number / 32].effective &= ~(1u << number % 32);
  return result_of(::syscall(SYS_capset, &header, data));
}

}  // namespace

int spawn_step(Task&, const Words& w) {
  const std::string& word = w[0];
  auto number = [&](std::size_t i) { return std::stoi(w.at(i)); };
  if (word == "fill-with-children") return fill(number(1), 1, make_children);
  if (word == "fill-with-threads") return fill(number(1), 1, make_threads);
  if (word == "fill-racing") return fill(number(1), number(3), [&] { return make_racing(number(2)); });   // ROOM RACERS TIMES
  if (word == "child") {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    if (child < 0) return errno;
    reap();
    return 0;
  }
  if (word == "thread") {
    pthread_t thread;
    const int error = ::pthread_create(&thread, nullptr, [](void*) -> void* { return nullptr; }, nullptr);
    if (error == 0) ::pthread_join(thread, nullptr);
    return error;
  }
  if (word == "fail-late") return fail_late(number(1));
  if (word == "leave") return leave(number(1), w.at(2));
  if (word == "name") return result_of(::prctl(PR_SET_NAME, w.at(1).c_str()));
  if (word == "drop-capability") return drop_capability(static_cast<unsigned>(number(1)));
  if (word == "new-pids") return result_of(::unshare(CLONE_NEWPID));
  return -1;
}

}  // namespace kerf::test
