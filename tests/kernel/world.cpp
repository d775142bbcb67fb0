// Listeners, bundles and processes for the kernel tests. The one decision: whatever is tested runs in a process of its
// own, started from this program, so that a test can kill it, spoil its surroundings and count what it leaves.
#include "world.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "calls.h"
#include "driver/pipeline.h"
#include "driver/render.h"
#include "runtime/loader/abilities.h"
#include "runtime/loader/bundle.h"
#include "runtime/loader/host.h"

namespace kerf::test {

const char* const kAgent = "Agent::\"a1\"";

namespace {

std::string slurp(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// A dual-stack socket: it answers 127.0.0.1, 127.0.0.2, ::1 and mapped addresses alike.
int open_listener(int type, int& port) {
  int fd = ::socket(AF_INET6, type | SOCK_CLOEXEC, 0), off = 0, on = 1;
  ::setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
  ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  sockaddr_in6 any{};
  any.sin6_family = AF_INET6;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof any) != 0) std::perror("bind");
  if (type == SOCK_STREAM && ::listen(fd, 64) != 0) std::perror("listen");
  socklen_t size = sizeof any;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&any), &size);
  port = ntohs(any.sin6_port);
  return fd;
}

// The answer leaves from the address that was asked, or a connected client would not take it.
void echo_datagram(int fd) {
  char byte, control[256];
  sockaddr_storage from{};
  iovec part{&byte, 1};
  msghdr message{};
  message.msg_name = &from;
  message.msg_namelen = sizeof from;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (::recvmsg(fd, &message, MSG_DONTWAIT) == 1) ::sendmsg(fd, &message, MSG_DONTWAIT);
}

void echo_one(int fd) {
  char byte;
  int connection = ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC);
  if (connection < 0) return echo_datagram(fd);
  pollfd ready{connection, POLLIN, 0};
  if (::poll(&ready, 1, 1000) == 1 && ::recv(connection, &byte, 1, 0) == 1) ::send(connection, &byte, 1, MSG_NOSIGNAL);
  ::close(connection);
}

[[noreturn]] void serve(const std::vector<int>& fds) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::vector<pollfd> polls;
  for (int fd : fds) polls.push_back({fd, POLLIN, 0});
  for (;;) {
    if (::poll(polls.data(), polls.size(), -1) < 0) ::_exit(1);
    for (const pollfd& p : polls) {
      if (p.revents != 0) echo_one(p.fd);
    }
  }
}

const char* const kSchema = R"(
entity AgentClass;
@kernel("process") entity Agent in [AgentClass] { risk: String };
@kernel("endpoint") entity Destination {
  @kernel("endpoint.ip") ip: ipaddr,
  @kernel("endpoint.port") port: Long,
};
@kernel("net.connect") action connect appliesTo {
  principal: [Agent], resource: [Destination],
  context: { @kernel("fact.delegation_depth") delegation_depth?: Long }
};
)";

const char* const kEntities = R"([
  {"uid":{"type":"Agent","id":"a1"},"attrs":{"risk":"low"},"parents":[{"type":"AgentClass","id":"batch"}]},
  {"uid":{"type":"Agent","id":"risky"},"attrs":{"risk":"high"},"parents":[]},
  {"uid":{"type":"AgentClass","id":"batch"},"attrs":{},"parents":[]}
])";

std::vector<std::string> arguments(const RunRequest& request, const TempDir& dir) {
  std::vector<std::string> args{"--run", request.bundle, request.principal, dir / "events", request.log_allows ? "1" : "0",
                                request.accept_degraded ? "1" : "0", request.before, std::to_string(request.facts.size())};
  args.insert(args.end(), request.facts.begin(), request.facts.end());
  if (!request.command.empty() || request.calls.empty()) {
    args.insert(args.end(), request.command.begin(), request.command.end());
    return args;
  }
  for (const char* word : {"/proc/self/exe", "--calls"}) args.push_back(word);
  args[args.size() - 2] = std::filesystem::read_symlink("/proc/self/exe").string();
  args.push_back(dir / "calls");
  args.insert(args.end(), request.calls.begin(), request.calls.end());
  return args;
}

}  // namespace

bool can_enforce() {
  if (::geteuid() != 0) {
    std::puts("skipped: kernel tests need root");
    return false;
  }
  bpf_attr attr{};
  attr.map_type = BPF_MAP_TYPE_ARRAY;
  attr.key_size = attr.value_size = 4;
  attr.max_entries = 1;
  long fd = ::syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr);
  if (fd < 0) {
    std::printf("skipped: this kernel refuses bpf(): %s\n", std::strerror(errno));
    return false;
  }
  ::close(static_cast<int>(fd));
  return true;
}

std::vector<std::string> degraded_here(const std::string& bundle) {
  auto read = loader::read_bundle(bundle);
  if (!read) return {};
  return loader::plan_enforcement(read->manifest, loader::find_abilities(read->manifest)).degraded;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ",") + name;
  return text;
}

TempDir::TempDir() {
  char pattern[] = "/tmp/kerf-kernel-XXXXXX";
  path_ = ::mkdtemp(pattern);
}

TempDir::~TempDir() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

Listeners::Listeners() {
  fds_ = {open_listener(SOCK_STREAM, tcp_allowed), open_listener(SOCK_DGRAM, udp_allowed), open_listener(SOCK_STREAM, tcp_refused),
          open_listener(SOCK_DGRAM, udp_refused), open_listener(SOCK_STREAM, tcp_fact)};
  // policies see the port alone: TCP and UDP must not share one here
  while (udp_refused == tcp_allowed || udp_refused == tcp_fact) {
    ::close(fds_[3]);
    fds_[3] = open_listener(SOCK_DGRAM, udp_refused);
  }
  server_ = ::fork();
  if (server_ == 0) serve(fds_);
}

Listeners::~Listeners() {
  ::kill(server_, SIGKILL);
  ::waitpid(server_, nullptr, 0);
  for (int fd : fds_) ::close(fd);
}

std::string compile(const std::string& policies, const std::string& schema, const std::string& entities, const std::string& directory) {
  ProgramText text{{{"policies.cedar", policies}}, InputFile{"schema.cedarschema", schema}, InputFile{"entities.json", entities}};
  Program program = check_program(text);
  std::optional<Artefacts> artefacts;
  if (!program.diagnostics.has_errors()) artefacts = compile_program(program, text, {KERF_BINARY_DIR "/kerf-codegen"});
  if (!artefacts) return render(program.sources, program.diagnostics, ErrorFormat::plain, false);
  auto written = write_bundle(artefacts->bundle, directory);
  return written ? "" : written.error().message;
}

std::string compile_sample(const Listeners& l, const std::string& directory) {
  std::ostringstream policies;
  policies << "@id(\"ports\") permit(principal in AgentClass::\"batch\", action == Action::\"connect\", resource)\n"
           << "when { resource.port == " << l.tcp_allowed << " || resource.port == " << l.udp_allowed << " };\n"
           << "@id(\"depth\") permit(principal, action == Action::\"connect\", resource) when {\n"
           << "  resource.port == " << l.tcp_fact << " && context has delegation_depth && context.delegation_depth <= 3 };\n"
           << "@id(\"second\") forbid(principal, action == Action::\"connect\", resource)\n"
           << "when { resource.ip == ip(\"127.0.0.2\") };\n";
  return compile_with_sample_schema(policies.str(), directory);
}

std::string compile_with_sample_schema(const std::string& policies, const std::string& directory) {
  return compile(policies, kSchema, kEntities, directory);
}

Running::Running(const RunRequest& request, const TempDir& dir) : dir_(dir) {
  std::vector<std::string> args = arguments(request, dir);
  std::vector<char*> argv{const_cast<char*>("test_kernel")};
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  std::fflush(nullptr);
  pid_ = ::fork();
  if (pid_ != 0) return;
  int out = ::open((dir / "output").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  ::dup2(out, STDERR_FILENO);
  ::execv("/proc/self/exe", argv.data());
  ::_exit(124);
}

Running::~Running() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

RunResult Running::finish() {
  RunResult result;
  int status = 0;
  bool gone = false;
  for (int waited = 0; waited < 60000 && !gone; waited += 5) {
    gone = ::waitpid(pid_, &status, WNOHANG) == pid_;
    if (!gone) ::usleep(5000);
  }
  if (!gone) return result;   // status -1; the destructor ends it
  pid_ = -1;
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  std::istringstream errors(slurp(dir_ / "calls"));
  for (int error; errors >> error;) result.errors.push_back(error);
  std::istringstream events(slurp(dir_ / "events"));
  for (std::string line; std::getline(events, line);) result.events.push_back(Json::parse(line));
  result.output = slurp(dir_ / "output");
  return result;
}

RunResult run_kerf(const RunRequest& request) {
  TempDir dir;
  Running running(request, dir);
  return running.finish();
}

std::vector<int> perform_here(const std::vector<std::string>& calls) {
  std::vector<int> errors;
  for (const std::string& call : calls) errors.push_back(perform(call));
  return errors;
}

std::string cgroup_mount() { return loader::parse_mounts(slurp("/proc/mounts")).cgroup2; }

bool wait_until_exists(const std::string& path) { return perform("wait " + path) == 0; }

}  // namespace kerf::test
