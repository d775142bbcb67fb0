// Bodies: append-only stores of nodes, operands before users. Walks over trees use the order of the store instead of
// recursion, so a chain of any length is safe.
#include "ir/body.h"

#include <algorithm>
#include <bit>
#include <map>
#include <set>

#include "ir/base/check.h"

namespace kerf {

const std::vector<OpRow>& op_rows() {
  static const std::vector<OpRow> rows = {
#define OP(name, text, arity, result, fallible, kernel) \
  {Op::name, #name, text, arity, OpResult::result, fallible, KernelSupport::kernel},
#include "ir/ops.def"
#undef OP
  };
  return rows;
}

const OpRow& op_row(Op op) { return op_rows().at(static_cast<std::size_t>(op)); }

Payload payload_of(Op op) {
  switch (op) {
    case Op::literal: return Payload::literal;
    case Op::variable: return Payload::variable;
    case Op::like: return Payload::pattern;
    case Op::record: return Payload::names;
    case Op::has_attr:
    case Op::get_attr:
    case Op::is:
    case Op::call: return Payload::name;
    case Op::and_:
    case Op::or_:
    case Op::not_:
    case Op::if_:
    case Op::eq:
    case Op::less:
    case Op::less_eq:
    case Op::add:
    case Op::sub:
    case Op::mul:
    case Op::neg:
    case Op::in:
    case Op::has_tag:
    case Op::get_tag:
    case Op::contains:
    case Op::contains_all:
    case Op::contains_any:
    case Op::is_empty:
    case Op::set: return Payload::none;
  }
  internal_error("unknown operator");
}

std::string_view to_text(Var var) {
  switch (var) {
    case Var::principal: return "principal";
    case Var::action: return "action";
    case Var::resource: return "resource";
    case Var::context: return "context";
  }
  internal_error("unknown variable");
}

std::span<const NodeId> Body::args(NodeId id) const {
  const Node& node = (*this)[id];
  return std::span(args_).subspan(node.first_arg, node.arg_count);
}

bool Body::has_args(NodeId id) const {
  const Node& node = (*this)[id];
  return std::uint64_t{node.first_arg} + node.arg_count <= args_.size();
}

bool Body::has_payload(NodeId id) const {
  const Node& node = (*this)[id];
  switch (payload_of(node.op)) {
    case Payload::literal: return node.payload < literals_.size();
    case Payload::variable: return node.payload <= static_cast<std::uint32_t>(Var::context);
    case Payload::pattern: return node.payload < patterns_.size();
    case Payload::name: return node.payload < names_.size();
    case Payload::names: return std::uint64_t{node.payload} + node.arg_count <= names_.size();
    case Payload::none: return true;
  }
  internal_error("unknown operator");
}

NodeId Body::push(Node node, Args args) {
  int arity = op_row(node.op).arity;
  check(arity < 0 || args.size() == static_cast<std::size_t>(arity), "a node has its operator's number of operands");
  for (NodeId arg : args) check(arg.index < nodes_.size(), "operands precede their user");
  node.first_arg = static_cast<std::uint32_t>(args_.size());
  node.arg_count = static_cast<std::uint32_t>(args.size());
  args_.insert(args_.end(), args.begin(), args.end());
  nodes_.push_back(node);
  return NodeId(nodes_.size() - 1);
}

NodeId Body::add_literal(Value value, Span span) {
  literals_.push_back(std::move(value));
  return push({Op::literal, 0, 0, static_cast<std::uint32_t>(literals_.size() - 1), span}, {});
}

NodeId Body::add_variable(Var var, Span span) {
  return push({Op::variable, 0, 0, static_cast<std::uint32_t>(var), span}, {});
}

NodeId Body::add(Op op, Args args, Span span) { return push({op, 0, 0, 0, span}, args); }

NodeId Body::add_named(Op op, std::string name, Args args, Span span) {
  names_.push_back(std::move(name));
  return push({op, 0, 0, static_cast<std::uint32_t>(names_.size() - 1), span}, args);
}

NodeId Body::add_like(NodeId object, Pattern pattern, Span span) {
  patterns_.push_back(std::move(pattern));
  return push({Op::like, 0, 0, static_cast<std::uint32_t>(patterns_.size() - 1), span}, Args(&object, 1));
}

NodeId Body::add_record(std::vector<std::string> fields, const std::vector<NodeId>& values, Span span) {
  check(fields.size() == values.size(), "a record has one value a field");
  auto first = static_cast<std::uint32_t>(names_.size());
  names_.insert(names_.end(), std::make_move_iterator(fields.begin()), std::make_move_iterator(fields.end()));
  return push({Op::record, 0, 0, first, span}, values);
}

NodeId Body::copy(const Body& from, NodeId id) {
  std::map<NodeId, NodeId> copied;
  for (NodeId old : subtree(from, id)) {
    const Node node = from[old];
    std::vector<NodeId> args;
    for (NodeId arg : from.args(old)) args.push_back(copied.at(arg));
    NodeId made;
    switch (payload_of(node.op)) {
      case Payload::literal: made = add_literal(from.literal(old), node.span); break;
      case Payload::variable: made = add_variable(from.variable(old), node.span); break;
      case Payload::pattern: made = add_like(args[0], from.pattern(old), node.span); break;
      case Payload::name: made = add_named(node.op, from.name(old), args, node.span); break;
      case Payload::names: {
        std::vector<std::string> fields;
        for (std::size_t i = 0; i < args.size(); ++i) fields.push_back(from.field(old, i));
        made = add_record(std::move(fields), args, node.span);
        break;
      }
      case Payload::none: made = add(node.op, args, node.span); break;
    }
    if (from.name_span(old) != node.span) set_name_span(made, from.name_span(old));
    copied.emplace(old, made);
  }
  return copied.at(id);
}

std::vector<NodeId> subtree(const Body& body, NodeId id) {
  std::vector<NodeId> found{id};
  std::set<NodeId> seen{id};
  for (std::size_t i = 0; i < found.size(); ++i) {
    for (NodeId arg : body.args(found[i])) {
      if (seen.insert(arg).second) found.push_back(arg);
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<NodeId> chain(const Body& body, NodeId id, Op op) {
  std::vector<NodeId> operands;
  std::vector<NodeId> stack{id};
  while (!stack.empty()) {
    NodeId at = stack.back();
    stack.pop_back();
    bool inner = body[at].op == op && (op == Op::and_ || op == Op::or_);
    if (!inner) {
      operands.push_back(at);
      continue;
    }
    stack.push_back(body.arg(at, 1));
    stack.push_back(body.arg(at, 0));
  }
  return operands;
}

std::size_t depth(const Body& body, NodeId id) {
  // Of a chain's inner nodes only the operand count and the deepest operand matter; both are carried upwards.
  struct Deep { std::size_t operands = 1, deepest = 0, total = 0; };
  std::map<NodeId, Deep> deep;
  for (NodeId node : subtree(body, id)) {
    Deep& here = deep[node];
    bool connective = body[node].op == Op::and_ || body[node].op == Op::or_;
    if (connective) here.operands = 0;
    for (NodeId arg : body.args(node)) {
      const Deep& below = deep.at(arg);
      bool same_chain = connective && body[arg].op == body[node].op;
      here.operands += connective ? (same_chain ? below.operands : 1) : 0;
      here.deepest = std::max(here.deepest, same_chain ? below.deepest : below.total);
    }
    here.total = here.deepest + (connective ? std::bit_width(here.operands - 1) : 1);
  }
  return deep.at(id).total;
}

namespace {

// What a node says apart from its operands.
bool same_payload(const Body& a, NodeId x, const Body& b, NodeId y) {
  if (a[x].op != b[y].op || a[x].arg_count != b[y].arg_count) return false;
  switch (payload_of(a[x].op)) {
    case Payload::literal: return a.literal(x) == b.literal(y);
    case Payload::variable: return a.variable(x) == b.variable(y);
    case Payload::pattern: return a.pattern(x) == b.pattern(y);
    case Payload::name: return a.name(x) == b.name(y);
    case Payload::names:
      for (std::size_t i = 0; i < a[x].arg_count; ++i) {
        if (a.field(x, i) != b.field(y, i)) return false;
      }
      return true;
    case Payload::none: return true;
  }
  internal_error("unknown operator");
}

// FNV-1a over bytes: the same on every machine.
struct Hash {
  std::uint64_t state = 0xcbf29ce484222325u;
  void bytes(std::string_view text) {
    for (char c : text) state = (state ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    state = (state ^ 0xff) * 0x100000001b3u;
  }
  void number(std::uint64_t n) {
    for (int i = 0; i < 8; ++i) state = (state ^ (n >> (8 * i) & 0xff)) * 0x100000001b3u;
  }
};

void hash_payload(Hash& hash, const Body& body, NodeId id) {
  switch (payload_of(body[id].op)) {
    case Payload::literal: return hash.bytes(to_text(body.literal(id)));
    case Payload::variable: return hash.number(static_cast<std::uint64_t>(body.variable(id)));
    case Payload::pattern: return hash.bytes(to_text(body.pattern(id)));
    case Payload::name: return hash.bytes(body.name(id));
    case Payload::names:
      for (std::size_t i = 0; i < body[id].arg_count; ++i) hash.bytes(body.field(id, i));
      return;
    case Payload::none: return;
  }
}

}  // namespace

bool same_tree(const Body& a, NodeId x, const Body& b, NodeId y) {
  std::vector<std::pair<NodeId, NodeId>> open{{x, y}};
  std::set<std::pair<NodeId, NodeId>> seen;
  while (!open.empty()) {
    auto [left, right] = open.back();
    open.pop_back();
    if (&a == &b && left == right) continue;
    if (!seen.insert({left, right}).second) continue;
    if (!same_payload(a, left, b, right)) return false;
    for (std::size_t i = 0; i < a[left].arg_count; ++i) open.push_back({a.arg(left, i), b.arg(right, i)});
  }
  return true;
}

std::uint64_t tree_hash(const Body& body, NodeId id) {
  std::map<NodeId, std::uint64_t> hashes;
  for (NodeId node : subtree(body, id)) {
    Hash hash;
    hash.number(static_cast<std::uint64_t>(body[node].op));
    hash_payload(hash, body, node);
    for (NodeId arg : body.args(node)) hash.number(hashes.at(arg));
    hashes.emplace(node, hash.state);
  }
  return hashes.at(id);
}

}  // namespace kerf
