// A bundle, a principal and a command -> the command's status, with everything it governs refused or allowed as the
// policies say. Before: nothing of ours in the kernel. After: nothing of ours, unless tasks of the command live on: then
// their enforcement does too. The one decision: the cgroup refuses everything first, the probe proves it, and only then
// the record comes into force and the command is born inside.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "runtime/loader/cgroup.h"
#include "runtime/loader/event_json.h"
#include "runtime/loader/events.h"
#include "runtime/loader/failure.h"
#include "runtime/loader/files.h"
#include "runtime/loader/kernel.h"
#include "runtime/loader/probe.h"
#include "runtime/loader/process.h"
#include "runtime/loader/record.h"
#include "runtime/loader/state.h"

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

std::vector<std::string> feature_names(const Manifest& manifest, bool enforced) {
  std::vector<std::string> names;
  for (const Feature& feature : manifest.features) {
    if (feature.enforced == enforced) names.push_back(feature.name);
  }
  return names;
}

// Every feature that does not hold must be accepted by its name.
LoaderResult<Unit> check_degraded(const Manifest& manifest, const std::vector<std::string>& accepted) {
  std::vector<std::string> open = feature_names(manifest, false), known = feature_names(manifest, true), missing;
  known.insert(known.end(), open.begin(), open.end());
  for (const std::string& name : accepted) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    Failure failure = fail(Code::K7409, escape_bytes(name));
    auto near = closest(name, known);
    return near ? with_help(failure, fmt::format("did you mean `{}`?", *near)) : failure;
  }
  for (const std::string& name : open) {
    if (std::find(accepted.begin(), accepted.end(), name) == accepted.end()) missing.push_back(name);
  }
  if (missing.empty()) return Unit{};
  Failure failure = fail(Code::K7410, fmt::format("{}", fmt::join(missing, ", ")));
  failure.help.push_back(fmt::format("--allow-degraded={}", fmt::join(open, ",")));
  for (const Feature& feature : manifest.features) {
    if (!feature.enforced) failure.help.push_back(fmt::format("without {}, this does not hold: {}", feature.name, feature.what));
  }
  return failure;
}

// Everything about the request that needs neither privileges nor the kernel.
struct Prepared {
  LoadedBundle bundle;
  EntityUid principal;
  Facts facts;
};

LoaderResult<Prepared> prepare(const RunOptions& options) {
  if (options.command.empty()) return fail(Code::K7501);
  auto bundle = read_bundle(options.bundle_dir);
  if (!bundle) return bundle.error();
  auto principal = find_principal(*bundle, options.principal);
  if (!principal) return principal.error();
  Facts facts;
  for (const auto& [name, text] : options.facts) {
    auto value = parse_fact(bundle->manifest, name, text);
    if (!value) return value.error();
    facts.insert_or_assign(name, Fact{std::move(*value), kNoDeadline});
  }
  if (auto done = check_degraded(bundle->manifest, options.allow_degraded); !done) return done.error();
  return Prepared{std::move(*bundle), std::move(*principal), std::move(facts)};
}

LoaderResult<Unit> check_not_bound() {
  auto text = read_file("/proc/self/cgroup", 1u << 16);
  std::string name = text ? binding_of_cgroup(*text) : std::string();
  if (!name.empty()) return fail(Code::K7412, name);
  return Unit{};
}

// A binding under construction; removed again unless it was handed over.
class Binding {
 public:
  Binding(const Host& host, std::string name) : host_(host), name_(std::move(name)) {}
  Binding(const Binding&) = delete;
  Binding& operator=(const Binding&) = delete;
  ~Binding() { remove(0); }

  const std::string& name() const { return name_; }
  std::string cgroup() const { return host_.cgroups + "/" + name_; }
  std::string pins() const { return host_.pins + "/" + name_; }
  // False: a task is still inside, and everything stays. The kernel may need a moment to take the last one out.
  bool remove(int wait_ms) {
    if (done_) return true;
    done_ = true;
    constexpr int kStepMs = 10;
    for (int waited = 0; waited < wait_ms && cgroup_populated(cgroup()); waited += kStepMs) ::poll(nullptr, 0, kStepMs);
    auto removed = remove_binding(host_, name_);
    if (!removed && !cgroup_populated(cgroup())) say("{}", removed.error().message);
    return removed.ok();
  }

 private:
  const Host& host_;
  std::string name_;
  bool done_ = false;
};

// The directory and its life lock appear under the lock of all bindings, so that gc never meets a half-made one.
LoaderResult<Fd> claim(const Host& host, const std::string& name) {
  auto all = lock_all(host);
  if (!all) return all.error();
  std::string directory = state_directory(host, name);
  for (const std::string& path : {directory, bundle_copy(host, name)}) {
    if (::mkdir(path.c_str(), 0700) != 0) return fail(Code::K7407, fmt::format("cannot create `{}`: {}", path, errno_text(errno)));
  }
  auto life = lock(host, name, LockKind::life, false);
  if (!life) return life.error();
  if (!*life) return fail(Code::K7407, fmt::format("`{}` is in use", directory));
  return std::move(**life);
}

struct Armed {
  Fd cgroup;
  Maps maps;
};

// After this the cgroup enforces the binding, proved.
LoaderResult<Armed> arm(const Host& host, const Binding& binding, const Prepared& prepared, const RunOptions& options, State& state) {
  if (auto done = copy_bundle(prepared.bundle, bundle_copy(host, binding.name())); !done) return done.error();
  auto loaded = load_object(prepared.bundle, options.log_allows);
  if (!loaded) return loaded.error();
  auto cgroup = create_cgroup(binding.cgroup());
  if (!cgroup) return cgroup.error();
  if (::mkdir(binding.pins().c_str(), 0700) != 0) {
    return fail(Code::K7407, fmt::format("cannot create `{}`: {}", binding.pins(), errno_text(errno)));
  }
  auto programs = attach(*loaded, cgroup->get(), binding.pins());
  if (!programs) return programs.error();
  if (auto done = probe(cgroup->get(), loaded->maps); !done) return done.error();
  auto record = build_record(prepared.bundle, {prepared.principal, prepared.facts, kGeneration, KERF_MODE_ENFORCE, boot_time_ns()});
  if (!record) return record.error();
  state.cgroup_id = cgroup_id(cgroup->get());
  state.programs = std::move(*programs);
  if (auto done = write_state(host, state); !done) return done.error();
  if (auto done = set_record(loaded->maps, *record, false); !done) return done.error();
  if (auto done = set_cgroup_slot(loaded->maps, state.cgroup_id, kBinding); !done) return done.error();
  return Armed{std::move(*cgroup), std::move(loaded->maps)};
}

State first_state(const Host& host, const Binding& binding, const Prepared& prepared, const RunOptions& options) {
  State state;
  state.name = binding.name();
  std::error_code error;
  state.bundle_dir = std::filesystem::absolute(options.bundle_dir, error).lexically_normal().string();
  state.bundle_digest = prepared.bundle.manifest.digest;
  state.principal = to_text(prepared.principal);
  state.cgroup = binding.cgroup();
  state.pins = binding.pins();
  state.mode = "enforce";
  state.boot = boot_id();
  state.degraded = feature_names(prepared.bundle.manifest, false);
  state.facts = prepared.facts;
  if (host.mounted_bpffs) say("mounted a BPF file system at /sys/fs/bpf: there was none");
  return state;
}

std::int64_t wall_minus_boot_ns() {
  timespec wall{};
  ::clock_gettime(CLOCK_REALTIME, &wall);
  std::int64_t wall_ns = static_cast<std::int64_t>(wall.tv_sec) * 1'000'000'000 + wall.tv_nsec;
  return wall_ns - static_cast<std::int64_t>(boot_time_ns());
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

LoaderResult<int> run_command(const Host& host, const Prepared& prepared, const RunOptions& options, const Binding& binding,
                              const Armed& armed, const Signals& signals, EventSink& sink) {
  EventSource source{prepared.bundle, binding.name(), prepared.principal, prepared.facts};
  Completer completer(prepared.bundle);
  auto on_event = [&](const kerf_event_record& event) {
    bool partial = event.decision.determining_count > KERF_EVENT_POLICIES || event.decision.error_count > KERF_EVENT_POLICIES;
    if (partial) {
      if (auto state = read_state(host, binding.name())) source.facts = state->facts;
    }
    sink.line(event_to_json(event, source, completer, wall_minus_boot_ns()).dump());
  };
  auto ring = EventRing::open(armed.maps.events.get(), on_event);
  if (!ring) return ring.error();
  auto started = start_command(armed.cgroup.get(), options.command, signals);
  if (!started) return started.error();
  if (started->exec_error != 0) say("cannot run `{}`: {}", escape_bytes(options.command[0]), errno_text(started->exec_error));
  attend(started->child, signals, options.events_file.empty() ? nullptr : &*ring, sink);
  int status = wait_status(started->child);
  std::uint64_t until_ns = boot_time_ns() + kLastEventsNs;   // tasks that live on may make events without end
  while (!options.events_file.empty() && ring->drain() && boot_time_ns() < until_ns) {
  }
  sink.finish(1000);
  std::uint64_t lost = read_counters(armed.maps).events_lost + sink.dropped() + ring->malformed();
  if (lost != 0 && !options.events_file.empty()) say("{} events lost", lost);
  return status;
}

void say_what_holds(const Manifest& manifest, const State& state) {
  say("{}: {} in {}", state.name, state.principal, state.cgroup);
  say("enforced, probed: {}", fmt::join(feature_names(manifest, true), ", "));
  say("not enforced, accepted: {}", fmt::join(feature_names(manifest, false), ", "));
}

}  // namespace

LoaderResult<int> run(const RunOptions& options) {
  keep_standard_descriptors();
  auto prepared = prepare(options);
  if (!prepared) return prepared.error();
  auto sink = EventSink::open(options.events_file);
  if (!sink) return sink.error();
  if (auto done = check_privileges(); !done) return done.error();
  if (auto done = check_not_bound(); !done) return done.error();
  Signals signals;
  auto host = open_host();
  if (!host) return host.error();
  std::string name = new_name();
  auto life = claim(*host, name);
  if (!life) return life.error();
  Binding binding(*host, name);
  State state = first_state(*host, binding, *prepared, options);
  auto armed = arm(*host, binding, *prepared, options, state);
  if (!armed) return armed.error();
  say_what_holds(prepared->bundle.manifest, state);
  if (int signal = signals.pending()) return 128 + signal;   // asked to stop before there was anything to stop
  auto status = run_command(*host, *prepared, options, binding, *armed, signals, *sink);
  if (!binding.remove(300) && cgroup_populated(binding.cgroup())) {
    say("tasks of the command still run; {} stays enforced, `kerf gc` removes it when they are gone", name);
  }
  return status;
}

}  // namespace kerf::loader
