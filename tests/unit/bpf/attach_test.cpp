// The hooks at work: attached to a cgroup of our own, asked by a child with real calls on loopback.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <sstream>

#include "rig.h"

using namespace kerf;
using namespace kerf::test;

namespace {

std::string cgroup2_mount() {
  std::ifstream mounts("/proc/mounts");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);
    std::string device, where, type;
    words >> device >> where >> type;
    if (type == "cgroup2") return where;
  }
  return "";
}

struct Cgroup {
  std::string path;
  int fd = -1;
  explicit Cgroup(const std::string& name) : path(name) {
    mkdir(path.c_str(), 0755);
    fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  }
  ~Cgroup() { close(fd); rmdir(path.c_str()); }
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;
  std::uint64_t id() const {
    struct stat info{};
    fstat(fd, &info);
    return info.st_ino;
  }
};

// The errno of `call`, made by a child inside the cgroup; 0 if it succeeded.
int inside(const Cgroup& cgroup, const std::function<int()>& call) {
  pid_t child = fork();
  if (child == 0) {
    std::string procs = cgroup.path + "/cgroup.procs", pid = std::to_string(getpid());
    int fd = open(procs.c_str(), O_WRONLY);
    if (fd < 0 || write(fd, pid.data(), pid.size()) < 0) _exit(255);
    _exit(call());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 254;
}

sockaddr_in address_in(const char* text, std::uint16_t port) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  inet_pton(AF_INET, text, &a.sin_addr);
  return a;
}

sockaddr_in6 address_in6(const char* text, std::uint16_t port) {
  sockaddr_in6 a{};
  a.sin6_family = AF_INET6;
  a.sin6_port = htons(port);
  inet_pton(AF_INET6, text, &a.sin6_addr);
  return a;
}

template <class A>
int connect_to(int type, const A& address, const char* bound = nullptr, const char* device = nullptr) {
  int fd = socket(reinterpret_cast<const sockaddr&>(address).sa_family, type, 0);
  if (fd < 0) return errno;
  if (device && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, static_cast<socklen_t>(strlen(device)))) return errno;
  if (bound) {
    sockaddr_in from = address_in(bound, 0);
    if (bind(fd, reinterpret_cast<sockaddr*>(&from), sizeof from)) return errno;
  }
  int result = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) ? errno : 0;
  close(fd);
  return result;
}

// `bound` need not be an address of this machine.
int connect_from6(int type, const sockaddr_in6& address, const char* bound) {
  int fd = socket(AF_INET6, type, 0), on = 1;
  sockaddr_in6 from = address_in6(bound, 0);
  if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof on)) return errno;
  if (bind(fd, reinterpret_cast<sockaddr*>(&from), sizeof from)) return errno;
  int result = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) ? errno : 0;
  close(fd);
  return result;
}

template <class A>
int send_to(const A& address) {
  int fd = socket(reinterpret_cast<const sockaddr&>(address).sa_family, SOCK_DGRAM, 0);
  if (fd < 0) return errno;
  int result = sendto(fd, "x", 1, 0, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ? errno : 0;
  close(fd);
  return result;
}

int keep(void* into, void* data, std::size_t) {
  static_cast<std::vector<kerf_event_record>*>(into)->push_back(*static_cast<kerf_event_record*>(data));
  return 0;
}

std::uint16_t listen_anywhere(int& fd, int& udp) {
  fd = socket(AF_INET6, SOCK_STREAM, 0);
  sockaddr_in6 any{};
  any.sin6_family = AF_INET6;
  socklen_t size = sizeof any;
  if (bind(fd, reinterpret_cast<sockaddr*>(&any), size) || listen(fd, 64) || getsockname(fd, reinterpret_cast<sockaddr*>(&any), &size)) return 0;
  udp = socket(AF_INET6, SOCK_DGRAM, 0);
  if (bind(udp, reinterpret_cast<sockaddr*>(&any), size)) return 0;
  return ntohs(any.sin6_port);
}

}  // namespace

TEST_CASE("attached hooks refuse and allow what the rows say") {
  if (!kernel_takes_bpf()) return;
  std::string mount = cgroup2_mount();
  if (mount.empty()) {
    fmt::print("skipped: no cgroup2 is mounted\n");
    return;
  }
  int listener = -1, udp = -1;
  std::uint16_t port = listen_anywhere(listener, udp);
  REQUIRE(port != 0);

  // Permitted: 127.0.0.1 and ::1; forbidden, with a listener behind: 127.0.0.2.
  Program program = make_program();
  add_row(program, Effect::permit).address = AddressSet{{prefix4(0x7f000001, 32)}, {prefix6(0, 1, 128)}};
  Result<BpfObject> object = emit(program);
  if (!object) FAIL(object.error().message);
  auto loaded = Loaded::load(program, std::move(*object));
  if (!loaded) FAIL(loaded.error().message);
  REQUIRE((*loaded)->bind(1, {}) == 0);

  Cgroup cgroup(mount + "/kerf-bpf-test-" + std::to_string(getpid()));
  REQUIRE(cgroup.fd >= 0);
  std::vector<bpf_link*> links;
  for (const char* name : {"kerf_connect4", "kerf_connect6", "kerf_sendmsg4", "kerf_sendmsg6", "kerf_sock_create"}) {
    bpf_link* link = bpf_program__attach_cgroup((*loaded)->program(name), cgroup.fd);
    REQUIRE(link != nullptr);
    links.push_back(link);
  }
  auto here = address_in("127.0.0.1", port), there = address_in("127.0.0.2", port), zero = address_in("0.0.0.0", port);
  auto here6 = address_in6("::1", port), mapped = address_in6("::ffff:127.0.0.1", port), mapped_there = address_in6("::ffff:127.0.0.2", port),
       any6 = address_in6("::", port), mapped_zero = address_in6("::ffff:0.0.0.0", port);

  SUBCASE("no record") { CHECK(inside(cgroup, [&] { return connect_to(SOCK_STREAM, here); }) == ECONNREFUSED); }

  kerf_cgroup_slot slot{1, 0};
  std::uint64_t id = cgroup.id();
  REQUIRE(bpf_map_update_elem((*loaded)->map("kerf_cgroup"), &id, &slot, BPF_EXIST) == 0);

  SUBCASE("connect and send") {
    for (int type : {SOCK_STREAM, SOCK_DGRAM}) {
      CHECK(inside(cgroup, [&] { return connect_to(type, here); }) == 0);
      CHECK(inside(cgroup, [&] { return connect_to(type, here6); }) == 0);
      CHECK(inside(cgroup, [&] { return connect_to(type, mapped); }) == 0);
      CHECK(inside(cgroup, [&] { return connect_to(type, any6); }) == 0);
      CHECK(inside(cgroup, [&] { return connect_to(type, there); }) == ECONNREFUSED);
      CHECK(inside(cgroup, [&] { return connect_to(type, mapped_there); }) == ECONNREFUSED);
    }
    for (int to_zero : {inside(cgroup, [&] { return connect_to(SOCK_STREAM, zero); }),
                        inside(cgroup, [&] { return connect_to(SOCK_STREAM, mapped_zero); })}) {
      CHECK(to_zero == 0);
    }
    CHECK(inside(cgroup, [&] { return send_to(here); }) == 0);
    CHECK(inside(cgroup, [&] { return send_to(here6); }) == 0);
    CHECK(inside(cgroup, [&] { return send_to(mapped); }) == 0);
    CHECK(inside(cgroup, [&] { return send_to(there); }) == ECONNREFUSED);
    CHECK(inside(cgroup, [&] { return send_to(mapped_there); }) == ECONNREFUSED);
    CHECK(connect_to(SOCK_STREAM, there) == 0);   // outside
  }
  SUBCASE("0.0.0.0 from a bound socket, which the kernel may send anywhere") {
    CHECK(inside(cgroup, [&] { return connect_to(SOCK_STREAM, zero, "127.0.0.2"); }) == ECONNREFUSED);
    CHECK(inside(cgroup, [&] { return connect_to(SOCK_STREAM, zero, "127.0.0.1"); }) == ECONNREFUSED);
    CHECK(inside(cgroup, [&] { return connect_to(SOCK_STREAM, here, "127.0.0.1"); }) == 0);
    CHECK(inside(cgroup, [&] { return connect_to(SOCK_STREAM, zero, nullptr, "lo"); }) == ECONNREFUSED);
    CHECK(inside(cgroup, [&] { return connect_to(SOCK_STREAM, mapped_zero, nullptr, "lo"); }) == ECONNREFUSED);
    CHECK(inside(cgroup, [&] { return connect_to(SOCK_STREAM, here, nullptr, "lo"); }) == 0);
  }
  SUBCASE("0.0.0.0 for datagrams, which can name a device unseen") {
    CHECK(inside(cgroup, [&] { return connect_to(SOCK_DGRAM, zero); }) == ECONNREFUSED);
    CHECK(inside(cgroup, [&] { return connect_to(SOCK_DGRAM, mapped_zero); }) == ECONNREFUSED);
    CHECK(inside(cgroup, [&] { return send_to(zero); }) == ECONNREFUSED);
    CHECK(inside(cgroup, [&] { return send_to(mapped_zero); }) == ECONNREFUSED);
  }
  SUBCASE(":: from a socket bound to an address that resembles a mapped one") {
    std::vector<kerf_event_record> records;
    ring_buffer* ring = ring_buffer__new((*loaded)->map("kerf_events"), keep, &records, nullptr);
    REQUIRE(ring != nullptr);
    kerf_state state{7, 1, 0, 0, 0};
    std::uint32_t key = 0;
    bpf_map_update_elem((*loaded)->map("kerf_state"), &key, &state, BPF_ANY);
    inside(cgroup, [&] { return connect_from6(SOCK_DGRAM, any6, "fd00::ffff:0:1"); });
    inside(cgroup, [&] { return connect_from6(SOCK_DGRAM, any6, "::ffff:127.0.0.1"); });
    ring_buffer__consume(ring);
    ring_buffer__free(ring);
    REQUIRE(records.size() == 2);
    CHECK(records[0].seen.net.v6 == 1);        // the kernel takes ::1
    CHECK(records[0].seen.net.address_low == 1);
    CHECK(records[1].seen.net.v6 == 0);        // and here 127.0.0.1
    CHECK(records[1].seen.net.address_low == 0x7f000001);
  }
  SUBCASE("sockets that the hooks do not see") {
    CHECK(inside(cgroup, [] { return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) < 0 ? errno : 0; }) == EPERM);
    CHECK(inside(cgroup, [] { return socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6) < 0 ? errno : 0; }) == EPERM);
    CHECK(inside(cgroup, [] { return socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0; }) == 0);
    CHECK(inside(cgroup, [] { return socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? errno : 0; }) == 0);
  }
  SUBCASE("a cgroup made later inside, and audit mode") {
    Cgroup nested(cgroup.path + "/later");
    CHECK(inside(nested, [&] { return connect_to(SOCK_STREAM, there); }) == ECONNREFUSED);
    CHECK(inside(nested, [&] { return connect_to(SOCK_STREAM, here); }) == 0);
    Binding audit;
    audit.mode = KERF_MODE_AUDIT;
    REQUIRE((*loaded)->bind(1, audit) == 0);
    CHECK(inside(nested, [&] { return connect_to(SOCK_STREAM, there); }) == 0);
    (*loaded)->set_generation(9);
    CHECK(inside(nested, [&] { return connect_to(SOCK_STREAM, here); }) == ECONNREFUSED);
  }
  SUBCASE("events of denials, and of allows on request") {
    std::vector<kerf_event_record> records;
    ring_buffer* ring = ring_buffer__new((*loaded)->map("kerf_events"), keep, &records, nullptr);
    REQUIRE(ring != nullptr);
    inside(cgroup, [&] { return connect_to(SOCK_STREAM, here); });
    inside(cgroup, [&] { return connect_to(SOCK_STREAM, there); });
    kerf_state state{7, 1, 0, 0, 0};
    std::uint32_t key = 0;
    bpf_map_update_elem((*loaded)->map("kerf_state"), &key, &state, BPF_ANY);
    inside(cgroup, [&] { return connect_to(SOCK_STREAM, here6); });
    ring_buffer__consume(ring);
    ring_buffer__free(ring);
    REQUIRE(records.size() == 2);
    CHECK(records[0].refusal_errno == ECONNREFUSED);
    CHECK(records[0].decision.reason == KERF_REASON_NO_PERMIT);
    CHECK(records[0].seen.net.address_low == 0x7f000002);
    CHECK(records[0].seen.net.port == port);
    CHECK(records[0].seen.net.protocol == IPPROTO_TCP);
    CHECK(records[0].binding == 1);
    CHECK(records[0].cgroup_id == id);
    CHECK(records[0].bundle_digest[15] == 16);
    CHECK(records[1].refusal_errno == 0);
    CHECK(records[1].decision.determining_count == 1);
    CHECK(records[1].seen.net.v6 == 1);
  }
  for (bpf_link* link : links) bpf_link__destroy(link);
  close(listener);
  close(udp);
}
