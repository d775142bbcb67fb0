// Event records to JSON, the sink, and what is read of the machine.
#include <doctest/doctest.h>

#include <fcntl.h>
#include <utility>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cstring>
#include <sstream>

#include "runtime/loader/cgroup.h"
#include "runtime/loader/event_json.h"
#include "runtime/loader/events.h"
#include "runtime/loader/facts.h"
#include "runtime/loader/files.h"
#include "runtime/loader/host.h"
#include "runtime/loader/instance.h"
#include "runtime/loader/process.h"
#include "runtime/loader/record.h"
#include "runtime/loader/state.h"
#include "sample.h"

using namespace kerf;
using namespace kerf::loader;
using namespace kerf::loader::test;

namespace {

kerf_event_record sample_event() {
  kerf_event_record e{};
  e.version = KERF_ABI_VERSION;
  e.kind = KERF_EVENT_NET_CONNECT;
  e.size = sizeof e;
  e.time_ns = 5'000'000'123;
  e.pid = e.tid = 42;
  e.refusal_errno = 111;
  e.decision.verdict = KERF_VERDICT_DENY;
  e.decision.reason = KERF_REASON_FORBID;
  e.decision.determining_count = 1;
  e.decision.determining[0] = 2;
  e.seen.net.address_low = 0x7f000001;
  e.seen.net.port = 443;
  e.seen.net.protocol = 6;
  std::strcpy(e.comm, "curl");
  return e;
}

LoadedBundle bundle_with(const std::string& table) {
  TempDir dir;
  write_sample(dir.path(), sample_manifest());
  auto bundle = read_bundle_data(dir.path());
  REQUIRE(bundle.ok());
  bundle->table = table;
  return std::move(*bundle);
}

Json to_json(const kerf_event_record& event, const std::string& table = "") {
  LoadedBundle bundle = bundle_with(table);
  EventSource source{bundle, "r0123456789", {"Agent", "a1"}, {}, {}, 7};
  Completer completer(bundle);
  return event_to_json({event, ""}, source, completer, 1'700'000'000'000'000'000 - 5'000'000'000);
}

}  // namespace

TEST_CASE("an event as JSON") {
  Json json = to_json(sample_event());
  CHECK(json["schema"] == "kerf.event");
  CHECK(json["version"] == 1);
  CHECK(json["time"] == "2023-11-14T22:13:20.000000123Z");
  CHECK(json["decision"] == "deny");
  CHECK(json["reason"] == "forbid");
  CHECK(json["errno"] == "ECONNREFUSED");
  CHECK(json["determining"] == Json({"pause"}));
  CHECK(json["policies_complete"] == true);
  CHECK(json["resource"] == Json({{"type", "Destination"}, {"id", "127.0.0.1:443"}}));
  CHECK(json["net"]["protocol"] == "tcp");
  CHECK(json["process"]["comm"] == "curl");
}

TEST_CASE("a packet has no process") {
  kerf_event_record e = sample_event();
  e.decision.reason = KERF_REASON_GUARD;
  e.guard = KERF_GUARD_SOURCE_ROUTING;
  const std::uint32_t pid = std::exchange(e.pid, 0);
  Json json = to_json(e);
  CHECK(json["guard"] == "source-routing");
  CHECK(json["lost"] == "7");
  CHECK(json.contains("bundle_digest"));
  CHECK(json["process"].is_null());
  CHECK(json["event"].is_null());
  CHECK(!json.contains("net"));
  e.decision.reason = KERF_REASON_QUARANTINE;   // every packet, and where it would have gone
  e.guard = KERF_GUARD_NONE;
  json = to_json(e);
  CHECK(json["process"].is_null());
  CHECK(json.contains("net"));
  e.pid = pid;
  e.decision.reason = KERF_REASON_GUARD;
  e.guard = KERF_GUARD_BPF;
  CHECK(to_json(e)["process"]["comm"] == "curl");
}

TEST_CASE("an IPv6 event") {
  kerf_event_record e = sample_event();
  e.seen.net.v6 = 1;
  e.seen.net.address_high = 0x20010db800000000;
  e.seen.net.address_low = 1;
  e.seen.net.protocol = 17;
  CHECK(to_json(e)["resource"]["id"] == "[2001:db8::1]:443");
  CHECK(to_json(e)["net"]["protocol"] == "udp");
}

TEST_CASE("names are bytes that cannot harm a terminal or a parser") {
  kerf_event_record e = sample_event();
  std::memcpy(e.comm, "\x1b[2J\xff\"\\\n\0rest", 13);
  CHECK(to_json(e)["process"]["comm"] == "\\x1b[2J\\xff\"\\\\\\x0a");
  std::memset(e.comm, 'x', sizeof e.comm);
  CHECK(to_json(e)["process"]["comm"] == std::string(16, 'x'));
  CHECK(to_json(e).dump().find('\n') == std::string::npos);
}

TEST_CASE("records that are no events") {
  kerf_event_record e = sample_event();
  CHECK(read_event(&e, sizeof e).has_value());
  CHECK(!read_event(&e, sizeof e - 1).has_value());
  auto refused = [&](auto change) {
    kerf_event_record bent = sample_event();
    change(bent);
    return !read_event(&bent, sizeof bent).has_value();
  };
  CHECK(refused([](auto& b) { b.version = 1; }));
  CHECK(refused([](auto& b) { b.version = KERF_ABI_VERSION + 1; }));
  CHECK(refused([](auto& b) { b.kind = KERF_EVENT_END; }));
  CHECK(refused([](auto& b) { b.size = sizeof b + 1; }));
  CHECK(refused([](auto& b) { b.payload_size = 1; }));
  CHECK(refused([](auto& b) { b.seen.net.port = 65536; }));
  CHECK(refused([](auto& b) { b.decision.verdict = 0; }));
}

namespace {

Event file_event(const std::string& path, std::uint32_t reason = KERF_REASON_NO_PERMIT) {
  Event event{sample_event(), path};
  kerf_event_record& r = event.record;
  r.kind = r.seen.event = KERF_EVENT_FILE_READ;
  r.refusal_errno = 2;
  r.decision = {};
  r.decision.verdict = KERF_VERDICT_DENY;
  r.decision.reason = reason;
  r.seen.uid = 1000;
  r.seen.file = {};
  std::strcpy(r.seen.file.fs_type, "tmpfs");
  r.seen.file.exists = 1;
  r.seen.file.owner = 7;
  r.seen.file.mode = 0104755;
  r.seen.file.nlink = 2;
  r.binding = 5;
  return event;
}

LoadedBundle file_bundle(const char* entities = kEntities) {
  TempDir dir;
  write_sample(dir.path(), sample_file_manifest(), entities);
  auto bundle = read_bundle_data(dir.path());
  REQUIRE_MESSAGE(bundle.ok(), (bundle.ok() ? "" : bundle.error().message));
  return std::move(*bundle);
}

Json file_json(const Event& event) {
  LoadedBundle bundle = file_bundle();
  Completer completer(bundle);
  return event_to_json(event, {bundle, "web", {"Agent", "a1"}, {}}, completer, 0);
}

}  // namespace

TEST_CASE("a file event as JSON") {
  Json json = file_json(file_event("/srv/a b"));
  CHECK(json["event"] == "file.read");
  CHECK(json["errno"] == "ENOENT");
  CHECK(json["resource"] == Json({{"type", "FilePath"}, {"id", "/srv/a b"}}));
  CHECK(json["binding_id"] == 5);
  CHECK(!json.contains("net"));
  CHECK(!json.contains("guard"));
  CHECK(json["file"] == Json({{"path", "/srv/a b"}, {"fs_type", "tmpfs"}, {"exists", true}, {"directory", false}, {"owner", 7},
                              {"mode", "104755"}, {"nlink", 2}}));
  CHECK(json["observed"]["file.path"] == "/srv/a b");
  CHECK(json["observed"]["file.mode"] == 04755);
  CHECK(json["observed"]["file.setuid"] == true);
  CHECK(json["observed"]["process.uid"] == 1000);
}

TEST_CASE("what a task is known by is told where an action binds it, and its name if it is text") {
  Event event = file_event("/srv/a");
  std::strcpy(event.record.seen.comm, "sh");
  event.record.seen.capabilities = 1u << 12 | 1ull << 40;
  event.record.seen.pid_namespace = 4026531836;
  Json json = file_json(event);
  for (const char* name : {"process.comm", "process.pid_namespace", "process.cap_net_admin"}) CHECK(!json["observed"].contains(name));
  event.record.seen.task_told = 1;
  json = file_json(event);
  CHECK(json["observed"]["process.comm"] == "sh");
  CHECK(json["observed"]["process.pid_namespace"] == 4026531836);
  CHECK(json["observed"]["process.cap_net_admin"] == true);
  CHECK(json["observed"]["process.cap_checkpoint_restore"] == true);
  CHECK(json["observed"]["process.cap_sys_admin"] == false);
  std::strcpy(event.record.seen.comm, "\xff");
  json = file_json(event);
  CHECK(!json["observed"].contains("process.comm"));
  CHECK(!json.dump().empty());
}

TEST_CASE("a directory is a resource of its own type") {
  Event event = file_event("/srv");
  event.record.seen.file.directory = 1;
  CHECK(file_json(event)["resource"] == Json({{"type", "Directory"}, {"id", "/srv"}}));
}

TEST_CASE("before a file exists nothing of it is known") {
  Event event = file_event("/srv/new");
  event.record.seen.file.exists = 0;
  Json json = file_json(event);
  CHECK(!json["file"].contains("owner"));
  CHECK(!json["observed"].contains("file.owner"));
  CHECK(json["observed"]["file.fs_type"] == "tmpfs");
}

TEST_CASE("names of files are bytes: shown escaped, and a resource only if they are text") {
  Json json = file_json(file_event("/srv/\xff\n\x1b[2J\\", KERF_REASON_NOT_TEXT));
  CHECK(json["reason"] == "not-text");
  CHECK(json["file"]["path"] == "/srv/\\xff\\x0a\\x1b[2J\\\\");
  CHECK(json["resource"].is_null());
  CHECK(!json.contains("observed"));
  LoadedBundle bundle = file_bundle();
  Completer completer(bundle);
  std::string line = event_line(file_event("/srv/\u00e9\u202e\x7f\n"), {bundle, "web", {"Agent", "a1"}, {}}, completer);
  for (unsigned char c : line) CHECK((c >= 0x20 && c < 0x7f));
  CHECK(Json::parse(line)["resource"]["id"] == "/srv/\u00e9\u202e\x7f\n");
}

TEST_CASE("no path, no resource") {
  Json json = file_json(file_event("", KERF_REASON_NO_PATH));
  CHECK(json["reason"] == "no-path");
  CHECK(json["resource"].is_null());
  CHECK(json["file"]["path"] == "");
}

TEST_CASE("guards in events") {
  Event event = file_event("");
  event.record.decision.reason = KERF_REASON_GUARD;
  event.record.guard = KERF_GUARD_BPF;
  event.record.kind = 0;
  Json json = file_json(event);
  CHECK(json["guard"] == "bpf");
  CHECK(json["event"].is_null());
  CHECK(json["action"].is_null());
  CHECK(!json.contains("net"));
  event = file_event("/srv/x");
  event.record.decision.reason = KERF_REASON_GUARD;
  event.record.guard = KERF_GUARD_RENAME;
  json = file_json(event);
  CHECK(json["guard"] == "rename");
  CHECK(json["event"] == "file.read");
  CHECK(json["file"]["path"] == "/srv/x");
  CHECK(json["resource"].is_null());
}

TEST_CASE("every reason has its word") {
  for (std::uint32_t reason = KERF_REASON_PERMIT; reason <= KERF_REASON_NO_SLOT; ++reason) {
    std::string word = file_json(file_event("/x", reason))["reason"];
    CHECK_MESSAGE(word.find("unknown") == std::string::npos, word);
  }
  CHECK(file_json(file_event("/x", 99))["reason"] == "unknown-99");
}

TEST_CASE("a file event's payload is its path") {
  Event event = file_event("/srv/x");
  std::string bytes(reinterpret_cast<const char*>(&event.record), sizeof event.record);
  bytes += event.path;
  auto with_sizes = [&](std::uint32_t size, std::uint32_t payload) {
    kerf_event_record record = event.record;
    record.size = size;
    record.payload_size = payload;
    std::memcpy(bytes.data(), &record, sizeof record);
    return read_event(bytes.data(), bytes.size());
  };
  std::uint32_t head = sizeof event.record;
  auto read = with_sizes(head + 6, 6);
  REQUIRE(read.has_value());
  CHECK(read->path == "/srv/x");
  CHECK(!with_sizes(head + 7, 7).has_value());
  CHECK(!with_sizes(head + 5, 6).has_value());
  bytes.resize(head + KERF_PATH_BYTES + 1, 'x');
  CHECK(with_sizes(head + KERF_PATH_BYTES, KERF_PATH_BYTES).has_value());
  CHECK(!with_sizes(head + KERF_PATH_BYTES + 1, KERF_PATH_BYTES + 1).has_value());
}

TEST_CASE("what an event adds to the entities") {
  LoadedBundle bundle = file_bundle(R"([
    {"uid":{"type":"Agent","id":"a1"},"attrs":{"risk":"low","limit":3,"home":{"__extn":{"fn":"ip","arg":"10.1.0.0/16"}}},"parents":[]},
    {"uid":{"type":"FilePath","id":"/srv/a/f"},"attrs":{"label":"x"},"parents":[{"type":"FileSet","id":"s"}]},
    {"uid":{"type":"Directory","id":"/srv"},"attrs":{},"parents":[{"type":"FileSet","id":"below"}]}])");
  const Environment* env = find_environment(bundle.manifest, "Agent", KERF_EVENT_FILE_READ, false);
  REQUIRE(env != nullptr);
  Event event = file_event("/srv/a/f");
  auto entities = bundle.entities.with(observed_entities(bundle, *env, event));
  REQUIRE(entities.ok());
  EntityUid file{"FilePath", "/srv/a/f"};
  for (const char* directory : {"/", "/srv", "/srv/a"}) CHECK_MESSAGE(entities->is_in(file, {"Directory", directory}), directory);
  for (const char* other : {"/srv/a/f", "/sr", "/srv/b"}) CHECK_MESSAGE(!entities->is_in(file, {"Directory", other}), other);
  CHECK(entities->is_in(file, {"FileSet", "s"}));
  CHECK(entities->is_in(file, {"FileSet", "below"}));    // through the directory that is stored in it
  CHECK(entities->find(file)->attrs.at("label") == Value(std::string("x")));
  CHECK(entities->find(file)->attrs.at("owner") == Value(std::int64_t{7}));
  event.path = "kerf:memfd";
  entities = bundle.entities.with(observed_entities(bundle, *env, event));
  REQUIRE(entities.ok());
  CHECK(entities->ancestors({"FilePath", "kerf:memfd"}).empty());
  event.path = "/";
  CHECK(observed_entities(bundle, *env, event).size() == 1);
}

TEST_CASE("a policy or errno out of range is named, not looked up") {
  kerf_event_record e = sample_event();
  e.decision.determining[0] = 4000;
  e.refusal_errno = 9999;
  CHECK(to_json(e)["determining"] == Json({"unknown-4000"}));
  CHECK(to_json(e)["errno"] == "errno-9999");
}

TEST_CASE("more policies than a record holds") {
  kerf_event_record e = sample_event();
  e.decision.determining_count = 9;
  for (std::uint32_t i = 0; i < KERF_EVENT_POLICIES; ++i) e.decision.determining[i] = i;
  SUBCASE("a table that cannot be read leaves the list incomplete") {
    Json json = to_json(e, "{}");
    CHECK(json["policies_complete"] == false);
    CHECK(json["determining_count"] == 9);
    CHECK(json["determining"].size() == 8);
  }
  SUBCASE("the table completes it") {
    Json policies = Json::array(), rows = Json::array();
    for (int i = 0; i < 9; ++i) {
      policies.push_back({{"id", "p" + std::to_string(i)}, {"effect", "forbid"}, {"annotations", Json::object()},
                          {"source", {{"file", "p"}, {"begin", 0}, {"end", 1}, {"line", 1}, {"column", 1}}}});
      rows.push_back({{"policy", i}, {"when", {{0, "true"}}}, {"then", "true"}});
    }
    Json atom = equal(attr(var("resource"), "port"), {{"Long", "443"}});
    Json environment = {{"principal", "Agent"}, {"action", {{"type", "Action"}, {"id", "connect"}}}, {"resource", "Destination"},
                        {"atoms", {atom}}, {"groups", {{{"principal", nullptr}, {"resource", nullptr}, {"rows", rows}, {"exprs", Json::array()}}}}};
    Json table = {{"format", "kerf-table"}, {"version", 1}, {"policies", policies},
                  {"actions", {{{"uid", {{"type", "Action"}, {"id", "connect"}}}, {"parents", Json::array()}}}}, {"environments", {environment}}};
    Json json = to_json(e, table.dump());
    CHECK(json["policies_complete"] == true);
    CHECK(json["determining"].size() == 9);
    e.decision.determining_count = 10;    // the table says nine: it does not speak of this event
    CHECK(to_json(e, table.dump())["policies_complete"] == false);
    e.decision.determining_count = 9;
    e.decision.determining[3] = 20;
    CHECK(to_json(e, table.dump())["policies_complete"] == false);
  }
}

TEST_CASE("the sink writes lines, and never waits for a reader") {
  TempDir dir;
  SUBCASE("a file, appended to, private") {
    for (const char* text : {"one", "two"}) {
      auto sink = EventSink::open(dir / "events");
      REQUIRE(sink.ok());
      sink->line(text);
      sink->finish(100);
      CHECK(sink->dropped() == 0);
    }
    CHECK(*read_file(dir / "events", 100) == "one\ntwo\n");
    struct stat about {};
    ::stat((dir / "events").c_str(), &about);
    CHECK((about.st_mode & 0777) == 0600);
  }
  SUBCASE("nowhere") {
    auto sink = EventSink::open("");
    REQUIRE(sink.ok());
    sink->line("x");
    sink->finish(0);
    CHECK(sink->dropped() == 0);
  }
  SUBCASE("a FIFO without a reader") {
    REQUIRE(::mkfifo((dir / "fifo").c_str(), 0600) == 0);
    auto sink = EventSink::open(dir / "fifo");
    REQUIRE(!sink.ok());
    CHECK(sink.error().code == "K7502");
  }
  SUBCASE("a FIFO whose reader left while it was full") {
    REQUIRE(::mkfifo((dir / "fifo").c_str(), 0600) == 0);
    int reader = ::open((dir / "fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    Signals signals;   // SIGPIPE
    auto sink = EventSink::open(dir / "fifo");
    REQUIRE(sink.ok());
    for (int i = 0; i < 200; ++i) sink->line(std::string(999, 'x'));
    CHECK(sink->waiting_fd() >= 0);
    ::close(reader);
    sink->flush();
    CHECK(sink->waiting_fd() < 0);   // nothing to wait for: poll() would return at once, for ever
    CHECK(sink->dropped() > 0);
  }
  SUBCASE("a file that may not grow") {
    Signals signals;   // SIGXFSZ
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    auto sink = EventSink::open(dir / "events");
    REQUIRE(sink.ok());
    rlimit none{0, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &none);
    sink->line("x");
    sink->finish(0);
    ::setrlimit(RLIMIT_FSIZE, &before);
    CHECK(sink->dropped() == 1);
  }
  SUBCASE("a FIFO whose reader sleeps loses lines, counted") {
    REQUIRE(::mkfifo((dir / "fifo").c_str(), 0600) == 0);
    int reader = ::open((dir / "fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    auto sink = EventSink::open(dir / "fifo");
    REQUIRE(sink.ok());
    std::string line(999, 'x');
    for (int i = 0; i < 20000; ++i) sink->line(line);
    sink->finish(20);
    CHECK(sink->dropped() > 0);
    std::size_t got = 0;
    char buffer[65536];
    for (ssize_t n; (n = ::read(reader, buffer, sizeof buffer)) > 0;) got += static_cast<std::size_t>(n);
    CHECK(got >= 4096);
    CHECK(got < 20000u * 1000u);
    ::close(reader);
  }
}

TEST_CASE("a state that could not be read back is not written") {
  TempDir dir;
  Host host;
  host.states = dir.path();
  State state;
  state.name = "r0123456789";
  REQUIRE(::mkdir(state_directory(host, state.name).c_str(), 0700) == 0);
  CHECK(write_state(host, state).ok());
  state.bindings.emplace_back().id = 1;
  state.bindings[0].facts.emplace("note", Fact{Value(std::string(2u << 20, 'x')), kNoDeadline});
  CHECK(!write_state(host, state).ok());
  CHECK(read_state(host, state.name).ok());
}

TEST_CASE("mounts") {
  Mounts hybrid = parse_mounts("tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n");
  CHECK(hybrid.cgroup2 == "/sys/fs/cgroup/unified");
  CHECK(hybrid.bpffs == "");
  Mounts usual = parse_mounts("c /mnt/x cgroup2 rw 0 0\nc /sys/fs/cgroup cgroup2 rw 0 0\nc /y cgroup2 rw 0 0\nbpf /sys/fs/bpf bpf rw 0 0\n");
  CHECK(usual.cgroup2 == "/sys/fs/cgroup");
  CHECK(usual.bpffs == "/sys/fs/bpf");
  CHECK(parse_mounts("c /with\\040space\\134 cgroup2 rw 0 0\n").cgroup2 == "/with space\\");
  CHECK(parse_mounts("garbage\n\n \\0 cgroup2\nx \\04 cgroup2 rw").cgroup2 == "\\04");
  CHECK(parse_mounts("").cgroup2 == "");
}

TEST_CASE("our own binding") {
  CHECK(binding_of_cgroup("1:name=x:/kerf/r1\n0::/kerf/r2/below\n") == "r2");
  CHECK(binding_of_cgroup("0::/\n") == "");
  CHECK(binding_of_cgroup("0::/user.slice/kerf/x\n") == "");
}

TEST_CASE("names cannot leave their directory") {
  std::string name = new_name();
  CHECK(valid_name(name));
  CHECK(new_name() != name);
  for (const char* good : {"web", "0", "a-b_c", "r0123456789"}) CHECK_MESSAGE(valid_name(good), good);
  for (const char* bad : {"", ".", "..", "../../../..", "a/b", "-a", "_a", "A", "a.b", "a b", "a\n", "all.lock",
                          "0123456789012345678901234567890123456789x"}) {
    CHECK_MESSAGE(!valid_name(bad), bad);
  }
}

TEST_CASE("ids grow, and leave slots alone that bindings have") {
  State state;
  CHECK(state.take_id() == 1);
  for (std::uint32_t id : {2u, 3u, KERF_MAX_BINDINGS + 5u}) state.bindings.emplace_back().id = id;
  CHECK(state.take_id() == 4);
  CHECK(state.take_id() == 6);
  state.next_binding = KERF_MAX_BINDINGS;
  CHECK(state.take_id() == KERF_MAX_BINDINGS);   // the slot of 0, which is no binding
  CHECK(state.take_id() == KERF_MAX_BINDINGS + 1);
  CHECK(state.take_id() == KERF_MAX_BINDINGS + 4);
  state.bindings.clear();
  for (std::uint32_t id = 1; id < KERF_MAX_BINDINGS; ++id) state.bindings.emplace_back().id = id;   // all there can be
  state.next_binding = KERF_MAX_BINDINGS + 1;
  CHECK(state.take_id() == 2 * KERF_MAX_BINDINGS);
}

TEST_CASE("states survive a round trip and refuse damage") {
  State state;
  state.name = "r0123456789";
  state.bundle_dir = "/b";
  state.generation = 3;
  state.next_binding = 9;
  state.programs = {"kerf_connect4"};
  state.degraded = {"identity"};
  BoundState binding;
  binding.id = 8;
  binding.principal = "Agent::\"a1\"";
  binding.cgroup = "/c";
  binding.cgroup_id = 17;
  binding.mode = "enforce";
  binding.anchors = {"/"};
  binding.facts = {{"depth", {Value(std::int64_t{3}), 12345}}, {"on", {Value(true), kNoDeadline}}};
  binding.names = {{"192.0.2.1", {7, {{"a.example", 12345}, {"b.example", kNoDeadline}}}}, {"2001:db8::1", {8, {{"a.example", 1}}}}};
  state.next_names = 9;
  state.bindings = {binding};
  auto again = state_from_json(state_to_json(state), state.name);
  REQUIRE(again.ok());
  CHECK(again->generation == 3);
  CHECK(again->next_binding == 9);
  REQUIRE(again->find(8) != nullptr);
  CHECK(again->find(7) == nullptr);
  const BoundState& b = *again->find(8);
  CHECK(b.principal == binding.principal);
  CHECK(b.cgroup_id == 17);
  CHECK(!b.ready);
  CHECK(b.facts.at("depth").value == Value(std::int64_t{3}));
  CHECK(b.facts.at("depth").until_ns == 12345);
  CHECK(b.facts.at("on").until_ns == kNoDeadline);
  CHECK(again->next_names == 9);
  CHECK(b.names.size() == 2);
  CHECK(b.names.at("192.0.2.1").id == 7);
  CHECK(b.names.at("192.0.2.1").hosts == binding.names.at("192.0.2.1").hosts);
  CHECK(state_from_json(state_to_json(state), "r9876543210").error().code == "K7603");
  Json json = state_to_json(state);
  auto damaged = [&](const std::string& key, auto at) {
    for (bool erase : {false, true}) {
      Json bent = json;
      if (erase) at(bent).erase(key);
      else at(bent)[key] = nullptr;
      auto read = state_from_json(bent, state.name);
      CHECK_MESSAGE((!read && read.error().code == "K7603"), key);
    }
  };
  for (const auto& [key, value] : json.items()) damaged(key, [](Json& j) -> Json& { return j; });
  for (const auto& [key, value] : json["bindings"][0].items()) damaged(key, [](Json& j) -> Json& { return j["bindings"][0]; });
}

TEST_CASE("states of another kerf are not damaged ones, and say what they have bound") {
  TempDir dir;
  Host host{dir / "cgroups", dir / "pins", dir / "states", false};
  std::filesystem::create_directories(dir / "states/web");
  State state;
  state.name = "web";
  BoundState binding;
  binding.id = 8;
  binding.cgroup = "/c";
  binding.cgroup_id = 17;
  state.bindings = {binding};
  Json good = state_to_json(state);
  auto code_with = [&](const char* key, int value) {
    Json json = good;
    json[key] = value;
    put(dir / "states/web/state.json", json.dump());
    auto read = read_state(host, "web");
    return read ? std::string() : read.error().code;
  };
  CHECK(code_with("abi", KERF_ABI_VERSION) == "");
  CHECK(code_with("abi", KERF_ABI_VERSION - 1) == "K7608");
  CHECK(code_with("abi", KERF_ABI_VERSION + 1) == "K7608");
  CHECK(code_with("version", 3) == "K7608");
  CHECK(code_with("version", 5) == "K7608");
  auto bindings = foreign_bindings(host, "web");
  REQUIRE(bindings.ok());
  REQUIRE(bindings->size() == 1);
  CHECK(bindings->front().cgroup == "/c");
  CHECK(bindings->front().cgroup_id == 17);
  auto all = all_bindings(host);
  REQUIRE(all.ok());
  CHECK(all->front().first == "web/8");
  for (const char* key : {"id", "cgroup", "cgroup_id"}) {   // what cannot be read is not passed over
    Json json = good;
    json["version"] = 5;
    json["bindings"][0].erase(key);
    put(dir / "states/web/state.json", json.dump());
    CHECK_MESSAGE(!all_bindings(host).ok(), key);
  }
}

TEST_CASE("what a replacement leaves is removed, what is in force stays") {
  TempDir dir;
  Host host{dir / "cgroups", dir / "pins", dir / "states", false};
  std::filesystem::create_directories(dir / "pins/web/generation1");
  std::filesystem::create_directories(dir / "pins/web/generation2");
  std::filesystem::create_directories(dir / "states/web/bundle-1");
  std::filesystem::create_directories(dir / "states/web/bundle-2");
  put(dir / "pins/web/generation1/link_x", "");
  put(dir / "states/web/bundle-1/manifest.json", "");
  REQUIRE(remove_other_generations(host, "web", 2).ok());
  CHECK(!std::filesystem::exists(dir / "pins/web/generation1"));
  CHECK(!std::filesystem::exists(dir / "states/web/bundle-1"));
  CHECK(std::filesystem::exists(pin_directory(host, "web", 2)));
  CHECK(std::filesystem::exists(bundle_copy(host, "web", 2)));
  REQUIRE(remove_loaded(host, "web").ok());
  CHECK(!std::filesystem::exists(dir / "pins/web"));
  CHECK(!std::filesystem::exists(dir / "states/web"));
}

TEST_CASE("files are replaced whole") {
  TempDir dir;
  REQUIRE(replace_file(dir / "f", "one").ok());
  REQUIRE(replace_file(dir / "f", "two").ok());
  CHECK(*read_file(dir / "f", 10) == "two");
  CHECK(!read_file(dir / "f", 2).ok());
  CHECK(!replace_file(dir / "no/f", "x").ok());
}
