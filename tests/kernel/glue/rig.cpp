// Hand-made set-up -> a running enforcement; calls in bound processes -> text to compare.
#include "rig.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <cstddef>
#include <cstdio>
#include <iterator>
#include <memory>
#include <utility>

#include "tests/support/put_record.h"

extern "C" const unsigned char kerf_glue_all[], kerf_glue_all_end[], kerf_glue_few[], kerf_glue_few_end[];
#define EMBED(symbol, file)                                                                                      \
  __asm__(".section .rodata\n.balign 8\n" #symbol ":\n.incbin \"" file "\"\n.globl " #symbol "\n" #symbol "_end:\n.globl " #symbol \
          "_end\n.byte 0\n.previous\n")
EMBED(kerf_glue_all, KERF_GLUE_ALL);
EMBED(kerf_glue_few, KERF_GLUE_FEW);

namespace kerf::test {
namespace {

constexpr std::size_t kBindingBytes = 640;   // as glue.bpf.c says
static_assert(sizeof(kerf_binding) <= kBindingBytes);

const char* const kEvents[] = {"connect", "read", "write", "create", "delete", "rename", "link", "list", "stat", "exec", "load", "unix-connect", "unix-bind", "truncate", "chmod", "chown", "mkdir", "mknod", "symlink", "rmdir", "ioctl", "append", "receive", "bind", "listen", "accept", "socket"};
const char* const kReasons[] = {"",        "permit",     "forbid",     "no-permit", "no-action", "no-record", "guard",   "quarantine",
                                "internal", "no-address", "no-path", "too-long",  "not-text",  "raced",     "ambiguous", "no-slot"};
const char* const kGuards[] = {"", "raw", "packet", "rename", "bpf", "mount", "ptrace", "signal", "protected", "routing", "exe"};

struct Shared {
  int error;
};

}  // namespace

Rig::Rig(Variant variant) {
  const unsigned char* begin = variant == Variant::all ? kerf_glue_all : kerf_glue_few;
  const unsigned char* end = variant == Variant::all ? kerf_glue_all_end : kerf_glue_few_end;
  libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
  libbpf_set_print([](libbpf_print_level level, const char* format, va_list args) {
    return level == LIBBPF_WARN ? std::vfprintf(stderr, format, args) : 0;
  });
  LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "glue");
  object_ = bpf_object__open_mem(begin, static_cast<std::size_t>(end - begin), &options);
  REQUIRE_MESSAGE(object_, std::strerror(errno));
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object_) {
    std::string name = bpf_program__name(program), hook = name.substr(5);   // newer hooks, which 6.1 may not have
    bool newer = name == "kerf_file_truncate" || name == "kerf_file_ioctl_compat";
    if (newer && libbpf_find_vmlinux_btf_id(hook.c_str(), BPF_LSM_MAC) <= 0) bpf_program__set_autoload(program, false);
  }
  int loaded = bpf_object__load(object_);
  REQUIRE_MESSAGE(loaded == 0, std::strerror(-loaded));
  static int number = 0;
  cgroup_ = fmt::format("/sys/fs/cgroup/glue{}", ++number);
  ::mkdir(cgroup_.c_str(), 0755);
  ring_ = ring_buffer__new(map("kerf_events"), on_event, this, nullptr);
  REQUIRE(ring_);
  attach();
  struct stat info {};
  REQUIRE(::stat(cgroup_.c_str(), &info) == 0);
  std::uint64_t id = info.st_ino;
  set_live(0);
  kerf_tag tag{kBinding, 0, 0};
  REQUIRE(bpf_map_update_elem(map("kerf_cgroups"), &id, &tag, BPF_ANY) == 0);
}

Rig& Rig::fresh(Variant variant) {
  static std::unique_ptr<Rig> rigs[2];
  std::unique_ptr<Rig>& rig = rigs[variant == Variant::all ? 0 : 1];
  if (!rig) rig = std::make_unique<Rig>(variant);
  rig->reset();
  return *rig;
}

void Rig::reset() {
  remove_tags();
  deny(0);
  set_mode(KERF_MODE_ENFORCE);
  kerf_anchor_key key{};
  for (int fd = map("kerf_anchors"); bpf_map_get_next_key(fd, nullptr, &key) == 0;) bpf_map_delete_elem(fd, &key);
  anchors_ = 0;
  anchor("/", "");
  anchor("/tmp", "/tmp");
  anchor("/proc", "/proc");
  std::vector<kerf_counters> none(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  std::uint32_t zero = 0;
  REQUIRE(bpf_map_update_elem(map("kerf_counters"), &zero, none.data(), BPF_ANY) == 0);
  events();
}

Rig::~Rig() {
  for (bpf_link* link : links_) bpf_link__destroy(link);
  ring_buffer__free(ring_);
  bpf_object__close(object_);
  for (int i = 0; i < 100 && ::rmdir(cgroup_.c_str()) != 0; ++i) ::usleep(10000);
}

std::uint64_t Rig::live() const {
  std::uint64_t count = ~std::uint64_t{0};
  bpf_map_lookup_elem(map("kerf_live"), &kBinding, &count);
  return count;
}

void Rig::set_live(std::uint64_t count) { REQUIRE(bpf_map_update_elem(map("kerf_live"), &kBinding, &count, BPF_ANY) == 0); }

int Rig::map(const char* name) const {
  int fd = bpf_object__find_map_fd_by_name(object_, name);
  REQUIRE_MESSAGE(fd >= 0, name);
  return fd;
}

void Rig::attach() {
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object_) {
    std::string name = bpf_program__name(program);
    bpf_prog_type type = bpf_program__type(program);
    if (type == BPF_PROG_TYPE_CGROUP_SOCK || type == BPF_PROG_TYPE_CGROUP_SOCK_ADDR) continue;
    if (name == "kerf_tag_tasks" || name == "kerf_anchor_probe" || !bpf_program__autoload(program)) continue;
    bpf_link* link = bpf_program__attach(program);
    REQUIRE_MESSAGE(link, name, ": ", std::strerror(errno));
    links_.push_back(link);
  }
}

void Rig::attach_cgroup_programs() {
  int fd = ::open(cgroup_.c_str(), O_RDONLY | O_DIRECTORY);
  struct stat info {};
  REQUIRE(::fstat(fd, &info) == 0);
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object_) {
    bpf_prog_type type = bpf_program__type(program);
    if (type != BPF_PROG_TYPE_CGROUP_SOCK && type != BPF_PROG_TYPE_CGROUP_SOCK_ADDR) continue;
    bpf_link* link = bpf_program__attach_cgroup(program, fd);
    REQUIRE(link);
    links_.push_back(link);
  }
  std::uint64_t id = info.st_ino;
  kerf_cgroup_slot slot{kBinding, 0};
  REQUIRE(bpf_map_update_elem(map("kerf_cgroup"), &id, &slot, BPF_ANY) == 0);
  ::close(fd);
}

void Rig::deny(std::uint32_t mask) {
  std::uint32_t zero = 0;
  REQUIRE(bpf_map_update_elem(map("test_denied"), &zero, &mask, BPF_ANY) == 0);
}

void Rig::set_mode(std::uint32_t mode) {
  kerf_binding binding{};
  binding.generation = 1;
  binding.mode = mode;
  std::string record(kBindingBytes, '\0');
  std::memcpy(record.data(), &binding, sizeof binding);
  REQUIRE(put_record(map("kerf_bindings"), kBinding, record) == 0);
  waive(0);
}

void Rig::set_binding(bool there) {
  if (there) set_mode(KERF_MODE_ENFORCE);
  else remove_record(map("kerf_bindings"), kBinding);
}

void Rig::waive(std::uint64_t guards) {
  std::uint32_t zero = 0;
  kerf_state state{.generation = 1, .options = KERF_OPTION_LOG_ALLOWS, .cgroup_levels = 1u << 1, .waived_guards = guards, .tai_offset_ns = 0};
  REQUIRE(bpf_map_update_elem(map("kerf_state"), &zero, &state, BPF_ANY) == 0);
}

void Rig::anchor(const std::string& directory, const std::string& path) {
  std::uint32_t zero = 0;
  kerf_anchor_probe probe{};
  probe.tgid = static_cast<std::uint32_t>(::getpid());
  REQUIRE(bpf_map_update_elem(map("kerf_probe"), &zero, &probe, BPF_ANY) == 0);
  bpf_link* link = bpf_program__attach(bpf_object__find_program_by_name(object_, "kerf_anchor_probe"));
  REQUIRE(link);
  int fd = ::open(directory.c_str(), O_PATH);
  struct stat info {};
  REQUIRE(::fstat(fd, &info) == 0);
  ::close(fd);
  bpf_link__destroy(link);
  REQUIRE(bpf_map_lookup_elem(map("kerf_probe"), &zero, &probe) == 0);
  REQUIRE(probe.filled == 1);
  probe.key.binding = kBinding;
  kerf_anchor_path anchor{};
  anchor.length = static_cast<std::uint32_t>(path.size());
  anchor.binding = kBinding;
  std::memcpy(anchor.path, path.data(), path.size());
  REQUIRE(bpf_map_update_elem(map("kerf_anchor_paths"), &anchors_, &anchor, BPF_ANY) == 0);
  REQUIRE(bpf_map_update_elem(map("kerf_anchors"), &probe.key, &anchors_, BPF_ANY) == 0);
  ++anchors_;
}

std::size_t Rig::tags() const {
  std::size_t count = 0;
  std::uint64_t key = 0, next = 0;
  for (int fd = map("kerf_tasks"); bpf_map_get_next_key(fd, count ? &key : nullptr, &next) == 0; key = next) ++count;
  return count;
}

bool Rig::no_tags_soon() const {
  for (int i = 0; i < 300 && tags() != 0; ++i) ::usleep(10000);
  return tags() == 0;
}

void Rig::remove_tags() {
  int fd = map("kerf_tasks");
  std::vector<std::uint64_t> keys;
  for (std::uint64_t key = 0; bpf_map_get_next_key(fd, keys.empty() ? nullptr : &keys.back(), &key) == 0;) keys.push_back(key);
  for (std::uint64_t key : keys) bpf_map_delete_elem(fd, &key);
}

kerf_counters Rig::counters() const {
  std::vector<kerf_counters> each(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  std::uint32_t zero = 0;
  REQUIRE(bpf_map_lookup_elem(map("kerf_counters"), &zero, each.data()) == 0);
  kerf_counters sum{};
  for (const kerf_counters& c : each) {
    sum.decisions += c.decisions;
    sum.denials += c.denials;
    sum.events_lost += c.events_lost;
    sum.guards += c.guards;
    sum.no_slot += c.no_slot;
    sum.tags_lost += c.tags_lost;
  }
  return sum;
}

void Rig::run_iterator() {
  bpf_link* link = bpf_program__attach_iter(bpf_object__find_program_by_name(object_, "kerf_tag_tasks"), nullptr);
  REQUIRE(link);
  int fd = bpf_iter_create(bpf_link__fd(link));
  REQUIRE(fd >= 0);
  char buffer[64];
  while (::read(fd, buffer, sizeof buffer) > 0) {
  }
  ::close(fd);
  bpf_link__destroy(link);
}

std::string Rig::describe(const kerf_event_record& record, const char* path) const {
  auto name = [](const auto& names, std::uint32_t i) { return i < std::size(names) ? std::string(names[i]) : std::to_string(i); };
  const kerf_seen& seen = record.seen;
  std::string text;
  if (record.guard != KERF_GUARD_NONE && record.guard != KERF_GUARD_RENAME) {
    text = name(kGuards, record.guard);
  } else if (record.kind == KERF_EVENT_NET_CONNECT) {
    std::uint64_t low = seen.net.address_low;
    text = seen.net.v6 ? fmt::format("connect {:x}:{:x} {}", seen.net.address_high, low, seen.net.port)
                       : fmt::format("connect {}.{}.{}.{} {}", low >> 24 & 255, low >> 16 & 255, low >> 8 & 255, low & 255, seen.net.port);
  } else {
    text = name(kEvents, record.kind) + " " + std::string(path, record.payload_size);
    if (!seen.file.exists) text += " new";
    if (seen.file.directory) text += " dir";
  }
  text += " " + name(kReasons, record.decision.reason);
  if (record.guard == KERF_GUARD_RENAME) text += "-rename";
  if (record.refusal_errno != 0) text += fmt::format(" {}", record.refusal_errno);
  bool sound = record.version == KERF_ABI_VERSION && record.size == sizeof record + record.payload_size + record.exe_size && record.time_ns != 0 &&
               record.pid == seen.pid && (record.decision.verdict == KERF_VERDICT_ALLOW) == (record.decision.reason == KERF_REASON_PERMIT);
  return text + (sound ? "\n" : " UNSOUND\n");
}

int Rig::on_event(void* self, void* data, std::size_t size) {
  auto* rig = static_cast<Rig*>(self);
  auto* record = static_cast<const kerf_event_record*>(data);
  if (size < record->size) rig->seen_ += "SHORT ";
  rig->seen_ += rig->describe(*record, reinterpret_cast<const char*>(record + 1));
  const kerf_file_event& file = record->seen.file;
  rig->last_file_ = fmt::format("{} {} {:o} {}", file.fs_type, file.owner, file.mode, file.nlink);
  return 0;
}

std::string Rig::events() {
  ring_buffer__consume(ring_);
  return std::exchange(seen_, "");
}

std::string Rig::entering(const std::function<void()>& before, const std::function<long()>& call) {
  events();
  void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  auto* shared = static_cast<Shared*>(memory);
  shared->error = -1;
  int cgroup = ::open((cgroup_ + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC);
  REQUIRE(cgroup >= 0);
  pid_t child = ::fork();
  if (child == 0) {
    ::alarm(30);
    before();
    if (::write(cgroup, "0", 1) != 1) ::_exit(2);
    errno = 0;
    long result = call();
    shared->error = result < 0 ? errno : 0;
    ::_exit(0);
  }
  ::close(cgroup);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  int error = shared->error;
  ::munmap(memory, 4096);
  std::string text = status == 0 ? std::to_string(error) : fmt::format("status {:x}", status);
  return text + "\n" + events();
}

std::string Rig::inside(const std::function<long()>& call) {
  return entering([] {}, call);
}

std::string Rig::outside(const std::function<long()>& call) {
  events();
  errno = 0;
  long result = call();
  int error = result < 0 ? errno : 0;
  return std::to_string(error) + "\n" + events();
}

}  // namespace kerf::test
