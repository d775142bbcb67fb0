// The hooks of runtime/kernel, loaded with a decision that tests can foresee (glue.bpf.c) and set up by hand: bindings,
// tags, anchors. A test runs a call in a bound process and looks at its errno and at the events that it raised.
#pragma once
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "runtime/abi/policy_abi.h"

namespace kerf::test {

enum class Variant { all, few };   // events governed: all; read, write and exec

inline constexpr std::uint32_t kBinding = 1;
inline constexpr std::uint32_t kOnlyFiles = 1u << 30;   // in denied(): directories themselves are allowed


class Rig {
 public:
  // The one of this variant, as new: loading takes seconds in an emulated machine.
  static Rig& fresh(Variant variant);
  explicit Rig(Variant variant);
  ~Rig();
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  // Runs `call` in a process of the bound cgroup: "ERRNO" and a line for each event that it raised there.
  std::string inside(const std::function<long()>& call);
  // The same in this process, which is not bound.
  std::string outside(const std::function<long()>& call);
  // `before` is run before the process enters the cgroup.
  std::string entering(const std::function<void()>& before, const std::function<long()>& call);
  // Events since the last call of any of these.
  std::string events();
  // What the last event saw of a file: "FS_TYPE OWNER MODE NLINK".
  const std::string& last_file() const { return last_file_; }

  void deny(std::uint32_t mask);         // these events, below "deny" and on port 7
  void set_mode(std::uint32_t mode);
  void set_binding(bool there);
  void waive(std::uint64_t guards);
  void anchor(const std::string& directory, const std::string& path);
  int map(const char* name) const;
  bpf_object* object() const { return object_; }
  std::size_t tags() const;
  bool no_tags_soon() const;             // the kernel lets go of a task some time after its end
  void remove_tags();
  std::uint64_t live() const;            // tasks that are counted
  void set_live(std::uint64_t count);
  kerf_counters counters() const;
  void run_iterator();
  void attach_cgroup_programs();
  const std::string& cgroup() const { return cgroup_; }

 private:
  void attach();
  void reset();
  std::string describe(const kerf_event_record& record, const char* path) const;
  static int on_event(void* self, void* data, std::size_t size);

  bpf_object* object_ = nullptr;
  std::vector<bpf_link*> links_;
  ring_buffer* ring_ = nullptr;
  std::string cgroup_, seen_, last_file_;
  std::uint32_t anchors_ = 0;
};

}  // namespace kerf::test
