// LLVM aborts on some inputs and reports others while emitting wrong code, so it runs in a process of its own, with bounds
// on time and memory.
#include "backends/bpf/helper.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "backends/bpf/anonymous_file.h"
#include "backends/bpf/protocol.h"

namespace kerf::bpf {
namespace {

constexpr std::size_t kMaxComplaintBytes = 4000;

Error failed(std::string_view what, int error) { return {fmt::format("kerf-codegen: {}: {}", what, strerror(error))}; }

Result<int> spawn_and_wait(const std::string& helper, int in, int out, int err) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in, 0);
  posix_spawn_file_actions_adddup2(&actions, out, 1);
  posix_spawn_file_actions_adddup2(&actions, err, 2);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  posix_spawnattr_t attributes;   // signals as a program expects them, whatever the caller of this library does with its own
  posix_spawnattr_init(&attributes);
  const sigset_t none{};
  sigset_t all;
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::string name = helper;
  char* argv[] = {name.data(), nullptr};
  char* environment[] = {nullptr};
  pid_t pid = -1;
  int error = posix_spawn(&pid, helper.c_str(), &actions, &attributes, argv, environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error) return failed(helper, error);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    // ECHILD: it has ended, and the caller's process does not keep its children's status. Its answer says if it was whole.
    if (errno == ECHILD) return 0;
    if (errno != EINTR) return failed("waiting for it", errno);
  }
  return status;
}

}  // namespace

Result<std::string> run_helper(const std::string& helper, std::string_view request) {
  if (helper.empty()) return Error{"kerf-codegen is neither beside kerf nor in ../libexec/kerf"};
  if (helper[0] != '/') return Error{"kerf-codegen: its path must be absolute"};
  AnonymousFile in("kerf-codegen-in"), out("kerf-codegen-out"), err("kerf-codegen-err");
  if (in.fd() < 0 || out.fd() < 0 || err.fd() < 0 || !in.write(request)) return failed("temporary memory", errno);
  Result<int> status = spawn_and_wait(helper, in.fd(), out.fd(), err.fd());
  if (!status) return status.error();
  if (!WIFEXITED(*status) || WEXITSTATUS(*status) != 0) {
    std::string ended = WIFSIGNALED(*status) ? fmt::format("ended by signal {}", WTERMSIG(*status))
                                             : fmt::format("ended with status {}", WEXITSTATUS(*status));
    return Error{fmt::format("kerf-codegen {}: {}", ended, err.read().substr(0, kMaxComplaintBytes))};
  }
  return read_answer(out.read());
}

}  // namespace kerf::bpf
