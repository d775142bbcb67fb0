// KernelPlan -> object, through the helper program. LLVM aborts on some inputs and reports others while emitting wrong
// code, so it runs in a process of its own, with bounds on time and memory; its object is checked before it is used.
#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>

#include "backends/bpf/bpf.h"
#include "backends/bpf/layout.h"
#include "runtime/abi/policy_abi.h"

namespace kerf {
namespace {

constexpr std::size_t kMaxComplaintBytes = 4000;

struct Program {
  const char* name;
  std::uint64_t events, instead;
};
constexpr Program kPrograms[] = {
#define KERF_PROGRAM(name, section, type, attach, role, events, instead, feature) {#name, events, instead},
#include "runtime/abi/programs.def"
};

Error failed(std::string_view what, int error) { return {fmt::format("kerf-codegen: {}: {}", what, strerror(error))}; }

// An anonymous file: as the helper's input, output and messages it needs neither polling nor a reader.
class AnonymousFile {
 public:
  explicit AnonymousFile(const char* name) : fd_(memfd_create(name, MFD_CLOEXEC)) {}
  ~AnonymousFile() { if (fd_ >= 0) close(fd_); }
  AnonymousFile(const AnonymousFile&) = delete;
  AnonymousFile& operator=(const AnonymousFile&) = delete;
  int fd() const { return fd_; }

  // A signal that does not end the process does not cut reading and writing of memory short.
  bool write(std::string_view bytes) {
    return ::write(fd_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) && lseek(fd_, 0, SEEK_SET) == 0;
  }
  std::string read() const {
    std::string bytes;
    char buffer[1 << 16];
    for (off_t at = 0;; at = static_cast<off_t>(bytes.size())) {
      ssize_t n = pread(fd_, buffer, sizeof buffer, at);
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

struct Contents {
  std::map<std::string, std::size_t> sections;   // sizes
  std::set<std::string> programs, maps;
};

// A little-endian 64-bit BPF object, read strictly; nothing if it is not one.
class ElfReader {
 public:
  explicit ElfReader(std::string_view elf) : elf_(elf) {}

  std::optional<Contents> read() {
    std::optional<Elf64_Ehdr> header = at<Elf64_Ehdr>(0);
    if (!header) return std::nullopt;
    bool bpf = std::memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 && header->e_ident[EI_CLASS] == ELFCLASS64 &&
               header->e_ident[EI_DATA] == ELFDATA2LSB && header->e_type == ET_REL && header->e_machine == EM_BPF &&
               header->e_shentsize == sizeof(Elf64_Shdr);
    if (!bpf || header->e_shstrndx >= header->e_shnum) return std::nullopt;
    for (std::size_t i = 0; i < header->e_shnum; ++i) {
      std::optional<Elf64_Shdr> section = at<Elf64_Shdr>(header->e_shoff + i * sizeof(Elf64_Shdr));
      if (!section) return std::nullopt;
      sections_.push_back(*section);
    }
    for (const Elf64_Shdr& section : sections_) {
      std::optional<std::string> name = text(sections_[header->e_shstrndx], section.sh_name);
      if (!name) return std::nullopt;
      names_.push_back(*name);
      contents_.sections[*name] = section.sh_size;
    }
    for (const Elf64_Shdr& section : sections_) {
      if (section.sh_type == SHT_SYMTAB && !read_symbols(section)) return std::nullopt;
    }
    return std::move(contents_);
  }

 private:
  template <class T>
  std::optional<T> at(std::size_t offset) const {
    T value;
    if (offset > elf_.size() || elf_.size() - offset < sizeof value) return std::nullopt;
    std::memcpy(&value, elf_.data() + offset, sizeof value);
    return value;
  }
  std::optional<std::string> text(const Elf64_Shdr& strings, std::size_t offset) const {
    if (strings.sh_offset > elf_.size() || strings.sh_size > elf_.size() - strings.sh_offset || offset >= strings.sh_size) return std::nullopt;
    std::string_view rest = elf_.substr(strings.sh_offset + offset, strings.sh_size - offset);
    return std::string(rest.substr(0, rest.find('\0')));
  }
  bool read_symbols(const Elf64_Shdr& table) {
    if (table.sh_link >= sections_.size()) return false;
    for (std::size_t i = 0; i < table.sh_size / sizeof(Elf64_Sym); ++i) {
      std::optional<Elf64_Sym> symbol = at<Elf64_Sym>(table.sh_offset + i * sizeof(Elf64_Sym));
      if (!symbol) return false;
      if (ELF64_ST_BIND(symbol->st_info) != STB_GLOBAL || symbol->st_shndx >= sections_.size()) continue;
      std::optional<std::string> name = text(sections_[table.sh_link], symbol->st_name);
      if (!name) return false;
      const std::string& section = names_[symbol->st_shndx];
      if (section == ".maps") contents_.maps.insert(*name);
      else if (ELF64_ST_TYPE(symbol->st_info) == STT_FUNC && section != ".text") contents_.programs.insert(*name);
    }
    return true;
  }

  std::string_view elf_;
  std::vector<Elf64_Shdr> sections_;
  std::vector<std::string> names_;
  Contents contents_;
};

// Fills in what the object holds, which must be what the governed events need.
std::optional<Error> check_object(std::string_view elf, BpfLayout& layout) {
  std::optional<Contents> contents = ElfReader(elf).read();
  if (!contents) return Error{"kerf-codegen made no BPF object"};
  for (const char* needed : {".text", ".maps", ".BTF", ".BTF.ext", "license"}) {
    if (contents->sections[needed] == 0) return Error{fmt::format("kerf-codegen made an object without `{}`", needed)};
  }
  for (const char* forbidden : {".data", ".bss", ".kconfig", ".ksyms"}) {
    if (contents->sections[forbidden] != 0) return Error{fmt::format("kerf-codegen made an object with `{}`", forbidden)};
  }
  for (const Program& program : kPrograms) {
    if (!(program.events & layout.governed) || (program.instead & layout.governed)) continue;
    if (!contents->programs.erase(program.name)) return Error{fmt::format("kerf-codegen made an object without the program `{}`", program.name)};
    layout.programs.push_back(program.name);
  }
  if (!contents->programs.empty()) return Error{fmt::format("kerf-codegen made an object with a program `{}`", *contents->programs.begin())};
  layout.maps.assign(contents->maps.begin(), contents->maps.end());
  return std::nullopt;
}

}  // namespace

Result<BpfObject> emit_bpf(const Module& module, const KernelPlan& plan, const std::array<std::uint8_t, 16>& digest,
                           const CodegenOptions& options) {
  Result<bpf::Layout> layout = bpf::lay_out(module, plan, digest);
  if (!layout) return layout.error();
  Result<std::string> elf = run_helper(options.helper, bpf::write_request(layout->request));
  if (!elf) return elf.error();
  BpfObject object{std::move(*elf), std::move(layout->object)};
  if (auto error = check_object(object.elf, object.layout)) return *error;
  return object;
}

}  // namespace kerf
