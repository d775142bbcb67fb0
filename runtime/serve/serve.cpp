// Listener, workers, the loader and the signals, put together. The main thread accepts and waits for signals and changes;
// the loader builds new engines; the workers never wait for either.
#include "runtime/serve/serve.h"

#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <condition_variable>
#include <csignal>
#include <thread>

#include "runtime/serve/listener.h"
#include "runtime/serve/watch.h"
#include "runtime/serve/worker.h"

namespace kerf::serve {
namespace {

namespace asio = boost::asio;
using Code = boost::system::error_code;

std::int64_t now_s() { return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count(); }

std::string describe(const gateway::Loaded& loaded) {
  return std::to_string(loaded.policies) + " policies, " + std::to_string(loaded.entities) + " entities, digest " + loaded.digest;
}

std::vector<std::string> watched(const Options& options) {
  std::vector<std::string> files{options.files.table};
  if (!options.files.entities.empty()) files.push_back(options.files.entities);
  return files;
}

class Server {
 public:
  Server(const Options& options, gateway::Loaded first, Watch::Print known, Listener listener, const std::function<void(const std::string&)>& say)
      : options_(options), say_(say), live_(std::move(first)), known_(std::move(known)), listener_(std::move(listener)) {
    reloads_.ok.add();
    reloads_.last_ok = now_s();
    for (unsigned i = 0; i < options.threads; ++i) {
      workers_.push_back(std::make_unique<Worker>(options, live_, [this] { return page(); }));
    }
  }

  void run(asio::io_context& context) {
    asio::signal_set signals(context, SIGTERM, SIGINT, SIGHUP);
    wait_signal(signals);
    std::optional<Watch> watch;
    if (options_.watch) {
      watch.emplace(context, watched(options_), known_, [this] { want_reload(); });
    }
    asio::steady_timer retry(context);
    retry_ = &retry;
    accept();
    std::vector<std::thread> threads;
    for (auto& worker : workers_) threads.emplace_back([&worker] { worker->run(); });
    std::thread loader([this] { load_when_wanted(); });
    say_("listening on " + listener_.name + ": " + describe(*live_.get()));
    context.run_one();
    while (!stopping_ && context.run_one() != 0) {}
    if (watch) watch->stop();
    end(context, threads, loader, signals);
  }

 private:
  std::string page() const {
    std::vector<const Metrics*> metrics;
    std::size_t connections = 0;
    for (const auto& worker : workers_) {
      metrics.push_back(&worker->metrics());
      connections += worker->connections();
    }
    return metrics_text(metrics, reloads_, *live_.get(), connections);
  }

  void wait_signal(asio::signal_set& signals) {
    signals.async_wait([this, &signals](const Code& error, int signal) {
      if (error) return;
      if (signal == SIGHUP) want_reload();
      else if (!stopping_) stopping_ = true;
      else ::_exit(1);                              // told twice
      wait_signal(signals);
    });
  }

  void accept() {
    Worker& worker = *workers_[next_++ % workers_.size()];
    listener_.acceptor.async_accept(worker.context(), [this, &worker](const Code& error, Socket socket) {
      if (error == asio::error::operation_aborted || stopping_) return;
      if (error) {                                  // out of descriptors, most likely: let some close
        retry_->expires_after(std::chrono::milliseconds(50));
        return retry_->async_wait([this](const Code& cancelled) {
          if (!cancelled) accept();
        });
      }
      Code ignored;
      socket.set_option(asio::ip::tcp::no_delay(true), ignored);
      std::size_t open = 0;
      for (const auto& each : workers_) open += each->connections();
      // Some room to say no; past it, not even that.
      if (open < options_.max_connections * 2) worker.take(std::move(socket), open >= options_.max_connections);
      accept();
    });
  }

  void want_reload() {
    std::lock_guard lock(mutex_);
    wanted_ = true;
    wake_.notify_one();
  }

  void load_when_wanted() {
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return wanted_ || done_; });
        if (done_) return;
        wanted_ = false;
      }
      reload();
    }
  }

  void reload() {
    Result<gateway::Loaded> next = gateway::load(gateway::resolve(options_.table, options_.files.entities));
    if (!next.ok()) {
      reloads_.refused.add();
      return say_("reload refused, the old table stays in force: " + next.error().message);
    }
    const std::string what = describe(*next);
    const std::shared_ptr<const gateway::Loaded> old = live_.get();   // let go here, not by a reader
    live_.swap(*std::move(next));
    reloads_.ok.add();
    reloads_.last_ok = now_s();
    for (auto& worker : workers_) worker->refresh();
    say_("reloaded: " + what);
    // The readers let go one after the other; the last reference is ours, so that none of them frees an engine.
    for (int i = 0; i < 200 && old.use_count() > 1; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }

  void end(asio::io_context& context, std::vector<std::thread>& threads, std::thread& loader, asio::signal_set& signals) {
    Code ignored;
    listener_.acceptor.close(ignored);
    if (!listener_.path.empty()) ::unlink(listener_.path.c_str());
    signals.cancel(ignored);
    signals.clear(ignored);                         // a second signal ends the process at once
    context.poll();                                 // what was waited for holds a socket of a worker, which goes before the context
    say_("stopping");
    for (auto& worker : workers_) worker->stop();
    for (std::thread& thread : threads) thread.join();
    {
      std::lock_guard lock(mutex_);
      done_ = true;
      wake_.notify_one();
    }
    loader.join();
  }

  const Options& options_;
  const std::function<void(const std::string&)>& say_;
  gateway::Live live_;
  Watch::Print known_;
  Reloads reloads_;
  Listener listener_;
  std::vector<std::unique_ptr<Worker>> workers_;
  asio::steady_timer* retry_ = nullptr;
  std::size_t next_ = 0;
  bool stopping_ = false;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool wanted_ = false, done_ = false;
};

// Connections are descriptors.
void raise_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

Status serve(const Options& options, const std::function<void(const std::string&)>& say) {
  ::signal(SIGPIPE, SIG_IGN);   // nobody reading our log must not end the service
  Watch::Print known = Watch::look(watched(options));
  Result<gateway::Loaded> first = gateway::load(options.files);
  if (!first.ok()) return first.error();
  raise_descriptors();
  asio::io_context context(1);
  Result<Listener> listener = listen(context, options.listen, options.listen_any);
  if (!listener.ok()) return listener.error();
  Server server(options, *std::move(first), std::move(known), *std::move(listener), say);
  server.run(context);
  return Unit{};
}

}  // namespace kerf::serve
