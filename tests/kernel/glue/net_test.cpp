// The fence around the task: sockets from elsewhere, sends that the cgroup's programs do not see, and no event twice.
#include <doctest/doctest.h>
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "rig.h"

namespace {

using namespace kerf::test;

struct Address {
  sockaddr_storage bytes{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&bytes); }
};

Address address(const char* text, int port) {
  Address result;
  if (std::strchr(text, ':')) {
    auto* to = reinterpret_cast<sockaddr_in6*>(&result.bytes);
    to->sin6_family = AF_INET6;
    to->sin6_port = htons(static_cast<std::uint16_t>(port));
    ::inet_pton(AF_INET6, text, &to->sin6_addr);
    result.size = sizeof *to;
  } else {
    auto* to = reinterpret_cast<sockaddr_in*>(&result.bytes);
    to->sin_family = AF_INET;
    to->sin_port = htons(static_cast<std::uint16_t>(port));
    ::inet_pton(AF_INET, text, &to->sin_addr);
    result.size = sizeof *to;
  }
  return result;
}

int listener(int port) {
  int fd = ::socket(AF_INET6, SOCK_STREAM, 0), on = 1, off = 0;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  ::setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &on, sizeof on);
  Address any = address("::", port);
  REQUIRE(::bind(fd, any.get(), any.size) == 0);
  REQUIRE(::listen(fd, 16) == 0);
  return fd;
}

}  // namespace

TEST_CASE("sockets from elsewhere are judged by the task's binding") {
  Rig& rig = Rig::fresh(Variant::all);
  rig.deny(1u << KERF_EVENT_NET_CONNECT);
  int seven = listener(7), eight = listener(8), fd = -1;
  auto connecting = [&](int family, int type, const char* to, int port) {
    return rig.entering([&, family, type] { fd = ::socket(family, type, 0); },
                        [&] { Address a = address(to, port); return static_cast<long>(::connect(fd, a.get(), a.size)); });
  };
  CHECK(connecting(AF_INET, SOCK_STREAM, "127.0.0.1", 8) == "0\nconnect 127.0.0.1 8 permit\n");
  CHECK(connecting(AF_INET, SOCK_STREAM, "127.0.0.1", 7) == "100\nconnect 127.0.0.1 7 forbid 100\n");
  CHECK(connecting(AF_INET6, SOCK_STREAM, "::ffff:127.0.0.1", 7) == "100\nconnect 127.0.0.1 7 forbid 100\n");
  CHECK(connecting(AF_INET6, SOCK_STREAM, "::", 7) == "100\nconnect 0:1 7 forbid 100\n");
  CHECK(connecting(AF_INET, SOCK_STREAM, "0.0.0.0", 8) == "0\nconnect 127.0.0.1 8 permit\n");
  CHECK(connecting(AF_INET, SOCK_DGRAM, "127.0.0.1", 7) == "100\nconnect 127.0.0.1 7 forbid 100\n");
  CHECK(connecting(AF_INET, SOCK_DGRAM, "0.0.0.0", 8) == "100\nconnect 127.0.0.1 8 no-address 100\n");
  auto sending = [&](int family, int type, const char* to, int port, int flags, int named_family = -1) {
    return rig.entering([&, family, type] { fd = ::socket(family, type, 0); }, [&] {
      Address a = address(to, port);
      if (named_family >= 0) a.bytes.ss_family = static_cast<sa_family_t>(named_family);
      return static_cast<long>(::sendto(fd, "x", 1, flags | MSG_DONTWAIT, a.get(), a.size));
    });
  };
  CHECK(sending(AF_INET, SOCK_DGRAM, "127.0.0.1", 7, 0) == "100\nconnect 127.0.0.1 7 forbid 100\n");
  CHECK(sending(AF_INET, SOCK_DGRAM, "127.0.0.1", 8, 0) == "0\nconnect 127.0.0.1 8 permit\n");
  CHECK(sending(AF_INET, SOCK_DGRAM, "127.0.0.1", 7, 0, AF_UNSPEC) == "100\nconnect 127.0.0.1 7 forbid 100\n");
  CHECK(sending(AF_INET6, SOCK_DGRAM, "::ffff:127.0.0.1", 7, 0) == "100\nconnect 127.0.0.1 7 forbid 100\n");
  CHECK(sending(AF_INET, SOCK_STREAM, "127.0.0.1", 7, MSG_FASTOPEN) == "100\nconnect 127.0.0.1 7 forbid 100\n");
  // AF_UNSPEC takes a connection back
  CHECK(rig.entering([&] { fd = ::socket(AF_INET, SOCK_DGRAM, 0); }, [&] {
    sockaddr none{};
    return static_cast<long>(::connect(fd, &none, sizeof none));
  }) == "0\n");
  CHECK(rig.outside([&] { int s = ::socket(AF_INET, SOCK_STREAM, 0); Address a = address("127.0.0.1", 7); return ::connect(s, a.get(), a.size) | ::close(s); }) == "0\n");
  // quarantine: also sends on connections that are open
  auto flow = [&](std::uint32_t mode) {
    rig.set_mode(mode);
    return rig.entering([&] { fd = ::socket(AF_INET, SOCK_STREAM, 0); Address a = address("127.0.0.1", 8); (void)::connect(fd, a.get(), a.size); },
                        [&] { return static_cast<long>(::send(fd, "x", 1, MSG_NOSIGNAL)); });
  };
  CHECK(flow(KERF_MODE_ENFORCE) == "0\n");
  CHECK(flow(KERF_MODE_QUARANTINE) == "100\nconnect 127.0.0.1 8 quarantine 100\n");
  ::close(seven);
  ::close(eight);
}

TEST_CASE("a call that the cgroup's programs judge too is decided and reported once") {
  Rig& rig = Rig::fresh(Variant::all);
  rig.attach_cgroup_programs();
  rig.deny(1u << KERF_EVENT_NET_CONNECT);
  int seven = listener(7), eight = listener(8);
  auto connecting = [&](int port) {
    return rig.inside([=] { int fd = ::socket(AF_INET, SOCK_STREAM, 0); Address a = address("127.0.0.1", port); return static_cast<long>(::connect(fd, a.get(), a.size)); });
  };
  CHECK(connecting(8) == "0\nconnect 127.0.0.1 8 permit\n");
  CHECK(connecting(7) == "100\nconnect 127.0.0.1 7 forbid 100\n");
  CHECK(rig.counters().decisions == 2);
  CHECK(rig.inside([] { int fd = ::socket(AF_INET, SOCK_DGRAM, 0); Address a = address("127.0.0.1", 7); return ::sendto(fd, "x", 1, 0, a.get(), a.size); }) ==
        "100\nconnect 127.0.0.1 7 forbid 100\n");
  CHECK(rig.counters().decisions == 3);
  ::close(seven);
  ::close(eight);
}

TEST_CASE("sockets that send past the connect hooks are not made") {
  Rig& rig = Rig::fresh(Variant::all);
  auto made = [&](int family, int type, int protocol) { return rig.inside([=] { return static_cast<long>(::socket(family, type, protocol)); }); };
  CHECK(made(AF_INET, SOCK_STREAM, 0) == "0\n");
  CHECK(made(AF_INET6, SOCK_DGRAM, IPPROTO_UDP) == "0\n");
  CHECK(made(AF_UNIX, SOCK_STREAM, 0) == "0\n");
  CHECK(made(AF_NETLINK, SOCK_RAW, 0) == "0\n");
  CHECK(made(AF_INET, SOCK_RAW, IPPROTO_ICMP) == "1\nraw guard 1\n");
  CHECK(made(AF_INET, SOCK_DGRAM, IPPROTO_ICMP) == "1\nraw guard 1\n");
  CHECK(made(AF_PACKET, SOCK_RAW, 0) == "1\npacket guard 1\n");
  CHECK(rig.outside([] { return ::close(::socket(AF_PACKET, SOCK_RAW, 0)); }) == "0\n");
  rig.waive(1u << KERF_GUARD_PACKET_SOCKET);
  CHECK(made(AF_PACKET, SOCK_RAW, 0) == "0\n");
  CHECK(made(AF_INET, SOCK_RAW, IPPROTO_ICMP) == "1\nraw guard 1\n");
}
