// What kerf refuses to start: bad requests, spoiled surroundings, hostile bundles, kernels that do not enforce.
#include <doctest/doctest.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "calls.h"
#include "loaded.h"
#include "runtime/loader/cgroup.h"
#include "runtime/loader/digest.h"
#include "runtime/loader/host.h"
#include "runtime/loader/kernel.h"
#include "runtime/loader/probe.h"
#include "runtime/loader/process.h"
#include "runtime/loader/record.h"
#include "world.h"

using namespace kerf;
using namespace kerf::test;

namespace {

std::string slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::size_t bindings() {
  auto all = loader::status();
  return all ? all->size() : 0;
}

// Some lines of kerf may come before the failure.
std::string code_of(RunRequest request) {
  if (request.command.empty() && request.calls.empty()) request.command = {"true"};
  RunResult result = run_kerf(request);
  result.output.insert(0, "\n");
  std::size_t at = result.output.find("\nK7");
  INFO(result.output);
  if (result.status != 125 || at == std::string::npos) return "status " + std::to_string(result.status);
  return result.output.substr(at + 1, 5);
}

// A bundle directory whose manifest and object a test bends; hashes are made right again.
class Bent {
 public:
  Bent(const std::string& bundle) : manifest(Json::parse(slurp(bundle + "/manifest.json"))), object(slurp(bundle + "/policy.bpf.o")) {
    std::filesystem::copy(bundle, dir_ / "bundle");
  }
  std::string seal() {
    std::ofstream(dir_ / "bundle/policy.bpf.o", std::ios::binary) << object;
    for (Json& row : manifest["outputs"]) {
      if (row["name"] != "policy.bpf.o") continue;
      row["xxh3_128"] = loader::xxh3_128(object);
      row["size"] = object.size();
    }
    manifest["digest"] = "";
    manifest["digest"] = loader::xxh3_128(manifest.dump());
    std::ofstream(dir_ / "bundle/manifest.json") << manifest.dump();
    return dir_ / "bundle";
  }
  Json manifest;
  std::string object;

 private:
  TempDir dir_;
};

// Gives one part of a map's definition ("type", "key_size", …) what another map has there.
void bend_map(std::string& object, const std::string& map, const std::string& part, const std::string& like) {
  TempDir dir;
  std::ofstream(dir / "object", std::ios::binary) << object;
  btf* types = btf__parse_elf((dir / "object").c_str(), nullptr);
  REQUIRE(types != nullptr);
  auto member = [&](const std::string& name) {
    int variable = btf__find_by_name_kind(types, name.c_str(), BTF_KIND_VAR);
    REQUIRE(variable > 0);
    const btf_type* shape = btf__type_by_id(types, btf__type_by_id(types, static_cast<__u32>(variable))->type);
    for (int i = 0; i < btf_vlen(shape); ++i) {
      const btf_member* row = btf_members(shape) + i;
      if (part == btf__name_by_offset(types, row->name_off)) return row;
    }
    return static_cast<const btf_member*>(nullptr);
  };
  const btf_member *here = member(map), *there = member(like);
  REQUIRE(here != nullptr);
  REQUIRE(there != nullptr);
  REQUIRE(here->type != there->type);
  __u32 size = 0;
  const char* raw = static_cast<const char*>(btf__raw_data(types, &size));
  std::size_t begin = object.find(std::string_view(raw, size)), at = static_cast<std::size_t>(reinterpret_cast<const char*>(&here->type) - raw);
  REQUIRE(begin != std::string::npos);
  REQUIRE(at < size);
  object.replace(begin + at, sizeof there->type, reinterpret_cast<const char*>(&there->type), sizeof there->type);
  btf__free(types);
}

constexpr std::uint32_t kBinding = 1;
constexpr std::uint64_t kGeneration = 1;

// A loaded object and a cgroup of our own, without a record; the cgroup hooks are not attached yet.
struct Attached {
  explicit Attached(const loader::LoadedBundle& bundle) {
    auto host = loader::open_host();
    REQUIRE(host.ok());
    outside = host->cgroups;
    path = host->cgroups + "/test-" + std::to_string(::getpid());
    pins = host->pins + "/test-" + std::to_string(::getpid());
    auto made = loader::create_cgroup(path);
    REQUIRE(made.ok());
    cgroup = std::move(*made);
    REQUIRE(::mkdir(pins.c_str(), 0700) == 0);
    loader::Enforcement plan = loader::plan_enforcement(bundle.manifest, loader::find_abilities(bundle.manifest));
    auto object = loader::load_object({bundle, plan, kGeneration, false, true, nullptr});
    REQUIRE_MESSAGE(object.ok(), (object.ok() ? "" : object.error().message));
    loaded = std::move(*object);
    auto names = loader::pin_object(loaded, plan, pins);
    REQUIRE(names.ok());
    programs = std::move(*names);
    REQUIRE(loader::attach_hooks(loaded, plan, pins).ok());
    governed = bundle.manifest.governed;
  }
  ~Attached() {
    CHECK(loader::unpin(pins).ok());
    CHECK(loader::remove_cgroup(path).ok());
  }
  loader::LoaderResult<Unit> attach(int fd) { return loader::attach_cgroup(pins, programs, kBinding, fd); }
  loader::LoaderResult<Unit> probe(const std::vector<std::string>& claimed) {
    TempDir dir;
    return loader::probe({loaded.maps, pins, claimed, governed, path + "-probe", outside, dir.path(), 0, ~std::uint64_t{0}});
  }
  std::vector<int> call(const std::vector<std::string>& calls) {
    TempDir dir;
    std::string out = dir / "calls";
    auto child = loader::clone_into(cgroup.get(), [&] { return perform_all(out, calls); });
    REQUIRE(child.ok());
    CHECK(loader::wait_status(*child) == 0);
    std::ifstream file(out);
    std::vector<int> errors;
    for (int error; file >> error;) errors.push_back(error);
    return errors;
  }
  std::string path, pins, outside;
  std::vector<std::string> programs;
  std::uint64_t governed = 0;
  loader::Fd cgroup;
  loader::Loaded loaded;
};

}  // namespace

TEST_CASE("requests that are refused, without any effect") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir;
  REQUIRE(compile_sample(listeners, dir / "bundle") == "");
  std::size_t before = bindings();
  CHECK(code_of({.bundle = dir / "none"}) == "K7101");
  CHECK(code_of({.bundle = dir / "bundle", .principal = "Agent::\"nobody\""}) == "K7302");
  CHECK(code_of({.bundle = dir / "bundle", .principal = "AgentClass::\"batch\""}) == "K7303");
  CHECK(code_of({.bundle = dir / "bundle", .principal = "a1"}) == "K7301");
  CHECK(code_of({.bundle = dir / "bundle", .facts = {"depth=1"}}) == "K7304");
  CHECK(code_of({.bundle = dir / "bundle", .facts = {"delegation_depth=x"}}) == "K7305");
  if (!degraded_here(dir / "bundle").empty()) CHECK(code_of({.bundle = dir / "bundle", .accept_degraded = false}) == "K7410");
  CHECK(bindings() == before);
}

TEST_CASE("the refusal of degraded features says which flag accepts them") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir;
  REQUIRE(compile_sample(listeners, dir / "bundle") == "");
  RunResult result = run_kerf({.bundle = dir / "bundle", .accept_degraded = false, .command = {"true"}});
  std::vector<std::string> degraded = degraded_here(dir / "bundle");
  if (degraded.empty()) return;    // this kernel has all there is
  CHECK(result.output.find("--allow-degraded=" + joined(degraded)) != std::string::npos);
  loader::RunOptions options;
  options.bundle_dir = dir / "bundle";
  options.principal = kAgent;
  options.command = {"true"};
  options.allow_degraded = {"idenity"};
  CHECK(failure(loader::run(options)) == "K7409");
  options.allow_degraded = {degraded.begin() + 1, degraded.end()};
  CHECK(failure(loader::run(options)) == "K7410");
  options.command.clear();
  CHECK(failure(loader::run(options)) == "K7501");
  options.command = {"true"};
  options.allow_degraded = degraded;
  options.events_file = dir / "no/such/file";
  CHECK(failure(loader::run(options)) == "K7502");
}

TEST_CASE("surroundings that cannot enforce") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir;
  REQUIRE(compile_sample(listeners, dir / "bundle") == "");
  std::size_t before = bindings();
  CHECK(code_of({.bundle = dir / "bundle", .before = "no-cap-bpf"}) == "K7401");
  CHECK(code_of({.bundle = dir / "bundle", .before = "no-cgroup2"}) == "K7402");
  CHECK(code_of({.bundle = dir / "bundle", .before = "no-bpffs"}) == "K7403");
  CHECK(code_of({.bundle = dir / "bundle", .before = "file-at-run"}) == "K7404");
  CHECK(code_of({.bundle = dir / "bundle", .before = "no-clone3"}) == "K7411");
  CHECK(bindings() == before);
}

TEST_CASE("a bound task gets no second principal") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir;
  REQUIRE(compile_sample(listeners, dir / "bundle") == "");
  std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  RunResult result = run_kerf({.bundle = dir / "bundle", .command = {self, "--run", dir / "bundle", kAgent, "", "0", "1", "", "0", "true"}});
  CHECK(result.status == 125);
  CHECK(result.output.find("K7412") != std::string::npos);
}

TEST_CASE("without a record everything is refused; with one, the policies decide") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir;
  REQUIRE(compile_sample(listeners, dir / "bundle") == "");
  auto bundle = loader::read_bundle(dir / "bundle");
  REQUIRE(bundle.ok());
  Attached at(*bundle);
  std::string allowed = "tcp 127.0.0.1 " + std::to_string(listeners.tcp_allowed);
  std::string udp = "udp ::1 " + std::to_string(listeners.udp_allowed);
  CHECK(at.call({allowed}) == std::vector{0});                    // nothing attached yet
  CHECK(failure(loader::probe_bound(at.cgroup.get(), at.programs, at.governed)) == "K7408");
  REQUIRE(at.attach(at.cgroup.get()).ok());
  CHECK(at.call({allowed, udp, "raw"}) == std::vector{ECONNREFUSED, ECONNREFUSED, EPERM});
  CHECK(failure(loader::probe_bound(at.cgroup.get(), at.programs, at.governed)) == "");
  auto record = loader::build_record(*bundle, {{"Agent", "a1"}, {}, kGeneration, KERF_MODE_ENFORCE, loader::boot_time_ns()});
  REQUIRE(record.ok());
  const std::uint64_t without = loader::memory_of(at.pins).maps;
  CHECK(failure(loader::set_record(at.loaded.maps, kBinding, *record, loader::RecordChange::replace)) == "K7604");
  REQUIRE(loader::set_record(at.loaded.maps, kBinding, *record, loader::RecordChange::add).ok());
  CHECK(loader::memory_of(at.pins).maps >= without + record->size());
  for (std::uint32_t binding : {kBinding, kBinding + KERF_MAX_BINDINGS}) {   // the slot is taken
    CHECK(failure(loader::set_record(at.loaded.maps, binding, *record, loader::RecordChange::add)) == "K7604");
  }
  CHECK(at.call({allowed}) == std::vector{ECONNREFUSED});         // a record that the cgroup is not tied to
  REQUIRE(loader::set_cgroup_slot(at.loaded.maps, loader::cgroup_id(at.cgroup.get()), kBinding).ok());
  CHECK(at.call({allowed, udp, "raw"}) == std::vector{0, 0, EPERM});
  auto foreign = loader::build_record(*bundle, {{"Agent", "a1"}, {}, 99, KERF_MODE_ENFORCE, loader::boot_time_ns()});
  REQUIRE(loader::set_record(at.loaded.maps, kBinding, *foreign, loader::RecordChange::replace).ok());
  CHECK(at.call({allowed, udp}) == std::vector{ECONNREFUSED, ECONNREFUSED});   // another generation
  auto audit = loader::build_record(*bundle, {{"Agent", "risky"}, {}, kGeneration, KERF_MODE_AUDIT, loader::boot_time_ns()});
  REQUIRE(loader::set_record(at.loaded.maps, kBinding, *audit, loader::RecordChange::replace).ok());
  CHECK(at.call({allowed, "raw"}) == std::vector{0, EPERM});      // audit: denials pass, guards hold
  auto quarantine = loader::build_record(*bundle, {{"Agent", "a1"}, {}, kGeneration, KERF_MODE_QUARANTINE, loader::boot_time_ns()});
  REQUIRE(loader::set_record(at.loaded.maps, kBinding, *quarantine, loader::RecordChange::replace).ok());
  CHECK(at.call({allowed}) == std::vector{ECONNREFUSED});
  for (std::size_t size : {std::size_t{8}, record->size() + 8}) {
    CHECK(failure(loader::set_record(at.loaded.maps, kBinding, std::vector<std::uint8_t>(size), loader::RecordChange::replace)) == "K7604");
  }
  CHECK(at.call({allowed}) == std::vector{ECONNREFUSED});
}

TEST_CASE("the probe believes what it sees") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir;
  REQUIRE(compile_sample(listeners, dir / "bundle") == "");
  auto bundle = loader::read_bundle(dir / "bundle");
  REQUIRE(bundle.ok());
  Attached at(*bundle);
  auto good = at.probe(at.programs);
  CHECK_MESSAGE(good.ok(), (good.ok() ? "" : good.error().message));
  // a hook that is said to be there, and is not attached to anything
  ::unlink((at.pins + "/program_kerf_sendmsg4").c_str());
  CHECK(failure(at.probe(at.programs)) == "K7603");
  std::erase(at.programs, "kerf_sendmsg4");
  CHECK(failure(at.probe(at.programs)) == "");
}

TEST_CASE("a hook that somebody else holds exclusively") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir;
  REQUIRE(compile_sample(listeners, dir / "bundle") == "");
  auto bundle = loader::read_bundle(dir / "bundle");
  REQUIRE(bundle.ok());
  Attached at(*bundle);
  int program = bpf_program__fd(bpf_object__find_program_by_name(at.loaded.object.get(), "kerf_connect4"));
  REQUIRE(::bpf_prog_attach(program, at.cgroup.get(), BPF_CGROUP_INET4_CONNECT, 0) == 0);
  auto child = loader::create_cgroup(at.path + "/below");
  REQUIRE(child.ok());
  CHECK(failure(at.attach(child->get())) == "K7406");
  CHECK(::bpf_prog_detach2(program, at.cgroup.get(), BPF_CGROUP_INET4_CONNECT) == 0);
}

TEST_CASE("no room for another pipe") {
  if (!can_enforce()) return;
  loader::Signals signals;
  rlimit before{}, none{3, 3};
  ::getrlimit(RLIMIT_NOFILE, &before);
  none.rlim_max = before.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &none);
  auto started = loader::start_command(-1, {"true"}, signals, false, {});
  ::setrlimit(RLIMIT_NOFILE, &before);
  CHECK(failure(started) == "K7503");
}

TEST_CASE("objects that are not what the manifest says") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir;
  REQUIRE(compile_sample(listeners, dir / "bundle") == "");
  Bent bent(dir / "bundle");
  CHECK(failure(loader::read_bundle(bent.seal())) == "");
  SUBCASE("no ELF") {
    bent.object = "hello";
    CHECK(failure(loader::read_bundle(bent.seal())) == "K7201");
    bent.object.assign(4096, '\0');
    CHECK(failure(loader::read_bundle(bent.seal())) == "K7201");
    bent.object = "";
    CHECK(failure(loader::read_bundle(bent.seal())) == "K7108");
  }
  SUBCASE("an ordinary program of this machine") {
    bent.object = slurp("/bin/true");
    CHECK(failure(loader::read_bundle(bent.seal())) == "K7201");
  }
  SUBCASE("another section name, same length") {
    std::size_t at = bent.object.rfind("cgroup/connect4");
    REQUIRE(at != std::string::npos);
    for (; at != std::string::npos; at = bent.object.rfind("cgroup/connect4")) bent.object.replace(at, 15, "kprobe/do_exit1");
    CHECK(failure(loader::read_bundle(bent.seal())) == "K7201");
  }
  SUBCASE("hooks exchanged") {
    for (std::size_t at = bent.object.find("cgroup/connect4"); at != std::string::npos; at = bent.object.find("cgroup/connect4")) bent.object.replace(at, 15, "cgroup/sendmsgX");
    for (std::size_t at = bent.object.find("cgroup/sendmsg4"); at != std::string::npos; at = bent.object.find("cgroup/sendmsg4")) bent.object.replace(at, 15, "cgroup/connect4");
    for (std::size_t at = bent.object.find("cgroup/sendmsgX"); at != std::string::npos; at = bent.object.find("cgroup/sendmsgX")) bent.object.replace(at, 15, "cgroup/sendmsg4");
    CHECK(failure(loader::read_bundle(bent.seal())) == "K7202");
  }
  SUBCASE("a program or a map more, or one less, in the manifest") {
    bent.manifest["programs"].push_back("kerf_extra");
    CHECK(failure(loader::read_bundle(bent.seal())) == "K7104");
    bent.manifest["programs"] = {"kerf_connect4"};
    CHECK(failure(loader::read_bundle(bent.seal())) == "K7104");
  }
  SUBCASE("maps") {
    Json maps = bent.manifest["maps"];
    bent.manifest["maps"].push_back("kerf_extra");
    CHECK(failure(loader::read_bundle(bent.seal())) == "K7203");
    maps.erase(0);
    bent.manifest["maps"] = maps;
    CHECK(failure(loader::read_bundle(bent.seal())) == "K7203");
  }
  SUBCASE("sizes that differ") {
    bent.manifest["layout"]["binding_bytes"] = bent.manifest["layout"]["binding_bytes"].get<int>() + 8;
    CHECK(failure(loader::read_bundle(bent.seal())) == "K7203");
  }
  SUBCASE("policies that differ") {
    bent.manifest["policies"].push_back(bent.manifest["policies"][0]);
    CHECK(failure(loader::read_bundle(bent.seal())) == "K7203");
  }
  SUBCASE("maps of another kind, size or number") {
    struct Part {
      const char *map, *part, *like;
    };
    for (Part p : {Part{"kerf_state", "type", "kerf_tasks"}, {"kerf_tasks", "type", "kerf_state"}, {"kerf_events", "type", "kerf_state"},
                   {"kerf_cgroup", "type", "kerf_tasks"}, {"kerf_counters", "type", "kerf_state"}, {"kerf_tasks", "key_size", "kerf_state"},
                   {"kerf_state", "value_size", "kerf_tasks"}, {"kerf_tasks", "max_entries", "kerf_state"}, {"kerf_live", "max_entries", "kerf_tasks"}}) {
      INFO(p.map << " " << p.part);
      Bent one(dir / "bundle");
      bend_map(one.object, p.map, p.part, p.like);
      CHECK(failure(loader::read_bundle(one.seal())) == "K7203");
    }
  }
  SUBCASE("another licence") {
    std::size_t at = bent.object.find("Dual BSD/GPL");
    REQUIRE(at != std::string::npos);
    for (std::string other : {std::string("Proprietary!"), std::string("GPL\0 BSD/GPL", 12), std::string("GPL v2\0 /GPL", 12), std::string(12, '\0')}) {
      bent.object.replace(at, 12, other);
      CHECK(failure(loader::read_bundle(bent.seal())) == "K7201");
    }
    bent.object.replace(at, 13, "Dual BSD/GPL+");   // it does not end
    CHECK(failure(loader::read_bundle(bent.seal())) == "K7201");
  }
  SUBCASE("instructions that the kernel does not take") {
    // the first instruction of every hook becomes a jump into nothing
    auto loaded = loader::read_bundle(dir / "bundle");
    REQUIRE(loaded.ok());
    auto object = loader::open_object(loaded->object, loaded->manifest);
    REQUIRE(object.ok());
    bpf_program* program = bpf_object__find_program_by_name(object->get(), "kerf_connect4");
    std::string first(reinterpret_cast<const char*>(bpf_program__insns(program)), 32);
    std::size_t at = bent.object.find(first);
    REQUIRE(at != std::string::npos);
    bent.object.replace(at, 8, std::string("\x05\x00\xff\x7f\x00\x00\x00\x00", 8));
    CHECK(code_of({.bundle = bent.seal()}) == "K7405");
  }
}

TEST_CASE("damaged objects with right hashes never bring the loader down") {
  if (!can_enforce()) return;
  Listeners listeners;
  TempDir dir;
  REQUIRE(compile_sample(listeners, dir / "bundle") == "");
  auto bundle = loader::read_bundle(dir / "bundle");
  REQUIRE(bundle.ok());
  std::mt19937 random(20261121);
  int refused = 0;
  constexpr int kRounds = 1000;
  for (int round = 0; round < kRounds; ++round) {
    std::string object = bundle->object;
    int edits = 1 + static_cast<int>(random() % 4);
    // headers and tables are at both ends: half of the edits go there
    for (int e = 0; e < edits; ++e) {
      std::size_t at = random() % object.size();
      if (random() % 4 == 0) at = random() % 64;
      else if (random() % 3 == 0) at = object.size() - 1 - random() % std::min<std::size_t>(object.size(), 2048);
      object[at] = static_cast<char>(random());
    }
    if (random() % 10 == 0) object.resize(random() % object.size());
    refused += !loader::check_object(object, bundle->manifest).ok();
  }
  CHECK(refused > 0);
  CHECK(refused < kRounds);   // else the edits hit nothing but headers
}
