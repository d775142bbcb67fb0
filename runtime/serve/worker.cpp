// The loop of a worker and its tick: deadlines, the date, whether it keeps up, and the end.
#include "runtime/serve/worker.h"

#include <boost/asio/post.hpp>
#include <ctime>
#include <vector>

#include "runtime/serve/connection.h"

namespace kerf::serve {

Worker::Worker(const Options& options, const gateway::Live& live, std::function<std::string()> metrics_page)
    : options_(options), routes_(live, metrics_, std::move(metrics_page)) {}
Worker::~Worker() = default;

void Worker::run() {
  due_ = std::chrono::steady_clock::now();
  on_tick();
  context_.run();
}

void Worker::take(Socket socket, bool refuse) {
  connections_.fetch_add(1, std::memory_order_relaxed);
  boost::asio::post(context_, [this, refuse, socket = std::move(socket)]() mutable {
    auto connection = std::make_shared<Connection>(*this, std::move(socket));
    open_.insert(connection.get());
    refuse || stopping_ ? connection->refuse() : connection->start();
  });
}

void Worker::refresh() {
  boost::asio::post(context_, [this] { routes_.refresh(); });
}

void Worker::stop() {
  boost::asio::post(context_, [this] {
    stopping_ = true;
    grace_end_ = after(options_.grace);
    const std::vector<Connection*> all(open_.begin(), open_.end());
    for (Connection* connection : all) connection->close_if_idle();
  });
}

void Worker::leave(Connection* connection) {
  if (open_.erase(connection) != 0) connections_.fetch_sub(1, std::memory_order_relaxed);
}

void Worker::schedule() {
  due_ += kTick;
  timer_.expires_at(due_);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) on_tick();
  });
}

void Worker::on_tick() {
  const auto late = std::chrono::steady_clock::now() - due_;
  overloaded_ = late > options_.max_delay;
  if (late > kTick) due_ += late;                 // ticks that were missed are not made up for: deadlines wait with us
  ++tick_;
  char text[64];
  const std::time_t now = std::time(nullptr);
  std::tm parts;
  gmtime_r(&now, &parts);
  date_.assign(text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts));
  const std::vector<Connection*> all(open_.begin(), open_.end());
  for (Connection* connection : all) connection->on_tick(stopping_ && tick_ >= grace_end_);
  if (stopping_ && connections() == 0) return;    // nothing is left to wait for: run() returns
  schedule();
}

}  // namespace kerf::serve
