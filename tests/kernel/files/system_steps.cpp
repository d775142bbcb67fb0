// Steps that act on the system as a whole, beside those of world_steps.cpp and guard_steps.cpp.
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "steps.h"

namespace kerf::test {
namespace {

int closed(long fd) {
  if (fd < 0) return errno;
  ::close(static_cast<int>(fd));
  return 0;
}

int open_perf() {
  perf_event_attr about{};
  about.size = sizeof about;
  about.type = PERF_TYPE_SOFTWARE;
  about.config = PERF_COUNT_SW_CPU_CLOCK;
  return closed(::syscall(SYS_perf_event_open, &about, 0, -1, -1, 0));
}

int setup_uring() {
  char parameters[256] = {};
  return closed(::syscall(SYS_io_uring_setup, 4, parameters));
}

int add_key() { return result_of(::syscall(SYS_add_key, "user", "kerf-test", "x", 1, -2)); }   // KEY_SPEC_PROCESS_KEYRING

// "What is known of root's keyring?": one question of permission.
int describe_keyring() {
  char text[256];
  return result_of(::syscall(SYS_keyctl, 6, -4, text, sizeof text));   // KEYCTL_DESCRIBE, KEY_SPEC_USER_KEYRING
}

// No module: that the kernel says so means that it was allowed to look.
int load_module(const char* path) {
  static const char garbage[4096] = {};
  int fd = path == nullptr ? -1 : ::open(path, O_RDONLY | O_CLOEXEC);
  if (path != nullptr && fd < 0) return errno;
  long result = path == nullptr ? ::syscall(SYS_init_module, garbage, sizeof garbage, "") : ::syscall(SYS_finit_module, fd, "", 0);
  return result == 0 ? EEXIST : errno == ENOEXEC ? 0 : errno;
}

int be_traced() {
  pid_t child = ::fork();
  if (child < 0) return errno;
  if (child == 0) ::_exit(result_of(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr)));
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
}

// The child waits to be killed; what counts is whether it may be.
int act_on_child(int (*act)(pid_t, int), int argument) {
  pid_t child = ::fork();
  if (child < 0) return errno;
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  int error = act(child, argument);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  return error;
}

int attach(pid_t pid, int) {
  if (::ptrace(PTRACE_ATTACH, pid, nullptr, nullptr) != 0) return errno;
  ::waitpid(pid, nullptr, __WALL);
  return result_of(::ptrace(PTRACE_DETACH, pid, nullptr, nullptr));
}

int send(pid_t pid, int number) { return result_of(::kill(pid, number)); }

// In a network of its own, so that nothing stays.
int set_variable(const std::string& name, const std::string& value) {
  int fd = ::open(("/proc/sys/" + name).c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  int error = result_of(::write(fd, value.data(), value.size()));
  ::close(fd);
  return error;
}

}  // namespace

int system_step(Task&, const Words& w) {
  const std::string& word = w[0];
  if (word == "perf") return open_perf();
  if (word == "uring") return setup_uring();
  if (word == "add-key") return add_key();
  if (word == "use-keyring") return describe_keyring();
  if (word == "load-module") return load_module(w.size() > 1 ? w[1].c_str() : nullptr);   // of memory, or of this file
  if (word == "be-traced") return be_traced();
  if (word == "new-user") return result_of(::unshare(CLONE_NEWUSER));
  if (word == "new-network") return result_of(::unshare(CLONE_NEWNET));
  if (word == "nice") return result_of(::setpriority(PRIO_PROCESS, 0, -1));
  if (word == "kill-child") return act_on_child(send, std::stoi(w.at(1)));
  if (word == "trace-child") return act_on_child(attach, 0);
  if (word == "variable") return set_variable(w.at(1), w.at(2));
  if (word == "unknown-family") return closed(::socket(AF_CAN, SOCK_RAW, 1)) == EAFNOSUPPORT ? 0 : EEXIST;
  return -1;
}

}  // namespace kerf::test
