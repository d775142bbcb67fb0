// The engine in force, which is replaced while other threads decide. A replacement is built beside the old engine; the
// swap is one pointer. A reader looks at a number before each request and takes the new engine when it has changed: it
// never waits for a build, and every answer is that of one engine, whole.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "runtime/gateway/engine.h"

namespace kerf::gateway {

struct Loaded {
  Engine engine;
  std::string digest;            // XXH3-128 of the table's and the entities' bytes: finds damage, is no signature
  std::size_t policies = 0, entities = 0;
  std::uint64_t generation = 0;  // of the Live that holds it, from 1
};

// The files of a table. `table` may be a bundle directory, which has its own entities unless others are named.
struct Files {
  std::string table, entities;
};
Files resolve(const std::string& table, const std::string& entities);
Result<Loaded> load(const Files& files);

class Live {
 public:
  explicit Live(Loaded first);
  std::shared_ptr<const Loaded> get() const;
  std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
  void swap(Loaded next);

 private:
  mutable std::mutex mutex_;     // held while a pointer is copied
  std::shared_ptr<const Loaded> loaded_;
  std::atomic<std::uint64_t> generation_{1};
};

// One thread's view.
class Reader {
 public:
  explicit Reader(const Live& live) : live_(live) { refresh(); }
  // The engine to decide with from now on.
  const Loaded& current() {
    if (loaded_->generation != live_.generation()) refresh();
    return *loaded_;
  }
  // Appends the decision line of a request, or says why there is none; by the engine that current() gave last.
  Result<bool, RequestFault> decide(std::string_view request, std::size_t readable, std::string& line);
  // Appends `{"allowed":[0,2]}`, the places of the resources that are allowed; how many were asked for.
  Result<std::size_t, RequestFault> allowed(std::string_view request, std::size_t most, std::string& line);
  bool erred() const { return !answer_.errors.empty(); }   // in the last decision

 private:
  void refresh();
  const Live& live_;
  std::shared_ptr<const Loaded> loaded_;
  std::optional<Query> query_;
  Answer answer_;
};

}  // namespace kerf::gateway
