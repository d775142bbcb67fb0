// Constant folding in one environment: what the request's types alone decide, and for the kernel also what the entity
// snapshot decides. Every value comes from the reference evaluator.
#pragma once
#include <functional>
#include <optional>
#include <vector>

#include "ir/eval.h"
#include "ir/module.h"

namespace kerf {

// request_types: `action`, `is`, entity types; nothing about entities. For tables, whose entities come later.
// kernel: also literal entities' data in the snapshot, and what always holds at a hook of a governed action.
enum class FoldWith { request_types, kernel };

struct Folded {
  std::vector<std::optional<EvalResult>> values;   // by node

  const Value* value(NodeId id) const;             // nullptr: not known, or an error
  std::optional<Outcome> outcome(NodeId id) const; // as a condition; nothing: not known
  bool known(NodeId id) const { return values[id.index].has_value(); }
};

Folded fold(const Module& module, const Body& body, const RequestEnv& env, FoldWith with);

// Adds one node like `from[node]` with other operands.
NodeId add_like_node(Body& to, const Body& from, NodeId node, std::vector<NodeId> args);

// The tree below `root` as a body of its own, known values as literals. `replace` may put something else in place of
// a node that is not known; nothing: the node is kept.
using Replace = std::function<std::optional<NodeId>(NodeId node, Body& to)>;
Body rewrite(const Body& body, NodeId root, const Folded& folded, const Replace& replace);

// The operands of a chain of `op` (&& or ||), left to right, however it is nested. `keep_whole(node)`: an operand that
// is a chain itself stays one operand.
std::vector<NodeId> chain_operands(const Body& body, NodeId root, const std::function<bool(NodeId)>& keep_whole);

}  // namespace kerf
