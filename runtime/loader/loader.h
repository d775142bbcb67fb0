// The node side: check a bundle, load it, bind principals to cgroups, run a command in one, read events, clean up.
// No ANTLR, no LLVM, no reference evaluator: bind predicates go through runtime/gateway.
#pragma once
#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "ir/values/entities.h"

namespace kerf::loader {

using FactTexts = std::vector<std::pair<std::string, std::string>>;   // NAME, VALUE (a Cedar literal: 3, true, "x")

struct RunOptions {
  std::string bundle_dir = {};
  std::string principal = {};                         // `Agent::"a1"`
  FactTexts facts = {};
  std::string events_file = {};                       // JSON lines; "-" is stderr; empty: none
  std::string mode = "enforce";                       // or audit, quarantine
  bool log_allows = false;
  bool count_hits = true;                             // of each policy; off, only for what it costs
  bool allow_noncanonical = false;
  bool keep_fds = false;                              // descriptors above 2 stay open in the command
  std::vector<std::string> allow_degraded = {};
  std::string user = {};                              // NAME, UID, or either with :GROUP; empty: as kerf itself
  std::vector<std::string> capabilities = {};         // kept by the command: `net_bind_service`, …; empty: none
  bool privileged = false;                            // keeps all capabilities, and no_new_privs is not set
  bool clean_env = false;                             // PATH, HOME, USER, LOGNAME, SHELL made anew; TERM, LANG, LC_*, TZ kept
  std::vector<std::string> env = {};                  // NAME=VALUE, or NAME: the caller's
  std::vector<std::string> command = {};
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

struct LoadOptions {
  std::string bundle_dir = {};
  std::string name = {};            // empty: one is made up
  bool replace = false;             // the bundle takes the place of the one that is loaded under the name
  bool allow_noncanonical = false;  // for --replace: paths are looked at as the bound principals see them
  bool log_allows = false, count_hits = true;
  std::vector<std::string> allow_degraded = {};
};
struct LoadReport {
  std::string name;
  std::uint64_t generation = 1;
  std::vector<std::string> enforced, degraded, waived;   // features
};
LoaderResult<LoadReport> load(const LoadOptions& options);
// Ends enforcement. While bindings exist only with `force`.
LoaderResult<Unit> unload(const std::string& name, bool force);

struct BindOptions {
  std::string name = {};            // of the loaded bundle; empty if there is exactly one
  std::string principal = {};
  pid_t pid = 0;                    // the cgroup of this process, and its view of the file systems
  std::string cgroup = {};          // or this cgroup, and the view of the first task in it, else our own
  std::string mode = "enforce";
  FactTexts facts = {};
  bool allow_noncanonical = false;
};
struct BindReport {
  std::string name;
  std::uint32_t id = 0;
  std::string cgroup;
  std::vector<std::string> anchors;
  std::vector<std::string> notes;   // lines for a person
};
LoaderResult<BindReport> bind(const BindOptions& options);
// Learns the mounts of the first task of the binding's cgroup anew, so that files in file systems that were mounted
// since have names. The paths of the policies are looked up again.
LoaderResult<BindReport> refresh(const std::string& binding, bool allow_noncanonical);
// What refusals do from now on: one change of the binding's record. `binding` as above; the mode before.
LoaderResult<std::string> set_mode(const std::string& binding, const std::string& mode);
// `binding`: NAME/ID, or NAME if it has exactly one.
LoaderResult<Unit> unbind(const std::string& binding);

// One row for each binding; a bundle without bindings has one row with id 0.
struct BindingStatus {
  std::string name;        // of the loaded bundle
  std::uint32_t id = 0;
  bool run = false;
  std::uint64_t generation = 1;
  std::string bundle_dir, bundle_digest, principal, cgroup, mode;
  bool alive = false;      // a task is in the cgroup
  std::vector<std::string> programs, enforced, degraded, waived, anchors;
  std::map<std::string, std::string> facts;
  std::map<std::string, std::string> names;   // by address
  // of the whole bundle
  std::uint64_t decisions = 0, denials = 0, events_lost = 0, guards = 0, no_slot = 0, tags_lost = 0;
  std::uint64_t map_bytes = 0, program_bytes = 0;   // of the kernel's memory, as the kernel counts it
  bool count_hits = true;
  struct PolicyHits {
    std::string id;
    std::uint64_t hits, last_ns;   // boot time
    std::string last;              // the same as wall time; empty: never
  };
  std::vector<PolicyHits> hits;
};
LoaderResult<std::vector<BindingStatus>> status();
// `binding`: NAME/ID, or NAME if it has exactly one; empty if there is exactly one. `ttl_ms` 0: no deadline.
LoaderResult<Unit> set_fact(const std::string& binding, const std::string& name, const std::string& value,
                            std::uint64_t ttl_ms);
LoaderResult<Unit> clear_fact(const std::string& binding, const std::string& name);
// The addresses have this name for the binding, beside others; `ttl_ms` as above.
LoaderResult<Unit> learn(const std::string& binding, const std::string& name, const std::vector<std::string>& addresses, std::uint64_t ttl_ms);
// They have it no more; no address: none has.
LoaderResult<Unit> forget(const std::string& binding, const std::string& name, const std::vector<std::string>& addresses);
// Writes the events of a loaded bundle as JSON lines until a signal comes, over replacements. `file` as in RunOptions.
LoaderResult<Unit> follow_events(const std::string& name, const std::string& file);
// Removes what is dead: bindings whose cgroup is gone, interrupted binds and replacements, and the pins, cgroups and
// state of `kerf run` whose cgroup has no task left. Returns what was removed.
LoaderResult<std::vector<std::string>> gc();

}  // namespace kerf::loader
