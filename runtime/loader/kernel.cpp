// A checked object -> programs in the kernel, attached and pinned. Before: nothing has touched the kernel. After: every
// governed event of the cgroup is refused until set_record and set_cgroup_slot. The one decision: links are pinned the
// moment they exist, so enforcement never hangs on this process.
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
#include <memory>
#include <string_view>

#include "runtime/loader/failure.h"
#include "runtime/loader/files.h"

namespace kerf::loader {
namespace {

constexpr std::size_t kLogBytes = 4u << 20;

struct NamedMap {
  const char* name;
  Fd Maps::* fd;
  bpf_map_type type;
};
constexpr NamedMap kMaps[] = {{"kerf_bindings", &Maps::bindings, BPF_MAP_TYPE_HASH},
                              {"kerf_cgroup", &Maps::cgroup, BPF_MAP_TYPE_CGROUP_STORAGE},
                              {"kerf_state", &Maps::state, BPF_MAP_TYPE_ARRAY},
                              {"kerf_counters", &Maps::counters, BPF_MAP_TYPE_PERCPU_ARRAY},
                              {"kerf_hits", &Maps::hits, BPF_MAP_TYPE_PERCPU_ARRAY},
                              {"kerf_events", &Maps::events, BPF_MAP_TYPE_RINGBUF}};

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

void leave_out_selftest(bpf_object* object, Logs& logs) {
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    auto row = std::find_if(known_programs().begin(), known_programs().end(), [&](const KnownProgram& k) {
      return std::string_view(k.name) == bpf_program__name(program);
    });
    bool wanted = row != known_programs().end() && row->attached;
    bpf_program__set_autoload(program, wanted);
    if (wanted) logs.give(program);
  }
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    if (std::string_view(bpf_map__name(map)).starts_with("kerf_selftest")) bpf_map__set_autocreate(map, false);
  }
}

LoaderResult<Unit> write_state(const Maps& maps, bool log_allows) {
  kerf_state state{};
  state.generation = kGeneration;
  state.log_allows = log_allows ? 1 : 0;
  std::uint32_t zero = 0;
  if (::bpf_map_update_elem(maps.state.get(), &zero, &state, BPF_ANY) != 0) return fail(Code::K7405, "kerf_state", errno_text(errno));
  return Unit{};
}

struct DestroyLink {
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};

LoaderResult<Unit> attach_one(bpf_program* program, int cgroup, const std::string& pins) {
  std::string name = bpf_program__name(program);
  std::unique_ptr<bpf_link, DestroyLink> link(bpf_program__attach_cgroup(program, cgroup));
  if (!link) return fail(Code::K7406, name, errno_text(errno));
  std::string path = pins + "/link_" + name;
  // destroying a pinned link closes our descriptor only: the pin holds it
  if (int error = bpf_link__pin(link.get(), path.c_str()); error != 0) return fail(Code::K7407, fmt::format("cannot pin `{}`: {}", path, errno_text(-error)));
  return Unit{};
}

LoaderResult<Unit> grace_period() {
  if (::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0) return Unit{};
  return fail(Code::K7604, fmt::format("this kernel cannot wait for running hooks (membarrier: {})", errno_text(errno)));
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

LoaderResult<Loaded> load_object(const LoadedBundle& bundle, bool log_allows) {
  auto object = open_object(bundle.object, bundle.manifest);
  if (!object) return object.error();
  QuietLibbpf quiet;
  Logs logs;
  leave_out_selftest(object->get(), logs);
  if (int error = bpf_object__load(object->get()); error != 0) {
    Failure failure = fail(Code::K7405, "policy.bpf.o", errno_text(-error));
    for (std::string& line : logs.tail()) failure.help.push_back(std::move(line));
    return failure;
  }
  Loaded loaded{std::move(*object), {}};
  for (const NamedMap& row : kMaps) {
    int fd = bpf_object__find_map_fd_by_name(loaded.object.get(), row.name);
    loaded.maps.*row.fd = duplicate(fd);
    if (!(loaded.maps.*row.fd).ok()) return fail(Code::K7405, row.name, errno_text(errno));
  }
  if (auto done = write_state(loaded.maps, log_allows); !done) return done.error();
  return loaded;
}

LoaderResult<std::vector<std::string>> attach(const Loaded& loaded, int cgroup, const std::string& pins) {
  QuietLibbpf quiet;
  std::vector<std::string> names;
  for (const KnownProgram& row : known_programs()) {
    if (!row.attached) continue;
    bpf_program* program = bpf_object__find_program_by_name(loaded.object.get(), row.name);
    check(program != nullptr, "a checked object has every program");
    if (auto done = attach_one(program, cgroup, pins); !done) return done.error();
    names.push_back(row.name);
  }
  for (const NamedMap& row : kMaps) {
    std::string path = pins + "/" + row.name;
    if (::bpf_obj_pin((loaded.maps.*row.fd).get(), path.c_str()) != 0) {
      return fail(Code::K7407, fmt::format("cannot pin `{}`: {}", path, errno_text(errno)));
    }
  }
  return names;
}

LoaderResult<Unit> unpin(const std::string& pins) {
  for (const KnownProgram& row : known_programs()) {
    std::string path = pins + "/link_" + row.name;
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail(Code::K7407, fmt::format("cannot remove `{}`: {}", path, errno_text(errno)));
  }
  for (const NamedMap& row : kMaps) ::unlink((pins + "/" + row.name).c_str());
  if (::rmdir(pins.c_str()) != 0 && errno != ENOENT) return fail(Code::K7407, fmt::format("cannot remove `{}`: {}", pins, errno_text(errno)));
  return Unit{};
}

LoaderResult<Maps> open_pinned(const std::string& pins) {
  Maps maps;
  for (const NamedMap& row : kMaps) {
    std::string path = pins + "/" + row.name;
    Fd fd(::bpf_obj_get(path.c_str()));
    if (!fd.ok()) return fail(Code::K7603, fmt::format("cannot open `{}`: {}", path, errno_text(errno)));
    bpf_map_info info{};
    std::uint32_t size = sizeof info;
    bool right = ::bpf_obj_get_info_by_fd(fd.get(), &info, &size) == 0 && info.type == row.type;
    if (!right) return fail(Code::K7603, fmt::format("`{}` is another kind of map", path));
    maps.*row.fd = std::move(fd);
  }
  return maps;
}

LoaderResult<Unit> set_record(const Maps& maps, const std::vector<std::uint8_t>& record, bool replaces) {
  bpf_map_info info{};
  std::uint32_t size = sizeof info, key = kBinding;
  if (::bpf_obj_get_info_by_fd(maps.bindings.get(), &info, &size) != 0 || info.value_size != record.size()) {
    return fail(Code::K7604, std::string("the record does not fit the map kerf_bindings"));
  }
  if (!replaces) {
    if (::bpf_map_update_elem(maps.bindings.get(), &key, record.data(), BPF_NOEXIST) == 0) return Unit{};
    return fail(Code::K7604, errno_text(errno));
  }
  // also before: a writer that died had no time for the one after
  if (auto done = grace_period(); !done) return done;
  if (::bpf_map_update_elem(maps.bindings.get(), &key, record.data(), BPF_EXIST) != 0) return fail(Code::K7604, errno_text(errno));
  return grace_period();
}

LoaderResult<Unit> set_cgroup_slot(const Maps& maps, std::uint64_t cgroup, std::uint32_t binding) {
  kerf_cgroup_slot slot{binding, 0};
  if (::bpf_map_update_elem(maps.cgroup.get(), &cgroup, &slot, BPF_EXIST) != 0) return fail(Code::K7604, errno_text(errno));
  return Unit{};
}

kerf_counters read_counters(const Maps& maps) {
  return sum_cpus<kerf_counters>(maps.counters.get(), 0, [](kerf_counters& sum, const kerf_counters& one) {
    sum.decisions += one.decisions;
    sum.denials += one.denials;
    sum.events_lost += one.events_lost;
    sum.guards += one.guards;
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

}  // namespace kerf::loader
