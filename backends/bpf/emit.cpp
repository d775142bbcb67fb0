// KernelPlan -> object, through the helper program. LLVM aborts on some inputs and reports others while emitting wrong
// code, so it runs in a process of its own, with bounds on time and memory; its object is checked before it is used.
#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "backends/bpf/bpf.h"
#include "backends/bpf/layout.h"

namespace kerf {
namespace {

constexpr std::size_t kMaxComplaintBytes = 4000;

const char* const kPrograms[] = {"kerf_connect4", "kerf_connect6", "kerf_sendmsg4", "kerf_sendmsg6", "kerf_sock_create",
                                 "kerf_selftest"};
const char* const kMaps[] = {"kerf_bindings", "kerf_cgroup", "kerf_state", "kerf_counters", "kerf_hits", "kerf_events",
                             "kerf_selftest_in", "kerf_selftest_out"};

Error failed(std::string_view what, int error) { return {fmt::format("kerf-codegen: {}: {}", what, strerror(error))}; }

// An anonymous file: as the helper's input, output and messages it needs neither polling nor a reader.
class AnonymousFile {
 public:
  explicit AnonymousFile(const char* name) : fd_(memfd_create(name, MFD_CLOEXEC)) {}
  ~AnonymousFile() { if (fd_ >= 0) close(fd_); }
  AnonymousFile(const AnonymousFile&) = delete;
  AnonymousFile& operator=(const AnonymousFile&) = delete;
  int fd() const { return fd_; }

  bool write(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t n = ::write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return lseek(fd_, 0, SEEK_SET) == 0;
  }
  std::string read() const {
    std::string bytes;
    char buffer[1 << 16];
    for (off_t at = 0;; at = static_cast<off_t>(bytes.size())) {
      ssize_t n = pread(fd_, buffer, sizeof buffer, at);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return bytes;
      bytes.append(buffer, static_cast<std::size_t>(n));
    }
  }

 private:
  int fd_;
};

Result<int> spawn_and_wait(const std::string& helper, int in, int out, int err) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in, 0);
  posix_spawn_file_actions_adddup2(&actions, out, 1);
  posix_spawn_file_actions_adddup2(&actions, err, 2);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  std::string name = helper;
  char* argv[] = {name.data(), nullptr};
  char* environment[] = {nullptr};
  pid_t pid = -1;
  int error = posix_spawn(&pid, helper.c_str(), &actions, nullptr, argv, environment);
  posix_spawn_file_actions_destroy(&actions);
  if (error) return failed(helper, error);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return failed("waiting for it", errno);
  }
  return status;
}

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
  return bpf::read_answer(out.read());
}

// The sections of a little-endian 64-bit BPF object, by name; nothing if it is not one.
std::map<std::string, std::size_t> elf_sections(std::string_view elf) {
  Elf64_Ehdr header;
  if (elf.size() < sizeof header) return {};
  std::memcpy(&header, elf.data(), sizeof header);
  bool bpf = std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_ident[EI_CLASS] == ELFCLASS64 &&
             header.e_ident[EI_DATA] == ELFDATA2LSB && header.e_type == ET_REL && header.e_machine == EM_BPF &&
             header.e_shentsize == sizeof(Elf64_Shdr);
  std::size_t count = header.e_shnum;
  if (!bpf || header.e_shoff > elf.size() || count > (elf.size() - header.e_shoff) / sizeof(Elf64_Shdr) || header.e_shstrndx >= count) return {};
  std::vector<Elf64_Shdr> headers(count);
  std::memcpy(headers.data(), elf.data() + header.e_shoff, count * sizeof(Elf64_Shdr));
  const Elf64_Shdr& names = headers[header.e_shstrndx];
  if (names.sh_offset > elf.size() || names.sh_size > elf.size() - names.sh_offset) return {};
  std::string_view text = elf.substr(names.sh_offset, names.sh_size);
  std::map<std::string, std::size_t> sections;
  for (const Elf64_Shdr& section : headers) {
    if (section.sh_name >= text.size()) return {};
    std::string_view name = text.substr(section.sh_name);
    sections[std::string(name.substr(0, name.find('\0')))] = section.sh_size;
  }
  return sections;
}

std::optional<Error> check_object(std::string_view elf) {
  std::map<std::string, std::size_t> sections = elf_sections(elf);
  for (const char* needed : {"cgroup/connect4", "cgroup/connect6", "cgroup/sendmsg4", "cgroup/sendmsg6", "cgroup/sock_create",
                             "syscall", ".text", ".maps", ".BTF", ".BTF.ext", "license"}) {
    if (sections[needed] == 0) return Error{fmt::format("kerf-codegen made an object without `{}`", needed)};
  }
  for (const char* forbidden : {".data", ".bss", ".kconfig", ".ksyms"}) {
    if (sections[forbidden] != 0) return Error{fmt::format("kerf-codegen made an object with `{}`", forbidden)};
  }
  return std::nullopt;
}

}  // namespace

Result<BpfObject> emit_bpf(const Module& module, const KernelPlan& plan, const std::array<std::uint8_t, 16>& digest,
                           const CodegenOptions& options) {
  Result<bpf::Layout> layout = bpf::lay_out(module, plan, digest);
  if (!layout) return layout.error();
  Result<std::string> elf = run_helper(options.helper, bpf::write_request(layout->request));
  if (!elf) return elf.error();
  if (auto error = check_object(*elf)) return *error;
  BpfObject object{std::move(*elf), std::move(layout->object)};
  object.layout.programs.assign(std::begin(kPrograms), std::end(kPrograms));
  object.layout.maps.assign(std::begin(kMaps), std::end(kMaps));
  return object;
}

}  // namespace kerf
