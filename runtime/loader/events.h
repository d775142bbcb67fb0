// The event ring of a binding, and the place where its lines go.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "runtime/abi/policy_abi.h"
#include "runtime/loader/fd.h"
#include "runtime/loader/loader.h"

struct ring_buffer;

namespace kerf::loader {

// A record and its payload.
struct Event {
  kerf_event_record record;
  std::string path;            // canonical, of file events; any bytes
  std::string exe = {};        // path of the executable, if it was told; any bytes
};

class EventRing {
 public:
  using Handler = std::function<void(const Event&)>;
  // The handler is called from drain() only.
  static LoaderResult<EventRing> open(int ring_map, Handler handler);
  int fd() const;              // readable when there is something
  bool drain();                // takes what is there, in portions: true if it stopped before the end
  std::uint64_t malformed() const;

  EventRing(EventRing&&) noexcept;
  EventRing& operator=(EventRing&&) noexcept;
  ~EventRing();

 private:
  struct State;
  explicit EventRing(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Lines to a file or stderr, never waiting for a slow reader: what does not fit into a bounded buffer is counted.
class EventSink {
 public:
  // "-" is stderr; empty: nowhere. A file is appended to.
  static LoaderResult<EventSink> open(const std::string& path);
  void line(std::string_view text);
  void flush();                            // as much as can go now
  void finish(std::uint32_t wait_ms);      // the rest, waiting that long at most
  std::uint64_t dropped() const { return dropped_; }
  int waiting_fd() const;                  // to poll for room; -1: nothing is waiting

 private:
  Fd file_;
  int fd_ = -1;
  bool regular_ = false;
  std::string buffer_;
  std::uint64_t dropped_ = 0;
};

}  // namespace kerf::loader
