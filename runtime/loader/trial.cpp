// A function -> its result, computed where it can do no harm. The one decision: the child answers through a pipe and
// whatever it does otherwise, crash included, is one and the same failure.
#include "runtime/loader/trial.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "runtime/loader/facts.h"
#include "runtime/loader/failure.h"
#include "runtime/loader/fd.h"

namespace kerf::loader {
namespace {

constexpr std::uint64_t kTimeoutNs = 20'000'000'000;
constexpr std::size_t kMaxAnswer = 64u << 10;
constexpr char kEnd = '.';   // without it the answer is not whole
constexpr rlim_t kMaxMemory = rlim_t{4} << 30;

[[noreturn]] void answer(const std::function<std::string()>& work, int out) {
  for (int crash : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL}) ::signal(crash, SIG_DFL);
  rlimit none{0, 0}, memory{kMaxMemory, kMaxMemory};
  ::setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__
  ::setrlimit(RLIMIT_AS, &memory);
#endif
  std::string text = work().substr(0, kMaxAnswer) + kEnd;
  for (std::size_t done = 0; done < text.size();) {
    ssize_t n = ::write(out, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) ::_exit(1);
    done += static_cast<std::size_t>(n);
  }
  ::_exit(0);
}

// Until the child closes its end.
bool receive(int in, std::string& text) {
  std::uint64_t until_ns = boot_time_ns() + kTimeoutNs;
  char buffer[4096];
  for (std::uint64_t now_ns = boot_time_ns(); now_ns < until_ns; now_ns = boot_time_ns()) {
    pollfd ready{in, POLLIN, 0};
    if (::poll(&ready, 1, static_cast<int>((until_ns - now_ns) / 1'000'000 + 1)) <= 0) continue;
    ssize_t n = ::read(in, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0 || text.size() > kMaxAnswer + 1) return n == 0 && text.ends_with(kEnd);
    text.append(buffer, static_cast<std::size_t>(n));
  }
  return false;
}

}  // namespace

Result<std::string> in_child(const std::function<std::string()>& work) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return Error{errno_text(errno)};
  Fd in(ends[0]), out(ends[1]);
  pid_t child = ::fork();
  if (child < 0) return Error{errno_text(errno)};
  if (child == 0) answer(work, out.get());
  out.reset();
  std::string text;
  bool received = receive(in.get(), text);
  if (!received) ::kill(child, SIGKILL);
  int status = 0, waited;
  do waited = ::waitpid(child, &status, 0);
  while (waited < 0 && errno == EINTR);
  // a caller that ignores SIGCHLD gets no status; the end mark tells enough
  if (waited == child && WIFSIGNALED(status)) return Error{fmt::format("reading it ends with signal {}", WTERMSIG(status))};
  if (!received) return Error{"reading it fails"};
  text.pop_back();
  return text;
}

}  // namespace kerf::loader
