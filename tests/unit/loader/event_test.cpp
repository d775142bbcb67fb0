// Event records to JSON, the sink, and what is read of the machine.
#include <doctest/doctest.h>

#include <fcntl.h>
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
#include "runtime/loader/process.h"
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
  EventSource source{bundle, "r0123456789", {"Agent", "a1"}, {}};
  Completer completer(bundle);
  return event_to_json(event, source, completer, 1'700'000'000'000'000'000 - 5'000'000'000);
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
  CHECK(refused([](auto& b) { b.version = 2; }));
  CHECK(refused([](auto& b) { b.kind = 9; }));
  CHECK(refused([](auto& b) { b.size = sizeof b + 1; }));
  CHECK(refused([](auto& b) { b.payload_size = 1; }));
  CHECK(refused([](auto& b) { b.seen.net.port = 65536; }));
  CHECK(refused([](auto& b) { b.decision.verdict = 0; }));
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
  state.facts.emplace("note", Fact{Value(std::string(2u << 20, 'x')), kNoDeadline});
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

TEST_CASE("names of bindings cannot leave their directory") {
  std::string name = new_name();
  CHECK(valid_name(name));
  CHECK(new_name() != name);
  for (const char* bad : {"", "r", "../../../..", "r12345678/.", "r123456789", "r123456789G", "x0123456789", "r01234567890"}) CHECK_MESSAGE(!valid_name(bad), bad);
}

TEST_CASE("states survive a round trip and refuse damage") {
  TempDir dir;
  Host host{dir.path(), dir.path(), dir.path(), false};
  State state{"r0123456789", "/b", "d", "Agent::\"a1\"", "/c", "/p", "enforce", "boot", 17, {"kerf_connect4"}, {"identity"},
              {{"depth", {Value(std::int64_t{3}), 12345}}, {"on", {Value(true), kNoDeadline}}}};
  auto again = state_from_json(state_to_json(state), state.name);
  REQUIRE(again.ok());
  CHECK(again->principal == state.principal);
  CHECK(again->cgroup_id == 17);
  CHECK(again->facts.at("depth").value == Value(std::int64_t{3}));
  CHECK(again->facts.at("depth").until_ns == 12345);
  CHECK(again->facts.at("on").until_ns == kNoDeadline);
  CHECK(state_from_json(state_to_json(state), "r9876543210").error().code == "K7603");
  Json json = state_to_json(state);
  for (const auto& [key, value] : json.items()) {
    Json bent = json;
    bent[key] = nullptr;
    CHECK_MESSAGE(state_from_json(bent, state.name).error().code == "K7603", key);
    bent.erase(key);
    CHECK_MESSAGE(state_from_json(bent, state.name).error().code == "K7603", key);
  }
}

TEST_CASE("files are replaced whole") {
  TempDir dir;
  REQUIRE(replace_file(dir / "f", "one").ok());
  REQUIRE(replace_file(dir / "f", "two").ok());
  CHECK(*read_file(dir / "f", 10) == "two");
  CHECK(!read_file(dir / "f", 2).ok());
  CHECK(!replace_file(dir / "no/f", "x").ok());
}
