// Ring records -> handler calls, lines -> bytes written. The one decision: nothing here waits; a reader that stopped
// costs lines, which are counted, never the command its exit or its signals.
#include "runtime/loader/events.h"

#include <bpf/libbpf.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "runtime/loader/event_json.h"
#include "runtime/loader/failure.h"

namespace kerf::loader {
namespace {

constexpr std::size_t kMaxBuffered = 8u << 20;
constexpr int kPortion = 256;   // events, then signals and the end of the command are looked at

}  // namespace

struct EventRing::State {
  ring_buffer* ring = nullptr;
  Handler handler;
  std::uint64_t malformed = 0;
  int portion = 0;

  static int on_sample(void* context, void* bytes, std::size_t size) {
    auto& state = *static_cast<State*>(context);
    if (auto event = read_event(bytes, size)) state.handler(*event);
    else ++state.malformed;
    return ++state.portion < kPortion ? 0 : -ECANCELED;   // this event is taken, the next one is not
  }
  ~State() { ring_buffer__free(ring); }
};

EventRing::EventRing(std::unique_ptr<State> state) : state_(std::move(state)) {}
EventRing::EventRing(EventRing&&) noexcept = default;
EventRing& EventRing::operator=(EventRing&&) noexcept = default;
EventRing::~EventRing() = default;

LoaderResult<EventRing> EventRing::open(int ring_map, Handler handler) {
  auto state = std::make_unique<State>();
  state->handler = std::move(handler);
  state->ring = ring_buffer__new(ring_map, State::on_sample, state.get(), nullptr);
  if (state->ring == nullptr) return fail(Code::K7405, "kerf_events", errno_text(errno));
  return EventRing(std::move(state));
}

int EventRing::fd() const { return ring_buffer__epoll_fd(state_->ring); }
bool EventRing::drain() {
  state_->portion = 0;
  return ring_buffer__consume(state_->ring) < 0;
}
std::uint64_t EventRing::malformed() const { return state_->malformed; }

LoaderResult<EventSink> EventSink::open(const std::string& path) {
  EventSink sink;
  if (path.empty()) return sink;
  if (path == "-") {
    sink.fd_ = STDERR_FILENO;
    return sink;
  }
  // O_NONBLOCK: a FIFO without a reader is an error now, not a wait
  sink.file_ = Fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600));
  if (!sink.file_.ok()) return fail(Code::K7502, path, errno_text(errno));
  struct stat about {};
  sink.regular_ = ::fstat(sink.file_.get(), &about) == 0 && S_ISREG(about.st_mode);
  sink.fd_ = sink.file_.get();
  return sink;
}

void EventSink::line(std::string_view text) {
  if (fd_ < 0) return;
  if (buffer_.size() + text.size() + 1 > kMaxBuffered) {
    ++dropped_;
    return;
  }
  buffer_ += text;
  buffer_ += '\n';
  if (buffer_.size() > PIPE_BUF) flush();
}

void EventSink::flush() {
  std::size_t done = 0;
  while (done < buffer_.size()) {
    pollfd room{fd_, POLLOUT, 0};
    if (!regular_ && ::poll(&room, 1, 0) != 1) break;
    bool gone = !regular_ && !(room.revents & POLLOUT);   // an error alone: waiting would be for ever
    // stderr is shared and may block; with room for PIPE_BUF bytes it does not
    std::size_t size = std::min<std::size_t>(buffer_.size() - done, regular_ ? buffer_.size() : PIPE_BUF);
    ssize_t n = gone ? 0 : ::write(fd_, buffer_.data() + done, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      if (n < 0 && errno == EAGAIN) break;
      dropped_ += static_cast<std::uint64_t>(std::count(buffer_.begin() + static_cast<std::ptrdiff_t>(done), buffer_.end(), '\n'));
      done = buffer_.size();   // the reader is gone
      break;
    }
    done += static_cast<std::size_t>(n);
  }
  buffer_.erase(0, done);
}

void EventSink::finish(std::uint32_t wait_ms) {
  std::uint64_t until_ns = boot_time_ns() + std::uint64_t{wait_ms} * 1'000'000;
  flush();
  while (!buffer_.empty() && boot_time_ns() < until_ns) {
    pollfd room{fd_, POLLOUT, 0};
    ::poll(&room, 1, 10);
    flush();
  }
  dropped_ += static_cast<std::uint64_t>(std::count(buffer_.begin(), buffer_.end(), '\n'));
  buffer_.clear();
}

int EventSink::waiting_fd() const { return buffer_.empty() ? -1 : fd_; }

}  // namespace kerf::loader
