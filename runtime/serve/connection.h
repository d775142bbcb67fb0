// One connection: requests in, answers out, in order, one deadline at a time.
#pragma once
#include <array>
#include <memory>
#include <optional>

#include "runtime/serve/message.h"
#include "runtime/serve/worker.h"

namespace kerf::serve {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Worker& worker, Socket socket) : worker_(worker), socket_(std::move(socket)) {}
  void start();
  void refuse();                    // 503, whatever is asked
  void close_if_idle();
  void on_tick(bool out_of_grace);  // closes if the deadline is past

 private:
  enum class State : std::uint8_t { idle, reading, writing, draining, closed };
  void set(State state);
  void read();
  void on_read(std::size_t count);
  void process();
  void answer_request();
  void answer(const Answer& answer, bool close);
  void write();
  void drain();                     // what the peer still sends, so that it can read our last answer
  void close();

  Worker& worker_;
  Socket socket_;
  State state_ = State::idle;
  bool closing_ = false;            // after what is in `out_`
  std::uint64_t deadline_ = 0;      // in ticks
  std::array<char, 16 << 10> in_;
  std::size_t begin_ = 0, end_ = 0; // of what was read and not parsed
  std::optional<RequestParser> parser_;
  std::string method_, target_, body_, out_;
  Answer answer_;
};

}  // namespace kerf::serve
