// Events of a loaded bundle -> JSON lines, until a signal comes. The one decision: a replacement has a ring of its own;
// the old one is read to its end before the new one is opened.
#include <fmt/format.h>
#include <poll.h>

#include <memory>

#include "runtime/loader/event_json.h"
#include "runtime/loader/events.h"
#include "runtime/loader/failure.h"
#include "runtime/loader/instance.h"
#include "runtime/loader/process.h"
#include "runtime/loader/record.h"

namespace kerf::loader {
namespace {

constexpr int kLookMs = 500;    // for a replacement, for new bindings and their facts

// One generation under the reader's eye.
class Reader {
 public:
  Reader(State state, LoadedBundle bundle, EventSink& sink) : state_(std::move(state)), bundle_(std::move(bundle)), completer_(bundle_), sink_(sink) {}

  LoaderResult<Unit> open(const Host& host) {
    auto maps = open_pinned(pin_directory(host, state_.name, state_.generation));
    if (!maps) return maps.error();
    maps_ = std::move(*maps);
    auto ring = EventRing::open(maps_.events.get(), [this](const Event& event) { write(event); });
    if (!ring) return ring.error();
    ring_ = std::make_unique<EventRing>(std::move(*ring));
    return Unit{};
  }
  std::uint64_t generation() const { return state_.generation; }
  int fd() const { return ring_->fd(); }
  bool drain() { return ring_->drain(); }
  std::uint64_t lost() const { return read_counters(maps_).events_lost + ring_->malformed() + sink_.dropped(); }
  void know(State state) { state_ = std::move(state); }

 private:
  void write(const Event& event) {
    const BoundState* binding = state_.find(event.record.binding);
    auto principal = binding != nullptr ? parse_uid(binding->principal) : std::nullopt;
    EventSource source{bundle_, state_.name, principal.value_or(EntityUid{}), binding != nullptr ? binding->facts : Facts{},
                       binding != nullptr ? hosts_of(event, binding->names) : std::vector<std::string>{}, lost()};
    sink_.line(event_line(event, source, completer_));
  }

  State state_;
  LoadedBundle bundle_;
  Completer completer_;
  EventSink& sink_;
  Maps maps_;
  std::unique_ptr<EventRing> ring_;
};

LoaderResult<std::unique_ptr<Reader>> open_reader(const Host& host, const std::string& name, EventSink& sink) {
  auto held = hold(host, name);
  if (!held) return held.error();
  auto reader = std::make_unique<Reader>(std::move(held->state), std::move(held->bundle), sink);
  if (auto done = reader->open(host); !done) return done.error();
  return reader;
}

}  // namespace

LoaderResult<Unit> follow_events(const std::string& name, const std::string& file) {
  if (auto done = check_privileges(); !done) return done;
  auto host = find_host();
  if (!host) return host.error();
  auto choice = choose(*host, name);
  if (!choice) return choice.error();
  auto sink = EventSink::open(file);
  if (!sink) return sink.error();
  Signals signals;
  auto reader = open_reader(*host, choice->name, *sink);
  if (!reader) return reader.error();
  std::uint64_t looked_ns = boot_time_ns();
  while (signals.pending() == 0) {
    pollfd fds[3] = {{signals.fd(), POLLIN, 0}, {(*reader)->fd(), POLLIN, 0}, {sink->waiting_fd(), POLLOUT, 0}};
    if (::poll(fds, 3, kLookMs) < 0 && errno != EINTR) break;
    (*reader)->drain();
    sink->flush();
    std::uint64_t now_ns = boot_time_ns();
    if (now_ns - looked_ns < std::uint64_t{kLookMs} * 1'000'000) continue;
    looked_ns = now_ns;
    auto state = read_state(*host, choice->name);
    if (!state) break;           // unloaded
    if (state->generation == (*reader)->generation()) {
      (*reader)->know(std::move(*state));
      continue;
    }
    (*reader)->drain();
    reader = open_reader(*host, choice->name, *sink);
    if (!reader) return reader.error();
  }
  sink->finish(1000);
  return Unit{};
}

}  // namespace kerf::loader
