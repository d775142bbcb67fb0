// Sockets: made, bound, listened on, accepted from, and unix sockets by name; with a bundle whose policies decide all of it.
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "stage.h"

using namespace kerf::test;

namespace {

Stage& here() { return stage("sockets", Governed::net); }
void nothing() {}

// A unix socket of the judge, that answers connections and takes datagrams.
class Service {
 public:
  Service(const std::string& name, int type) : fd_(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const bool abstract = name.starts_with('@');
    std::memcpy(address.sun_path + abstract, name.data() + abstract, name.size() - abstract);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + !abstract);
    REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    if (type == SOCK_STREAM) REQUIRE(::listen(fd_, 64) == 0);
  }
  ~Service() { ::close(fd_); }
  Service(const Service&) = delete;

 private:
  int fd_;
};

// Each scene empties /zone, so that its services are made anew.
struct Services {
  std::vector<std::unique_ptr<Service>> list;
  void make(const std::vector<std::pair<std::string, int>>& wanted) {
    list.clear();
    for (const auto& [name, type] : wanted) list.push_back(std::make_unique<Service>(name, type));
  }
};

void refused_socket(const std::string& steps, const std::string& id) { Scene(here(), nothing).refuses(steps, EACCES, {{"net.socket", id, "no-permit"}}); }

}  // namespace

TEST_CASE("sockets: of every family, by kind and protocol") {
  Scene scene(here(), nothing);
  for (const char* steps : {"socket 2 1 0", "socket 2 2 17", "socket 10 1 6", "socket 1 1 0", "socket 1 2 0", "socket 17 3 768", "pair", "pair dgram"}) scene.allows(steps);
  refused_socket("socket 10 2 0", "inet6/dgram");
  refused_socket("socket 2 3 1", "inet/raw");
  refused_socket("socket 1 5 0", "unix/seqpacket");
  refused_socket("socket 16 3 0", "netlink/raw");
  refused_socket("socket 17 3 8", "packet/raw");
  refused_socket("socket 17 2 768", "packet/dgram");
}

TEST_CASE("sockets: bind and listen") {
  Scene scene(here(), nothing);
  scene.allows("bind-internet 127.0.0.1 6 ; listen");
  scene.refuses("bind-internet 127.0.0.1 7", EACCES, {{"net.bind", "127.0.0.1:7", "no-permit"}});
  scene.refuses("bind-internet 0.0.0.0 6", EACCES, {{"net.bind", "0.0.0.0:6", "no-permit"}});
  scene.refuses_after("bind-internet 127.0.0.1 8 ; listen", EOPNOTSUPP, {{"net.listen", "127.0.0.1:8", "no-permit"}});
}

TEST_CASE("sockets: who connects is known before accept") {
  Scene scene(here(), nothing);
  scene.allows("bind-internet 127.0.0.1 10 ; listen ; accept-from 127.0.0.1");
  here().events();
  CHECK(here().bound().perform("bind-internet 127.0.0.1 10 ; listen ; accept-from 127.0.0.2") == Outcome{3, ETIMEDOUT});
  bool told = false;
  for (const kerf::Json& event : here().events()) {
    if (event["event"] != "net.accept") continue;
    told = true;
    CHECK(event["decision"] == "deny");
    CHECK(event["net"]["ip"] == "127.0.0.2");
    CHECK(event["observed"]["net.local_port"] == 10);
    CHECK(event["process"].is_null());
  }
  CHECK(told);
}

TEST_CASE("sockets: a task that was moved, and sockets that it makes elsewhere") {
  Stage& own = here();
  const std::string home = cgroup_of(own.bound().pid()), other = "/sys/fs/cgroup/elsewhere";
  ::mkdir(other.c_str(), 0755);
  REQUIRE(move_to(other, own.bound().pid()));
  own.events();
  auto told = [&](const std::string& steps, const Outcome& outcome) {
    CHECK_MESSAGE(own.bound().perform(steps) == outcome, steps);
    std::string text;
    for (const kerf::Json& event : own.events()) {
      if (event["decision"] == "deny") text += event["event"].get<std::string>() + " " + event["reason"].get<std::string>() + ";";
    }
    return text;
  };
  CHECK(told("socket 10 2 0", {1, EACCES}) == "net.socket no-permit;");
  CHECK(told("bind-internet 127.0.0.1 7", {1, EACCES}) == "net.bind no-permit;");
  CHECK(told("bind-internet 127.0.0.1 11 ; listen", {}) == "");
  // nobody judges who connects there
  CHECK(told("bind-internet 127.0.0.1 12 ; listen ; accept-from 127.0.0.1", {3, EPERM}) == "net.accept no-address;");
  REQUIRE(move_to(home, own.bound().pid()));
}

TEST_CASE("unix sockets: by the name that they are bound to") {
  Services services;
  Scene scene(here(), [&] {
    services.make({{"/zone/open/s", SOCK_STREAM}, {"/zone/secret/s", SOCK_STREAM}, {"/zone/open/d", SOCK_DGRAM}, {"/zone/secret/d", SOCK_DGRAM}});
    put_symlink("/zone/secret/s", "/zone/open/symbolic");
    put_link("/zone/secret/s", "/zone/open/hard");
    put_link("/zone/open/s", "/zone/secret/hard");
  });
  const std::vector<Told> stream = {{"unix.connect", "/zone/secret/s", "no-permit"}}, datagram = {{"unix.connect", "/zone/secret/d", "no-permit"}};
  scene.allows("connect-unix /zone/open/s");
  scene.allows("connect-unix /zone/secret/hard");
  scene.allows("connect-unix /zone/open/d dgram");
  scene.allows("send-unix /zone/open/d");
  scene.refuses("connect-unix /zone/secret/s", EACCES, stream);
  scene.refuses("connect-unix /zone/open/symbolic", EACCES, stream);
  scene.refuses("connect-unix /zone/open/hard", EACCES, stream);
  scene.refuses("connect-unix /zone/secret/d dgram", EACCES, datagram);
  scene.refuses("send-unix /zone/secret/d", EACCES, datagram);
}

TEST_CASE("unix sockets: abstract names") {
  Services services;
  Scene scene(here(), [&] {
    services.make({{"@free", SOCK_STREAM}, {"@free-d", SOCK_DGRAM}, {"@other", SOCK_STREAM}, {"@other-d", SOCK_DGRAM}, {std::string("@free\0", 6), SOCK_STREAM}});
  });
  scene.allows("connect-unix @free");
  scene.allows("send-unix @free-d");
  scene.refuses("connect-unix @other", EACCES, {{"unix.connect", "kerf:abstract/other", "no-permit"}});
  scene.refuses("send-unix @other-d", EACCES, {{"unix.connect", "kerf:abstract/other-d", "no-permit"}});
  scene.refuses("connect-unix @free%00", EACCES, {{"unix.connect", "kerf:abstract/free\\x00", "not-text"}});
}

TEST_CASE("unix sockets: bound to names") {
  Scene scene(here(), nothing);
  scene.allows("bind-unix /zone/open/new");
  scene.allows("bind-unix @mine");
  scene.refuses("bind-unix /zone/secret/new", EACCES, {{"unix.bind", "/zone/secret/new", "no-permit"}});
  scene.refuses("bind-unix @yours", EACCES, {{"unix.bind", "kerf:abstract/yours", "no-permit"}});
  // other files are not asked about here
  scene.allows("open /zone/secret/f w+creat");
}
