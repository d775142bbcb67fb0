// A checked object -> programs in the kernel, attached and pinned. Before: nothing has touched the kernel. After: every
// governed event of a bound task is refused until set_record. The one decision: links are pinned the moment they exist,
// so enforcement never hangs on this process, and every later step starts from pins, not from this process's memory.
#include "runtime/loader/kernel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/membarrier.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string_view>

#include "runtime/loader/failure.h"
#include "runtime/loader/identity.h"
#include "runtime/loader/files.h"

namespace kerf::loader {
namespace {

constexpr std::size_t kLogBytes = 4u << 20;

struct NamedMap {
  const char* name;
  Fd Maps::* fd;
  bpf_map_type type;
  std::uint32_t key_size, value_size;   // 0: the bundle says, or nobody
  bool needed;
  bool shared;       // a replacing generation goes on with it
};
constexpr NamedMap kMaps[] = {
    {"kerf_bindings", &Maps::bindings, BPF_MAP_TYPE_ARRAY_OF_MAPS, 4, 4, true, false},
    {"kerf_named", &Maps::named, BPF_MAP_TYPE_HASH, sizeof(kerf_name_key), 0, false, false},
    {"kerf_cgroup", &Maps::cgroup, BPF_MAP_TYPE_CGROUP_STORAGE, 8, sizeof(kerf_cgroup_slot), false, true},
    {"kerf_state", &Maps::state, BPF_MAP_TYPE_ARRAY, 4, sizeof(kerf_state), true, false},
    {"kerf_counters", &Maps::counters, BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(kerf_counters), true, false},
    {"kerf_hits", &Maps::hits, BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(kerf_hit), true, false},
    {"kerf_events", &Maps::events, BPF_MAP_TYPE_RINGBUF, 0, 0, true, false},
    {"kerf_tasks", &Maps::tasks, BPF_MAP_TYPE_HASH, 8, sizeof(kerf_tag), false, true},
    {"kerf_cgroups", &Maps::cgroups, BPF_MAP_TYPE_HASH, 8, sizeof(kerf_tag), false, true},
    {"kerf_live", &Maps::live, BPF_MAP_TYPE_HASH, 4, 8, false, true},
    {"kerf_anchors", &Maps::anchors, BPF_MAP_TYPE_HASH, sizeof(kerf_anchor_key), 4, false, true},
    {"kerf_anchor_paths", &Maps::anchor_paths, BPF_MAP_TYPE_ARRAY, 4, sizeof(kerf_anchor_path), false, true},
    {"kerf_probe", &Maps::anchor_probe, BPF_MAP_TYPE_ARRAY, 4, sizeof(kerf_anchor_probe), false, false}};

// A pin may be another map than the one that this kerf made: user space would copy its sizes into memory of ours. The
// kernel keeps as much of the name as there is room for.
bool fits(const NamedMap& row, const bpf_map_info& info) {
  return std::strncmp(info.name, row.name, sizeof info.name - 1) == 0 && info.type == row.type && (row.key_size == 0 || info.key_size == row.key_size) &&
         (row.value_size == 0 || info.value_size == row.value_size);
}

Fd duplicate(int fd) { return Fd(::fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

// The verifier's last words. Uninitialised memory: untouched unless a load fails.
class Logs {
 public:
  void give(bpf_program* program) {
    logs_.push_back({bpf_program__name(program), std::unique_ptr<char[]>(new char[kLogBytes])});
    logs_.back().text[0] = '\0';
    bpf_program__set_log_buf(program, logs_.back().text.get(), kLogBytes);
  }
  std::vector<std::string> tail() const {
    std::vector<std::string> lines;
    for (const Log& log : logs_) {
      std::string_view text(log.text.get());
      if (text.empty()) continue;
      constexpr std::size_t kShown = 1200;
      if (text.size() > kShown) text.remove_prefix(text.size() - kShown);
      lines.push_back(fmt::format("the kernel says of {}: {}", log.program, text));
    }
    return lines;
  }

 private:
  struct Log {
    std::string program;
    std::unique_ptr<char[]> text;
  };
  std::vector<Log> logs_;
};

// Only what the plan says is loaded; of the maps, those of the self-test stay out.
void choose_programs(bpf_object* object, const Enforcement& plan, Logs& logs) {
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    bool wanted = plan.has(bpf_program__name(program));
    bpf_program__set_autoload(program, wanted);
    if (wanted) logs.give(program);
  }
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    if (std::string_view(bpf_map__name(map)).starts_with("kerf_selftest")) bpf_map__set_autocreate(map, false);
  }
}

LoaderResult<Unit> share_maps(bpf_object* object, const Maps& shared) {
  for (const NamedMap& row : kMaps) {
    bpf_map* map = bpf_object__find_map_by_name(object, row.name);
    int fd = (shared.*row.fd).get();
    if (!row.shared || map == nullptr || fd < 0) continue;
    if (int error = bpf_map__reuse_fd(map, fd); error != 0) return fail(Code::K7405, row.name, errno_text(-error));
  }
  return Unit{};
}

LoaderResult<Unit> write_kernel_state(const Maps& maps, const LoadInput& input) {
  kerf_state state{};
  state.generation = input.generation;
  if (input.log_allows) state.options |= KERF_OPTION_LOG_ALLOWS;
  if (!input.count_hits) state.options |= KERF_OPTION_NO_HITS;
  state.waived_guards = input.plan.waived_guards;
  state.tai_offset_ns = tai_offset_ns();
  std::uint32_t zero = 0;
  if (::bpf_map_update_elem(maps.state.get(), &zero, &state, BPF_ANY) != 0) return fail(Code::K7405, "kerf_state", errno_text(errno));
  return Unit{};
}

Failure pin_failure(const std::string& path, int error) {
  return fail(Code::K7407, fmt::format("cannot pin `{}`: {}", path, errno_text(error)));
}

LoaderResult<Unit> pin(int fd, const std::string& path) {
  if (::bpf_obj_pin(fd, path.c_str()) != 0) return pin_failure(path, errno);
  return Unit{};
}

struct DestroyLink {
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};

LoaderResult<Unit> attach_hook(bpf_program* program, const std::string& pins) {
  std::string name = bpf_program__name(program), path = pins + "/link_" + name;
  std::unique_ptr<bpf_link, DestroyLink> link(bpf_program__attach(program));
  if (!link) return fail(Code::K7406, name, errno_text(errno));
  // destroying a pinned link closes our descriptor only: the pin holds it
  if (int error = bpf_link__pin(link.get(), path.c_str()); error != 0) return pin_failure(path, -error);
  return Unit{};
}

bool is_whole_hook(const KnownProgram& row) {
  return (row.role == ProgramRole::hook || row.role == ProgramRole::newer_hook || row.role == ProgramRole::spare_hook) && !attaches_to_cgroup(row);
}

bpf_program* program_of(const Loaded& loaded, const KnownProgram& row) {
  bpf_program* program = bpf_object__find_program_by_name(loaded.object.get(), row.name);
  check(program != nullptr, "a checked object has every program that its manifest lists");
  return program;
}

std::string cgroup_link(const std::string& pins, std::uint32_t binding, const std::string& program) {
  return fmt::format("{}/binding{}_{}", pins, binding, program);
}

// Names in a directory of pins.
std::vector<std::string> entries(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  return names;
}

LoaderResult<Unit> remove_pin(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return Unit{};
  return fail(Code::K7407, fmt::format("cannot remove `{}`: {}", path, errno_text(errno)));
}

template <class T>
T sum_cpus(int map, std::uint32_t key, void (*add)(T&, const T&)) {
  int cpus = ::libbpf_num_possible_cpus();
  std::vector<T> values(cpus > 0 ? static_cast<std::size_t>(cpus) : 0);
  T sum{};
  if (values.empty() || ::bpf_map_lookup_elem(map, &key, values.data()) != 0) return sum;
  for (const T& value : values) add(sum, value);
  return sum;
}

}  // namespace

LoaderResult<Unit> grace_period() {
  if (::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0) return Unit{};
  return fail(Code::K7604, fmt::format("this kernel cannot wait for running hooks (membarrier: {})", errno_text(errno)));
}

LoaderResult<Loaded> load_object(const LoadInput& input) {
  auto object = open_object(input.bundle.object, input.bundle.manifest);
  if (!object) return object.error();
  QuietLibbpf quiet;
  Logs logs;
  choose_programs(object->get(), input.plan, logs);
  if (input.shared != nullptr) {
    if (auto done = share_maps(object->get(), *input.shared); !done) return done.error();
  }
  if (int error = bpf_object__load(object->get()); error != 0) {
    Failure failure = fail(Code::K7405, "policy.bpf.o", errno_text(-error));
    for (std::string& line : logs.tail()) failure.help.push_back(std::move(line));
    return failure;
  }
  Loaded loaded{std::move(*object), {}};
  for (const NamedMap& row : kMaps) {
    int fd = bpf_object__find_map_fd_by_name(loaded.object.get(), row.name);
    if (fd < 0 && !row.needed) continue;
    loaded.maps.*row.fd = duplicate(fd);
    if (!(loaded.maps.*row.fd).ok()) return fail(Code::K7405, row.name, errno_text(errno));
  }
  if (auto done = write_kernel_state(loaded.maps, input); !done) return done.error();
  return loaded;
}

LoaderResult<std::vector<std::string>> pin_object(const Loaded& loaded, const Enforcement& plan, const std::string& pins) {
  for (const NamedMap& row : kMaps) {
    int fd = (loaded.maps.*row.fd).get();
    if (fd < 0) continue;
    if (auto done = pin(fd, pins + "/" + row.name); !done) return done.error();
  }
  std::vector<std::string> names;
  for (const KnownProgram* row : plan.programs) {
    names.push_back(row->name);
    if (is_whole_hook(*row)) continue;
    auto done = pin(bpf_program__fd(program_of(loaded, *row)), pins + "/program_" + row->name);
    if (!done) return done.error();
  }
  return names;
}

LoaderResult<Unit> attach_hooks(const Loaded& loaded, const Enforcement& plan, const std::string& pins) {
  QuietLibbpf quiet;
  for (const KnownProgram* row : plan.programs) {
    if (!is_whole_hook(*row)) continue;
    if (auto done = attach_hook(program_of(loaded, *row), pins); !done) return done;
  }
  return Unit{};
}

LoaderResult<Fd> open_program(const std::string& pins, const std::string& name) {
  std::string path = pins + "/program_" + name;
  Fd fd(::bpf_obj_get(path.c_str()));
  if (!fd.ok()) return fail(Code::K7603, fmt::format("cannot open `{}`: {}", path, errno_text(errno)));
  return fd;
}

LoaderResult<Unit> attach_cgroup(const std::string& pins, const std::vector<std::string>& programs, std::uint32_t binding, int cgroup) {
  for (const std::string& name : programs) {
    const KnownProgram* row = find_program(name);
    if (row == nullptr || !attaches_to_cgroup(*row)) continue;
    auto program = open_program(pins, name);
    if (!program) return program.error();
    Fd link(::bpf_link_create(program->get(), cgroup, row->attach, nullptr));
    if (!link.ok()) return fail(Code::K7406, name, errno_text(errno));
    if (auto done = pin(link.get(), cgroup_link(pins, binding, name)); !done) return done;
  }
  return Unit{};
}

LoaderResult<Unit> detach_cgroup(const std::string& pins, std::uint32_t binding) {
  std::string prefix = fmt::format("binding{}_", binding);
  for (const std::string& name : entries(pins)) {
    if (!name.starts_with(prefix)) continue;
    if (auto done = remove_pin(pins + "/" + name); !done) return done;
  }
  return Unit{};
}

LoaderResult<Unit> unpin(const std::string& pins) {
  std::vector<std::string> names = entries(pins);
  auto is_link = [](const std::string& name) { return name.starts_with("binding") || name.starts_with("link_"); };
  std::stable_partition(names.begin(), names.end(), is_link);
  for (const std::string& name : names) {
    if (auto done = remove_pin(pins + "/" + name); !done) return done;
  }
  if (::rmdir(pins.c_str()) != 0 && errno != ENOENT) return fail(Code::K7407, fmt::format("cannot remove `{}`: {}", pins, errno_text(errno)));
  return Unit{};
}

LoaderResult<Maps> open_pinned(const std::string& pins) {
  Maps maps;
  for (const NamedMap& row : kMaps) {
    std::string path = pins + "/" + row.name;
    Fd fd(::bpf_obj_get(path.c_str()));
    if (!fd.ok() && errno == ENOENT && !row.needed) continue;
    if (!fd.ok()) return fail(Code::K7603, fmt::format("cannot open `{}`: {}", path, errno_text(errno)));
    bpf_map_info info{};
    std::uint32_t size = sizeof info;
    bool right = ::bpf_obj_get_info_by_fd(fd.get(), &info, &size) == 0 && fits(row, info);
    if (!right) return fail(Code::K7603, fmt::format("`{}` is another map, or of another size", path));
    maps.*row.fd = std::move(fd);
  }
  return maps;
}

LoaderResult<Unit> set_record(const Maps& maps, std::uint32_t binding, std::vector<std::uint8_t> record, RecordChange change) {
  if (record.size() < sizeof(kerf_binding)) return fail(Code::K7604, std::string("the record does not fit the map kerf_bindings"));
  const std::uint32_t slot = KERF_BINDING_SLOT(binding), zero = 0;
  std::uint32_t before = 0;
  const bool taken = ::bpf_map_lookup_elem(maps.bindings.get(), &slot, &before) == 0, adds = change == RecordChange::add;
  if (taken == adds) return fail(Code::K7604, errno_text(adds ? EEXIST : ENOENT));
  std::memcpy(record.data() + offsetof(kerf_binding, binding), &binding, sizeof binding);
  Fd own(::bpf_map_create(BPF_MAP_TYPE_ARRAY, "kerf_record", sizeof zero, static_cast<std::uint32_t>(record.size()), 1, nullptr));
  if (!own.ok() || ::bpf_map_update_elem(own.get(), &zero, record.data(), BPF_ANY) != 0) return fail(Code::K7604, errno_text(errno));
  // the kernel takes none of another size, and waits for the hooks that read the one before
  const int fd = own.get();
  if (::bpf_map_update_elem(maps.bindings.get(), &slot, &fd, BPF_ANY) != 0) return fail(Code::K7604, errno_text(errno));
  return Unit{};
}

LoaderResult<Unit> remove_record(const Maps& maps, std::uint32_t binding) {
  const std::uint32_t slot = KERF_BINDING_SLOT(binding);
  if (::bpf_map_delete_elem(maps.bindings.get(), &slot) != 0 && errno != ENOENT) return fail(Code::K7604, errno_text(errno));
  return Unit{};
}

LoaderResult<Unit> set_cgroup_slot(const Maps& maps, std::uint64_t cgroup, std::uint32_t binding) {
  if (!maps.cgroup.ok()) return Unit{};   // no hook of the object belongs to a cgroup
  kerf_cgroup_slot slot{binding, 0};
  // a cgroup to which nothing was ever attached has no slot: none is as good as 0
  bool set = ::bpf_map_update_elem(maps.cgroup.get(), &cgroup, &slot, BPF_EXIST) == 0 || (binding == 0 && errno == ENOENT);
  if (!set) return fail(Code::K7604, errno_text(errno));
  return Unit{};
}

kerf_counters read_counters(const Maps& maps) {
  return sum_cpus<kerf_counters>(maps.counters.get(), 0, [](kerf_counters& sum, const kerf_counters& one) {
    sum.decisions += one.decisions;
    sum.denials += one.denials;
    sum.events_lost += one.events_lost;
    sum.guards += one.guards;
    sum.no_slot += one.no_slot;
    sum.tags_lost += one.tags_lost;
  });
}

void clear_counters(const Maps& maps) {
  int cpus = ::libbpf_num_possible_cpus();
  std::vector<kerf_counters> zeros(cpus > 0 ? static_cast<std::size_t>(cpus) : 1);
  std::uint32_t zero = 0;
  ::bpf_map_update_elem(maps.counters.get(), &zero, zeros.data(), BPF_ANY);
}

std::vector<kerf_hit> read_hits(const Maps& maps, std::size_t policies) {
  std::vector<kerf_hit> hits;
  hits.reserve(policies);
  for (std::uint32_t i = 0; i < policies; ++i) {
    hits.push_back(sum_cpus<kerf_hit>(maps.hits.get(), i, [](kerf_hit& sum, const kerf_hit& one) {
      sum.hits += one.hits;
      sum.last_ns = std::max(sum.last_ns, one.last_ns);
    }));
  }
  return hits;
}

namespace {

// A field of /proc/self/fdinfo/FD.
std::optional<std::uint64_t> fd_field(int fd, std::string_view name) {
  auto text = read_file(fmt::format("/proc/self/fdinfo/{}", fd), 64u << 10);
  std::size_t at = text ? text->find(fmt::format("\n{}:", name)) : std::string::npos;
  if (at == std::string::npos) return std::nullopt;
  return std::strtoull(text->c_str() + at + name.size() + 2, nullptr, 10);
}

std::uint64_t memory_of_records(int bindings) {
  std::uint64_t sum = 0;
  for (std::uint32_t slot = 0, id = 0; slot < KERF_MAX_BINDINGS; ++slot) {
    if (::bpf_map_lookup_elem(bindings, &slot, &id) != 0) continue;
    Fd own(::bpf_map_get_fd_by_id(id));
    if (own.ok()) sum += fd_field(own.get(), "memlock").value_or(0);
  }
  return sum;
}

}  // namespace

Memory memory_of(const std::string& pins) {
  Memory memory;
  std::set<std::uint64_t> seen;
  auto count_program = [&](int fd) {
    auto id = fd_field(fd, "prog_id");
    if (id && seen.insert(*id).second) memory.programs += fd_field(fd, "memlock").value_or(0);
  };
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator it(pins, error), end; !error && it != end; it.increment(error)) {
    if (it->is_directory(error)) continue;
    Fd fd(::bpf_obj_get(it->path().c_str()));
    if (!fd.ok()) continue;
    if (fd_field(fd.get(), "map_id")) {
      memory.maps += fd_field(fd.get(), "memlock").value_or(0);
      if (it->path().filename() == "kerf_bindings") memory.maps += memory_of_records(fd.get());
    } else if (fd_field(fd.get(), "link_id")) {
      Fd program(::bpf_prog_get_fd_by_id(static_cast<std::uint32_t>(fd_field(fd.get(), "prog_id").value_or(0))));
      if (program.ok()) count_program(program.get());
    } else {
      count_program(fd.get());
    }
  }
  return memory;
}

}  // namespace kerf::loader
