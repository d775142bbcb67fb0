// The object in this machine's kernel.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdarg>
#include <cstring>

#include "rig.h"
#include "tests/support/put_record.h"

namespace kerf::test {
namespace {

int print_warnings(libbpf_print_level level, const char* format, std::va_list args) {
  return level == LIBBPF_WARN ? std::vfprintf(stderr, format, args) : 0;
}

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

bool kernel_takes_bpf() {
  int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "kerf_probe", 4, 4, 1, nullptr);
  if (fd < 0) {
    fmt::print("skipped: this kernel or user may not use bpf(): {}\n", strerror(-fd));
    return false;
  }
  close(fd);
  return true;
}

namespace {

void fill_segment(const KernelEnv& env, const EnvLayout& where, const Segment& segment, __u64* words) {
  __u64* active = words + where.active_offset + where.summary_words;
  for (std::size_t i = 0; i < env.rows.size(); ++i) {
    bool holds = true;
    for (Requirement r : env.rows[i].bind) holds = holds && segment.predicates.at(r.atom) == r.outcome;
    if (holds) active[where.row_of[i] / 64] |= __u64{1} << (where.row_of[i] & 63);
  }
  for (std::uint32_t w = 0; w < where.row_words; ++w) {
    if (active[w]) words[where.active_offset + w / 64] |= __u64{1} << (w & 63);
  }
  if (!segment.slots.empty()) std::memcpy(words + where.values_offset, segment.slots.data(), segment.slots.size() * sizeof(kerf_value));
}

}  // namespace

std::string binding_record(const Program& program, const BpfLayout& layout, const Binding& binding) {
  std::string bytes(layout.binding_bytes, '\0');
  auto* record = reinterpret_cast<kerf_binding*>(bytes.data());
  record->generation = binding.generation;
  record->mode = binding.mode;
  record->segment_count = static_cast<std::uint32_t>(binding.segments.size());
  const std::size_t directories = binding.directory_env.value_or(binding.env);
  const auto event = static_cast<std::size_t>(program.plan.envs[binding.env].event);
  if (binding.applicable) {
    record->env[event] = static_cast<std::uint32_t>(binding.env) + 1;
    record->directory_env[event] = static_cast<std::uint32_t>(directories) + 1;
  }
  for (__u64& until : record->segment_until_ns) until = ~std::uint64_t{0};
  for (std::size_t s = 0; s < binding.segments.size(); ++s) {
    record->segment_until_ns[s] = binding.segments[s].until_ns;
    __u64* words = record->words + s * layout.segment_words;
    fill_segment(program.plan.envs[binding.env], layout.envs[binding.env], binding.segments[s], words);
    if (directories != binding.env) fill_segment(program.plan.envs[directories], layout.envs[directories], binding.directory_segments.at(s), words);
  }
  return bytes;
}

Result<std::unique_ptr<Loaded>> Loaded::load(const Program& program, BpfObject object, bool hooks) {
  libbpf_set_print(print_warnings);
  auto loaded = std::make_unique<Loaded>();
  loaded->source_ = &program;
  loaded->built_ = std::move(object);
  LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "kerf");
  loaded->object_.reset(bpf_object__open_mem(loaded->built_.elf.data(), loaded->built_.elf.size(), &options));
  if (!loaded->object_) return Error{fmt::format("open: {}", strerror(errno))};
  bpf_program* each = nullptr;
  bpf_object__for_each_program(each, loaded->object_.get()) {
    bool selftest = std::string_view(bpf_program__name(each)) == "kerf_selftest";
    // Where `lsm=` lacks bpf, or for another reason, hooks of tasks and files may not load; tests/kernel is about them.
    bool cgroup = std::string_view(bpf_program__section_name(each)).starts_with("cgroup/");
    bpf_program__set_autoload(each, selftest || (hooks && cgroup));
  }
  auto start = std::chrono::steady_clock::now();
  int error = bpf_object__load(loaded->object_.get());
  loaded->load_ms = ms_since(start);
  if (error) return Error{fmt::format("load: {}", strerror(-error))};
  bpf_object__for_each_program(each, loaded->object_.get()) {
    if (bpf_program__fd(each) < 0) continue;
    bpf_prog_info info{};
    __u32 size = sizeof info;
    bpf_obj_get_info_by_fd(bpf_program__fd(each), &info, &size);
    loaded->verified_insns.emplace_back(bpf_program__name(each), info.verified_insns);
  }
  loaded->set_generation(7);
  return loaded;
}

void Loaded::set_generation(std::uint64_t generation) {
  kerf_state state{generation, 0, 0, 0, 0};
  __u32 zero = 0;
  bpf_map_update_elem(map("kerf_state"), &zero, &state, BPF_ANY);
}

int Loaded::bind(std::uint32_t id, const Binding& binding) {
  return put_record(map("kerf_bindings"), id, binding_record(*source_, built_.layout, binding));
}

std::vector<kerf_decision> Loaded::decide(std::uint32_t binding, const std::vector<kerf_seen>& events,
                                          const std::vector<std::string>& paths) {
  std::vector<kerf_decision> decisions(events.size());
  int in = map("kerf_selftest_in"), out = map("kerf_selftest_out"), program_fd = bpf_program__fd(program("kerf_selftest"));
  for (std::size_t begin = 0; begin < events.size(); begin += KERF_SELFTEST_BATCH) {
    __u32 count = static_cast<__u32>(std::min<std::size_t>(KERF_SELFTEST_BATCH, events.size() - begin));
    for (__u32 i = 0; i < count; ++i) {
      kerf_selftest_in element{binding, 0, events[begin + i]};
      bpf_map_update_elem(in, &i, &element, BPF_ANY);
      if (paths.empty()) continue;
      auto path = std::make_unique<kerf_selftest_path>();
      std::memcpy(path->path, paths[begin + i].data(), std::min(paths[begin + i].size(), sizeof path->path));
      bpf_map_update_elem(map("kerf_selftest_path"), &i, path.get(), BPF_ANY);
    }
    kerf_selftest_args args{count, 1, KERF_SELFTEST_DECISION, 0};
    LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &args, .ctx_size_in = sizeof args);
    int error = bpf_prog_test_run_opts(program_fd, &run);
    if (error || run.retval) {
      fmt::print(stderr, "test run: {} retval {}\n", error, run.retval);
      return {};
    }
    for (__u32 i = 0; i < count; ++i) bpf_map_lookup_elem(out, &i, &decisions[begin + i]);
  }
  return decisions;
}

double Loaded::nanoseconds_per_decision(std::uint32_t binding, const std::vector<kerf_seen>& events,
                                        const std::vector<std::string>& paths) {
  __u32 count = static_cast<__u32>(std::min<std::size_t>(KERF_SELFTEST_BATCH, events.size()));
  decide(binding, {events.begin(), events.begin() + count}, paths);
  double best = 1e18;
  for (int turn = 0; turn < 20; ++turn) {
    kerf_selftest_args args{count, 1, KERF_SELFTEST_DECISION, 0};
    LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &args, .ctx_size_in = sizeof args);
    auto start = std::chrono::steady_clock::now();
    if (bpf_prog_test_run_opts(bpf_program__fd(program("kerf_selftest")), &run)) return -1;
    best = std::min(best, ms_since(start) * 1e6 / count);
  }
  return best;
}

std::uint64_t Loaded::hits(std::uint32_t policy) const {
  std::vector<kerf_hit> per_cpu(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  if (bpf_map_lookup_elem(map("kerf_hits"), &policy, per_cpu.data())) return 0;
  std::uint64_t total = 0;
  for (const kerf_hit& hit : per_cpu) total += hit.hits;
  return total;
}

}  // namespace kerf::test
