// Steps that change what a task sees: mounts, name spaces, roots, cgroups, children.
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "steps.h"

namespace kerf::test {
namespace {

constexpr unsigned kRecursive = 0x8000;   // AT_RECURSIVE, for the raw mount calls
constexpr unsigned kCreate = 6, kReconfigure = 7;   // FSCONFIG_CMD_*

int unshare_mounts() {
  if (::unshare(CLONE_NEWNS) != 0) return errno;
  return result_of(::syscall(SYS_mount, "none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
}

// A file system of its own, mounted nowhere.
int mount_detached(Task& task, const char* type) {
  long context = ::syscall(SYS_fsopen, type, 0);
  if (context < 0) return errno;
  if (::syscall(SYS_fsconfig, context, kCreate, nullptr, nullptr, 0) != 0) return errno;
  long fd = ::syscall(SYS_fsmount, context, 1u, 0);   // FSMOUNT_CLOEXEC
  if (fd < 0) return errno;
  task.fd = static_cast<int>(fd);
  return 0;
}

// A remount that changes nothing.
int reconfigure(const char* path) {
  long context = ::syscall(SYS_fspick, AT_FDCWD, path, 0);
  return context < 0 ? errno : result_of(::syscall(SYS_fsconfig, context, kReconfigure, nullptr, nullptr, 0));
}

int set_propagation(const char* path) {
  const std::uint64_t attributes[4] = {0, 0, MS_PRIVATE, 0};   // struct mount_attr
  return result_of(::syscall(SYS_mount_setattr, AT_FDCWD, path, 0, attributes, sizeof attributes));
}

// Many children at once, each of which must live until all are there.
int fork_many(int count) {
  int gate[2];
  if (::pipe2(gate, O_CLOEXEC) != 0) return errno;
  int error = 0, made = 0;
  for (; made < count && error == 0; ++made) {
    pid_t child = ::fork();
    if (child < 0) error = errno;
    if (child == 0) {
      char byte;
      ::close(gate[1]);
      ::_exit(::read(gate[0], &byte, 1) == 0 ? 0 : 1);
    }
  }
  ::close(gate[0]);
  ::close(gate[1]);
  while (::wait(nullptr) > 0) {
  }
  return error;
}

int write_to(const std::string& path, const std::string& text) {
  int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  int error = result_of(::write(fd, text.data(), text.size()));
  ::close(fd);
  return error;
}

}  // namespace

int world_step(Task& task, const Words& w) {
  const std::string& word = w[0];
  auto text = [&](std::size_t i) { return w.at(i).c_str(); };
  if (word == "unshare-mounts") return unshare_mounts();
  if (word == "unshare-user") return result_of(::unshare(CLONE_NEWUSER | CLONE_NEWNS));
  if (word == "bind") return result_of(::syscall(SYS_mount, text(1), text(2), "", MS_BIND | MS_REC, nullptr));
  if (word == "mount") return result_of(::syscall(SYS_mount, "none", text(2), text(1), 0, nullptr));   // TYPE WHERE
  if (word == "umount") return result_of(::syscall(SYS_umount2, text(1), MNT_DETACH));
  if (word == "chroot") return result_of(::chroot(text(1)));
  if (word == "pivot-root") return result_of(::syscall(SYS_pivot_root, text(1), text(2)));
  if (word == "open-tree") {
    long fd = ::syscall(SYS_open_tree, AT_FDCWD, text(1), kRecursive | 1u | O_CLOEXEC);   // OPEN_TREE_CLONE
    if (fd < 0) return errno;
    task.fd = static_cast<int>(fd);
    return 0;
  }
  if (word == "move-mount") return result_of(::syscall(SYS_move_mount, task.fd, "", AT_FDCWD, text(1), 4u));   // F_EMPTY_PATH
  if (word == "fs-mount") return mount_detached(task, text(1));
  if (word == "reconfigure") return reconfigure(text(1));
  if (word == "set-mount") return set_propagation(text(1));
  if (word == "fork-many") return fork_many(std::stoi(w.at(1)));
  if (word == "fork") {   // the rest happens in a grandchild of the server
    pid_t child = ::fork();
    if (child < 0) return errno;
    if (child == 0) return 0;
    int status = 0;
    ::waitpid(child, &status, 0);
    ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
  }
  if (word == "join-cgroup") return write_to(w.at(1) + "/cgroup.procs", "0");
  if (word == "bpf") {   // BPF_MAP_CREATE
    unsigned attributes[16] = {2, 4, 4, 1};
    return result_of(::syscall(SYS_bpf, 0, attributes, sizeof attributes));
  }
  if (word == "kill") return result_of(::kill(std::stoi(w.at(1)), std::stoi(w.at(2))));
  if (word == "trace") {
    pid_t pid = std::stoi(w.at(1));
    if (::ptrace(PTRACE_ATTACH, pid, nullptr, nullptr) != 0) return errno;
    ::waitpid(pid, nullptr, __WALL);
    return result_of(::ptrace(PTRACE_DETACH, pid, nullptr, nullptr));
  }
  if (word == "pause") return ::usleep(static_cast<useconds_t>(std::stoi(w.at(1)) * 1000)), 0;
  if (word == "become") return result_of(::setresuid(std::stoul(w.at(1)), std::stoul(w.at(1)), std::stoul(w.at(1))));
  return -1;
}

}  // namespace kerf::test
