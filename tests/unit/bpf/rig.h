// A hand-made program, its object in this machine's kernel, and a straightforward reading of the rows to compare with.
#pragma once
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "backends/bpf/bpf.h"
#include "runtime/abi/policy_abi.h"

namespace kerf::test {

// One governed action and one environment: Agent, Action::"connect", Destination.
struct Program {
  Module module;
  KernelPlan plan;
};
Program make_program();
// Agent, Action::"read", FilePath and Directory: an environment of files, then one of directories, of file.read.
Program make_file_program();
KernelEnv& env_of(Program& program);
PolicyId add_policy(Program& program, Effect effect);
KernelRow& add_row(Program& program, Effect effect, Outcome result = Outcome::true_);
KernelRow& add_row(Program& program, std::size_t env, Effect effect, Outcome result = Outcome::true_);
NodeId context_attr(Body& body, const std::string& name);
NodeId principal_attr(Body& body, const std::string& name);
NodeId resource_attr(Body& body, const std::string& name);
NodeId number(Body& body, std::int64_t value);

Address address4(std::uint32_t value);
Address address6(std::uint64_t high, std::uint64_t low);
AddressRange prefix4(std::uint32_t value, unsigned bits);
AddressRange prefix6(std::uint64_t high, std::uint64_t low, unsigned bits);
EndpointKey endpoint4(std::uint32_t value, std::uint16_t port);

std::array<std::uint8_t, 16> digest();
Result<BpfObject> emit(const Program& program);

// What a binding says: outcomes of the predicates and values of the slots, by segment.
struct Segment {
  std::uint64_t until_ns = ~std::uint64_t{0};
  std::vector<Outcome> predicates;
  std::vector<kerf_value> slots;
};
struct Binding {
  std::size_t env = 0;                 // index into the plan
  std::optional<std::size_t> directory_env;   // of the same event
  std::uint64_t generation = 7;
  std::uint32_t mode = KERF_MODE_ENFORCE;
  bool applicable = true;
  std::vector<Segment> segments{1};
  std::vector<Segment> directory_segments{1};
};
std::string binding_record(const Program& program, const BpfLayout& layout, const Binding& binding);

// Is bpf() there for us? Prints why not.
bool kernel_takes_bpf();

struct CloseObject { void operator()(bpf_object* object) const { bpf_object__close(object); } };

class Loaded {
 public:
  // Loads all programs; the verifier's statistics are kept in `log`.
  static Result<std::unique_ptr<Loaded>> load(const Program& program, BpfObject object, bool hooks = true);

  void set_generation(std::uint64_t generation);
  int bind(std::uint32_t id, const Binding& binding);
  // `paths`: of file events, one for each.
  std::vector<kerf_decision> decide(std::uint32_t binding, const std::vector<kerf_seen>& events, const std::vector<std::string>& paths = {});
  double nanoseconds_per_decision(std::uint32_t binding, const std::vector<kerf_seen>& events, const std::vector<std::string>& paths = {});
  int map(const char* name) const { return bpf_object__find_map_fd_by_name(object_.get(), name); }
  bpf_program* program(const char* name) const { return bpf_object__find_program_by_name(object_.get(), name); }
  std::uint64_t hits(std::uint32_t policy) const;
  const BpfLayout& layout() const { return built_.layout; }

  double load_ms = 0;
  std::vector<std::pair<std::string, std::uint32_t>> verified_insns;   // by program

 private:
  const Program* source_ = nullptr;
  BpfObject built_;
  std::unique_ptr<bpf_object, CloseObject> object_;
};

// The meaning of plan.h, row by row. An event names some of the policies, whichever; here are all.
struct Expected {
  std::uint32_t verdict = 0, reason = 0;
  std::vector<std::uint32_t> determining, errors;   // sorted
};
Expected expected(const Program& program, const Binding& binding, const kerf_seen& event, std::size_t segment = 0);
Expected expected_file(const Program& program, const Binding& binding, const kerf_seen& event, std::string_view path);
// Compares and names the first difference; empty if none.
std::string difference(const Expected& expected, const kerf_decision& got);
std::string describe(const kerf_seen& event);
std::string describe(const kerf_seen& event, std::string_view path);

// A reading of a regular file, or directory, of this path with random attributes.
kerf_seen file_event(std::string_view path, std::mt19937_64& random);
std::vector<kerf_seen> file_events(const std::vector<std::string>& paths, std::mt19937_64& random);

// Events on and beside every edge that the rows have, and some anywhere.
std::vector<kerf_seen> interesting_events(const Program& program, std::size_t count, std::mt19937_64& random);

}  // namespace kerf::test
