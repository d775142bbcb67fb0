// An attached object without a record -> proof that each hook runs and refuses, or a failure. The one decision: two
// witnesses for each hook, the caller's errno and the event in the ring; each attempt is a process of its own, so that
// an event belongs to exactly one.
#include "runtime/loader/probe.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "runtime/loader/attempts.h"
#include "runtime/loader/cgroup.h"
#include "runtime/loader/events.h"
#include "runtime/loader/failure.h"
#include "runtime/loader/files.h"
#include "runtime/loader/identity.h"
#include "runtime/loader/process.h"

namespace kerf::loader {
namespace {

constexpr int kTimeoutMs = 10'000;
constexpr int kTrials = 5;   // of one attempt, as long as nothing is reported

struct Pipe {
  Fd read_end, write_end;
  static std::optional<Pipe> make() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return std::nullopt;
    return Pipe{Fd(ends[0]), Fd(ends[1])};
  }
};

// A child in the cgroup that waits for a word, makes its attempt, and tells its errno.
class Trial {
 public:
  static LoaderResult<Trial> start(int cgroup, const Attempt& attempt, const Targets& targets) {
    auto go = Pipe::make(), answer = Pipe::make();
    if (!go || !answer) return fail(Code::K7408, attempt.program, errno_text(errno));
    auto child = clone_into(cgroup, [&] {
      char word = 0;
      go->write_end.reset();
      if (::read(go->read_end.get(), &word, 1) != 1) return 1;
      int error = attempt.run(targets);
      return ::write(answer->write_end.get(), &error, sizeof error) == sizeof error ? 0 : 1;
    });
    if (!child) return child.error();
    return Trial(std::move(*child), std::move(go->write_end), std::move(answer->read_end));
  }
  pid_t pid() const { return child_.pid; }
  // Nothing: it gave no answer.
  std::optional<int> finish() {
    int error = 0;
    pollfd ready{answer_.get(), POLLIN, 0};
    bool answered = ::write(go_.get(), "g", 1) == 1 && ::poll(&ready, 1, kTimeoutMs) == 1 &&
                    ::read(answer_.get(), &error, sizeof error) == sizeof error;
    if (!answered) ::syscall(SYS_pidfd_send_signal, child_.pidfd.get(), SIGKILL, nullptr, 0);
    wait_status(child_);
    return answered ? std::optional(error) : std::nullopt;
  }

 private:
  Trial(Child child, Fd go, Fd answer) : child_(std::move(child)), go_(std::move(go)), answer_(std::move(answer)) {}
  Child child_;
  Fd go_, answer_;
};

// What was seen of one attempt.
struct Seen {
  std::optional<int> error;
  int events = 0;
};

LoaderResult<Unit> judge(const char* what, const Attempt& attempt, const Seen& seen) {
  if (!seen.error) return fail(Code::K7408, what, "the probe gave no answer");
  if (*seen.error == kImpossible) return Unit{};
  if (*seen.error == 0) return fail(Code::K7408, what, "the call went through");
  if (attempt.expected != 0 && *seen.error != attempt.expected) return fail(Code::K7408, what, fmt::format("the call failed with {}", errno_text(*seen.error)));
  if (seen.events == 0) return fail(Code::K7408, what, fmt::format("the hook reported nothing, and something else answered {}", errno_text(*seen.error)));
  return Unit{};
}

bool wanted(const Attempt& attempt, const std::vector<std::string>& programs, std::uint64_t governed, std::uint64_t waived_guards) {
  if (waived_guards >> attempt.guard & 1) governed &= attempt.unguarded;
  return (attempt.events & governed) != 0 && std::find(programs.begin(), programs.end(), attempt.program) != programs.end();
}

class Probe {
 public:
  Probe(const ProbeInput& input, int cgroup, const Targets& targets, EventRing& ring, int& events)
      : input_(input), cgroup_(cgroup), targets_(targets), ring_(ring), events_(events) {}

  // Hooks of the cgroup first, while nobody there has a tag: with one the fence would answer instead.
  LoaderResult<Unit> run() {
    if (auto done = run_all(false); !done) return done;
    const Attempt* tagged = first_tagged();
    if (tagged == nullptr) return Unit{};
    if (auto done = prove_iterator(*tagged); !done) return done;
    if (auto done = run_all(true); !done) return done;
    return prove_move(*tagged);
  }

 private:
  const Attempt* first_tagged() const {
    for (const Attempt& attempt : attempts()) {
      if (attempt.tagged && wanted(attempt, input_.programs, input_.governed, input_.waived_guards)) return &attempt;
    }
    return nullptr;
  }

  Seen finish(Trial& trial) {
    while (ring_.drain()) {
    }
    events_ = 0;
    Seen seen{trial.finish(), 0};
    while (ring_.drain()) {
    }
    seen.events = events_;
    return seen;
  }

  // While a bundle takes another's place, bound tasks under load can fill the ring, and the report of a refusal is lost: it is tried
  // once more. A call that went through is never tried again.
  template <class Once>
  LoaderResult<Unit> prove(const char* what, const Attempt& attempt, const Once& once) {
    for (int left = kTrials;; --left) {
      LoaderResult<Seen> seen = once();
      if (!seen) return seen.error();
      const bool untold = seen->error.value_or(0) > 0 && seen->events == 0;
      if (!untold || left == 1) return judge(what, attempt, *seen);
    }
  }

  LoaderResult<Unit> run_all(bool tagged) {
    for (const Attempt& attempt : attempts()) {
      if (attempt.tagged != tagged || !wanted(attempt, input_.programs, input_.governed, input_.waived_guards)) continue;
      auto done = prove(attempt.program, attempt, [&]() -> LoaderResult<Seen> {
        auto trial = Trial::start(cgroup_, attempt, targets_);
        if (!trial) return trial.error();
        return finish(*trial);
      });
      if (!done) return done;
    }
    return Unit{};
  }

  // A task that is in the cgroup before the binding is known.
  LoaderResult<Unit> prove_iterator(const Attempt& attempt) {
    const std::uint64_t cgroup = cgroup_id(cgroup_);
    bool known = false;
    return prove("kerf_tag_tasks", attempt, [&]() -> LoaderResult<Seen> {
      if (known) {
        if (auto done = untag(input_.maps, cgroup, kProbeBinding); !done) return done.error();
      }
      auto trial = Trial::start(cgroup_, attempt, targets_);
      if (!trial) return trial.error();
      if (auto done = tag_cgroup(input_.maps, input_.pins, cgroup, kProbeBinding); !done) return done.error();
      known = true;
      return finish(*trial);
    });
  }

  // A task that leaves the cgroup.
  LoaderResult<Unit> prove_move(const Attempt& attempt) {
    return prove("identity", attempt, [&]() -> LoaderResult<Seen> {
      auto trial = Trial::start(cgroup_, attempt, targets_);
      if (!trial) return trial.error();
      Fd procs(::open((input_.outside + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
      std::string pid = std::to_string(trial->pid());
      bool moved = procs.ok() && ::write(procs.get(), pid.data(), pid.size()) == static_cast<ssize_t>(pid.size());
      std::string why = moved ? "" : errno_text(errno);
      Seen seen = finish(*trial);
      if (!moved) return fail(Code::K7408, "identity", fmt::format("no task can be moved to {}: {}", input_.outside, why));
      return seen;
    });
  }

  const ProbeInput& input_;
  int cgroup_;
  const Targets& targets_;
  EventRing& ring_;
  int& events_;
};

LoaderResult<Unit> run_probe(const ProbeInput& input, int cgroup) {
  auto targets = make_targets(input.directory, input.outside);
  if (!targets) return targets.error();
  if (auto made = make_inside(cgroup, *targets); !made) return made;
  int events = 0;
  auto ring = EventRing::open(input.maps.events.get(), [&](const Event&) { ++events; });
  if (!ring) return ring.error();
  if (auto done = attach_cgroup(input.pins, input.programs, kProbeBinding, cgroup); !done) return done;
  if (auto done = set_cgroup_levels(input.maps, input.levels); !done) return done;
  auto done = Probe(input, cgroup, *targets, *ring, events).run();
  remove_targets(*targets);
  return done;
}

}  // namespace

LoaderResult<Unit> probe(const ProbeInput& input) {
  auto cgroup = create_cgroup(input.cgroup);
  if (!cgroup) return cgroup.error();
  auto done = run_probe(input, cgroup->get());
  auto untagged = untag(input.maps, cgroup_id(cgroup->get()), kProbeBinding);
  auto detached = detach_cgroup(input.pins, kProbeBinding);
  auto removed = remove_cgroup(input.cgroup);
  for (int waited = 0; !removed && waited < 100; ++waited) {   // the last child may not be gone yet
    ::poll(nullptr, 0, 10);
    removed = remove_cgroup(input.cgroup);
  }
  for (auto* step : {&done, &untagged, &detached, &removed}) {
    if (!*step) return *step;
  }
  clear_counters(input.maps);
  return Unit{};
}

LoaderResult<Unit> probe_bound(int cgroup, const std::vector<std::string>& programs, std::uint64_t governed) {
  Targets targets;
  if (auto done = make_sockets(targets); !done) return done;
  auto of = [](std::string_view program) {
    return &*std::find_if(attempts().begin(), attempts().end(), [&](const Attempt& a) { return program == a.program; });
  };
  // where sockets are judged no other call gets as far
  const std::vector<const Attempt*> inside = {of("kerf_make_socket"), of("kerf_connect4"), of("kerf_bind4")};
  auto first = std::find_if(inside.begin(), inside.end(), [&](const Attempt* a) { return wanted(*a, programs, governed, 0); });
  static const Attempt opens{"kerf_file_open", KERF_BIT(KERF_EVENT_FILE_READ), true, 0, [](const Targets&) {
    Fd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    return fd.ok() ? 0 : errno;
  }};
  for (const Attempt* attempt : {first == inside.end() ? nullptr : *first, &opens}) {
    if (attempt == nullptr || !wanted(*attempt, programs, governed, 0)) continue;
    auto trial = Trial::start(cgroup, *attempt, targets);
    if (!trial) return trial.error();
    if (auto done = judge(attempt->program, *attempt, {trial->finish(), 1}); !done) return done;
  }
  return Unit{};
}

}  // namespace kerf::loader
