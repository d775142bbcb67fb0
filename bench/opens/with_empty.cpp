// Runs a command while an LSM program that does nothing is attached to file_open: with_empty COMMAND…
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace {

int failed(const char* what) {
  std::fprintf(stderr, "with_empty: %s: %s\n", what, std::strerror(errno));
  return 125;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 64;
  const int hook = libbpf_find_vmlinux_btf_id("file_open", BPF_LSM_MAC);
  if (hook <= 0) return failed("file_open");
  bpf_insn nothing[2] = {};
  nothing[0].code = BPF_ALU64 | BPF_MOV | BPF_K;   // r0 = 0
  nothing[1].code = BPF_JMP | BPF_EXIT;
  LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_LSM_MAC, .attach_btf_id = static_cast<__u32>(hook));
  const int program = bpf_prog_load(BPF_PROG_TYPE_LSM, "empty", "GPL", nothing, 2, &options);
  if (program < 0) return failed("load");
  if (bpf_raw_tracepoint_open(nullptr, program) < 0) return failed("attach");
  const pid_t child = ::fork();
  if (child < 0) return failed("fork");
  if (child == 0) {
    ::execv(argv[1], argv + 1);
    ::_exit(failed(argv[1]));
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
