// The node side: check a bundle, load it, bind a principal to a cgroup, run a command in it, read events, clean up.
// No ANTLR, no LLVM, no reference evaluator: bind predicates go through runtime/gateway.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "ir/values/entities.h"

namespace kerf::loader {

struct RunOptions {
  std::string bundle_dir;
  std::string principal;                              // `Agent::"a1"`
  std::vector<std::pair<std::string, std::string>> facts;  // NAME, VALUE (a Cedar literal: 3, true, "x")
  std::string events_file;                            // JSON lines; "-" is stderr; empty: none
  bool log_allows = false;
  std::vector<std::string> allow_degraded;
  std::vector<std::string> command;
};

// A failure of kerf itself, with what to do about it.
struct Failure {
  std::string code;      // "K7xxx", from the catalogue
  std::string message;
  std::vector<std::string> help;
};
template <class T>
using LoaderResult = Result<T, Failure>;

// The command's own status; 128+n if a signal ended it. On Failure the caller exits 125.
LoaderResult<int> run(const RunOptions& options);

struct BindingStatus {
  std::string name;        // run id
  std::string bundle_dir, bundle_digest, principal, cgroup, mode;
  bool alive = false;      // a task is in the cgroup
  std::vector<std::string> programs, degraded;
  std::map<std::string, std::string> facts;
  std::uint64_t decisions = 0, denials = 0, events_lost = 0, guards = 0;
  struct PolicyHits { std::string id; std::uint64_t hits, last_ns; };
  std::vector<PolicyHits> hits;
};
LoaderResult<std::vector<BindingStatus>> status();
// `binding`: a run id; empty if there is exactly one. `ttl_ms` 0: no deadline.
LoaderResult<Unit> set_fact(const std::string& binding, const std::string& name, const std::string& value,
                            std::uint64_t ttl_ms);
LoaderResult<Unit> clear_fact(const std::string& binding, const std::string& name);
// Removes pins, cgroups and state of bindings whose cgroup has no task left. Returns what was removed.
LoaderResult<std::vector<std::string>> gc();

}  // namespace kerf::loader
