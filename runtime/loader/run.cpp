// A bundle, a principal and a command -> the command's status, with everything it governs refused or allowed as the
// policies say. Before: nothing of ours in the kernel. After: nothing of ours, unless tasks of the command live on: then
// their enforcement does too. The one decision: the cgroup refuses everything first, the probe proves it, and only then
// the record comes into force and the command is born inside.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>

#include <cerrno>

#include "runtime/loader/cgroup.h"
#include "runtime/loader/event_json.h"
#include "runtime/loader/events.h"
#include "runtime/loader/failure.h"
#include "runtime/loader/files.h"
#include "runtime/loader/instance.h"
#include "runtime/loader/process.h"
#include "runtime/loader/record.h"

namespace kerf::loader {
namespace {

constexpr std::uint64_t kLastEventsNs = 1'000'000'000;

// A closed standard descriptor would be given to the next file that is opened, and messages would end in that.
void keep_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) ::open("/dev/null", O_RDWR | O_CLOEXEC);
  }
}

template <class... Args>
void say(fmt::format_string<Args...> format, Args&&... args) {
  std::string line = "kerf: " + fmt::format(format, std::forward<Args>(args)...) + "\n";
  [[maybe_unused]] ssize_t n = ::write(STDERR_FILENO, line.data(), line.size());
}

// Everything about the request that needs neither privileges nor the kernel, but for the trial of its hooks.
struct Request {
  Prepared prepared;
  EntityUid principal;
  Facts facts;
  std::uint32_t mode = 0;
  Surroundings surroundings;
  std::optional<FilterProgram> filter;   // of system calls, where the bundle governs them
};

// The principal's filter for this machine, as the mode wants it.
LoaderResult<std::optional<FilterProgram>> choose_filter(const LoadedBundle& bundle, const EntityUid& principal, std::uint32_t mode) {
  const Filters& filters = bundle.filters;
  if (!filters.governed) return std::optional<FilterProgram>();
  auto found = filters.of.find(principal);
  if (found == filters.of.end()) return fail(Code::K7508, fmt::format("the bundle has none for {} on this architecture", to_text(principal)));
  return std::optional(filter_for(filters.programs.at(found->second), mode));
}

LoaderResult<Request> prepare(const RunOptions& options) {
  if (options.command.empty()) return fail(Code::K7501);
  auto surroundings = read_surroundings(options);
  if (!surroundings) return surroundings.error();
  auto bundle = read_bundle_data(options.bundle_dir);
  if (!bundle) return bundle.error();
  auto principal = find_principal(*bundle, options.principal);
  if (!principal) return principal.error();
  auto facts = read_facts(bundle->manifest, options.facts);
  if (!facts) return facts.error();
  auto mode = read_mode(options.mode);
  if (!mode) return mode.error();
  // what can be wrong with the record is found before anything is attached
  auto record = build_record(*bundle, {*principal, *facts, 1, *mode, boot_time_ns()});
  if (!record) return record.error();
  auto filter = choose_filter(*bundle, *principal, *mode);
  if (!filter) return filter.error();
  surroundings->no_new_privs = filter->has_value();
  auto prepared = prepare_bundle(options.bundle_dir, options.allow_degraded, ForWhom::command);
  if (!prepared) return prepared.error();
  if (prepared->bundle.manifest.digest != bundle->manifest.digest) return fail(Code::K7106, "manifest.json");
  return Request{std::move(*prepared), std::move(*principal), std::move(*facts), *mode, std::move(*surroundings), std::move(*filter)};
}

// What was loaded for the command; removed again unless a task lives on.
class Run {
 public:
  Run(const Host& host, Installed installed) : host_(host), state(std::move(installed.state)), life_(std::move(installed.life)) {}
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;
  ~Run() { remove(0); }

  std::string cgroup() const { return own_cgroup(host_, state.name); }
  // False: a task is still inside, and everything stays. The kernel may need a moment to take the last one out.
  bool remove(int wait_ms) {
    if (done_) return true;
    done_ = true;
    constexpr int kStepMs = 10;
    for (int waited = 0; waited < wait_ms && cgroup_populated(cgroup()); waited += kStepMs) ::poll(nullptr, 0, kStepMs);
    auto removed = remove_loaded(host_, state.name);
    if (!removed && !cgroup_populated(cgroup())) say("{}", removed.error().message);
    return removed.ok();
  }

 private:
  const Host& host_;

 public:
  State state;

 private:
  Fd life_;
  bool done_ = false;
};

// A cgroup of its own, which enforces the binding, proved.
LoaderResult<Fd> arm(const Host& host, Run& run, const Request& request, const RunOptions& options) {
  auto cgroup = create_cgroup(run.cgroup());
  if (!cgroup) return cgroup.error();
  BindInput input;
  input.principal = request.principal;
  input.facts = request.facts;
  input.mode = request.mode;
  input.filtered = request.filter.has_value();
  input.cgroup = run.cgroup();
  input.own_cgroup = true;
  input.allow_noncanonical = options.allow_noncanonical;
  auto held = lock(host, run.state.name, LockKind::change, true);
  if (!held) return held.error();
  auto bound = bind_cgroup(host, run.state, request.prepared.bundle, input);
  if (!bound) return bound.error();
  for (const std::string& note : bound->notes) say("{}", note);
  return cgroup;
}

// Until the command is gone: signals go to it, events come out.
void attend(const Child& child, const Signals& signals, EventRing* ring, EventSink& sink) {
  for (;;) {
    pollfd fds[4] = {{child.pidfd.get(), POLLIN, 0}, {signals.fd(), POLLIN, 0},
                     {ring != nullptr ? ring->fd() : -1, POLLIN, 0}, {sink.waiting_fd(), POLLOUT, 0}};
    if (::poll(fds, 4, -1) < 0 && errno != EINTR) return;
    if (fds[1].revents != 0) signals.forward_to(child);
    if (fds[2].revents != 0) ring->drain();
    sink.flush();
    if (fds[0].revents != 0) return;
  }
}

LoaderResult<int> run_command(const Host& host, const Request& request, const RunOptions& options, const Run& run, const Fd& cgroup,
                              const Signals& signals, EventSink& sink) {
  auto maps = open_pinned(pin_directory(host, run.state.name, run.state.generation));
  if (!maps) return maps.error();
  EventSource source{request.prepared.bundle, run.state.name, request.principal, request.facts, {}, 0};
  Completer completer(request.prepared.bundle);
  bool started_yet = false;
  auto on_event = [&](const Event& event) {
    if (!started_yet) return;    // the probe's
    const kerf_decision& decision = event.record.decision;
    bool partial = decision.determining_count > KERF_EVENT_POLICIES || decision.error_count > KERF_EVENT_POLICIES;
    const bool named = (KERF_ENDPOINT_EVENTS >> event.record.kind & 1) != 0 && event.record.seen.net.names != 0;
    source.hosts.clear();
    if (partial || named) {
      auto state = read_state(host, run.state.name);
      if (state && !state->bindings.empty()) {
        source.facts = state->bindings.front().facts;
        source.hosts = hosts_of(event, state->bindings.front().names);
      }
    }
    source.lost = read_counters(*maps).events_lost + sink.dropped();
    sink.line(event_line(event, source, completer));
  };
  auto ring = EventRing::open(maps->events.get(), on_event);
  if (!ring) return ring.error();
  while (ring->drain()) {
  }
  clear_counters(*maps);
  started_yet = true;
  auto started = start_command(cgroup.get(), options.command, signals, options.keep_fds, request.surroundings,
                               request.filter ? &*request.filter : nullptr);
  if (!started) return started.error();
  if (!started->entered) {
    wait_status(started->child);
    return fail(Code::K7507, errno_text(started->exec_error));
  }
  if (!started->filtered) {
    wait_status(started->child);
    return fail(Code::K7508, errno_text(started->exec_error));
  }
  if (started->exec_error != 0) say("cannot run `{}`: {}", escape_bytes(options.command[0]), errno_text(started->exec_error));
  attend(started->child, signals, options.events_file.empty() ? nullptr : &*ring, sink);
  int status = wait_status(started->child);
  if (started->exec_error != 0) status = started->exec_error == ENOENT ? 127 : 126;   // a filter may refuse it even to exit
  std::uint64_t until_ns = boot_time_ns() + kLastEventsNs;   // tasks that live on may make events without end
  while (!options.events_file.empty() && ring->drain() && boot_time_ns() < until_ns) {
  }
  sink.finish(1000);
  std::uint64_t lost = read_counters(*maps).events_lost + sink.dropped() + ring->malformed();
  if (lost != 0 && !options.events_file.empty()) say("{} events lost", lost);
  return status;
}

void say_what_holds(const Run& run) {
  const State& state = run.state;
  say("{}: {} in {}", state.name, state.bindings.front().principal, run.cgroup());
  say("enforced, probed: {}", fmt::join(state.enforced, ", "));
  if (!state.degraded.empty()) say("not enforced, accepted: {}", fmt::join(state.degraded, ", "));
  if (!state.waived.empty()) say("not enforced, waived by the bundle: {}", fmt::join(state.waived, ", "));
}

}  // namespace

LoaderResult<int> run(const RunOptions& options) {
  keep_standard_descriptors();
  auto request = prepare(options);
  if (!request) return request.error();
  auto sink = EventSink::open(options.events_file);
  if (!sink) return sink.error();
  Signals signals;
  auto host = open_host();
  if (!host) return host.error();
  if (host->mounted_bpffs) say("mounted a BPF file system at /sys/fs/bpf: there was none");
  if (auto done = check_not_bound(*host); !done) return done.error();
  auto installed = install(*host, request->prepared, {new_name(), options.bundle_dir, true, options.log_allows, options.count_hits});
  if (!installed) return installed.error();
  Run run(*host, std::move(*installed));
  auto cgroup = arm(*host, run, *request, options);
  if (!cgroup) return cgroup.error();
  say_what_holds(run);
  if (int signal = signals.pending()) return 128 + signal;   // asked to stop before there was anything to stop
  auto status = run_command(*host, *request, options, run, *cgroup, signals, *sink);
  if (!run.remove(300) && cgroup_populated(run.cgroup())) {
    say("tasks of the command still run; {} stays enforced, `kerf gc` removes it when they are gone", run.state.name);
  }
  return status;
}

}  // namespace kerf::loader
