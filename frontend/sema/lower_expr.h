// Expressions of syntax -> nodes of a policy's body.
#pragma once
#include <algorithm>
#include <vector>

#include "frontend/ast/policy.h"
#include "frontend/sema/policies.h"
#include "ir/base/diagnostic.h"
#include "ir/body.h"

namespace kerf {

// Visitors by lambdas, one for each alternative.
template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

inline EntityUid uid_of(const ast::EntityRef& ref) { return {ref.type.text, ref.id}; }

// Adds nodes to one body and keeps their depth; refuses what passes the limits.
class BodyBuilder {
 public:
  static constexpr std::size_t kLongChain = 32;   // operands; a chain of more becomes a balanced tree

  BodyBuilder(Body& body, Diagnostics& diagnostics) : body_(body), diagnostics_(diagnostics) {}

  bool failed() const { return failed_; }
  Body& body() { return body_; }

  NodeId leaf(NodeId id) { return note(id); }
  NodeId add(Op op, Body::ArgList args, Span span, Span name) { return named(note(body_.add(op, args, span)), name); }
  NodeId add(Op op, Body::Args args, Span span, Span name) { return named(note(body_.add(op, args, span)), name); }
  NodeId add_named(Op op, std::string text, Body::Args args, Span span, Span name) {
    return named(note(body_.add_named(op, std::move(text), args, span)), name);
  }
  NodeId add_literal(const ast::EntityRef& ref) {
    return named(leaf(body_.add_literal(Value(uid_of(ref)), ref.span)), ref.type.span);
  }
  NodeId add_like(NodeId object, Pattern pattern, Span span, Span name) {
    return named(note(body_.add_like(object, std::move(pattern), span)), name);
  }
  NodeId add_record(std::vector<std::string> fields, const std::vector<NodeId>& values, Span span) {
    return note(body_.add_record(std::move(fields), values, span));
  }

  // The operands joined by `&&` or `||`, in order: nested to the right when there are few, else balanced.
  NodeId join(Op op, const std::vector<NodeId>& operands, std::size_t first, std::size_t last) {
    if (last - first == 1) return operands[first];
    std::size_t middle = last - first <= kLongChain ? first + 1 : first + (last - first) / 2;
    NodeId left = join(op, operands, first, middle);
    NodeId right = join(op, operands, middle, last);
    return add(op, {left, right}, cover(left, right), {});
  }

 private:
  Span cover(NodeId left, NodeId right) const {
    Span span = body_[left].span;
    if (span.source == body_[right].span.source) span.end = std::max(span.end, body_[right].span.end);
    return span;
  }
  NodeId named(NodeId id, Span name) {
    if (name.valid()) body_.set_name_span(id, name);
    return id;
  }
  NodeId note(NodeId id) {
    std::size_t depth = 1;
    for (NodeId arg : body_.args(id)) depth = std::max(depth, depth_.at(arg.index) + 1);
    depth_.resize(id.index + 1, 1);
    depth_[id.index] = depth;
    if (!failed_ && depth > kMaxExprDepth) {
      diagnostics_.report(Code::K8001, body_[id].span, kMaxExprDepth);
      failed_ = true;
    }
    if (!failed_ && body_.size() > kMaxPolicyNodes) {
      diagnostics_.report(Code::K8020, body_[id].span, kMaxPolicyNodes);
      failed_ = true;
    }
    return id;
  }

  Body& body_;
  Diagnostics& diagnostics_;
  std::vector<std::size_t> depth_;
  bool failed_ = false;
};

// Desugared as in Cedar's own syntax tree. When something is past a limit, `out` has failed and what is returned is of no use.
NodeId lower_expr(const ast::PolicyFile& file, ast::ExprId root, BodyBuilder& out);

}  // namespace kerf
