// One loaded object for each program; one binding for each distinct (principal, facts); one run of kerf_selftest for
// each batch.
#include "tests/semantics/kernel_judge.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>

#include "ir/base/check.h"
#include "runtime/abi/policy_abi.h"
#include "runtime/loader/bundle.h"
#include "runtime/loader/record.h"
#include "tests/support/put_record.h"

namespace kerf::test {
namespace {

struct CloseObject {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};
using Object = std::unique_ptr<bpf_object, CloseObject>;

Result<Object> load_selftest(const std::string& elf) {
  libbpf_print_fn_t before = libbpf_set_print(nullptr);
  Object object(bpf_object__open_mem(elf.data(), elf.size(), nullptr));
  if (!object) return Error{"libbpf cannot open the object"};
  bpf_program* program;
  bpf_object__for_each_program(program, object.get()) {
    bpf_program__set_autoload(program, std::strcmp(bpf_program__name(program), "kerf_selftest") == 0);
  }
  int error = bpf_object__load(object.get());
  libbpf_set_print(before);
  if (error == -524) return Error{std::string(kJitGaveUp)};
  if (error != 0) return Error{fmt::format("the kernel refuses kerf_selftest: {}", std::strerror(-error))};
  return object;
}

int map_fd(const Object& object, const char* name) { return bpf_object__find_map_fd_by_name(object.get(), name); }

__u32 number_of(const KernelEventData& event, const char* observable) {
  auto value = event.observed.find(observable);
  return value == event.observed.end() ? 0 : static_cast<__u32>(*value->second.as_long());
}

void fill_net(const KernelEventData& event, kerf_net_event& net) {
  const IpAddr& address = *event.observed.at("endpoint.ip").as_ip();
  auto number = [&](std::size_t from, std::size_t count) {
    __u64 n = 0;
    for (std::size_t i = 0; i < count; ++i) n = n << 8 | address.bytes[from + i];
    return n;
  };
  net.v6 = address.v6;
  net.address_high = address.v6 ? number(0, 8) : 0;
  net.address_low = address.v6 ? number(8, 8) : number(0, 4);
  net.port = number_of(event, "endpoint.port");
  net.protocol = number_of(event, "net.protocol");
  net.local_port = number_of(event, "net.local_port");
}

void fill_fs_type(const Value& observed, kerf_file_event& file) {
  const std::string& type = *observed.as_string();
  check(type.size() < sizeof file.fs_type, "the kernel has no longer names of file system types");
  std::memcpy(file.fs_type, type.data(), type.size());
}

// Those that belong to no kind of resource, by seen.def.
void fill_numbers(const KernelEventData& event, kerf_seen& seen) {
  auto put = [&](std::string name, std::size_t offset, std::size_t bytes, std::uint64_t bits) {
    name[name.find('_')] = '.';
    auto value = event.observed.find(name);
    if (offset >= offsetof(kerf_seen, comm) || offset < offsetof(kerf_seen, uid) || value == event.observed.end() || value->second.as_datetime()) return;
    const bool* truth = value->second.as_bool();
    const std::uint64_t number = truth ? (*truth ? bits : 0) : static_cast<std::uint64_t>(*value->second.as_long());
    std::uint64_t field = 0;
    char* at = reinterpret_cast<char*>(&seen) + offset;
    std::memcpy(&field, at, bytes);
    field |= number;
    std::memcpy(at, &field, bytes);
  };
#define KERF_SEEN(observable, field, bits, when, type, events) \
  if (((events) >> seen.event & 1) != 0) put(#observable, offsetof(kerf_seen, field), sizeof seen.field, bits);
#include "runtime/abi/seen.def"
  if (auto comm = event.observed.find("process.comm"); comm != event.observed.end()) {
    const std::string& text = *comm->second.as_string();
    check(text.size() < sizeof seen.comm, "the kernel has no longer names of tasks");
    std::memcpy(seen.comm, text.data(), text.size());
  }
}

void fill_file(const KernelEventData& event, kerf_file_event& file) {
  constexpr __u32 kRegular = 0100000, kDirectory = 0040000;
  fill_fs_type(event.observed.at("file.fs_type"), file);
  file.exists = event.observed.contains("file.mode");
  file.owner = number_of(event, "file.owner");
  file.mode = file.exists ? number_of(event, "file.mode") | (event.directory ? kDirectory : kRegular) : 0;
  file.nlink = number_of(event, "file.nlink");
  file.directory = event.directory;
  file.path_length = static_cast<__u32>(event.observed.at("file.path").as_string()->size());
}

// What the hook would have written down.
std::string name_of(const KernelEventData& event) {
  if (!has_text_id(kernel_event(event.event).resource)) return "";
  auto text = resource_text(event);
  check(text.ok(), "events of named resources have a name");
  return *text;
}

std::string exe_of(const KernelEventData& event) {
  auto exe = event.observed.find("process.exe");
  return exe == event.observed.end() ? "" : *exe->second.as_string();
}

// KernelEventId and enum kerf_event_kind have the same order.
kerf_seen seen_of(const KernelEventData& event) {
  kerf_seen seen{};
  seen.event = static_cast<__u32>(event.event);
  fill_numbers(event, seen);
  auto clock = event.observed.find("clock.now");
  if (clock != event.observed.end()) seen.clock_ms = static_cast<__u64>(clock->second.as_datetime()->ms);
  if (KERF_ENDPOINT_EVENTS >> seen.event & 1) {
    fill_net(event, seen.net);
  } else if (KERF_FILE_EVENTS >> seen.event & 1) {
    fill_file(event, seen.file);
  } else {
    if (auto type = event.observed.find("mount.fs_type"); type != event.observed.end()) fill_fs_type(type->second, seen.file);
    seen.file.path_length = static_cast<__u32>(name_of(event).size());
  }
  return seen;
}

constexpr __u64 kGeneration = 7;

// `put`: where, 0 if it worked.
Status write_record(const loader::LoadedBundle& bundle, const loader::RecordInput& input, const std::function<int(const std::string&)>& put) {
  auto record = loader::build_record(bundle, input);
  if (!record) return Error{record.error().message};
  if (put({record->begin(), record->end()}) != 0) return Error{fmt::format("cannot write a record: {}", std::strerror(errno))};
  return Unit{};
}

// Binding numbers by (principal, facts, hosts), their records written, with those of named addresses.
Result<std::vector<__u32>> bind_all(const Object& object, const loader::LoadedBundle& bundle, const std::vector<KernelEventData>& events) {
  std::map<std::string, std::pair<__u32, __u64>> known;   // number and revision
  std::vector<__u32> bindings;
  for (const KernelEventData& event : events) {
    std::string key = to_text(event.principal);
    loader::RecordInput input;
    input.principal = event.principal;
    input.generation = kGeneration;
    input.now_ns = loader::boot_time_ns();
    for (const auto& [name, value] : event.facts) {
      key += " " + name + "=" + to_text(value);
      input.facts[name].value = value;
    }
    for (const std::string& host : event.hosts) key += " " + host;
    auto [it, fresh] = known.emplace(key, std::pair(static_cast<__u32>(known.size() + 1), input.now_ns));
    const auto [binding, revision] = it->second;
    bindings.push_back(binding);
    input.now_ns = revision;
    if (fresh) {
      auto put = [&, binding = binding](const std::string& record) { return test::put_record(map_fd(object, "kerf_bindings"), binding, record); };
      if (Status written = write_record(bundle, input, put); !written) return written.error();
    }
    if (event.hosts.empty() || map_fd(object, "kerf_named") < 0) continue;
    kerf_net_event net{};
    fill_net(event, net);
    const kerf_name_key named{net.address_high, net.address_low, net.v6, binding};
    for (const std::string& host : event.hosts) input.hosts.emplace(host, loader::kNoDeadline);
    input.names = 1;
    auto put = [&](const std::string& record) { return bpf_map_update_elem(map_fd(object, "kerf_named"), &named, record.data(), BPF_ANY); };
    if (Status written = write_record(bundle, input, put); !written) return written.error();
  }
  return bindings;
}

Answer answer_of(const kerf_decision& decision, const Module& module) {
  Answer answer{decision.verdict == KERF_VERDICT_ALLOW, {}, {}};
  auto list = [&](const __u32* ids, __u32 count, std::vector<std::string>& out) {
    if (count > KERF_EVENT_POLICIES) out.push_back(fmt::format("<{} policies>", count));
    for (__u32 i = 0; i < count && i < KERF_EVENT_POLICIES; ++i) out.push_back(module.policies.at(ids[i]).id);
  };
  list(decision.determining, decision.determining_count, answer.determining);
  list(decision.errors, decision.error_count, answer.errors);
  answer.sort();
  return answer;
}

struct Asked {
  kerf_selftest_in in;
  std::string path;   // of a file event
  std::string exe;
};

void put_question(const Object& object, __u32 place, const Asked& question) {
  bpf_map_update_elem(map_fd(object, "kerf_selftest_in"), &place, &question.in, BPF_ANY);
  auto put = [&](const char* map, const std::string& path) {
    if (path.empty() || map_fd(object, map) < 0) return;
    auto text = std::make_unique<kerf_selftest_path>();
    std::memcpy(text->path, path.data(), path.size());
    bpf_map_update_elem(map_fd(object, map), &place, text.get(), BPF_ANY);
  };
  put("kerf_selftest_path", question.path);
  put("kerf_selftest_exe", question.exe);
}

Result<std::vector<Answer>> run_batches(const Object& object, const Module& module, const std::vector<Asked>& questions) {
  int program = bpf_program__fd(bpf_object__find_program_by_name(object.get(), "kerf_selftest"));
  std::vector<Answer> answers;
  for (std::size_t from = 0; from < questions.size(); from += KERF_SELFTEST_BATCH) {
    std::size_t count = std::min<std::size_t>(KERF_SELFTEST_BATCH, questions.size() - from);
    for (__u32 i = 0; i < count; ++i) put_question(object, i, questions[from + i]);
    kerf_selftest_args args{static_cast<__u32>(count), 1, KERF_SELFTEST_DECISION, 0};
    bpf_test_run_opts options{};
    options.sz = sizeof options;
    options.ctx_in = &args;
    options.ctx_size_in = sizeof args;
    if (int error = bpf_prog_test_run_opts(program, &options); error != 0) {
      return Error{fmt::format("kerf_selftest does not run: {}", std::strerror(-error))};
    }
    for (__u32 i = 0; i < count; ++i) {
      kerf_decision decision{};
      bpf_map_lookup_elem(map_fd(object, "kerf_selftest_out"), &i, &decision);
      answers.push_back(answer_of(decision, module));
    }
  }
  return answers;
}

struct TemporaryDirectory {
  std::string path = (std::filesystem::temp_directory_path() / "kerf-differential-XXXXXX").string();
  TemporaryDirectory() { check(::mkdtemp(path.data()) != nullptr, "mkdtemp"); }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

}  // namespace

std::string kernel_available() {
  if (::geteuid() != 0) return "bpf() needs root";
  bpf_insn instructions[] = {{0xb7, 0, 0, 0, 0}, {0x95, 0, 0, 0, 0}};   // r0 = 0; exit
  bpf_prog_load_opts options{};
  options.sz = sizeof options;
  options.prog_flags = BPF_F_SLEEPABLE;
  int fd = bpf_prog_load(BPF_PROG_TYPE_SYSCALL, "probe", "GPL", instructions, 2, &options);
  if (fd < 0) return fmt::format("this kernel refuses syscall-type BPF programs: {}", std::strerror(errno));
  ::close(fd);
  return {};
}

Result<std::vector<Answer>> decide_in_kernel(Program& program, const ProgramText& text, const std::vector<KernelEventData>& events) {
  std::optional<Artefacts> artefacts = compile_program(program, text, {codegen_helper_path()});
  if (!artefacts) return Error{"compile: " + program.diagnostics.all().back().message};
  return decide_by_object(program.module, artefacts->bundle, nullptr, events);
}

Result<std::vector<Answer>> decide_by_object(const Module& module, const Bundle& files, const std::string* elf,
                                             const std::vector<KernelEventData>& events) {
  TemporaryDirectory directory;
  if (Status written = write_bundle(files, directory.path + "/b"); !written) return written.error();
  auto bundle = loader::read_bundle(directory.path + "/b");
  if (!bundle) return Error{"read_bundle: " + bundle.error().message};
  Result<Object> object = load_selftest(elf ? *elf : bundle->object);
  if (!object) return object.error();
  kerf_state state{kGeneration, 0, 0, 0, 0};
  __u32 zero = 0;
  bpf_map_update_elem(map_fd(*object, "kerf_state"), &zero, &state, BPF_ANY);
  Result<std::vector<__u32>> bindings = bind_all(*object, *bundle, events);
  if (!bindings) return bindings.error();
  std::vector<Asked> questions;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const std::string exe = exe_of(events[i]);
    questions.push_back({{(*bindings)[i], static_cast<__u32>(exe.size()), seen_of(events[i])}, name_of(events[i]), exe});
  }
  return run_batches(*object, module, questions);
}

}  // namespace kerf::test
