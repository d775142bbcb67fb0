// What a kernel test needs around it: listeners that answer, a compiled bundle, and `kerf run` as a process of its own.
#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

#include "ir/values/json.h"

namespace kerf::test {

// False, with one printed line, where this machine does not let us: not root, or bpf() refused.
bool can_enforce();

// Features of a bundle that this machine's kernel cannot enforce.
std::vector<std::string> degraded_here(const std::string& bundle);
std::string joined(const std::vector<std::string>& names);   // with commas

class TempDir {
 public:
  TempDir();
  ~TempDir();
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// TCP and UDP servers on every local address that echo one byte; a process of its own, outside of every binding.
class Listeners {
 public:
  Listeners();
  ~Listeners();
  int tcp_allowed = 0, udp_allowed = 0, tcp_refused = 0, udp_refused = 0, tcp_fact = 0;

 private:
  std::vector<int> fds_;
  pid_t server_ = -1;
};

// Compiles with the real pipeline into `directory`. Empty, or the diagnostics.
std::string compile(const std::string& policies, const std::string& schema, const std::string& entities, const std::string& directory);

// The policies of most cases: ports of `listeners` are permitted, 127.0.0.2 is forbidden, tcp_fact needs a fact.
std::string compile_sample(const Listeners& listeners, const std::string& directory);
std::string compile_with_sample_schema(const std::string& policies, const std::string& directory);
extern const char* const kAgent;

struct RunRequest {
  std::string bundle = {}, principal = kAgent;
  std::vector<std::string> facts = {};    // NAME=VALUE
  std::vector<std::string> calls = {};    // made by the command
  bool log_allows = false, accept_degraded = true;
  std::string before = {};                // what spoils the surroundings first: see main.cpp
  std::vector<std::string> command = {};  // instead of calls
};

struct RunResult {
  int status = -1;
  std::vector<int> errors;              // of each call
  std::vector<Json> events;
  std::string output;                   // stderr
};

// A `kerf run` that is under way.
class Running {
 public:
  Running(const RunRequest& request, const TempDir& dir);
  ~Running();
  pid_t pid() const { return pid_; }
  RunResult finish();                   // waits, at most 60 s

 private:
  const TempDir& dir_;
  pid_t pid_ = -1;
};

RunResult run_kerf(const RunRequest& request);
std::vector<int> perform_here(const std::vector<std::string>& calls);
std::string cgroup_mount();
bool wait_until_exists(const std::string& path);

}  // namespace kerf::test
