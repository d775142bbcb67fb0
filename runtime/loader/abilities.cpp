// This kernel + a manifest -> what can be enforced. The one decision: a hook counts only if a program for it was really
// loaded; and since every LSM hook asks for the task's tag, without identity none of them is attached at all.
#include "runtime/loader/abilities.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/mount.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "runtime/loader/failure.h"
#include "runtime/loader/fd.h"
#include "runtime/loader/files.h"
#include "runtime/loader/object.h"

namespace kerf::loader {
namespace {

constexpr const char* kLsmList = "/sys/kernel/security/lsm";
constexpr std::uint64_t kMaxListBytes = 4096;

// A file of one of the kernel's own file systems, from a mount that no path leads to.
std::optional<std::string> read_unmounted(const char* type, const char* file) {
  Fd context(static_cast<int>(::syscall(SYS_fsopen, type, FSOPEN_CLOEXEC)));
  if (!context.ok() || ::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return std::nullopt;
  Fd mount(static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, 0)));
  if (!mount.ok()) return std::nullopt;
  Fd list(::openat(mount.get(), file, O_RDONLY | O_CLOEXEC));
  if (!list.ok()) return std::nullopt;
  auto text = read_all(list.get(), kMaxListBytes);
  return text ? std::optional(*text) : std::nullopt;
}

// The list of security modules, whether securityfs is mounted or not.
std::optional<std::string> read_lsm_list() {
  if (auto text = read_file(kLsmList, kMaxListBytes)) return *text;
  return read_unmounted("securityfs", "lsm");
}

constexpr std::string_view kAppend = "append";
constexpr std::string_view kExeGuard = "guard-exe-file";   // looks at no name
constexpr const char* kSymbols = "/proc/kallsyms";
constexpr std::uint64_t kMaxSymbolsBytes = 256u << 20;
constexpr std::string_view kRenameLock = "rename_lock";

// Programs that ask for the names of files; without the lock's count every name would be refused as raced.
bool names_files(const KnownProgram& row) {
  return row.feature != kExeGuard && (row.events & ~(KERF_FILE_EVENTS | KERF_READS_EXE)) == 0;
}

bool shows_rename_lock() {
  auto text = read_file(kSymbols, kMaxSymbolsBytes);
  return text.ok() && shows_symbol(*text, kRenameLock);
}

// Does a file that is open for appending keep what it holds? Since 6.9 a flag of pwritev2(2) says where to write, and no hook is asked.
bool keeps_appending() {
  constexpr int kAnywhere = 0x20;   // RWF_NOAPPEND
  Fd file(::memfd_create("kerf", MFD_CLOEXEC));
  if (!file.ok() || ::fcntl(file.get(), F_SETFL, O_APPEND) != 0 || ::write(file.get(), "a", 1) != 1) return false;
  char byte = 'b';
  const iovec part{&byte, 1};
  return ::pwritev2(file.get(), &part, 1, 0, kAnywhere) < 0 && errno == EOPNOTSUPP;
}

// Can a task lose the processor anywhere in the kernel? A tracing program that another task is in just then is passed over.
bool preempts() {
  utsname name;
  if (::uname(&name) != 0) return true;
  const std::string_view version = name.version;
  if (version.find("PREEMPT") == std::string_view::npos) return false;
  if (version.find("PREEMPT_DYNAMIC") == std::string_view::npos) return true;
  const auto mode = read_unmounted("debugfs", "sched/preempt");   // "none (voluntary) full"
  return !mode || (mode->find("(none)") == std::string::npos && mode->find("(voluntary)") == std::string::npos);
}

// Empty: what is open for appending can do no more than that.
std::string why_not_appending() {
  if (!keeps_appending()) return "this kernel (Linux 6.9 and later) has pwritev2(2) write anywhere in a file that is open for appending, and asks no hook about it";
  if (preempts()) return "this kernel interrupts itself anywhere (preempt=full), and may then pass over the program that tells holes from appending";
  return {};
}

struct FreeBtf {
  void operator()(btf* types) const { btf__free(types); }
};
using Btf = std::unique_ptr<btf, FreeBtf>;

std::string kernel_function(const KnownProgram& row) {
  std::string target(target_of(row));
  if (row.attach == BPF_LSM_MAC) return "bpf_lsm_" + target;
  if (row.attach == BPF_TRACE_ITER) return "bpf_iter_" + target;
  return target;
}

int type_id(const btf* types, const std::string& function) {
  return types != nullptr ? btf__find_by_name_kind(types, function.c_str(), BTF_KIND_FUNC) : -ENOENT;
}

// Not there because the kernel is older than the hook, and asks elsewhere.
bool is_older(const KnownProgram& row, const btf* types) {
  return row.role == ProgramRole::newer_hook && types != nullptr && type_id(types, kernel_function(row)) == -ENOENT;
}

// Empty: a program for this hook can be loaded.
std::string trial(const KnownProgram& row, const btf* types) {
  std::string function = kernel_function(row);
  int id = type_id(types, function);
  if (id <= 0) return fmt::format("this kernel has no {}", function);
  const bpf_insn nothing[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
  LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = row.attach, .attach_btf_id = static_cast<__u32>(id));
  Fd fd(::bpf_prog_load(row.type, nullptr, "GPL", nothing, 2, &options));
  return fd.ok() ? "" : fmt::format("a program for {} cannot be loaded: {}", row.section, errno_text(errno));
}

std::vector<const KnownProgram*> programs_of(const Manifest& manifest) {
  std::vector<const KnownProgram*> rows;
  for (const KnownProgram& row : known_programs()) {
    bool ours = std::find(manifest.programs.begin(), manifest.programs.end(), row.name) != manifest.programs.end();
    if (ours && row.role != ProgramRole::selftest) rows.push_back(&row);
  }
  return rows;
}

bool is_lsm_feature(const Feature& feature) {
  return std::any_of(feature.programs.begin(), feature.programs.end(), [](const std::string& name) {
    const KnownProgram* row = find_program(name);
    return row != nullptr && needs_lsm(*row);
  });
}

bool runs(const Feature& feature, const Abilities& abilities) {
  return std::none_of(feature.programs.begin(), feature.programs.end(), [&](const std::string& p) { return abilities.refused.contains(p); });
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::string missing_lsm_parameter(std::string_view list) {
  std::string wanted;
  for (std::size_t at = 0; at < list.size();) {
    std::size_t end = list.find_first_of(",\n", at);
    std::string_view name = list.substr(at, end == std::string_view::npos ? end : end - at);
    if (name == "bpf") return {};
    if (!name.empty() && name != "capability") wanted += std::string(name) + ",";   // capability is always first
    at = end == std::string_view::npos ? list.size() : end + 1;
  }
  return "lsm=" + wanted + "bpf";
}

bool shows_symbol(std::string_view symbols, std::string_view name) {
  for (std::size_t at = 0; at < symbols.size();) {
    std::size_t end = std::min(symbols.find('\n', at), symbols.size());
    std::string_view line = symbols.substr(at, end - at);   // "ffffffff810a1b00 t name"
    std::size_t space = line.find(' ');
    bool ours = space != std::string_view::npos && line.size() > space + 3 && line.substr(space + 3) == name;
    if (ours && line.substr(0, space).find_first_not_of('0') != std::string_view::npos) return true;
    at = end + 1;
  }
  return false;
}

Abilities find_abilities(const Manifest& manifest) {
  QuietLibbpf quiet;
  Abilities found;
  bool listed = true;
  if (auto list = read_lsm_list()) {
    std::string parameter = missing_lsm_parameter(*list);
    listed = parameter.empty();
    if (!listed) found.reasons.push_back(fmt::format("BPF is not among this kernel's security modules, so its LSM programs would never run; add `{}` to the kernel's command line and boot again", parameter));
  }
  std::vector<const KnownProgram*> programs = programs_of(manifest);
  bool needs_names = std::any_of(programs.begin(), programs.end(), [](const KnownProgram* row) { return names_files(*row); });
  bool named = !needs_names || shows_rename_lock();
  if (!named) {
    found.reasons.push_back(fmt::format("no file can be named: {} shows no address of `{}` (it takes a kernel with CONFIG_KALLSYMS_ALL, and CAP_SYSLOG or the sysctl kernel.kptr_restrict=0)", kSymbols, kRenameLock));
  }
  bool appends = std::any_of(programs.begin(), programs.end(), [](const KnownProgram* row) { return row->feature == kAppend; });
  if (std::string why = appends ? why_not_appending() : ""; !why.empty()) {
    found.unkept.insert(std::string(kAppend));
    found.reasons.push_back(std::move(why));
  }
  Btf types(btf__load_vmlinux_btf());
  std::string first;
  std::size_t more = 0;
  for (const KnownProgram* row : programs) {
    if (is_older(*row, types.get())) {
      found.needless.insert(row->name);
      continue;
    }
    if (!named && names_files(*row)) found.refused.insert(row->name);
    if (!needs_lsm(*row) || found.refused.contains(row->name)) continue;
    std::string why = row->type == BPF_PROG_TYPE_LSM && !listed ? "not listed" : trial(*row, types.get());
    if (why.empty()) continue;
    found.refused.insert(row->name);
    if (why == "not listed") continue;
    if (first.empty()) first = std::move(why);
    else ++more;
  }
  if (!first.empty()) found.reasons.push_back(more == 0 ? first : fmt::format("{}, and {} more like it", first, more));
  return found;
}

bool Enforcement::has(std::string_view program) const {
  return std::any_of(programs.begin(), programs.end(), [&](const KnownProgram* row) { return program == row->name; });
}

bool Enforcement::enforces(std::string_view feature) const { return contains(enforced, feature); }

bool Enforcement::files() const {
  return std::any_of(programs.begin(), programs.end(), [](const KnownProgram* row) { return row->role == ProgramRole::anchor_probe; });
}

Enforcement plan_enforcement(const Manifest& manifest, const Abilities& abilities) {
  Enforcement plan;
  plan.reasons = abilities.reasons;
  bool identity = true;
  for (const Feature& feature : manifest.features) {
    if (feature.name == "identity") identity = runs(feature, abilities);
  }
  for (const Feature& feature : manifest.features) {
    bool waived = is_waived(manifest, feature.name);
    bool possible = runs(feature, abilities) && !abilities.unkept.contains(feature.name) && (identity || !is_lsm_feature(feature));
    if (waived) plan.waived_guards |= *guard_bit(feature.name);
    std::vector<std::string>& list = waived ? plan.waived : possible ? plan.enforced : plan.degraded;
    list.push_back(feature.name);
  }
  for (const KnownProgram* row : programs_of(manifest)) {
    bool lost = contains(plan.waived, row->feature) && !decides_events(row->feature);
    bool runs_here = !abilities.refused.contains(row->name) && !abilities.needless.contains(row->name) && (identity || !needs_lsm(*row));
    bool anchors = row->role != ProgramRole::anchor_probe || (manifest.governed & KERF_READS_EXE) || std::any_of(plan.programs.begin(), plan.programs.end(), [](const KnownProgram* p) {
      return p->role == ProgramRole::hook && (p->events & ~KERF_FILE_EVENTS) == 0;
    });
    bool needed = row->role != ProgramRole::spare_hook || std::none_of(plan.programs.begin(), plan.programs.end(), [&](const KnownProgram* p) {
      return std::string_view(p->section) == row->section;
    });
    if (!lost && runs_here && anchors && needed) plan.programs.push_back(row);
  }
  return plan;
}

LoaderResult<Unit> check_known_features(const Manifest& manifest, const std::vector<std::string>& accepted) {
  for (const std::string& name : accepted) {
    bool known = find_feature(name) != nullptr;
    if (known) continue;
    Failure failure = fail(Code::K7409, escape_bytes(name));
    std::vector<std::string> names;
    for (const Feature& feature : manifest.features) names.push_back(feature.name);
    auto near = closest(name, names);
    return near ? with_help(failure, fmt::format("did you mean `{}`?", *near)) : failure;
  }
  return Unit{};
}

LoaderResult<Unit> check_accepted(const Manifest& manifest, const Enforcement& plan, const std::vector<std::string>& accepted) {
  std::vector<std::string> missing;
  for (const std::string& name : plan.degraded) {
    if (!contains(accepted, name)) missing.push_back(name);
  }
  if (missing.empty()) return Unit{};
  Failure failure = fail(Code::K7410, fmt::format("{}", fmt::join(missing, ", ")));
  failure.help.push_back(fmt::format("--allow-degraded={}", fmt::join(plan.degraded, ",")));
  for (const Feature& feature : manifest.features) {
    if (contains(plan.degraded, feature.name)) failure.help.push_back(fmt::format("without {}, this does not hold: {}", feature.name, feature.what));
  }
  for (const std::string& reason : plan.reasons) failure.help.push_back(reason);
  return failure;
}

}  // namespace kerf::loader
