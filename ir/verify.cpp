// What every pass may rely on, checked after every pass: a broken module is our mistake, found where it was made.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "ir/base/parallel.h"
#include "ir/module.h"
#include "ir/values/operations.h"

namespace kerf {

namespace {

using Violation = std::optional<std::string>;

// A body's accessors throw nothing and check ranges themselves only by at(); here every index is tested first.
struct Checker {
  const Policy& policy;
  const Body& body = policy.body;

  Violation fail(NodeId id, std::string_view what) const {
    return fmt::format("policy `{}`, node %{}: {}", policy.id, id.index, what);
  }

  Violation node(NodeId id) const {
    const Node& node = body[id];
    if (static_cast<std::size_t>(node.op) >= op_rows().size()) return fail(id, "unknown operator");
    const OpRow& row = op_row(node.op);
    if (!body.has_args(id)) return fail(id, "operands out of range");
    if (row.arity >= 0 && node.arg_count != static_cast<std::uint32_t>(row.arity)) {
      return fail(id, fmt::format("`{}` has {} operands, not {}", row.text, row.arity, node.arg_count));
    }
    for (NodeId arg : body.args(id)) {
      if (arg >= id) return fail(id, "an operand does not precede its user");
    }
    if (!body.has_payload(id)) return fail(id, "payload out of range");
    if (node.op == Op::call && !is_extension_function(body.name(id)) && !is_extension_method(body.name(id))) {
      return fail(id, fmt::format("unknown extension function `{}`", body.name(id)));
    }
    return record(id);
  }

  Violation record(NodeId id) const {
    if (body[id].op != Op::record) return std::nullopt;
    std::vector<std::string> fields;
    for (std::size_t i = 0; i < body[id].arg_count; ++i) fields.push_back(body.field(id, i));
    std::sort(fields.begin(), fields.end());
    if (std::adjacent_find(fields.begin(), fields.end()) != fields.end()) return fail(id, "a field is repeated");
    return std::nullopt;
  }

  Violation root() const {
    if (!body.root.valid() || body.root.index >= body.size()) return fail(body.root, "the root is out of range");
    const Node& node = body[body.root];
    if (node.op == Op::literal && body.literal(body.root).as_bool() == nullptr) {
      return fail(body.root, "the root is a literal that is not a Bool");
    }
    if (body.size() > kMaxExprDepth && depth(body, body.root) > kMaxExprDepth) return fail(body.root, "the body is deeper than its limit");
    OpResult result = op_row(node.op).result;
    bool may_be_boolean = result == OpResult::any || result == OpResult::boolean;
    if (!may_be_boolean || node.op == Op::variable) return fail(body.root, "the root is not boolean-shaped");
    return std::nullopt;
  }

  Violation all() const {
    for (std::size_t i = 0; i < body.size(); ++i) {
      if (auto violation = node(NodeId(i))) return violation;
    }
    return root();
  }
};

}  // namespace

std::optional<std::string> verify(const Module& module, std::size_t jobs) {
  constexpr std::size_t least = 1024;   // policies for a thread of their own
  std::vector<Violation> found(job_count(jobs, module.policies.size(), least));
  run_jobs(found.size(), module.policies.size(), [&](std::size_t job, std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last && !found[job]; ++i) found[job] = Checker{module.policies[i]}.all();
  });
  for (Violation& violation : found) {
    if (violation) return violation;
  }
  std::unordered_set<std::string_view> ids;
  for (const Policy& policy : module.policies) {
    if (!ids.insert(policy.id).second) return fmt::format("two policies have the id `{}`", policy.id);
  }
  for (std::size_t i = 1; i < module.environments.size(); ++i) {
    if (!(module.environments[i - 1] < module.environments[i])) return "the environments are not sorted";
  }
  return std::nullopt;
}

}  // namespace kerf
