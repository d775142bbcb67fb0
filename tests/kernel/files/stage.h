// A bundle in force, and two actors on it: one bound, under `kerf run`, and one that is free. The one decision: what
// the bound actor is refused, the free one must be able to do, with no event; so no case passes because its call was
// wrong to begin with.
#pragma once
#include <sys/types.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ir/values/json.h"

namespace kerf::test {

// How a sequence of steps ended: see actor.cpp.
struct Outcome {
  int step = 0, error = 0;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};
std::string to_text(const Outcome& outcome);

// An actor that waits for steps on a pipe.
class Actor {
 public:
  // `command` starts it, directly or through others.
  Actor(const std::vector<std::string>& command, const std::string& errors_file);
  // `start` becomes the actor, or ends the process.
  Actor(const std::function<void()>& start, const std::string& errors_file);
  ~Actor();
  Actor(const Actor&) = delete;
  Outcome perform(const std::string& steps) { return ask(steps) ? answer() : Outcome{-1, EPIPE}; }
  bool ask(const std::string& steps);            // and go on
  Outcome answer();
  bool ready() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }             // of the actor itself
  pid_t started() const { return started_; }     // of what was started: kerf
  void finish();                                 // closes the pipe and waits
  std::string errors() const;                    // what it wrote to standard error

 private:
  bool read_line(std::string& line);
  pid_t started_ = -1, pid_ = -1;
  int to_ = -1;
  FILE* from_ = nullptr;
  std::string errors_file_;
};

// One expected event; a guard that is about no file has the guard's name as its reason: {"guard", "", "mount"}.
struct Told {
  std::string event, path, reason;
  friend bool operator==(const Told&, const Told&) = default;
};
std::string to_text(const std::vector<Told>& told);

// What a bundle governs: which refusal is asked for to cut the stream of events.
enum class Governed { files, net };

class Stage {
 public:
  explicit Stage(const std::string& bundle_directory, const std::string& principal = "Agent::\"a\"", Governed governed = Governed::files, const std::string& accepted = "");
  Actor& bound() { return *bound_; }
  Actor& free() { return *free_; }
  // Events since the last call; everything that the bound actor did before is among them.
  std::vector<Json> events();
  std::string status() const { return status_; }   // empty, or why it did not start

 private:
  Governed governed_;
  std::string status_, events_file_;
  std::unique_ptr<Actor> bound_, free_;
  std::size_t read_ = 0;
};

// The stage of a bundle of /guest/bundles, started once; fails the test case if it does not start. `accepted`: what may be degraded.
Stage& stage(const std::string& bundle, Governed governed = Governed::files, const std::string& accepted = "");

// One way to try something: `setup` makes the surroundings new each time.
class Scene {
 public:
  Scene(Stage& stage, std::function<void()> setup);
  // The last step is refused with `error`; nothing of /zone changes; exactly these denials are told.
  void refuses(const std::string& steps, int error, const std::vector<Told>& told);
  // The same where earlier steps may change something.
  void refuses_after(const std::string& steps, int error, const std::vector<Told>& told);
  // A program runs and ends with `status`, because of these denials.
  void ends(const std::string& steps, int status, const std::vector<Told>& told);
  void ends_after(const std::string& steps, int status, const std::vector<Told>& told);
  void allows(const std::string& steps);
  // All events, allowed ones too.
  void tells(const std::string& steps, const std::vector<Told>& told);

 private:
  void run_free(const std::string& steps);
  void refused(const std::string& steps, Outcome expected, const std::vector<Told>& told, bool unchanged);
  Stage& stage_;
  std::function<void()> setup_;
};

// A command of kerf's, run to its end: its status, and all that it wrote.
struct Ran {
  int status = -1;
  std::string output;
};
Ran run_kerf(const std::vector<std::string>& arguments);
std::string cgroup_of(pid_t pid);                              // as a path; empty without cgroup2
bool move_to(const std::string& cgroup, pid_t pid);

// The surroundings. /zone is a tmpfs, /mnt/NAME are file systems of other kinds; both are there before anything is bound.
void make_world();
void clean_zone();                                             // empties every zone, and makes the known ones
void put(const std::string& path, const std::string& text = "text", unsigned mode = 0644);
void put_directory(const std::string& path);
void put_copy(const std::string& from, const std::string& to, unsigned mode = 0755);
void put_symlink(const std::string& target, const std::string& path);
void put_link(const std::string& old_path, const std::string& path);
std::string snapshot(const std::string& root);                // names, kinds, modes, owners, links, contents

}  // namespace kerf::test
