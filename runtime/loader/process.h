// A command born inside a cgroup, and the signals that go through to it.
#pragma once
#include <signal.h>
#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "runtime/loader/fd.h"
#include "runtime/loader/loader.h"
#include "runtime/loader/privileges.h"
#include "runtime/loader/seccomp.h"

namespace kerf::loader {

struct Child {
  pid_t pid = -1;
  Fd pidfd;
};

// Blocks the signals that we forward and gives them as a descriptor; puts everything back at the end.
class Signals {
 public:
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  int fd() const { return fd_.get(); }
  // Reads what has come. A signal of the terminal reached the command already (same process group); one that a process
  // sent is passed on.
  void forward_to(const Child& child) const;
  int pending() const;             // a forwarded signal that came before there was a command; 0: none
  void restore_in_child() const;   // async-signal-safe

 private:
  Fd fd_;
  sigset_t before_mask_;
  struct sigaction before_child_;
};

// clone3(CLONE_INTO_CGROUP): the first instruction of the child already runs in the cgroup. `body` runs in the child and
// must be async-signal-safe; its result is the exit status. `why`: the errno of a failure.
LoaderResult<Child> clone_into(int cgroup, const std::function<int()>& body, int* why = nullptr);

struct Started {
  Child child;
  int exec_error = 0;      // errno of what could not be done; the child is gone then
  bool entered = true;     // false: privileges or descriptors could not be given up, so nothing was executed
  bool filtered = true;    // false: exec_error is of its filter of system calls, and nothing was executed
};
// `filter`: of system calls, installed last; everything after it is held to it, the execution of the command too.
// Descriptors above 2 are closed in the command unless `keep_fds`: nothing judges what was opened before.
LoaderResult<Started> start_command(int cgroup, const std::vector<std::string>& command, const Signals& signals, bool keep_fds,
                                     const Surroundings& surroundings, const FilterProgram* filter = nullptr);

// Waits; 128+n if a signal ended it.
int wait_status(const Child& child);

}  // namespace kerf::loader
