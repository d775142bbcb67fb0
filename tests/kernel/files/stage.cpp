// Actors as processes, events as lines of a file. The one decision: the stream of events is cut by a refusal that is
// asked for, so that "no event" is known without waiting.
#include "stage.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

namespace kerf::test {
namespace {

constexpr int kAnswerMs = 180000;
const char* const kFence = "/zone/fence";   // no policy permits it, nor the port
constexpr int kFencePort = 9;

std::string slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string text_of(const Json& json) { return json.is_string() ? json.get<std::string>() : ""; }

// Of events that are about no file: the socket's kind, the local address, the peer without the port that it happened to get.
std::string named_by(const Json& event) {
  if (event.contains("system")) return text_of(event["system"]["operation"]);
  if (event.contains("socket")) return text_of(event["socket"]["id"]);
  const std::string name = text_of(event["event"]);
  if (!event.contains("net") || name == "net.connect") return "";
  const std::string ip = text_of(event["net"]["ip"]);
  return name == "net.accept" ? ip : ip + ":" + std::to_string(event["net"]["port"].get<int>());
}

// The path; the number in the kernel's name of a file without one, "/dir/#17", is left out.
std::string path_of(const Json& event) {
  if (!event.contains("file")) return named_by(event);
  std::string path = text_of(event["file"]["path"]);
  std::size_t name = path.rfind("/#");
  bool numbered = name != std::string::npos && path.find_first_not_of("0123456789", name + 2) == std::string::npos;
  return numbered ? path.substr(0, name + 2) : path;
}

Told told_of(const Json& event) {
  if (!event["event"].is_string()) return {"guard", "", text_of(event["guard"])};
  return {text_of(event["event"]), path_of(event), text_of(event["reason"])};
}

bool is_fence(const Json& event) {
  bool port = event["event"] == "net.connect" && event["reason"] != "guard" && event["net"]["port"] == kFencePort;
  return port || path_of(event) == kFence;
}

std::vector<Told> told_of(const std::vector<Json>& events, bool denials_only) {
  std::vector<Told> told;
  for (const Json& event : events) {
    if (!denials_only || event["decision"] == "deny") told.push_back(told_of(event));
  }
  return told;
}

int steps_in(const std::string& steps) { return 1 + static_cast<int>(std::count(steps.begin(), steps.end(), ';')); }

}  // namespace

std::string to_text(const Outcome& o) {
  if (o.step == 0 && o.error == 0) return "done";
  if (o.step == 0) return "status " + std::to_string(o.error);
  return "step " + std::to_string(o.step) + ": " + ::strerrorname_np(o.error);
}

std::string to_text(const std::vector<Told>& told) {
  std::string text;
  for (const Told& t : told) text += "[" + t.event + " " + (t.path.size() > 200 ? t.path.substr(0, 200) + "…" : t.path) + " " + t.reason + "] ";
  return text.empty() ? "none" : text;
}

Actor::Actor(const std::vector<std::string>& command, const std::string& errors_file)
    : Actor([&] {
        std::vector<char*> argv;
        for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
        argv.push_back(nullptr);
        ::execv(argv[0], argv.data());
      }, errors_file) {}

Actor::Actor(const std::function<void()>& start, const std::string& errors_file) : errors_file_(errors_file) {
  int in[2], out[2];
  if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) return;
  started_ = ::fork();
  if (started_ == 0) {
    int errors = ::open(errors_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ::dup2(in[0], STDIN_FILENO);
    ::dup2(out[1], STDOUT_FILENO);
    ::dup2(errors, STDERR_FILENO);
    start();
    ::_exit(124);
  }
  ::close(in[0]);
  ::close(out[1]);
  to_ = in[1];
  from_ = ::fdopen(out[0], "r");
  std::string line;
  int pid = 0;
  if (read_line(line) && std::sscanf(line.c_str(), "ready %d", &pid) == 1) pid_ = pid;
}

Actor::~Actor() { finish(); }

void Actor::finish() {
  if (to_ >= 0) ::close(to_);
  to_ = -1;
  if (from_ != nullptr) std::fclose(from_);
  from_ = nullptr;
  if (started_ <= 0) return;
  int waited = 0;
  for (; waited < 20000 && ::waitpid(started_, nullptr, WNOHANG) == 0; waited += 10) ::usleep(10000);
  if (waited >= 20000) {
    ::kill(started_, SIGKILL);
    ::waitpid(started_, nullptr, 0);
  }
  started_ = -1;
}

bool Actor::read_line(std::string& line) {
  pollfd ready{::fileno(from_), POLLIN, 0};
  if (::poll(&ready, 1, kAnswerMs) != 1) return false;
  char text[128];
  if (std::fgets(text, sizeof text, from_) == nullptr) return false;
  line = text;
  return true;
}

bool Actor::ask(const std::string& steps) {
  std::string line = steps + "\n";
  return to_ >= 0 && ::write(to_, line.data(), line.size()) == static_cast<ssize_t>(line.size());
}

Outcome Actor::answer() {
  std::string line;
  Outcome outcome;
  if (!read_line(line) || std::sscanf(line.c_str(), "%d %d", &outcome.step, &outcome.error) != 2) return {-1, EPIPE};
  return outcome;
}

std::string Actor::errors() const { return slurp(errors_file_); }

Stage::Stage(const std::string& bundle, const std::string& principal, Governed governed, const std::string& accepted) : governed_(governed) {
  std::string own = "/tmp/stage-" + std::to_string(std::hash<std::string>()(bundle));
  events_file_ = own + ".events";
  ::unlink(events_file_.c_str());   // another list of tests may have left one, and kerf appends
  put(kFence);
  free_ = std::make_unique<Actor>(std::vector<std::string>{"/guest/actor", "serve"}, own + ".free");
  if (!free_->ready()) status_ = "the free actor does not start: " + free_->errors();
  std::vector<std::string> command{"/guest/kerf", "run", "--privileged", "--bundle", bundle, "--principal", principal, "--events", events_file_, "--log-allows"};
  if (!accepted.empty()) command.insert(command.end(), {"--allow-degraded", accepted});
  command.insert(command.end(), {"--", "/guest/actor", "serve"});
  bound_ = std::make_unique<Actor>(command, own + ".bound");
  if (!bound_->ready()) status_ = "kerf run: " + bound_->errors() + slurp(events_file_);
  else events();
}

std::vector<Json> Stage::events() {
  std::vector<Json> list;
  std::string fence = governed_ == Governed::files ? std::string("open ") + kFence + " r" : "connect " + std::to_string(kFencePort);
  Outcome outcome = bound_->perform(fence);
  if (outcome == Outcome{} || outcome.step != 1) {
    FAIL_CHECK("nothing is enforced: the fence was open: " << to_text(outcome));
    return list;
  }
  for (int waited = 0; waited < 20000; waited += 5) {
    std::string text = slurp(events_file_);
    for (std::size_t end; (end = text.find('\n', read_)) != std::string::npos;) {
      Json event = Json::parse(text.substr(read_, end - read_));
      read_ = end + 1;
      if (is_fence(event)) {
        for (const char* own : {"net.socket", "process.spawn"}) {   // the fence's
          if (!list.empty() && list.back()["event"] == own) list.pop_back();
        }
        return list;
      }
      list.push_back(std::move(event));
    }
    ::usleep(5000);
  }
  FAIL_CHECK("the fence's refusal was not told");
  return list;
}

Stage& stage(const std::string& bundle, Governed governed, const std::string& accepted) {
  static std::map<std::string, std::unique_ptr<Stage>> stages;
  std::unique_ptr<Stage>& one = stages[bundle];
  if (!one) one = std::make_unique<Stage>("/guest/bundles/" + bundle, "Agent::\"a\"", governed, accepted);
  REQUIRE_MESSAGE(one->status().empty(), one->status());
  return *one;
}

Ran run_kerf(const std::vector<std::string>& arguments) {
  const char* output = "/tmp/kerf-output";
  pid_t child = ::fork();
  if (child == 0) {
    int fd = ::open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ::dup2(fd, STDOUT_FILENO);
    ::dup2(fd, STDERR_FILENO);
    std::vector<char*> argv{const_cast<char*>("/guest/kerf")};
    for (const std::string& word : arguments) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    ::_exit(124);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), slurp(output)};
}

std::string cgroup_of(pid_t pid) {
  std::istringstream file(slurp("/proc/" + std::to_string(pid) + "/cgroup"));
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("0::")) return "/sys/fs/cgroup" + line.substr(3);
  }
  return "";
}

bool move_to(const std::string& cgroup, pid_t pid) {
  std::ofstream procs(cgroup + "/cgroup.procs");
  procs << pid << std::flush;
  return procs.good();
}

Scene::Scene(Stage& stage, std::function<void()> setup) : stage_(stage), setup_(std::move(setup)) {}

void Scene::run_free(const std::string& steps) {
  stage_.events();
  clean_zone();
  setup_();
  Outcome outcome = stage_.free().perform(steps);
  INFO(steps);
  CHECK_MESSAGE(outcome == Outcome{}, "outside: " << to_text(outcome));
  std::vector<Told> told = told_of(stage_.events(), false);
  CHECK_MESSAGE(told.empty(), "outside, events: " << to_text(told));
  clean_zone();
  setup_();
}

void Scene::refused(const std::string& steps, Outcome expected, const std::vector<Told>& told, bool unchanged) {
  INFO(steps);
  run_free(steps);
  std::string before = snapshot("/zone");
  Outcome outcome = stage_.bound().perform(steps);
  CHECK_MESSAGE(outcome == expected, to_text(outcome) << " instead of " << to_text(expected));
  std::vector<Told> events = told_of(stage_.events(), true);
  CHECK_MESSAGE(events == told, to_text(events) << " instead of " << to_text(told));
  if (!unchanged) return;
  std::string after = snapshot("/zone");
  CHECK_MESSAGE(before == after, "before:\n" << before << "after:\n" << after);
}

void Scene::refuses(const std::string& steps, int error, const std::vector<Told>& told) { refused(steps, {steps_in(steps), error}, told, true); }
void Scene::refuses_after(const std::string& steps, int error, const std::vector<Told>& told) { refused(steps, {steps_in(steps), error}, told, false); }
void Scene::ends_after(const std::string& steps, int status, const std::vector<Told>& told) { refused(steps, {0, status}, told, false); }
void Scene::ends(const std::string& steps, int status, const std::vector<Told>& told) { refused(steps, {0, status}, told, true); }

void Scene::allows(const std::string& steps) {
  INFO(steps);
  run_free(steps);
  Outcome outcome = stage_.bound().perform(steps);
  CHECK_MESSAGE(outcome == Outcome{}, to_text(outcome));
  std::vector<Told> denials = told_of(stage_.events(), true);
  CHECK_MESSAGE(denials.empty(), to_text(denials));
}

void Scene::tells(const std::string& steps, const std::vector<Told>& told) {
  INFO(steps);
  run_free(steps);
  Outcome outcome = stage_.bound().perform(steps);
  std::vector<Told> events = told_of(stage_.events(), false);
  CHECK_MESSAGE(events == told, to_text(events) << " instead of " << to_text(told) << " (" << to_text(outcome) << ")");
}

}  // namespace kerf::test
