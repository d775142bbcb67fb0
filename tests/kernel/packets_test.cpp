// Packets that name a way of their own: built ones, given to the program as the kernel would; and real ones, in a network
// of the test's own, that arrive or do not.
#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "loaded.h"
#include "runtime/loader/bundle.h"
#include "runtime/loader/abilities.h"
#include "runtime/loader/kernel.h"

using namespace kerf;
using namespace kerf::test;

namespace {

using Bytes = std::string;

Bytes bytes(std::initializer_list<int> list) {
  Bytes text;
  for (int byte : list) text += static_cast<char>(byte);
  return text;
}

// `next`: of the first header after the fixed one; the payload length is not looked at.
Bytes ip6(int next, const Bytes& rest) {
  Bytes packet = bytes({0x60, 0, 0, 0, 0, 0, next, 64}) + Bytes(15, '\0') + '\1' + Bytes(15, '\0') + '\1';
  return packet + rest + Bytes(64, 'x');
}

Bytes options6(int next, int units = 0) { return bytes({next, units, 1, 4, 0, 0, 0, 0}) + Bytes(static_cast<std::size_t>(units) * 8, '\0'); }
Bytes fragment6(int next, int offset_high, int offset_low) { return bytes({next, 0, offset_high, offset_low, 1, 2, 3, 4}); }
Bytes authentication6(int next) { return bytes({next, 4, 0, 0}) + Bytes(20, '\0'); }
Bytes routing6(int type, int left) { return bytes({17, 2, type, left, 0, 0, 0, 0}) + Bytes(16, '\0'); }

Bytes ip4(const Bytes& options) {
  int words = 5 + static_cast<int>(options.size()) / 4;
  return bytes({0x40 | words, 0, 0, 84, 0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1}) + options + Bytes(64, 'x');
}

struct Built {
  const char* what;
  Bytes packet;
  bool goes;
};

std::vector<Built> built() {
  Bytes eight;
  for (int i = 0; i < 8; ++i) eight += options6(i == 7 ? 17 : 60);
  return {
      {"UDP", ip6(17, ""), true},
      {"TCP", ip6(6, ""), true},
      {"ICMP", ip6(58, ""), true},
      {"no next header", ip6(59, ""), true},
      {"encrypted", ip6(50, ""), true},
      {"hop-by-hop", ip6(0, options6(17)), true},
      {"destination options, long", ip6(60, options6(17, 9)), true},
      {"first fragment", ip6(44, fragment6(17, 0, 1)), true},
      {"authenticated", ip6(51, authentication6(17)), true},
      {"seven options", ip6(60, eight.substr(8)), true},
      {"routing header 4", ip6(43, routing6(4, 0)), false},
      {"routing header 2", ip6(43, routing6(2, 1)), false},
      {"routing header 0", ip6(43, routing6(0, 1)), false},
      {"routing header behind hop-by-hop", ip6(0, options6(43) + routing6(4, 0)), false},
      {"routing header behind long options", ip6(60, options6(43, 9) + routing6(4, 0)), false},
      {"routing header behind a fragment header", ip6(44, fragment6(43, 0, 1) + routing6(4, 0)), false},
      {"routing header behind authentication", ip6(51, authentication6(43) + routing6(4, 0)), false},
      {"routing header behind three", ip6(0, options6(60) + options6(44) + fragment6(43, 0, 0) + routing6(0, 1)), false},
      {"later fragment", ip6(44, fragment6(17, 0, 8)), false},
      {"more options than are looked at", ip6(60, options6(60) + eight), false},
      {"options past the end", ip6(60, options6(43, 255)), false},
      {"IPv4", ip4(""), true},
      {"IPv4 with options", ip4(bytes({1, 1, 7, 7, 4, 0, 0, 0, 0, 1, 1, 0})), true},
      {"IPv4, after the end of options", ip4(bytes({1, 0, 131, 7})), true},
      {"IPv4 loose route", ip4(bytes({131, 7, 4, 127, 0, 0, 2, 0})), false},
      {"IPv4 strict route behind others", ip4(bytes({1, 148, 4, 0, 0, 137, 7, 4, 127, 0, 0, 2})), false},
      {"IPv4 option of no length", ip4(bytes({7, 0, 131, 7})), false},
      {"IPv4, sixty bytes", ip4(Bytes(40, '\1')), true},
      {"no IP", Bytes(1, '\x50') + ip6(17, "").substr(1), false},
  };
}

loader::Loaded load_only(const std::string& directory) {
  auto bundle = loader::read_bundle(directory);
  REQUIRE(bundle.ok());
  auto plan = loader::plan_enforcement(bundle->manifest, loader::find_abilities(bundle->manifest));
  auto loaded = loader::load_object({*bundle, plan, 1, false, true, nullptr});
  REQUIRE_MESSAGE(loaded.ok(), (loaded.ok() ? "" : loaded.error().message));
  return std::move(*loaded);
}

// The kernel's answer to a packet behind 14 bytes of Ethernet: 1, it goes.
int answer_to(int program, const Bytes& packet) {
  bool v6 = (packet[0] & 0xf0) == 0x60 || (packet[0] & 0xf0) == 0x50;
  Bytes frame = Bytes(12, '\0') + (v6 ? bytes({0x86, 0xdd}) : bytes({0x08, 0x00})) + packet;
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(), .data_size_in = static_cast<__u32>(frame.size()), .repeat = 1);
  int error = ::bpf_prog_test_run_opts(program, &options);
  return error == 0 ? static_cast<int>(options.retval) : error;
}

// Sends by a way of its own: one way point, the loopback address. 0 or the errno; EBADE: this kernel has no such header.
struct Routing {
  unsigned char next = 0, length = 2, type = 4, left = 0, last = 0, flags = 0, tag[2] = {};
  in6_addr way = IN6ADDR_LOOPBACK_INIT;
};
enum class Sent { plain, routed, routed_once, routed_late, type2, source4 };

int send6(int fd, const sockaddr_in6& to, Sent how) {
  Routing routing;
  unsigned char padding[8] = {0, 0, 1, 4, 0, 0, 0, 0};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof routing)] = {};
  if (how == Sent::type2) routing.type = 2, routing.left = 1;
  if (how == Sent::routed_late && (::setsockopt(fd, IPPROTO_IPV6, IPV6_HOPOPTS, padding, 8) != 0 || ::setsockopt(fd, IPPROTO_IPV6, IPV6_RTHDRDSTOPTS, padding, 8) != 0)) return EBADE;
  bool sticky = how != Sent::plain && how != Sent::routed_once;
  if (sticky && ::setsockopt(fd, IPPROTO_IPV6, IPV6_RTHDR, &routing, sizeof routing) != 0) return EBADE;
  iovec part{const_cast<char*>("x"), 1};
  msghdr message{};
  message.msg_name = const_cast<sockaddr_in6*>(&to);
  message.msg_namelen = sizeof to;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (how == Sent::routed_once) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = IPPROTO_IPV6;
    header->cmsg_type = IPV6_RTHDR;
    header->cmsg_len = CMSG_LEN(sizeof routing);
    std::memcpy(CMSG_DATA(header), &routing, sizeof routing);
  }
  return ::sendmsg(fd, &message, 0) == 1 ? 0 : errno;
}

int send_one(int port, Sent how) {
  if (how == Sent::source4) {
    int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    unsigned char route[8] = {131, 7, 4, 127, 0, 0, 1, 0};
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::setsockopt(fd, IPPROTO_IP, IP_OPTIONS, route, sizeof route) != 0) return EBADE;
    return ::sendto(fd, "x", 1, 0, reinterpret_cast<sockaddr*>(&to), sizeof to) == 1 ? 0 : errno;
  }
  int fd = ::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in6 to{};
  to.sin6_family = AF_INET6;
  to.sin6_port = htons(static_cast<std::uint16_t>(port));
  to.sin6_addr = IN6ADDR_LOOPBACK_INIT;
  int error = send6(fd, to, how);
  ::close(fd);
  return error;
}

// A network of its own for this thread and its children: loopback is up, way points are served, `port` is listened to.
class Network {
 public:
  explicit Network(int port) : port_(port) {
    before_ = ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    REQUIRE(::unshare(CLONE_NEWNET) == 0);   // of this thread, and of its children
    int control = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq lo{};
    std::strcpy(lo.ifr_name, "lo");
    lo.ifr_flags = IFF_UP | IFF_RUNNING;
    REQUIRE(::ioctl(control, SIOCSIFFLAGS, &lo) == 0);
    ::close(control);
    for (const char* name : {"all", "lo"}) std::ofstream(std::string("/proc/sys/net/ipv6/conf/") + name + "/seg6_enabled") << "1";
    receiver_ = ::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    any.sin6_port = htons(static_cast<std::uint16_t>(port));
    REQUIRE(::bind(receiver_, reinterpret_cast<sockaddr*>(&any), sizeof any) == 0);
  }
  ~Network() {
    ::close(receiver_);
    CHECK(::setns(before_, CLONE_NEWNET) == 0);
    ::close(before_);
  }
  int send_here(Sent how) const { return send_one(port_, how); }
  int send_in(const Cgroup& cgroup, Sent how) const {
    auto child = loader::clone_into(cgroup.fd(), [&] { return send_one(port_, how); });
    REQUIRE(child.ok());
    return loader::wait_status(*child);
  }
  int arrived() const {
    int count = 0;
    char byte;
    pollfd ready{receiver_, POLLIN, 0};
    while (::poll(&ready, 1, 50) == 1 && ::recv(receiver_, &byte, 1, 0) == 1) ++count;
    return count;
  }

 private:
  int port_, before_ = -1, receiver_ = -1;
};

}  // namespace

TEST_CASE("built packets: what names a way of its own is dropped, and what cannot be told") {
  if (!can_enforce()) return;
  Scene scene;
  loader::Loaded loaded = load_only(scene.dir / "bundle");
  bpf_program* program = bpf_object__find_program_by_name(loaded.object.get(), "kerf_egress");
  REQUIRE(program != nullptr);
  for (const Built& one : built()) {
    INFO(std::string(one.what));
    CHECK(answer_to(bpf_program__fd(program), one.packet) == (one.goes ? 1 : 0));
  }
}

TEST_CASE("real packets by a way of their own: they arrive outside, and not from a bound cgroup") {
  if (!can_enforce()) return;
  Scene scene;
  Cgroup cgroup(cgroup_path("way"));
  Loaded loaded(scene.dir / "bundle");
  Network network(scene.listeners.udp_allowed);
  CHECK(network.send_in(cgroup, Sent::plain) == 0);
  CHECK(network.arrived() == 1);
  std::vector<Sent> known;
  for (Sent how : {Sent::routed, Sent::routed_once, Sent::routed_late, Sent::type2, Sent::source4}) {
    if (network.send_in(cgroup, how) == 0) known.push_back(how);
  }
  int arrived = network.arrived();
  MESSAGE("of 5 kinds of ways this kernel sends " << known.size() << ", and " << arrived << " arrived");
  if (known.empty()) return;
  CHECK(arrived > 0);
  std::string binding = loaded.bind(cgroup.path());
  for (Sent how : known) CHECK_MESSAGE(network.send_in(cgroup, how) == EPERM, static_cast<int>(how));
  CHECK(network.arrived() == 0);
  CHECK(network.send_in(cgroup, Sent::plain) == 0);
  CHECK(network.arrived() == 1);
  CHECK(loaded.rows()[0].guards == known.size());
  for (Sent how : known) CHECK(network.send_here(how) == 0);   // others are not touched
  CHECK(network.arrived() == arrived);
  CHECK(failure(loader::unbind(binding)) == "");
  for (Sent how : known) CHECK(network.send_in(cgroup, how) == 0);
  CHECK(network.arrived() == arrived);
}
