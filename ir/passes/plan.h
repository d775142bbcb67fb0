// What the kernel has to know, independent of how it is laid out: for each governed environment a set of rows. A row
// is one way in which one policy is satisfied or errs. Rows of one policy exclude each other. At a hook
//   policy p is satisfied  iff  some row of p with result true_ holds
//   policy p errs          iff  some row of p with result error holds
// and a row holds iff all its parts hold: address, port, endpoint, path, bind, publish, code. Absent parts always hold.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ir/approximation.h"
#include "ir/module.h"
#include "ir/passes/formula.h"
#include "ir/passes/stage.h"
#include "ir/values/json.h"

namespace kerf {

using Address = std::array<std::uint8_t, 16>;   // network order; IPv4 in the first four bytes, rest zero

// Sorted, disjoint, inclusive ranges. IPv4 and IPv6 are separate spaces (mapped IPv6 never occurs: it is IPv4).
struct AddressRange { Address first, last; friend auto operator<=>(const AddressRange&, const AddressRange&) = default; };
struct AddressSet {
  std::vector<AddressRange> v4, v6;
  friend auto operator<=>(const AddressSet&, const AddressSet&) = default;
};

struct PortRange { std::uint16_t first, last; friend auto operator<=>(const PortRange&, const PortRange&) = default; };
using PortSet = std::vector<PortRange>;         // sorted, disjoint, inclusive

struct EndpointKey {
  bool v6 = false;
  Address address{};
  std::uint16_t port = 0;
  friend auto operator<=>(const EndpointKey&, const EndpointKey&) = default;
};
// Endpoints by identity: these, and whether all the others too.
struct EndpointSet {
  std::vector<EndpointKey> listed;              // sorted: those for which the row differs from `others`
  bool others = false;                          // the row holds for every endpoint that is not listed
  bool holds(const EndpointKey& key) const;     // listed XOR others
  friend auto operator<=>(const EndpointSet&, const EndpointSet&) = default;
};

// A question about a canonical path alone; the answer is true or false, never an error. Either a set of files, given one
// by one or by the trees that they are in, or one `like` pattern with a wildcard; never both. A set names nothing that a
// tree of it contains already.
struct PathTest {
  std::vector<std::string> files;          // sorted: the path is one of these
  std::vector<std::string> trees;          // sorted canonical directories: the path is properly below one of these
  std::optional<Pattern> pattern;          // the path matches
  bool holds(std::string_view path) const;
  friend auto operator<=>(const PathTest&, const PathTest&) = default;
};

// A Bool expression that userspace evaluates with all of Cedar when a binding is made, a fact is set, or an address is
// learned for a name. Of `resource` a learn predicate sees its hosts alone: nothing that is stored.
struct Predicate {
  PolicyId policy;
  NodeId node;          // in KernelEnv::body of that policy
  Stage stage;          // bind, publish or learn
};

// What hooks compute with as 64-bit numbers: Long, and as milliseconds datetime and duration.
inline bool is_number(TypeKind kind) { return kind == TypeKind::long_ || kind == TypeKind::datetime || kind == TypeKind::duration; }
// What a value slot can hold.
inline bool fits_slot(TypeKind kind) { return is_number(kind) || kind == TypeKind::boolean || kind == TypeKind::ip; }

// A value that userspace computes and hook code compares with, or an error.
struct ValueSlot {
  PolicyId policy;
  NodeId node;
  Stage stage;          // bind or publish
  TypeKind type;        // fits_slot
};

// A Bool expression that needs instructions at the hook: observables, literals and value slots under operators that an
// instruction can do. `resource.a` of an observable that is absent is an error, `resource has a` tells. File system types
// meet `==` and `contains` only, with constants of 1 to kMaxFsTypeBytes bytes or the empty text, none of them 0.
struct CodePredicate {
  PolicyId policy;
  NodeId node;
  std::map<NodeId, std::uint32_t> slots;  // subtrees that are value slots
  // Other maximal subtrees known at compile time: numbers (is_number), Bool, String, sets of numbers or String. A comparison of a file
  // system type that can never hold is the constant false itself.
  std::map<NodeId, Value> constants;
};

struct KernelRow {
  PolicyId policy;
  Outcome result;                          // true_ or error
  std::optional<AddressSet> address;
  std::optional<PortSet> port;
  std::optional<EndpointSet> endpoint;
  std::vector<Requirement> path;           // over KernelEnv::paths; outcomes true_ or false_
  std::vector<Requirement> bind;           // over KernelEnv::predicates (stage bind or publish alike)
  std::vector<Requirement> code;           // over KernelEnv::code
};

// A condition that the kernel cannot know: any outcome is possible, an error too unless `can_error` is false.
struct Unknown {
  NodeId node;          // in the body that was planned
  std::string text;     // the condition as Cedar
  Span span;            // of the narrowest part that is the obstacle
  Code code;            // why: the error that it would be without an approximation
  std::string why;      // … and that error's message
  bool can_error;
};

// A policy that the kernel does not decide exactly. Its rows hold where the policy must hold, or where it may hold
// (holds_if_possible), whatever the unknowns are; its error rows where nothing but an error is possible.
struct ApproximatedPolicy {
  PolicyId policy;
  Approximation kind;
  std::vector<Unknown> unknowns;   // in the order in which they were met
};

struct KernelEnv {
  // The policy's body that nodes of this plan are of: rewritten by cases (cases.h) where that was needed.
  const Body& body(const Module& module, PolicyId policy) const;
  std::size_t environment;                 // index into Module::environments
  KernelEventId event;
  KernelKind resource;                     // of the environment: endpoint, file or directory
  std::string refusal_errno;               // "ECONNREFUSED"
  std::vector<PathTest> paths;             // each once
  std::vector<Predicate> predicates;
  std::vector<ValueSlot> slots;
  std::vector<CodePredicate> code;
  std::vector<KernelRow> rows;             // by policy, then order of discovery
  std::vector<ApproximatedPolicy> approximated = {};   // by policy; all of one kind, also over environments of an action
  const ApproximatedPolicy* approximation(PolicyId policy) const;
  std::map<PolicyId, std::shared_ptr<const Body>> rewritten = {};
};

struct KernelPlan {
  std::vector<KernelEnv> envs;             // by environment, then event
};

inline constexpr std::size_t kMaxRowsPerPolicy = 4096;
inline constexpr std::size_t kMaxRowsPerEnv = 65536;
inline constexpr std::size_t kMaxValueSlots = 16;   // per environment; KERF_VALUE_SLOTS
inline constexpr std::size_t kMaxCommBytes = 15;    // KERF_COMM_BYTES less a final 0
inline constexpr std::size_t kMaxFsTypeBytes = 31;  // KERF_FS_TYPE_BYTES less a final 0

struct PlanOptions {
  std::optional<Approximation> residual = {};   // of policies without `@residual`
};

// Policies that the kernel cannot enforce exactly are K5xxx errors, unless they ask for an approximation; the plan is
// then unusable.
KernelPlan plan_kernel(const Module& module, Diagnostics& diagnostics, const PlanOptions& options = {});

// The expression of a predicate or a value slot as userspace evaluates it, in the form of ir/expr_json.h: what the
// environment or the snapshot decides is replaced by its value, so only `principal` and facts of `context` remain.
// Use this, not the policy's node itself, wherever the expression is written down.
Json userspace_expr(const Module& module, const KernelEnv& env, PolicyId policy, NodeId node);

std::string print_plan(const Module& module, const KernelPlan& plan);

}  // namespace kerf
