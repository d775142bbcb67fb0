// The test program plays three parts: the tests, `--run` (kerf run, in surroundings that may be spoiled first) and
// `--calls` (the command that makes system calls inside).
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <fstream>

#include "calls.h"
#include "runtime/loader/loader.h"
#include "world.h"

namespace {

using namespace kerf;

bool private_mounts() { return ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0; }

bool drop_capability(unsigned bit) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (::syscall(SYS_capget, &header, data) != 0) return false;
  data[bit / 32].effective &= ~(1u << (bit % 32));
  return ::syscall(SYS_capset, &header, data) == 0;
}

bool hide_clone3() {
  sock_filter code[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
                        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  sock_fprog program{4, code};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

bool no_bpffs() {
  if (!private_mounts()) return false;
  while (::umount2("/sys/fs/bpf", MNT_DETACH) == 0) {
  }
  // a /sys/fs without the usual place, and cgroups elsewhere
  return ::mount("none", "/sys/fs", "tmpfs", 0, nullptr) == 0 && ::mkdir("/sys/fs/cg", 0755) == 0 &&
         ::mount("none", "/sys/fs/cg", "cgroup2", 0, nullptr) == 0;
}

bool no_cgroup2() {
  if (!private_mounts()) return false;
  for (std::string mount = test::cgroup_mount(); !mount.empty(); mount = test::cgroup_mount()) {
    if (::umount2(mount.c_str(), MNT_DETACH) != 0) return false;
  }
  return true;
}

bool file_at_run() {
  return private_mounts() && ::mount("none", "/run", "tmpfs", 0, nullptr) == 0 && std::ofstream("/run/kerf").good();
}

bool spoil(const std::string& what) {
  if (what.empty()) return true;
  if (what == "no-cap-bpf") return drop_capability(39);
  if (what == "no-clone3") return hide_clone3();
  if (what == "no-bpffs") return no_bpffs();
  if (what == "no-cgroup2") return no_cgroup2();
  if (what == "file-at-run") return file_at_run();
  return false;
}

// BUNDLE PRINCIPAL EVENTS LOG_ALLOWS ACCEPT_DEGRADED SPOIL FACTS fact… command…
int run_part(int argc, char** argv) {
  loader::RunOptions options;
  options.bundle_dir = argv[2];
  options.principal = argv[3];
  options.events_file = argv[4];
  options.log_allows = std::string(argv[5]) == "1";
  if (std::string(argv[6]) == "1") {
    options.allow_degraded = test::degraded_here(options.bundle_dir);
  } else if (std::string(argv[6]) != "0") {
    options.allow_degraded = {argv[6]};
  }
  int next = 9;
  for (int facts = std::stoi(argv[8]); facts > 0; --facts) {
    std::string fact = argv[next++];
    options.facts.emplace_back(fact.substr(0, fact.find('=')), fact.substr(fact.find('=') + 1));
  }
  options.privileged = true;   // the calls are to be refused by hooks, not for want of capabilities
  options.command.assign(argv + next, argv + argc);
  if (!spoil(argv[7])) {
    std::fprintf(stderr, "cannot spoil: %s\n", argv[7]);
    return 123;
  }
  auto status = loader::run(options);
  if (status) return *status;
  std::fprintf(stderr, "%s: %s\n", status.error().code.c_str(), status.error().message.c_str());
  for (const std::string& help : status.error().help) std::fprintf(stderr, "help: %s\n", help.c_str());
  return 125;
}

}  // namespace

int main(int argc, char** argv) {
  std::string part = argc > 1 ? argv[1] : "";
  if (part == "--calls") return test::perform_all(argv[2], {argv + 3, argv + argc});
  if (part == "--run") return run_part(argc, argv);
  doctest::Context context(argc, argv);
  return context.run();
}
