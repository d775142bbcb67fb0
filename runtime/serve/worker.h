// A thread that serves connections: its event loop, its counters, its view of the engine, and the clock of its deadlines.
#pragma once
#include <atomic>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <unordered_set>

#include "runtime/serve/routes.h"
#include "runtime/serve/serve.h"

namespace kerf::serve {

using Socket = boost::asio::generic::stream_protocol::socket;
class Connection;

inline constexpr std::chrono::milliseconds kTick{50};

class Worker {
 public:
  Worker(const Options& options, const gateway::Live& live, std::function<std::string()> metrics_page);
  ~Worker();

  boost::asio::io_context& context() { return context_; }
  void run();                                     // until stop() has ended the last connection

  // From any thread.
  void take(Socket socket, bool refuse);          // `refuse`: answer 503 and close
  void refresh();                                 // look at the engine in force
  void stop();                                    // finish requests, and end after the grace period at the latest
  std::size_t connections() const { return connections_.load(std::memory_order_relaxed); }
  const Metrics& metrics() const { return metrics_; }

  // For its connections.
  const Options& options() const { return options_; }
  Metrics& counters() { return metrics_; }
  Routes& routes() { return routes_; }
  std::string_view date() const { return date_; }
  std::uint64_t tick() const { return tick_; }
  std::uint64_t after(std::chrono::milliseconds time) const { return tick_ + static_cast<std::uint64_t>(time / kTick) + 1; }
  bool stopping() const { return stopping_; }
  bool overloaded() const { return overloaded_; }
  void leave(Connection* connection);

 private:
  void schedule();
  void on_tick();

  const Options& options_;
  Metrics metrics_;
  Routes routes_;
  boost::asio::io_context context_{1};
  boost::asio::steady_timer timer_{context_};
  std::chrono::steady_clock::time_point due_;
  std::uint64_t tick_ = 0, grace_end_ = 0;
  std::string date_;
  bool stopping_ = false, overloaded_ = false;
  std::atomic<std::size_t> connections_{0};       // given to take() and not yet left
  std::unordered_set<Connection*> open_;
};

}  // namespace kerf::serve
