// The body of a policy: nodes in evaluation order, operands before their users. One Body per policy; the scope is part
// of it: `principal && (action && (resource && (c1 && (c2 && …))))`, exactly as Cedar defines a policy's condition.
// `a > b` is `!(a <= b)`, `a >= b` is `!(a < b)`, `a != b` is `!(a == b)`; `x is T in e` is `x is T && x in e`;
// `e has a.b` is `e has a && e.a has b`.
#pragma once
#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ir/base/id.h"
#include "ir/base/source.h"
#include "ir/values/pattern.h"
#include "ir/values/value.h"

namespace kerf {

enum class Op : std::uint8_t {
#define OP(name, text, arity, result, fallible, kernel) name,
#include "ir/ops.def"
#undef OP
};

enum class KernelSupport { code, table, no };
enum class OpResult { any, boolean, long_, set, record };

// What a node holds besides its operands.
enum class Payload { none, literal, variable, name, names, pattern };

struct OpRow {
  Op op;
  std::string_view name, text;
  int arity;
  OpResult result;
  bool fallible;
  KernelSupport kernel;
};
const OpRow& op_row(Op op);
Payload payload_of(Op op);
const std::vector<OpRow>& op_rows();

enum class Var : std::uint8_t { principal, action, resource, context };
std::string_view to_text(Var var);

struct NodeTag;
using NodeId = Id<NodeTag>;

// payload: literal -> index into literals; variable -> Var; has_attr, get_attr, is, call -> index into names;
// like -> index into patterns; record -> index of the first of its field names in `names` (one per operand).
struct Node {
  Op op;
  std::uint32_t first_arg = 0;
  std::uint32_t arg_count = 0;
  std::uint32_t payload = 0;
  Span span;
};

class Body {
 public:
  NodeId root;

  const Node& operator[](NodeId id) const { return nodes_.at(id.index); }
  std::size_t size() const { return nodes_.size(); }
  std::span<const NodeId> args(NodeId id) const;
  NodeId arg(NodeId id, std::size_t i) const { return args(id)[i]; }

  const Value& literal(NodeId id) const { return literals_.at((*this)[id].payload); }
  Var variable(NodeId id) const { return static_cast<Var>((*this)[id].payload); }
  const std::string& name(NodeId id) const { return names_.at((*this)[id].payload); }
  const Pattern& pattern(NodeId id) const { return patterns_.at((*this)[id].payload); }
  const std::string& field(NodeId record, std::size_t i) const { return names_.at((*this)[record].payload + i); }

  // For verify(): are the indices of this node within the stores?
  bool has_args(NodeId id) const;
  bool has_payload(NodeId id) const;

  NodeId add_literal(Value value, Span span);
  NodeId add_variable(Var var, Span span);
  using Args = std::span<const NodeId>;   // not of this body's own store
  using ArgList = std::initializer_list<NodeId>;
  NodeId add(Op op, Args args, Span span);                           // no payload
  NodeId add(Op op, ArgList args, Span span) { return add(op, Args(args.begin(), args.size()), span); }
  NodeId add_named(Op op, std::string name, Args args, Span span);   // has, ., is, call
  NodeId add_named(Op op, std::string name, ArgList args, Span span) {
    return add_named(op, std::move(name), Args(args.begin(), args.size()), span);
  }
  NodeId add_like(NodeId object, Pattern pattern, Span span);
  NodeId add_record(std::vector<std::string> fields, const std::vector<NodeId>& values, Span span);
  // Where the operator, attribute, type or function name of a node is written; its whole span if nothing narrower is
  // known. For messages only: copies and folded nodes need not have one.
  Span name_span(NodeId id) const;
  void set_name_span(NodeId id, Span span) { name_spans_.emplace_back(id, span); }  // once per node, ascending ids
  // Copies the tree below `id` of another body into this one.
  NodeId copy(const Body& from, NodeId id);

 private:
  NodeId push(Node node, Args args);
  std::vector<Node> nodes_;
  std::vector<NodeId> args_;
  std::vector<Value> literals_;
  std::vector<std::string> names_;
  std::vector<Pattern> patterns_;
  std::vector<std::pair<NodeId, Span>> name_spans_;
};

inline Span Body::name_span(NodeId id) const {
  auto at = std::lower_bound(name_spans_.begin(), name_spans_.end(), id,
                             [](const auto& entry, NodeId wanted) { return entry.first < wanted; });
  return at != name_spans_.end() && at->first == id ? at->second : (*this)[id].span;
}

// The nodes of the tree below `id`, `id` included: ascending, so operands come before users.
std::vector<NodeId> subtree(const Body& body, NodeId id);
// The operands of a chain `a && b && …` or `a || b || …` from left to right, however it is nested; one for other nodes.
std::vector<NodeId> chain(const Body& body, NodeId id, Op op);

// How many operators nest below `id`, itself included; a chain of `&&` or `||` counts as the balanced tree of its
// operands. Bodies are at most kMaxExprDepth deep (lowering refuses deeper ones), so passes may recurse over anything
// but such chains.
inline constexpr std::size_t kMaxExprDepth = 1000;
std::size_t depth(const Body& body, NodeId id);

// Structural equality of two trees, spans aside; and a hash that agrees with it.
bool same_tree(const Body& a, NodeId x, const Body& b, NodeId y);
std::uint64_t tree_hash(const Body& body, NodeId id);

// Text form, one node a line (`%3 = && %1 %2`), and as an expression in Cedar syntax.
std::string print_body(const Body& body);
std::string print_expr(const Body& body, NodeId id);

}  // namespace kerf
