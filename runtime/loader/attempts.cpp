// One operation for each hook. The one decision: every operation would do no harm if it went through; then the probe
// fails and nothing is bound.
#include "runtime/loader/attempts.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <functional>
#include <utility>

#include "runtime/abi/policy_abi.h"
#include "runtime/loader/failure.h"
#include "runtime/loader/files.h"
#include "runtime/loader/process.h"

namespace kerf::loader {
namespace {

Address loopback4(std::uint16_t port) {
  Address address;
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(port);
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::memcpy(&address.storage, &in, sizeof in);
  address.size = sizeof in;
  return address;
}

Address loopback6(std::uint16_t port) {
  Address address;
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port);
  in.sin6_addr = IN6ADDR_LOOPBACK_INIT;
  std::memcpy(&address.storage, &in, sizeof in);
  address.size = sizeof in;
  return address;
}

Fd answering_socket(int type, std::uint16_t& port) {
  Fd fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  Address address = loopback4(0);
  if (!fd.ok() || ::bind(fd.get(), address.raw(), address.size) != 0) return Fd();
  if (type == SOCK_STREAM && ::listen(fd.get(), 8) != 0) return Fd();
  sockaddr_in bound{};
  socklen_t size = sizeof bound;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0) return Fd();
  port = ntohs(bound.sin_port);
  return fd;
}

// Of this process and purpose alone.
Address abstract_name(const char* purpose) {
  Address address;
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const std::string text = fmt::format("kerf-probe-{}-{}", ::getpid(), purpose);
  std::memcpy(name.sun_path + 1, text.data(), text.size());
  std::memcpy(&address.storage, &name, sizeof name);
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
  return address;
}

Fd answering_unix(int type, const char* purpose, Address& name) {
  Fd fd(::socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  name = abstract_name(purpose);
  if (!fd.ok() || ::bind(fd.get(), name.raw(), name.size) != 0) return Fd();
  if (type == SOCK_STREAM && ::listen(fd.get(), 8) != 0) return Fd();
  return fd;
}

int result_of(long result) { return result >= 0 ? 0 : errno; }

int connect_with(int fd, const Address& to) {
  int error = result_of(::connect(fd, to.raw(), to.size));
  return error == EINPROGRESS ? 0 : error;
}

// A socket that was made in the cgroup before, or a new one.
class Tried {
 public:
  Tried(const Fd& made, int family, int type) {
    if (!made.ok()) own_ = Fd(::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    fd_ = made.ok() ? made.get() : own_.get();
    error_ = fd_ >= 0 ? 0 : errno == EAFNOSUPPORT ? kImpossible : errno;
  }
  int fd() const { return fd_; }
  int error() const { return error_; }

 private:
  Fd own_;
  int fd_, error_;
};

int try_connect(const Fd& made, int family, const Address& to) {
  Tried tried(made, family, SOCK_STREAM);
  return tried.error() != 0 ? tried.error() : connect_with(tried.fd(), to);
}

int try_send(const Fd& made, int family, const Address& to) {
  Tried tried(made, family, SOCK_DGRAM);
  return tried.error() != 0 ? tried.error() : result_of(::sendto(tried.fd(), "kerf", 4, 0, to.raw(), to.size));
}

int bind_with(int fd, const Address& address) { return result_of(::bind(fd, address.raw(), address.size)); }

int try_bind(const Fd& made, int family, const Address& address) {
  Tried tried(made, family, SOCK_STREAM);
  return tried.error() != 0 ? tried.error() : bind_with(tried.fd(), address);
}

int try_socket(int family, int type, int protocol) {
  Fd fd(::socket(family, type | SOCK_CLOEXEC, protocol));
  return fd.ok() ? 0 : errno;
}

int try_open(const std::string& path, int flags) {
  Fd fd(::open(path.c_str(), flags | O_CLOEXEC, 0600));
  return fd.ok() ? 0 : errno;
}

int try_exec(const Targets& t) {
  char* argv[] = {const_cast<char*>(t.file.c_str()), nullptr};
  char* environment[] = {nullptr};
  ::execve(t.file.c_str(), argv, environment);
  return errno == ENOEXEC ? 0 : errno;      // not refused, only no program
}

int try_map(const Targets& t) {
  void* at = ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, t.executable.get(), 0);
  return at == MAP_FAILED ? errno : 0;
}

int try_protect(const Targets& t) {
  void* at = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, t.executable.get(), 0);
  return at == MAP_FAILED ? kImpossible : result_of(::mprotect(at, 4096, PROT_READ | PROT_EXEC));
}

int try_share(const Targets& t) {
  return ::mmap(nullptr, 1, PROT_READ, MAP_SHARED, t.appending.get(), 0) == MAP_FAILED ? errno : 0;
}

// One way point, the loopback address itself: of the types that there are, the first that the kernel takes.
bool set_routing_header(int fd) {
  struct {
    unsigned char next = 0, length = 2, type = 4, left = 0, last = 0, flags = 0, tag[2] = {};
    in6_addr way = IN6ADDR_LOOPBACK_INIT;
  } header;
  if (::setsockopt(fd, IPPROTO_IPV6, IPV6_RTHDR, &header, sizeof header) == 0) return true;
  header.type = 2;
  header.left = 1;
  return ::setsockopt(fd, IPPROTO_IPV6, IPV6_RTHDR, &header, sizeof header) == 0;
}

bool send_fd(int channel, int fd) {
  char byte = 0;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  iovec part{&byte, 1};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return ::sendmsg(channel, &message, MSG_NOSIGNAL) == 1;
}

Fd receive_fd(int channel) {
  char byte = 0;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  iovec part{&byte, 1};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (::recvmsg(channel, &message, MSG_CMSG_CLOEXEC) != 1) return Fd();
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof(int))) return Fd();
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return Fd(fd);
}

// To itself: what is refused never arrives, and the message does.
int try_receive(const Targets& t) {
  if (!send_fd(t.out.get(), t.executable.get())) return kImpossible;
  return receive_fd(t.in.get()).ok() ? 0 : EACCES;
}

int try_routed(const Targets& t) {
  if (!t.routed.ok()) return kImpossible;
  return result_of(::send(t.routed.get(), "kerf", 4, MSG_DONTWAIT));
}

int try_bpf(const Targets&) {
  bpf_attr attr{};
  attr.map_type = BPF_MAP_TYPE_ARRAY;
  attr.key_size = attr.value_size = 4;
  attr.max_entries = 1;
  return result_of(::syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr));
}

// In mounts of its own: whatever goes through is gone with the process.
int try_mount(const Targets& t) {
  if (::unshare(CLONE_NEWNS) != 0) return kImpossible;
  return result_of(::mount("none", t.empty_directory.c_str(), "tmpfs", 0, nullptr));
}

int try_fork(const Targets&) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  if (child > 0) ::waitpid(child, nullptr, 0);
  return child < 0 ? errno : 0;
}

// Of a network of its own: whatever goes through is gone with the process.
int try_sysctl(const Targets&) {
  if (::unshare(CLONE_NEWNET) != 0) return kImpossible;
  Fd fd(::open("/proc/sys/net/ipv4/ip_default_ttl", O_WRONLY | O_CLOEXEC));
  return fd.ok() ? result_of(::write(fd.get(), "64", 2)) : kImpossible;
}

int try_read_memory(const Targets& t) {
  char byte = 0;
  iovec here{&byte, 1}, there{const_cast<pid_t*>(&t.parent), 1};   // the same address in the parent
  return result_of(::process_vm_readv(t.parent, &here, 1, &there, 1, 0));
}

// A descriptor from a process that is in the cgroup.
LoaderResult<Fd> made_inside(int cgroup, const std::function<Fd()>& make) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return fail(Code::K7408, "the cgroup", errno_text(errno));
  Fd ours(ends[0]), theirs(ends[1]);
  auto child = clone_into(cgroup, [&] {
    Fd fd = make();
    return fd.ok() && send_fd(theirs.get(), fd.get()) ? 0 : 1;
  });
  if (!child) return child.error();
  theirs.reset();
  Fd fd = receive_fd(ours.get());
  wait_status(*child);
  return fd;
}

}  // namespace

LoaderResult<Unit> make_sockets(Targets& t) {
  std::uint16_t tcp = 0, udp = 0;
  t.listener = answering_socket(SOCK_STREAM, tcp);
  t.receiver = answering_socket(SOCK_DGRAM, udp);
  if (!t.listener.ok() || !t.receiver.ok()) return fail(Code::K7408, "the cgroup", "no socket could be opened on 127.0.0.1");
  t.tcp4 = loopback4(tcp);
  t.tcp6 = loopback6(tcp);
  t.udp4 = loopback4(udp);
  t.udp6 = loopback6(udp);
  t.tcp = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  t.udp = Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  t.unix_listener = answering_unix(SOCK_STREAM, "stream", t.unix_stream_name);
  t.unix_receiver = answering_unix(SOCK_DGRAM, "datagram", t.unix_datagram_name);
  t.unix_client = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  t.unix_datagram = Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  return Unit{};
}

LoaderResult<Unit> make_inside(int cgroup, Targets& t) {
  auto plain = [](int family, int type) { return [=] { return Fd(::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)); }; };
  auto routed = [&] {
    Fd fd(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    bool made = fd.ok() && set_routing_header(fd.get()) && ::connect(fd.get(), t.udp6.raw(), t.udp6.size) == 0;
    return made ? std::move(fd) : Fd();
  };
  const std::pair<Fd*, std::function<Fd()>> wanted[] = {{&t.tcp4_inside, plain(AF_INET, SOCK_STREAM)}, {&t.tcp6_inside, plain(AF_INET6, SOCK_STREAM)},
                                                        {&t.udp4_inside, plain(AF_INET, SOCK_DGRAM)}, {&t.udp6_inside, plain(AF_INET6, SOCK_DGRAM)},
                                                        {&t.routed, routed}};
  for (const auto& [to, make] : wanted) {
    auto made = made_inside(cgroup, make);
    if (!made) return made.error();
    *to = std::move(*made);
  }
  return Unit{};
}

LoaderResult<Targets> make_targets(const std::string& directory, const std::string& outside) {
  Targets t;
  if (auto done = make_sockets(t); !done) return done.error();
  t.directory = directory;
  t.file = directory + "/file";
  t.other = directory + "/other";
  t.fresh = directory + "/fresh";
  t.empty_directory = directory + "/empty";
  t.fresh_directory = directory + "/fresh-directory";
  t.protected_file = outside + "/cgroup.procs";
  t.parent = ::getpid();
  bool made = ::mkdir(t.empty_directory.c_str(), 0700) == 0;
  for (const std::string& path : {t.file, t.other}) made = made && write_file(path, "kerf").ok();
  if (!made || ::chmod(t.file.c_str(), 0700) != 0) return fail(Code::K7408, "the cgroup", "no files could be made in " + directory);
  t.executable = Fd(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  t.writable = Fd(::open(t.file.c_str(), O_RDWR | O_CLOEXEC));
  t.appending = Fd(::open(t.file.c_str(), O_RDWR | O_APPEND | O_CLOEXEC));
  int ends[2];
  if (!t.writable.ok() || !t.appending.ok() || ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return fail(Code::K7408, "the cgroup", errno_text(errno));
  }
  t.out = Fd(ends[0]);
  t.in = Fd(ends[1]);
  return t;
}

void remove_targets(const Targets& t) { static_cast<void>(remove_tree(t.directory)); }

const std::vector<Attempt>& attempts() {
  constexpr std::uint64_t reads = KERF_BIT(KERF_EVENT_FILE_READ), writes = KERF_BIT(KERF_EVENT_FILE_WRITE),
                          lists = KERF_BIT(KERF_EVENT_FILE_LIST), executes = KERF_BIT(KERF_EVENT_FILE_EXEC);
  constexpr std::uint64_t makes = KERF_BIT(KERF_EVENT_FILE_CREATE) | KERF_BIT(KERF_EVENT_FILE_WRITE),
                          renames = makes | KERF_BIT(KERF_EVENT_FILE_DELETE) | KERF_BIT(KERF_EVENT_FILE_RENAME),
                          links = makes | KERF_BIT(KERF_EVENT_FILE_LINK);
  constexpr std::uint64_t all = KERF_ALL_EVENTS, files = KERF_FILE_EVENTS, net = KERF_BIT(KERF_EVENT_NET_CONNECT),
                          ends = KERF_ENDPOINT_EVENTS, binds = KERF_BIT(KERF_EVENT_NET_BIND), sockets = KERF_BIT(KERF_EVENT_NET_SOCKET),
                          connects_unix = KERF_BIT(KERF_EVENT_UNIX_CONNECT);
  static const std::vector<Attempt> list = {
      {"kerf_connect4", net, false, ECONNREFUSED, [](const Targets& t) { return try_connect(t.tcp4_inside, AF_INET, t.tcp4); }},
      {"kerf_connect6", net, false, ECONNREFUSED, [](const Targets& t) { return try_connect(t.tcp6_inside, AF_INET6, t.tcp6); }},
      {"kerf_sendmsg4", net, false, ECONNREFUSED, [](const Targets& t) { return try_send(t.udp4_inside, AF_INET, t.udp4); }},
      {"kerf_sendmsg6", net, false, ECONNREFUSED, [](const Targets& t) { return try_send(t.udp6_inside, AF_INET6, t.udp6); }},
      {"kerf_bind4", binds, false, EACCES, [](const Targets& t) { return try_bind(t.tcp4_inside, AF_INET, loopback4(0)); }},
      {"kerf_bind6", binds, false, EACCES, [](const Targets& t) { return try_bind(t.tcp6_inside, AF_INET6, loopback6(0)); }},
      {"kerf_make_socket", sockets, false, EACCES, [](const Targets&) { return try_socket(AF_INET, SOCK_STREAM, 0); }},
      {"kerf_sock_create", ends, false, EPERM, [](const Targets&) { return try_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP); }},
      {"kerf_egress", net, false, EPERM, try_routed, 0, KERF_GUARD_SOURCE_ROUTING},   // the program stays, for quarantine
      {"kerf_lsm_connect", net, true, 0, [](const Targets& t) { return connect_with(t.tcp.get(), t.tcp4); }},
      {"kerf_lsm_sendmsg", net, true, 0, [](const Targets& t) {
         return result_of(::sendto(t.udp.get(), "kerf", 4, 0, t.udp4.raw(), t.udp4.size)); }},
      {"kerf_lsm_bind", binds, true, 0, [](const Targets& t) { return bind_with(t.tcp.get(), loopback4(0)); }},
      {"kerf_lsm_accept", KERF_BIT(KERF_EVENT_NET_ACCEPT), true, 0, [](const Targets& t) {
         Fd fd(::accept4(t.listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
         return fd.ok() ? 0 : errno; }},
      {"kerf_lsm_listen", KERF_BIT(KERF_EVENT_NET_LISTEN), true, 0, [](const Targets& t) { return result_of(::listen(t.tcp.get(), 1)); }},
      {"kerf_lsm_make_socket", sockets, true, 0, [](const Targets&) { return try_socket(AF_UNIX, SOCK_STREAM, 0); }},
      {"kerf_unix_stream", connects_unix, true, 0, [](const Targets& t) { return connect_with(t.unix_client.get(), t.unix_stream_name); }},
      {"kerf_unix_send", connects_unix, true, 0, [](const Targets& t) {
         return result_of(::sendto(t.unix_datagram.get(), "kerf", 4, 0, t.unix_datagram_name.raw(), t.unix_datagram_name.size)); }},
      {"kerf_unix_bind", KERF_BIT(KERF_EVENT_UNIX_BIND), true, 0, [](const Targets& t) { return bind_with(t.unix_client.get(), abstract_name("probe")); }},
      {"kerf_lsm_socket", ends, true, 0, [](const Targets&) { return try_socket(AF_PACKET, SOCK_RAW, 0); }},
      {"kerf_file_open", reads, true, 0, [](const Targets& t) { return try_open(t.file, O_RDONLY); }},
      {"kerf_file_open", writes, true, 0, [](const Targets& t) { return try_open(t.file, O_WRONLY); }},
      {"kerf_file_open", KERF_BIT(KERF_EVENT_FILE_APPEND), true, 0, [](const Targets& t) { return try_open(t.file, O_WRONLY | O_APPEND); }},
      {"kerf_file_open", lists, true, 0, [](const Targets& t) { return try_open(t.directory, O_RDONLY | O_DIRECTORY); }},
      {"kerf_file_open", executes, true, 0, try_exec},
      {"kerf_path_mknod", makes, true, 0, [](const Targets& t) { return try_open(t.fresh, O_WRONLY | O_CREAT | O_EXCL); }},
      {"kerf_path_mknod", KERF_BIT(KERF_EVENT_UNIX_BIND), true, 0, [](const Targets& t) { return result_of(::mknod(t.fresh.c_str(), S_IFSOCK | 0600, 0)); }},
      {"kerf_path_mknod", KERF_BIT(KERF_EVENT_FILE_MKNOD), true, 0, [](const Targets& t) { return result_of(::mknod(t.fresh.c_str(), S_IFIFO | 0600, 0)); }},
      {"kerf_path_mkdir", files, true, 0, [](const Targets& t) { return result_of(::mkdir(t.fresh_directory.c_str(), 0700)); }},
      {"kerf_path_symlink", files, true, 0, [](const Targets& t) { return result_of(::symlink("file", t.fresh.c_str())); }},
      {"kerf_path_unlink", files, true, 0, [](const Targets& t) { return result_of(::unlink(t.other.c_str())); }},
      {"kerf_path_rmdir", files, true, 0, [](const Targets& t) { return result_of(::rmdir(t.empty_directory.c_str())); }},
      {"kerf_path_truncate", files, true, 0, [](const Targets& t) { return result_of(::truncate(t.file.c_str(), 1)); }},
      {"kerf_file_truncate", files, true, 0, [](const Targets& t) { return result_of(::ftruncate(t.writable.get(), 1)); }},
      {"kerf_path_chmod", files, true, 0, [](const Targets& t) { return result_of(::chmod(t.file.c_str(), 0700)); }},
      {"kerf_path_chown", files, true, 0, [](const Targets& t) { return result_of(::chown(t.file.c_str(), 0, 0)); }},
      {"kerf_path_rename", files, true, 0, [](const Targets& t) { return result_of(::rename(t.other.c_str(), t.fresh.c_str())); }, renames},
      {"kerf_path_link", files, true, 0, [](const Targets& t) { return result_of(::link(t.file.c_str(), t.fresh.c_str())); }, links},
      {"kerf_inode_getattr", files, true, 0, [](const Targets& t) {
         struct stat about {};
         return result_of(::stat(t.file.c_str(), &about)); }},
      {"kerf_file_ioctl", files, true, 0, [](const Targets& t) {
         int left = 0;
         return result_of(::ioctl(t.executable.get(), FIONREAD, &left)); }},
      {"kerf_append_fcntl", writes, true, 0, [](const Targets& t) { return result_of(::fcntl(t.appending.get(), F_SETFL, 0)); }},
      {"kerf_append_mmap", writes, true, 0, try_share},
      {"kerf_append_write", writes, true, 0, [](const Targets& t) {
         return result_of(::fallocate(t.appending.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1)); }},
      {"kerf_file_receive", files, true, 0, try_receive},
      {"kerf_mmap_file", files, true, 0, try_map},
      {"kerf_file_mprotect", files, true, 0, try_protect},
      {"kerf_file_open", all, true, EPERM, [](const Targets& t) { return try_open(t.protected_file, O_WRONLY); }, 0, KERF_GUARD_PROTECTED_FILE},
      {"kerf_protected_open", all, true, 0, [](const Targets& t) { return try_open(t.protected_file, O_WRONLY); }},
      {"kerf_system_mount", all, true, 0, try_mount},
      {"kerf_system_chroot", all, true, 0, [](const Targets&) { return result_of(::chroot("/")); }},
      {"kerf_system_ptrace", all, true, 0, try_read_memory},
      {"kerf_system_signal", all, true, 0, [](const Targets& t) { return result_of(::kill(t.parent, SIGWINCH)); }},
      {"kerf_system_bpf", all, true, 0, try_bpf},
      {"kerf_system_userns", all, true, 0, [](const Targets&) { return result_of(::unshare(CLONE_NEWUSER)); }},
      {"kerf_system_capable", all, true, 0, [](const Targets&) { return result_of(::setpriority(PRIO_PROCESS, 0, -1)); }},
      {"kerf_spawn", KERF_BIT(KERF_EVENT_PROCESS_SPAWN), true, 0, try_fork},
      {"kerf_sysctl", KERF_BIT(KERF_EVENT_SYSTEM_SYSCTL), false, EPERM, try_sysctl},
      {"kerf_bpf", all, true, 0, try_bpf},
      {"kerf_sb_mount", all, true, 0, try_mount},
      {"kerf_path_chroot", all, true, 0, [](const Targets&) { return result_of(::chroot("/")); }},
      {"kerf_ptrace", all, true, 0, try_read_memory},
      {"kerf_exe_file", all, true, 0, [](const Targets&) { return result_of(::prctl(PR_SET_MM, PR_SET_MM_EXE_FILE, ~0ul, 0ul, 0ul)); }},
      {"kerf_task_kill", all, true, 0, [](const Targets& t) { return result_of(::kill(t.parent, SIGWINCH)); }},
  };
  return list;
}

}  // namespace kerf::loader
