// A command line -> a process in its cgroup, from birth. The one decision: where the kernel cannot create a task inside
// a cgroup the start is refused; moving it there afterwards would leave a moment, and sockets, outside.
#include "runtime/loader/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/loader/failure.h"

namespace kerf::loader {
namespace {

constexpr int kForwarded[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM};

sigset_t handled_set() {
  sigset_t set;
  ::sigemptyset(&set);
  for (int signal : kForwarded) ::sigaddset(&set, signal);
  ::sigaddset(&set, SIGPIPE);   // events may go to a pipe whose reader left
  ::sigaddset(&set, SIGXFSZ);   // or to a file that may not grow
  return set;
}

// What the child tells when it could not become the command: in shared memory, since a filter may refuse it to write.
struct Report {
  int error = 0;
  bool entered = false, filtered = false;
};

class SharedReport {
 public:
  SharedReport() : at_(::mmap(nullptr, sizeof(Report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {}
  SharedReport(const SharedReport&) = delete;
  SharedReport& operator=(const SharedReport&) = delete;
  ~SharedReport() {
    if (ok()) ::munmap(at_, sizeof(Report));
  }
  bool ok() const { return at_ != MAP_FAILED; }
  volatile Report& operator*() const { return *static_cast<volatile Report*>(at_); }

 private:
  void* at_;
};

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> list;
  for (const std::string& word : words) list.push_back(const_cast<char*>(word.c_str()));
  list.push_back(nullptr);
  return list;
}

bool is_forwarded(int signal) {
  for (int known : kForwarded) {
    if (known == signal) return true;
  }
  return false;
}

}  // namespace

Signals::Signals() {
  sigset_t set = handled_set();
  check(::pthread_sigmask(SIG_BLOCK, &set, &before_mask_) == 0, "signals can be blocked");
  // an ignored SIGCHLD, inherited from a careless parent, would take the exit status away
  struct sigaction plain {};
  plain.sa_handler = SIG_DFL;
  check(::sigaction(SIGCHLD, &plain, &before_child_) == 0, "SIGCHLD can be reset");
  fd_ = Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

Signals::~Signals() {
  signalfd_siginfo info;
  while (fd_.ok() && ::read(fd_.get(), &info, sizeof info) == sizeof info) {
  }
  ::sigaction(SIGCHLD, &before_child_, nullptr);
  ::pthread_sigmask(SIG_SETMASK, &before_mask_, nullptr);
}

void Signals::forward_to(const Child& child) const {
  signalfd_siginfo info;
  while (::read(fd_.get(), &info, sizeof info) == sizeof info) {
    auto signal = static_cast<int>(info.ssi_signo);
    bool from_terminal = info.ssi_code == SI_KERNEL;
    if (is_forwarded(signal) && !from_terminal) ::syscall(SYS_pidfd_send_signal, child.pidfd.get(), signal, nullptr, 0);
  }
}

int Signals::pending() const {
  signalfd_siginfo info;
  while (::read(fd_.get(), &info, sizeof info) == sizeof info) {
    if (is_forwarded(static_cast<int>(info.ssi_signo))) return static_cast<int>(info.ssi_signo);
  }
  return 0;
}

void Signals::restore_in_child() const {
  ::sigaction(SIGCHLD, &before_child_, nullptr);
  ::pthread_sigmask(SIG_SETMASK, &before_mask_, nullptr);
}

LoaderResult<Child> clone_into(int cgroup, const std::function<int()>& body, int* why) {
  int pidfd = -1;
  clone_args args{};
  args.flags = CLONE_INTO_CGROUP | CLONE_PIDFD;
  args.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  args.cgroup = static_cast<std::uint64_t>(cgroup);
  long pid = ::syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) ::_exit(body());
  if (pid < 0 && why != nullptr) *why = errno;
  if (pid < 0) return fail(Code::K7411, errno_text(errno));
  return Child{static_cast<pid_t>(pid), Fd(pidfd)};
}

LoaderResult<Started> start_command(int cgroup, const std::vector<std::string>& command, const Signals& signals, bool keep_fds,
                                     const Surroundings& surroundings, const FilterProgram* filter) {
  std::vector<char*> argv = pointers(command), environment = pointers(surroundings.environment);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail(Code::K7503, errno_text(errno));
  Fd read_end(ends[0]), write_end(ends[1]);
  SharedReport shared;
  if (!shared.ok()) return fail(Code::K7503, errno_text(errno));
  volatile Report& report = *shared;
  auto child = clone_into(cgroup, [&] {
    signals.restore_in_child();
    int error = enter_surroundings(surroundings);
    if (error == 0 && !keep_fds && ::close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC) != 0) error = errno;
    report.entered = error == 0;
    if (error == 0 && filter != nullptr) error = install_filter(*filter);
    report.filtered = error == 0;
    if (error == 0) {
      ::environ = environment.data();
      ::execvp(argv[0], argv.data());
      error = errno;
    }
    report.error = error;
    return !report.filtered ? 125 : error == ENOENT ? 127 : 126;
  });
  if (!child) return child.error();
  write_end.reset();
  char none;
  while (::read(read_end.get(), &none, 1) < 0 && errno == EINTR) {   // ends when the command is executed, or the child is gone
  }
  Started started{std::move(*child), report.error, true, true};
  if (started.exec_error != 0) started.entered = report.entered, started.filtered = report.filtered;
  return started;
}

int wait_status(const Child& child) {
  siginfo_t info{};
  int result;
  do result = ::waitid(P_PIDFD, static_cast<id_t>(child.pidfd.get()), &info, WEXITED);
  while (result != 0 && errno == EINTR);
  if (result != 0) return 125;
  return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

}  // namespace kerf::loader
